"""The physical half of a purge: every store of a home lets go of what the journal has removed, and is asked again.

It can be cut off at any point: the job stays open in the journal and is finished when the home is opened next. What
could not be freed comes back as sentences for the receipt.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentmem.journal.purge import PurgeJob
from agentmem.records import RECORDS_WITHOUT_TEXT, Query, Record
from agentmem.residue import find_residue

if TYPE_CHECKING:
    from agentmem.home import Home


def erase(home: Home, job: PurgeJob, doomed: Sequence[Record]) -> list[str]:
    """Free what a purge removed, in every store of the home; returns what remains, in words."""
    notes: list[str] = []
    carriers = [version for _, version in home.journal.feed.carriers(job.record_ids)]
    home.views.catch_up()
    if (home.folder / "vectors").exists():
        home.kept_vectors().purge([*job.version_ids, *carriers])
    for folder in (home.folder / "vectors").glob("*"):
        if folder.name != home.kept_vectors().folder.name:
            shutil.rmtree(folder)  # of an embedder used before; its vectors are computed again when it comes back
    for view in home.views.usable():
        try:
            view.erase()
        except Exception as error:  # the core's call into a plugin: one that cannot erase must not keep the others
            remedy = f"run 'agentmem reindex {view.name}'"
            notes.append(f"'{view.name}' could not erase its files ({type(error).__name__}: {error}); {remedy}")
    for folder in (home.folder / "memories").glob("*"):
        if folder.is_dir() and folder.name not in home.views.names():
            shutil.rmtree(folder)  # a memory that is switched off builds its index again when it is needed
    home.journal.blobs.remove(job.blobs)
    for eraser in home.erasers:
        notes += eraser(job)
    if not home.journal.shrink():
        notes.append("another reader kept the old pages of the journal open; run 'agentmem doctor' when it is closed")
    notes += _confirm(home, job, doomed)
    home.journal.close_job(job.id)
    return notes


def _confirm(home: Home, job: PurgeJob, doomed: Sequence[Record]) -> list[str]:
    """Ask every memory again and search every file of the home."""
    notes: list[str] = []
    gone = set(job.record_ids)
    for record in doomed:
        if not record.body.strip():
            continue
        query = Query(text=record.body[:2000], k=20)
        for recall in home.recall(query):
            if any(hit.record_id in gone for hit in recall.hits):
                notes.append(f"memory '{recall.memory}' still recalls record {record.id[:12]}; rebuild it")
    texts = [record.body for record in doomed if record.kind not in RECORDS_WITHOUT_TEXT]
    residue = find_residue(home.folder, texts, home.journal)
    notes += [item.sentence for item in residue]
    notes.append("copies outside this home (exports, backups, a model provider's logs) are out of reach")
    return notes
