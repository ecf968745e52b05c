"""The index of words and vectors scores like the formulas, and holds nothing but the live set."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from agentmem.contract import Capability, Memory
from agentmem.hybrid import HybridIndex
from agentmem.records import Change, Query, Recall
from agentmem.testing import Bench, Rig
from agentmem.wordindex import words


class Holder(Memory):
    """A memory that does nothing itself, to get a context with vectors from."""

    name = "holder"
    capabilities = Capability.NEEDS_EMBED

    def apply(self, changes: object) -> None: ...

    def recall(self, query: Query) -> Recall:
        return Recall()


TEXTS = [" ".join(random.Random(i).choices("ash birch cedar elm fir oak pine yew".split(" "), k=5)) for i in range(30)]


@pytest.fixture
def rig(tmp_path: Path):
    made = Rig(tmp_path, Bench(Holder))
    yield made
    made.close()


def changes_of(rig: Rig, texts: list[str]) -> list[Change]:
    rig.append(*(rig.draft(text) for text in texts))
    return rig.changes()


def bm25(query: str, text: str, corpus: list[str]) -> float:
    """The formula, said plainly."""
    total, mean = 0.0, sum(len(words(t)) for t in corpus) / len(corpus)
    for word in set(words(query)):
        holders = sum(word in words(t) for t in corpus)
        often = words(text).count(word)
        weight = math.log(1 + (len(corpus) - holders + 0.5) / (holders + 0.5))
        total += weight * often * 1.9 / (often + 0.9 * (0.6 + 0.4 * len(words(text)) / mean))
    return total


def test_scores_are_bm25_and_cosine_each_by_its_best(rig: Rig) -> None:
    index = HybridIndex(rig.memory.context, words_share=0.6)
    index.apply(changes_of(rig, TEXTS))
    query = "oak and cedar"
    lexical = {text: bm25(query, text, TEXTS) for text in TEXTS}
    vectors = rig.bench.embedder.embed([query, *TEXTS]).astype(np.float64)
    near = dict(zip(TEXTS, np.maximum(vectors[1:] @ vectors[0], 0.0), strict=True))
    for record, score in index.ranked(Query(text=query)):
        wanted = 0.6 * lexical[record.body] / max(lexical.values()) + 0.4 * near[record.body] / max(near.values())
        assert score == pytest.approx(wanted, abs=1e-5)


def test_the_content_is_a_function_of_the_live_set(rig: Rig) -> None:
    straight, crooked = (HybridIndex(rig.memory.context) for _ in range(2))
    held = changes_of(rig, TEXTS)
    straight.apply(held)
    for change in [*held, *held[5:20], *held[10:]]:
        crooked.apply([change])
    for change in held[:7]:
        crooked.apply([Change(change.seq, change.record_id, None)])
    crooked.apply(held[:7])
    for text in TEXTS[:5]:
        assert straight.ranked(Query(text=text)) == crooked.ranked(Query(text=text))
    for change in held:
        crooked.apply([Change(change.seq, change.record_id, None)])
    assert len(crooked) == 0
    assert crooked.ranked(Query(text=TEXTS[0])) == []


def test_without_vectors_words_alone_decide(rig: Rig) -> None:
    from dataclasses import replace

    index = HybridIndex(replace(rig.memory.context, vectors=None))
    index.apply(changes_of(rig, TEXTS))
    assert index.ranked(Query(text="no such tree")) == []
    found = index.ranked(Query(text="yew"))
    assert found[0][1] == 1.0
    assert all("yew" in record.body for record, _ in found)
