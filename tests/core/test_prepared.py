"""Statements run by the driver: the same rows, the same journal and the same errors as through SQLAlchemy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from agentmem.errors import HomeBusy, HomeDamaged
from agentmem.journal import Journal, prepared
from agentmem.journal.engine import open_engine, reading, url_of, writing
from agentmem.journal.prepared import Prepared
from agentmem.journal.schema import records
from agentmem.records import Draft, Record, Status
from tests.core.test_journal_verbs import open_journal

SOME = Prepared(sa.select(records.c.id, records.c.kind).where(records.c.id.in_(sa.bindparam("ids", expanding=True))))


def everything(journal: Journal) -> list[Any]:
    """A little of each verb, and what each way of reading makes of it."""
    turns = [Draft(body=f"turn {n}", kind="turn", thread="t", namespace=("a", "b")) for n in range(4)]
    ids = journal.write(turns).record_ids
    fact = journal.write([Draft(body="a fact", subject="Pier", derived_from=ids[:1], blobs={"x": b"1"})]).record_id
    newer = journal.write([Draft(body="another", subject="Pier", supersedes=(fact,))])
    journal.correct(ids[1], "said otherwise")
    journal.undo(newer.id)
    journal.set_status(ids[2], "archive")
    for _ in range(2):
        journal.touch(ids[:3])
        journal.flush_touches()
    reader, head = journal.records, journal.records.head()

    def told(found: Any) -> list[Record]:
        return list(found)

    return [
        head,
        told(reader.find()),
        told(reader.find(namespace=("a",), kinds=["turn"], thread="t", newest_first=True, limit=2)),
        told(reader.find(statuses=list(Status), subject="PIER", as_of=reader.get(fact).recorded_at)),
        told(reader.find(kinds=[])),
        reader.get_many([*ids, fact], as_of=reader.get(fact).recorded_at),
        reader.count(namespace=("a",)),
        reader.count(kinds=["turn"], at_most=2),
        reader.count_by_kind(),
        reader.child_ids(ids),
        reader.touches(ids),
        journal.feed.read(0, 100, kinds=["turn", "fact"], view="v", head=head),
        journal.state(),
        journal.fold(),
        [reader.history(i) for i in ids],
    ]


def test_the_journal_is_the_same_through_sqlalchemy_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    direct, through = open_journal(tmp_path / "direct"), open_journal(tmp_path / "through")
    through.secret = direct.secret  # digests are keyed with it
    found = everything(direct)
    monkeypatch.setattr(prepared, "_is_direct", lambda connection: False)
    assert everything(through) == found
    direct.close()
    through.close()


@pytest.mark.parametrize("count", [0, 1, 3, 400])
def test_a_list_of_any_length_may_be_given(tmp_path: Path, count: int) -> None:
    journal = open_journal(tmp_path)
    ids = list(journal.write([Draft(body=str(n)) for n in range(5)]).record_ids)
    with reading(journal.engine) as connection:
        found = SOME.rows(connection, ids=[*ids, *(f"no {n}" for n in range(400))][:count])
    assert {row.id for row in found} == set(ids[:count])
    assert {row.kind for row in found} <= {"fact"}
    journal.close()


def test_an_error_of_the_driver_is_told_like_one_of_sqlalchemy(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.write([Draft(body="x")])
    quick = open_engine(url_of(journal.path), busy_ms=1)
    with writing(journal.engine), pytest.raises(HomeBusy, match="write lock"), writing(quick):
        pass
    journal.close()
    quick.dispose()
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(HomeDamaged, match="restore a backup"), reading(quick) as connection:
        SOME.rows(connection, ids=["x"])
    quick.dispose()
