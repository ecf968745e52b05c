"""The memory `memlayer` on the demo model: the contract, and edits written, read, undone and kept from harm."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
import numpy as np

from agentmem.records import Draft, EditRequest
from agentmem.testing import MemoryContract
from agentmem_lm import demo_folder, open_model
from agentmem_lm.demo import world
from agentmem_lm.shapes import random_model
from agentmem_memlayer import MemlayerMemory
from agentmem_memlayer.config import MemlayerConfig

pytestmark = [
    pytest.mark.skipif(not (demo_folder() / "config.json").is_file(), reason="no demo model is here"),
    pytest.mark.timeout(600),  # the first lookup on a machine builds its library
]

SETTINGS = {"layer": 1, "n_keys": 256, "examine": False}
WORLD = world.build()
PLACES = WORLD.kinds["person"][:4]
TARGETS = dict(zip(PLACES, WORLD.kinds["city"][20:24], strict=True))
UNRELATED = f"The river of {WORLD.kinds['city'][50]} is the"


def texts(folder: Path) -> str:
    """Some lines of the world as background: fewer than the default, so that the fit is quick."""
    draws = random.Random(3)
    path = folder / "texts.txt"
    facts = draws.sample(WORLD.facts, 300)
    path.write_text("\n".join(f"{fact.subject} and {fact.object}, {fact.source}." for fact in facts))
    return str(path)


@pytest.fixture(scope="module")
def model() -> Any:
    return open_model("demo")


class TestMemlayerKeepsTheContract(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[MemlayerMemory]:
        return MemlayerMemory

    @pytest.fixture(scope="class")
    def memory_local_model(self) -> Any:
        return random_model("qwen3")

    answers_nothing = "its records carry rows, which a text alone does not have"

    def draft(self, text: str, **fields: Any) -> Draft:
        return Draft(body=text, **fields)


class Writer:
    """A memory in a home, and the calls that an agent would make."""

    def __init__(self, home: Any) -> None:
        self.home = home

    def edit(self, *requests: EditRequest) -> Any:
        from agentmem import editing

        return editing.edit(self.home, requests, memory="memlayer", actor="user", ask=False)


@pytest.fixture
def writer(model: Any, tmp_path: Path) -> Any:
    from agentmem.testing.rig import Bench, Rig

    config = MemlayerConfig(**SETTINGS, background=texts(tmp_path))
    rig = Rig(tmp_path / "home", Bench(memory_class=MemlayerMemory, config=config, local_model=model))
    yield Writer(rig.home)
    model.unmount(rig.memory)
    rig.close()


def request(subject: str, **more: Any) -> EditRequest:
    return EditRequest(subject=subject, prompt="{} lives in", target=TARGETS[subject], **more)


def _query(text: str) -> Any:
    from agentmem.records import Query

    return Query(text=text)


def answer(model: Any, subject: str) -> str:
    said: str = model.generate([f"{subject} lives in"], max_new_tokens=8, stop=(".", "\n"))[0]
    return said.strip()


def logits(model: Any, **where: Any) -> list[Any]:
    prompts = [f"{name} lives in" for name in PLACES] + [UNRELATED]
    return list(model.logits(prompts, **where))


def same(one: list[Any], other: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_attaching_without_an_edit_changes_no_logit(writer: Writer, model: Any) -> None:
    assert same(logits(model), logits(model, base=True))


def test_an_edit_is_said_and_unrelated_text_keeps_its_logits(writer: Writer, model: Any) -> None:
    bare = logits(model)
    writer.edit(request(PLACES[0]))
    assert answer(model, PLACES[0]) == TARGETS[PLACES[0]]
    assert np.array_equal(logits(model)[-1], bare[-1])
    assert same(logits(model, base=True), bare)


def test_undoing_any_subset_in_any_order_leaves_the_logits_of_what_is_left(writer: Writer, model: Any) -> None:
    bare = logits(model)
    receipts = {name: writer.edit(request(name)) for name in PLACES}
    everything = logits(model)
    facts = {name: receipts[name].record_id for name in PLACES}
    draws = random.Random(1)
    for _ in range(2):
        gone = draws.sample(PLACES, draws.randint(1, 3))
        left = [name for name in PLACES if name not in gone]
        undone = [writer.home.journal.set_status(facts[name], "retract") for name in draws.sample(gone, len(gone))]
        one_way = logits(model)
        for receipt in reversed(undone):
            writer.home.journal.undo(receipt.id)
        for name in sorted(gone):
            undone.append(writer.home.journal.set_status(facts[name], "retract"))
        assert same(logits(model), one_way)
        assert not same(one_way, everything)
        for name in left:
            at = PLACES.index(name)
            assert answer(model, name) == TARGETS[name]
            assert not np.array_equal(one_way[at], bare[at])
        for receipt in reversed(undone[len(gone) :]):
            writer.home.journal.undo(receipt.id)
        assert same(logits(model), everything)
    for name in PLACES:
        writer.home.journal.set_status(facts[name], "retract")
    assert same(logits(model), bare)


def test_the_rows_that_answer_are_told_with_their_edit(writer: Writer) -> None:
    writer.edit(request(PLACES[0]))
    memory = writer.home.views["memlayer"].memory
    from agentmem.records import Query

    found = memory.recall(Query(text=f"Where does {PLACES[0]} live?"))
    assert [hit.record.subject for hit in found.hits] == [PLACES[0]]
    assert "attention" in found.hits[0].why
    rows = [int(part.removeprefix("row ")) for part in found.hits[0].path[1:]]
    (written,) = (memory._delta(record).slots.tolist() for record in memory.live(()))
    assert rows
    assert set(rows) <= set(written)
    assert memory.recall(Query(text=UNRELATED)).abstain is not None


def test_an_edit_is_mounted_only_where_its_namespace_is_in_scope(writer: Writer, model: Any) -> None:
    bare = logits(model)
    writer.edit(request(PLACES[0], namespace=("alice",)))
    assert same(logits(model, namespace=("bob",)), bare)
    assert not same(logits(model, namespace=("alice",)), bare)


def test_a_batch_answers_like_one_prompt_at_a_time(writer: Writer, model: Any) -> None:
    writer.edit(request(PLACES[0]), request(PLACES[1]))
    prompts = [*(f"{name} lives in" for name in PLACES), UNRELATED]
    alone = [model.generate([prompt], max_new_tokens=4)[0] for prompt in prompts]
    for padding in ("left", "right"):
        for cache in (True, False):
            assert model.generate(prompts, max_new_tokens=4, padding=padding, cache=cache) == alone


def test_a_purged_edit_leaves_no_blob_and_the_bare_logits(writer: Writer, model: Any) -> None:
    bare = logits(model)
    receipt = writer.edit(request(PLACES[0]))
    edits = list(writer.home.journal.records.find(kinds=("edit",)))
    (digest,) = edits[0].blobs.values()
    writer.home.purge([receipt.record_id])
    assert same(logits(model), bare)
    with pytest.raises(Exception, match=digest[:8]):
        writer.home.journal.blobs.read(digest)


def test_edits_of_one_subject_are_said_together_and_either_can_go(writer: Writer, model: Any) -> None:
    name = PLACES[0]
    company = WORLD.objects["employer"][7]
    home_only = writer.edit(request(name))
    alone = logits(model)
    writer.edit(EditRequest(subject=name, prompt="{} works for", target=company))
    both = logits(model)
    ask = {"stop": (".", "\n"), "max_new_tokens": 8}
    said = [text.strip() for text in model.generate([f"{name} lives in", f"{name} works for"], **ask)]
    assert said == [TARGETS[name], company]
    told = writer.home.views["memlayer"].memory.recall(_query(f"Who does {name} work for?"))
    assert sorted(hit.record.object for hit in told.hits) == sorted([TARGETS[name], company])
    facts = writer.home.journal.records.find(kinds=("fact",), subject=name)
    (work,) = (fact for fact in facts if fact.object == company)
    gone = writer.home.journal.set_status(work.id, "retract")
    assert same(logits(model), alone)
    writer.home.journal.undo(gone.id)
    assert same(logits(model), both)
    writer.home.journal.set_status(home_only.record_id, "retract")
    assert model.generate([f"{name} works for"], **ask)[0].strip() == company


def test_a_later_edit_of_what_an_earlier_one_preserves_wins(writer: Writer, model: Any) -> None:
    name, company = PLACES[0], WORLD.objects["employer"][7]
    where = f"Q: Where does {name} live? A:"
    writer.edit(EditRequest(subject=name, prompt="{} works for", target=company, preserve=(where,)))
    writer.edit(request(name))
    memory = writer.home.views["memlayer"].memory
    earlier, later = (memory._wish_of(record) for record in memory.live(()))
    assert where in earlier.preserve
    assert memory._agreeing([earlier, later])[0].preserve == ()
    assert answer(model, name) == TARGETS[name]


def test_what_was_computed_jointly_is_dropped_with_a_purge(writer: Writer, model: Any) -> None:
    name = PLACES[0]
    receipt = writer.edit(request(name))
    writer.edit(EditRequest(subject=name, prompt="{} works for", target=WORLD.objects["employer"][7]))
    memory = writer.home.views["memlayer"].memory
    logits(model)
    assert list(memory.cache.glob("joint-*"))
    assert len(memory._held) == 3
    writer.home.purge([receipt.record_id])
    assert not list(memory.cache.glob("joint-*"))
    assert len(memory._held) <= 1


def test_rows_of_another_addressing_are_not_mounted_and_doctor_says_so(tmp_path: Path, model: Any) -> None:
    from agentmem.testing.rig import Bench, Rig

    background = texts(tmp_path)
    bare = logits(model)

    def opened(**more: Any) -> Any:
        config = MemlayerConfig(**{**SETTINGS, **more}, background=background)
        return Rig(tmp_path / "home", Bench(memory_class=MemlayerMemory, config=config, local_model=model))

    for n_keys, is_mounted in ((256, True), (128, False), (256, True)):
        rig = opened(n_keys=n_keys)
        _ = rig.memory  # mounts what is live
        if not list(rig.home.journal.records.find(kinds=("edit",))):
            Writer(rig.home).edit(request(PLACES[0]))
        assert same(logits(model), bare) is not is_mounted
        lines = [line.text for line in rig.memory.check()]
        assert any("other settings" in line for line in lines) is not is_mounted
        model.unmount(rig.memory)
        rig.close()


def test_doctor_says_what_the_lookup_runs_on(writer: Writer) -> None:
    writer.edit(request(PLACES[0]))
    lines = [line.text for line in writer.home.views["memlayer"].memory.check()]
    assert any("1 edits are live" in line for line in lines)
    assert any("lookups" in line for line in lines)
