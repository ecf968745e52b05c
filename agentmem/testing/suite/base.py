"""What every part of the suite shares: the fixtures, the options of a plugin's test class, the time budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from agentmem.contract import Capability, LocalModel, Memory, MemoryConfig
from agentmem.records import Draft, Hit
from agentmem.testing.fakes import ScriptedChat
from agentmem.testing.rig import Bench, Rig
from agentmem.testing.sentences import triple_of
from agentmem.testing.witness import Witness

NewRig = Callable[[str], Rig]
Searches = list[list[Hit]]


F = TypeVar("F", bound=Callable[..., Any])


def also_for_weights(test: F) -> F:
    """Marks a check that holds for memories whose hits are not records (PARAMETRIC) as well."""
    test.also_for_weights = True  # type: ignore[attr-defined]
    return test


class SuiteBase:
    """Options of a plugin's test class. Only ``memory_class`` has to be given."""

    budget_s: ClassVar[float] = 60.0
    """Seconds that the whole suite may take for this plugin."""
    deadline_s: ClassVar[float] = 5.0
    """Seconds after which a verb counts as hanging."""
    many: ClassVar[int] = 2000
    """How many records the check of thousands writes."""
    kind: ClassVar[str | None] = None
    """The kind of record to write; by default "fact" where the memory indexes it, else the first of its kinds."""
    answers_nothing: ClassVar[str] = ""
    """Why recall never returns records (a memory that transforms the context, say); such checks are skipped."""

    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        """The class under test."""
        raise NotImplementedError(f"{type(self).__name__} needs a fixture 'memory_class' that returns the memory class")

    @pytest.fixture
    def memory_config(self) -> MemoryConfig | None:
        """Its settings; None for the defaults."""
        return None

    @pytest.fixture
    def memory_chat(self) -> ScriptedChat | None:
        """The chat model it is given; None for one that answers with an empty text."""
        return None

    @pytest.fixture
    def memory_local_model(self) -> LocalModel | None:
        """The local model it is given, for NEEDS_LOCAL_MODEL."""
        return None

    def draft(self, text: str, **fields: Any) -> Draft:
        """A draft that the memory indexes, made from a text; override for kinds that need more than a body."""
        parts = triple_of(text) or (None, None, None)
        return Draft(**{"body": text, "subject": parts[0], "relation": parts[1], "object": parts[2], **fields})

    # ---- what the checks use

    @pytest.fixture
    def bench(
        self,
        memory_class: type[Memory],
        memory_config: MemoryConfig | None,
        memory_chat: ScriptedChat | None,
        memory_local_model: LocalModel | None,
        request: pytest.FixtureRequest,
    ) -> Bench:
        why = self.answers_nothing
        if not why and Capability.PARAMETRIC in memory_class.capabilities:
            why = f"{memory_class.name} answers from weights (PARAMETRIC): its hits are not records"
        if why and not getattr(request.function, "also_for_weights", False):
            pytest.skip(why)
        kind = self.kind or ("fact" if "fact" in memory_class.kinds else min(memory_class.kinds))
        return Bench(
            memory_class=memory_class,
            config=memory_config,
            chat=memory_chat or ScriptedChat(),
            local_model=memory_local_model,
            draft=lambda text, **fields: self.draft(text, **{"kind": kind, **fields}),
            witness=Witness(deadline_s=self.deadline_s),
        )

    @pytest.fixture
    def new_rig(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spent: dict[str, Any]
    ) -> Iterator[NewRig]:
        """Makes further rigs, each in a folder of that name; home and working folder are temporary as well."""
        for name in ("home", "cwd"):
            (tmp_path / name).mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.chdir(tmp_path / "cwd")
        made: list[Rig] = []

        def build(name: str) -> Rig:
            made.append(Rig(tmp_path / name, bench))
            return made[-1]

        yield build
        spent["hung"] = bench.witness.hung
        for rig in made:
            rig.close()

    @pytest.fixture
    def rig(self, new_rig: NewRig) -> Rig:
        """An empty memory."""
        return new_rig("rig")

    @pytest.fixture(scope="class")
    def spent(self) -> dict[str, Any]:
        """What the checks of this class have used up so far."""
        return {"seconds": 0.0, "hung": ""}

    @pytest.fixture(autouse=True)
    def within_budget(self, spent: dict[str, Any]) -> Iterator[None]:
        """Stops a plugin that hung or has used up its time, so that one of them cannot hold up all the others."""
        if spent["hung"]:
            pytest.fail(spent["hung"], False)
        if spent["seconds"] > self.budget_s:
            pytest.fail(f"over its time budget: {spent['seconds']:.0f} s of {self.budget_s:.0f} s are spent", False)
        start = time.monotonic()
        yield
        spent["seconds"] += time.monotonic() - start


def search(rig: Rig, queries: Sequence[str], *, k: int = 10, at: float | None = None) -> Searches:
    """The hits for every query, asked at clock time ``at``, so that memories that decay can be compared."""
    now = rig.clock.now()
    if at is not None:
        rig.clock.set(at)
    found = [rig.hits(text, k) for text in queries]
    rig.clock.set(now)
    return found


def _kept(old: Sequence[Hit], new: Sequence[Hit]) -> int:
    """How many of the old hits, or of others that are as good as the worst of them, are among the new ones."""
    known = {hit.record.id for hit in old}
    return sum(hit.record.id in known or abs(hit.score - old[-1].score) < 1e-4 for hit in new[: len(old)])


def compare(memory: Memory, before: Searches, after: Searches) -> str:
    """Why two searches differ, in a few words, or nothing when they are the same.

    Exact memories must give the same records with the same scores (to 1e-4); APPROXIMATE ones 98 % of the records,
    where of several that tie for the last place any will do.
    """
    if Capability.APPROXIMATE in memory.capabilities:
        wanted = sum(len(hits) for hits in before)
        kept = sum(_kept(old, new) for old, new in zip(before, after, strict=True))
        return "" if kept >= 0.98 * wanted else f"only {kept} of {wanted} hits are the same"
    for old, new in zip(before, after, strict=True):
        scores, others = ({h.record.id: h.score for h in hits} for hits in (old, new))
        if scores.keys() != others.keys():
            lost, gained = scores.keys() - others.keys(), others.keys() - scores.keys()
            return f"{len(lost)} hits are gone and {len(gained)} are new, of {len(old)}"
        for record_id, score in scores.items():
            if not math.isclose(score, others[record_id], rel_tol=1e-4, abs_tol=1e-6):
                return f"the score of record {record_id} is {others[record_id]:.6g}, was {score:.6g}"
    return ""
