"""What a second ingestion does: only what changed is read into new records, and nothing is lost by accident."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ingest_files import Shelf, words

from agentmem.ingest import Outcome, Splitter, known_files, plan

PAGE = """# Harbour guide

Ships of the northern line arrive at noon.

## Opening hours

The harbour office opens at nine and closes at five.

## Fees

A berth costs twelve crowns a night.
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "guide.md").write_text(PAGE)
    (folder / "deep" / "notes.txt").write_text("The lighthouse keeper is called Orla.\n")
    (folder / "list.csv").write_text("name,city\nAda,London\nBo,Osterby\n")
    return folder


def test_a_second_run_over_unchanged_files_does_nothing(docs: Path) -> None:
    shelf = Shelf()
    first = shelf.ingest(docs)
    assert first.files[Outcome.NEW] == 3
    assert shelf.uris == ["docs/deep/notes.txt", "docs/guide.md", "docs/list.csv"]
    os.utime(docs / "guide.md")
    second = shelf.ingest(docs)
    assert shelf.embedded == []
    assert second.files == {Outcome.UNCHANGED: 3}


def test_only_the_changed_chunk_of_a_changed_file_is_new_and_the_others_keep_their_records(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    before = {record.body: record.id for record in shelf.of("docs/guide.md")}
    changed = PAGE.replace("noon", "dawn, when the tide allows")
    (docs / "guide.md").write_text(changed)
    report = shelf.ingest(docs)
    assert shelf.embedded == ["Ships of the northern line arrive at dawn, when the tide allows."]
    assert (report.chunks_added, report.chunks_kept, report.chunks_dropped) == (1, 2, 1)
    for record in shelf.of("docs/guide.md"):
        source = record.sources[0]
        assert changed[source.start : source.end] == record.body
        assert record.body in shelf.embedded or before[record.body] == record.id
    assert shelf.ingest(docs).files == {Outcome.UNCHANGED: 3}


def test_what_a_person_corrected_in_a_chunk_survives_a_change_elsewhere_in_the_file(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    (fees,) = (record for record in shelf.records.values() if "twelve" in record.body)
    shelf.records[fees.id] = replace(fees, body="A berth costs thirteen crowns a night.")
    (docs / "guide.md").write_text(PAGE.replace("noon", "dawn"))
    shelf.ingest(docs)
    assert shelf.records[fees.id].body == "A berth costs thirteen crowns a night."
    assert not any("twelve" in body for body in shelf.bodies)


def test_a_file_that_only_lost_text_settles_after_one_run(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    (docs / "guide.md").write_text(PAGE[: PAGE.index("## Fees")])
    report = shelf.ingest(docs)
    assert (report.chunks_added, report.chunks_kept, report.chunks_dropped) == (0, 2, 1)
    assert shelf.ingest(docs).files == {Outcome.UNCHANGED: 3}


def test_moved_and_renamed_files_embed_nothing_and_are_cited_by_their_new_name(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    ids = {record.id for record in shelf.records.values()}
    (docs / "guide.md").rename(docs / "deep" / "handbook.md")
    (docs / "deep" / "notes.txt").rename(docs / "lighthouse.txt")
    report = shelf.ingest(docs)
    assert shelf.embedded == []
    assert report.files == {Outcome.MOVED: 2, Outcome.UNCHANGED: 1}
    assert {record.id for record in shelf.records.values()} == ids
    assert shelf.uris == ["docs/deep/handbook.md", "docs/lighthouse.txt", "docs/list.csv"]
    assert shelf.ingest(docs).files == {Outcome.UNCHANGED: 3}


def test_deleted_files_take_their_chunks_along(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    (docs / "guide.md").unlink()
    report = shelf.ingest(docs)
    assert report.files == {Outcome.DELETED: 1, Outcome.UNCHANGED: 2}
    assert report.chunks_dropped == 3
    assert "docs/guide.md" not in shelf.uris


def test_a_file_deleted_and_named_by_itself_is_noticed_but_a_vanished_folder_keeps_everything(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    (docs / "guide.md").unlink()
    assert shelf.ingest(docs / "guide.md").files[Outcome.DELETED] == 1
    kept = dict(shelf.records)
    docs.rename(docs.with_name("elsewhere"))
    report = shelf.ingest(docs)
    assert report.files == {Outcome.SKIPPED: 1}
    assert "no such file" in report.skipped[0].reason
    assert shelf.records == kept


def test_a_part_of_a_known_folder_is_the_same_files_and_leaves_the_rest_alone(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    (docs / "guide.md").unlink()
    assert shelf.ingest(docs / "deep").files == {Outcome.UNCHANGED: 1}
    assert shelf.ingest(docs / "deep" / "notes.txt").files == {Outcome.UNCHANGED: 1}
    assert "docs/guide.md" in shelf.uris


def test_a_folder_around_a_known_folder_recognises_its_files(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs / "deep")
    assert shelf.ingest(docs).files == {Outcome.NEW: 2, Outcome.UNCHANGED: 1}
    (docs / "deep" / "notes.txt").unlink()
    assert shelf.ingest(docs).files == {Outcome.DELETED: 1, Outcome.UNCHANGED: 2}


def test_two_folders_of_one_name_do_not_delete_each_other(docs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "docs"
    other.mkdir(parents=True)
    (other / "guide.md").write_text("# Another guide\n\nNothing in common.\n")
    shelf = Shelf()
    shelf.ingest(docs)
    assert shelf.ingest(other).files == {Outcome.NEW: 1}
    assert shelf.ingest(docs).files == {Outcome.UNCHANGED: 3}


def test_copies_are_read_once_and_a_copy_takes_over_when_the_original_goes(docs: Path) -> None:
    shutil.copy(docs / "guide.md", docs / "z-copy.md")
    shelf = Shelf()
    report = shelf.ingest(docs)
    assert report.files == {Outcome.NEW: 3, Outcome.SKIPPED: 1}
    assert report.skipped[0].detail == "same as docs/guide.md"
    (docs / "guide.md").unlink()
    assert shelf.ingest(docs).files == {Outcome.MOVED: 1, Outcome.UNCHANGED: 2}
    assert shelf.embedded == []


def test_an_emptied_file_is_a_change_and_an_empty_one_is_skipped(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    (docs / "guide.md").write_text("")
    assert shelf.ingest(docs).chunks_dropped == 3
    assert shelf.ingest(docs).skipped[0].reason == "empty"


def test_a_file_that_broke_keeps_what_was_known_of_it(docs: Path) -> None:
    (docs / "data.json").write_text('{"harbour": "Velmark"}')
    shelf = Shelf()
    shelf.ingest(docs)
    (docs / "data.json").write_text('{"harbour": ')
    report = shelf.ingest(docs)
    assert (report.skipped[0].uri, report.skipped[0].kept) == ("docs/data.json", 1)
    assert "docs/data.json" in shelf.uris


def test_stopping_leaves_whole_files_and_the_next_run_goes_on(docs: Path) -> None:
    shelf = Shelf()
    report = shelf.ingest(docs, stop_after=1)
    assert report.cancelled
    assert report.files[Outcome.NEW] == 1
    assert len(shelf.uris) == 1
    report = shelf.ingest(docs)
    assert report.files == {Outcome.NEW: 2, Outcome.UNCHANGED: 1}


def test_stopping_during_the_search_deletes_nothing(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    known = known_files(shelf.records.values(), ())
    stopped = plan([docs], Splitter(words, 64), known=known, cancelled=lambda: True)
    assert list(stopped.changes()) == []
    assert stopped.report.cancelled


def test_a_change_that_the_caller_could_not_write_is_not_counted(docs: Path) -> None:
    ingestion = plan([docs], Splitter(words, 64))
    changes = ingestion.changes()
    next(changes)
    changes.close()
    assert ingestion.report.chunks_added == 0


def test_another_chunk_size_reads_the_files_again(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    shelf.max_tokens = 48
    assert shelf.ingest(docs).files == {Outcome.CHANGED: 3}
    assert shelf.embedded == []  # short texts are cut as before
    assert shelf.ingest(docs).files == {Outcome.UNCHANGED: 3}


def test_other_namespaces_are_not_looked_at(docs: Path) -> None:
    shelf = Shelf()
    shelf.ingest(docs)
    shelf.namespace = ("ada",)
    assert shelf.ingest(docs).files == {Outcome.NEW: 3}


def test_progress_counts_files_and_bytes(docs: Path) -> None:
    seen: list[tuple[int, int, str, int]] = []
    ingestion = plan([docs], Splitter(words, 64), progress=lambda *told: seen.append(told))
    searching = len(seen)
    assert searching == 3
    assert all(total == 0 for _, total, _, _ in seen)
    list(ingestion.changes())
    assert [told[0] for told in seen[searching:]] == [0, 1, 2, 3]
    assert seen[-1] == (3, 3, "", sum(path.stat().st_size for path in docs.rglob("*.*")))


def test_an_insertion_at_the_top_of_a_long_text_leaves_most_chunks_as_they_were(tmp_path: Path) -> None:
    story = [f"Paragraph {n} tells of ship number {n * 7919 % 1000} and its captain. " * 4 for n in range(300)]
    book = tmp_path / "book.txt"
    book.write_text("\n\n".join(story))
    shelf = Shelf()
    first = shelf.ingest(book)
    book.write_text("\n\n".join(["A new opening that was not there.", *story]))
    second = shelf.ingest(book)
    assert second.chunks_added <= 0.1 * first.chunks_added
    assert second.chunks_kept >= 0.9 * first.chunks_added


def test_of_two_thousand_files_only_the_three_touched_are_embedded(tmp_path: Path) -> None:
    root = tmp_path / "many"
    for n in range(2000):
        folder = root / f"part{n % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{n}.txt").write_text(f"Ship {n} sails to port {n * 31 % 977}.\n")
    shelf = Shelf()
    assert shelf.ingest(root).files == {Outcome.NEW: 2000}
    for n in (3, 33, 333):
        (root / f"part{n % 20}" / f"file{n}.txt").write_text(f"Ship {n} was lost at sea.\n")
    (root / "moved").mkdir()
    for n in (5, 50, 500, 1000, 1500):
        (root / f"part{n % 20}" / f"file{n}.txt").rename(root / "moved" / f"other{n}.txt")
    report = shelf.ingest(root)
    assert report.files == {Outcome.CHANGED: 3, Outcome.MOVED: 5, Outcome.UNCHANGED: 1992}
    assert sorted(shelf.embedded) == [f"Ship {n} was lost at sea." for n in (3, 33, 333)]
