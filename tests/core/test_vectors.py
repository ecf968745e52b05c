from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from agentmem.contract import Vectors
from agentmem.embed.hashed import HashedEmbedder
from agentmem.embed.vectors import KeptVectors
from agentmem.errors import HomeDamaged
from agentmem.records import Change, Record

SECRET = bytes(range(32))


class Counting(HashedEmbedder):
    def __init__(self, dim: int = 32) -> None:
        super().__init__(dim)
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return super().embed(texts)


def change(version_id: int, text: str) -> Change:
    return Change(
        version_id, f"r{version_id}", Record(id=f"r{version_id}", kind="fact", body=text, version_id=version_id), text
    )


@pytest.fixture
def embedder() -> Counting:
    return Counting()


@pytest.fixture
def kept(tmp_path: Path, embedder: Counting) -> Iterator[KeptVectors]:
    store = KeptVectors(tmp_path, embedder, SECRET)
    yield store
    store.close()


def test_vectors_are_computed_once_and_outlive_the_process(
    tmp_path: Path, kept: KeptVectors, embedder: Counting
) -> None:
    changes = [change(i, f"text {i}") for i in range(2000)]
    first = kept.of_changes(changes)
    kept.close()
    again = KeptVectors(tmp_path, embedder, SECRET)
    assert np.array_equal(again.of_changes(changes), first)
    assert np.array_equal(first, HashedEmbedder(32).embed([c.text for c in changes]))
    assert len(embedder.asked) == 2000
    again.close()


def test_equal_texts_share_a_vector_and_removals_have_none(kept: KeptVectors, embedder: Counting) -> None:
    vectors = kept.of_changes([change(1, "same"), Change(2, "gone", None), change(3, "same")])
    assert vectors.shape == (2, 32)
    assert np.array_equal(vectors[0], vectors[1])
    assert embedder.asked == ["same"]
    assert kept.count() == 1


def test_a_version_whose_text_changed_with_its_neighbour_is_computed_anew(
    kept: KeptVectors, embedder: Counting
) -> None:
    kept.of_changes([change(1, "before: a\nb")])
    other = kept.of_changes([change(1, "before: x\nb")])
    assert np.array_equal(other, HashedEmbedder(32).embed(["before: x\nb"]))
    assert len(embedder.asked) == 2


def test_purged_vectors_are_in_no_file_and_shared_ones_stay(tmp_path: Path, kept: KeptVectors) -> None:
    kept.of_changes([change(1, "secret needle"), change(2, "shared"), change(3, "shared"), change(4, "other")])
    needle = HashedEmbedder(32).embed(["secret needle"]).tobytes()
    digest = kept._digest("secret needle")
    assert any(needle in f.read_bytes() for f in tmp_path.rglob("*.f32"))
    assert kept.purge([1, 2]) == 1
    files = [f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()]
    assert not any(needle in data or digest in data for data in files)
    assert np.array_equal(kept.of_changes([change(3, "shared")]), HashedEmbedder(32).embed(["shared"]))
    assert kept.purge([1, 2]) == 0
    kept.of_changes([change(5, "takes the freed row")])
    assert np.array_equal(kept.of_changes([change(4, "other")]), HashedEmbedder(32).embed(["other"]))
    assert kept.count() == 3


def test_what_a_crash_left_without_an_owner_is_cleared_by_the_next_purge(tmp_path: Path, kept: KeptVectors) -> None:
    kept.of_changes([change(1, "owned")])
    stray = HashedEmbedder(32).embed(["written, never committed"])
    assert kept._file is not None
    kept._file.write([700], stray)
    kept.purge([])
    assert not any(stray.tobytes() in f.read_bytes() for f in tmp_path.rglob("*.f32"))


def test_a_cut_file_is_noticed_and_computed_again(tmp_path: Path, kept: KeptVectors, embedder: Counting) -> None:
    kept.of_changes([change(i, f"text {i}") for i in range(10)])
    kept.close()
    file = next(tmp_path.rglob("*.f32"))
    os.truncate(file, 4 * 32 * 4)
    again = KeptVectors(tmp_path, embedder, SECRET)
    assert again.count() == 4
    assert np.array_equal(again.of_changes([change(9, "text 9")]), HashedEmbedder(32).embed(["text 9"]))
    again.close()


def test_a_reader_writes_nothing_and_still_answers(tmp_path: Path, embedder: Counting) -> None:
    reader = KeptVectors(tmp_path, embedder, SECRET, readonly=True)
    assert reader.of_changes([change(1, "early")]).shape == (1, 32)
    assert list(tmp_path.iterdir()) == []
    writer = KeptVectors(tmp_path, embedder, SECRET)
    writer.of_changes([change(i, f"t {i}") for i in range(3000)])
    asked = len(embedder.asked)
    assert reader.has([change(5, "t 5"), change(6, "never seen"), Change(7, "x", None)]) == [True, False, True]
    assert np.array_equal(reader.of_changes([change(5, "t 5")]), HashedEmbedder(32).embed(["t 5"]))
    assert len(embedder.asked) == asked
    reader.of_changes([change(9999, "never seen")])
    assert writer.count() == 3000
    reader.close()
    writer.close()


def test_another_embedder_gets_its_own_folder_and_another_dimension_is_refused(
    tmp_path: Path, kept: KeptVectors
) -> None:
    kept.of_changes([change(1, "x")])
    other = KeptVectors(tmp_path, HashedEmbedder(64), SECRET)
    assert other.of_changes([change(1, "x")]).shape == (1, 64)
    other.close()
    false = HashedEmbedder(64)
    false.model_id = "hash-32"
    with pytest.raises(HomeDamaged, match="agentmem reindex"):
        KeptVectors(tmp_path, false, SECRET).of_changes([change(1, "x")])


def test_questions_are_cached_in_memory_only(tmp_path: Path, kept: KeptVectors, embedder: Counting) -> None:
    assert np.array_equal(kept.of_query("where?"), kept.of_query("where?"))
    assert embedder.asked == ["where?"]
    for i in range(300):
        kept.of_query(f"question {i}")
    kept.of_query("where?")
    assert embedder.asked.count("where?") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_only_rows_that_hold_their_vector(tmp_path: Path) -> None:
    code = f"""
import itertools, sys
sys.path[:0] = {[str(Path(__file__).parent)]!r}
from pathlib import Path
from test_vectors import SECRET, change
from agentmem.embed.hashed import HashedEmbedder
from agentmem.embed.vectors import KeptVectors
store = KeptVectors(Path({str(tmp_path)!r}), HashedEmbedder(32), SECRET)
for i in itertools.count():
    store.of_changes([change(i * 5 + j, f"text {{i * 5 + j}}") for j in range(5)])
    print(i, flush=True)
"""
    for round_ in range(3):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        done = -1
        for line in child.stdout:
            done = int(line)
            if done >= 20 * (round_ + 1):
                break
        child.kill()
        child.communicate()
        embedder = Counting()
        store = KeptVectors(tmp_path, embedder, SECRET)
        changes = [change(i, f"text {i}") for i in range((done + 1) * 5)]
        assert np.array_equal(store.of_changes(changes), HashedEmbedder(32).embed([c.text for c in changes]))
        assert embedder.asked == []
        store.close()
