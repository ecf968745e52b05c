"""agentmem_wise: edits are said in any wording, spare the rest, and can be taken back without a trace, in any order.

The demo model and a handful of edits. The contract suite needs a memory that takes plain facts and so is not run here:
this one takes edit requests only, and its records come from a real agent's journal below.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from agentmem import Agent  # noqa: E402
from agentmem.errors import AgentmemError  # noqa: E402
from agentmem.records import EditRequest  # noqa: E402
from agentmem_lm.demo.wordings import WORDINGS, question_prompt  # noqa: E402
from agentmem_lm.demo.world import build  # noqa: E402
from agentmem_lm.editing_cases import Case, cases  # noqa: E402
from agentmem_lm.model import CausalModel  # noqa: E402
from agentmem_lm.provider import open_model  # noqa: E402
from agentmem_wise.slots import Gate, ReadySlot, Slot, SlotTable, spread, thinned  # noqa: E402

FAR = ["Q: What is the capital of Zurkia? A:", "The capital of Zurkia is", "Some other text, "]


@pytest.fixture(scope="module")
def model() -> CausalModel:
    return open_model("demo")


@pytest.fixture(scope="module")
def background(model: CausalModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fewer ordinary texts than by default: their statistics are most of what these tests cost."""
    from agentmem_lm.background import background_texts

    path = tmp_path_factory.mktemp("texts") / "lines.txt"
    path.write_text("\n".join(background_texts(model, count=400)))
    return str(path)


@pytest.fixture(scope="module")
def agent(model: CausalModel, background: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    home = tmp_path_factory.mktemp("home")
    wise = {"layer": 2, "background": background}
    opened = Agent.open(home, local_model=model, memories="bm25,wise", embedder="hash", wise=wise, seed=1)
    with opened as agent:
        yield agent


@pytest.fixture(scope="module")
def three() -> list[Case]:
    return cases(build(), 3, seed=5)


def prompt_of(case: Case) -> str:
    return case.request.prompt.format(case.fact.subject)


def answers(model: CausalModel, made: list[Case]) -> list[str]:
    texts = model.generate([prompt_of(case) for case in made], max_new_tokens=12)
    return [text.strip().removesuffix(".") for text in texts]


def weights(model: CausalModel) -> dict[str, np.ndarray]:
    with model.use() as net:
        return {name: tensor.detach().clone().numpy() for name, tensor in net.state_dict().items()}


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_edits_are_said_spare_the_rest_and_are_undone_in_any_order(
    agent: Agent, model: CausalModel, three: list[Case]
) -> None:
    prompts = [prompt_of(case) for case in three]
    before, logits, far = weights(model), model.logits(prompts), model.logits(FAR)
    receipts = [agent.edit_many([case.request]) for case in three]
    assert all(verdict.accepted for receipt in receipts for verdict in receipt.verdicts.values()), receipts
    assert all(verdict.figures["rewrite"] == 1.0 for receipt in receipts for verdict in receipt.verdicts.values())
    assert answers(model, three) == [case.target for case in three]
    assert agent.complete(prompts[0], base=True).strip().removesuffix(".") == three[0].fact.object
    assert same(model.logits(FAR), far), "text that opens no gate is the base's, bit for bit"
    asked = [*prompts, *FAR]
    alone = [model.generate([text], max_new_tokens=12)[0] for text in asked]
    for padding in ("left", "right"):
        assert model.generate(asked, max_new_tokens=12, padding=padding) == alone
    assert model.generate(asked, max_new_tokens=12, cache=False) == alone
    edited = model.logits(prompts)

    agent.undo(receipts[1])
    assert answers(model, three) == [three[0].target, three[1].fact.object, three[2].target]
    assert same(model.logits([prompts[1]]), [logits[1]])
    assert same(model.logits([prompts[0]]), [edited[0]])
    agent.undo(receipts[2])
    agent.undo(receipts[0])
    assert same(model.logits(prompts), logits)
    after = weights(model)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_two_facts_of_one_subject_share_a_slot_and_either_can_go(agent: Agent, model: CausalModel) -> None:
    world = build()
    name = world.kinds["person"][7]
    facts = [world.by_subject[name][relation] for relation in ("birth_city", "job")]
    targets = [next(o for o in world.objects[fact.relation] if o != fact.object) for fact in facts]
    requests = [
        EditRequest(
            subject=name,
            prompt=WORDINGS[fact.relation].statements[0],
            target=target,
            relation=fact.relation,
            paraphrases=(question_prompt(WORDINGS[fact.relation].questions[0]),),
            preserve=("{} lives in", "The employer of {} is"),
        )
        for fact, target in zip(facts, targets, strict=True)
    ]
    prompts = [request.prompt.format(name) for request in requests]

    def said() -> list[str]:
        return [text.strip().removesuffix(".") for text in model.generate(prompts, max_new_tokens=12)]

    first, second = (agent.edit_many([request]) for request in requests)
    assert said() == targets, (first.verdicts, second.verdicts)
    both = model.logits(prompts)
    agent.undo(first)
    assert said() == [facts[0].object, targets[1]]
    again = agent.edit_many([requests[0]])
    assert said() == targets
    assert same(model.logits(prompts), both), "the same facts in another order give the same slot"
    agent.undo(again)
    agent.undo(second)
    assert said() == [fact.object for fact in facts]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"subject": "the"}, "too common"),
        ({"target": " "}, "target"),
        ({"target": "long " * 500}, "tokens"),
    ],
)
def test_an_edit_that_would_harm_is_refused_with_a_sentence(
    agent: Agent, model: CausalModel, fields: dict[str, str], says: str
) -> None:
    asked = {"subject": "Pavel Janko", "prompt": "{} lives in", "target": "Damby", **fields}
    logits, live = model.logits(FAR), agent.home.views["wise"].memory.live(())  # type: ignore[attr-defined]
    with pytest.raises(AgentmemError, match=says):
        agent.edit(**asked)
    assert same(model.logits(FAR), logits)
    assert agent.home.views["wise"].memory.live(()) == live  # type: ignore[attr-defined]
    assert not [r for r in agent.records() if r.subject == fields.get("subject", "Pavel Janko")]


def slot_of(keys: torch.Tensor, delta: torch.Tensor, mention: torch.Tensor | None = None) -> Slot:
    none = torch.zeros(0, keys.shape[1])
    return Slot(keys.half(), delta.half(), (none if mention is None else mention).half(), spread(keys, torch.eye(4)))


def table_of(*slots: Slot) -> SlotTable:
    gate = Gate(least=0.6, most=0.85, slack=0.2, margin=0.08)
    return SlotTable([ReadySlot.of(slot, torch.eye(4)) for slot in slots], torch.eye(4), gate, torch.device("cpu"))


def test_only_a_near_key_opens_the_gate() -> None:
    table = table_of(slot_of(torch.eye(4)[:1], torch.ones(2)), slot_of(torch.eye(4)[1:3], torch.full((2,), 2.0)))
    opens, slot = table.route(torch.tensor([[3.0, 0, 0, 0], [0, 0, 5.0, 1.0], [0, 0, 0, 1.0]]))
    assert slot[:2].tolist() == [0, 1]
    assert opens.tolist() == [True, True, False]
    down = torch.nn.Linear(4, 2, bias=False)
    inputs = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0))
    inputs[0, 2] = torch.eye(4)[0] * 7
    bare = down(inputs)
    off = table.attach(down)
    shifted = down(inputs)
    off()
    assert torch.allclose(shifted[0, 2] - bare[0, 2], torch.ones(2))
    assert torch.equal(down(inputs), bare)


def test_a_slot_whose_keys_agree_opens_for_less_than_one_whose_keys_lie_apart() -> None:
    near = torch.tensor([[0.75, 0.66, 0.0, 0.0]])
    alike = slot_of(torch.eye(4)[:1], torch.ones(2))
    apart = slot_of(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.8, 0.0, 0.6, 0.0]]), torch.ones(2))
    assert table_of(alike).route(near)[0].tolist() == [False]
    assert table_of(apart).route(near)[0].tolist() == [True]


def test_a_subject_named_as_somebody_elses_answer_is_left_alone() -> None:
    own, mention = torch.eye(4)[:1], torch.tensor([[0.8, 0.6, 0.0, 0.0]])
    table = table_of(slot_of(own, torch.ones(2), mention))
    assert table.route(own)[0].tolist() == [True]
    assert table.route(mention)[0].tolist() == [False]


def test_a_slot_survives_its_bytes_and_alike_keys_are_kept_once() -> None:
    keys = torch.tensor([[1.0, 0.0, 0, 0], [1.0, 0.001, 0, 0], [0.0, 1.0, 0, 0]])
    slot = slot_of(thinned(keys, torch.eye(4), 0.97), torch.arange(3.0), torch.ones(1, 4))
    assert len(slot.keys) == 2
    again = Slot.from_bytes(slot.to_bytes())
    assert all(
        torch.equal(getattr(again, name), getattr(slot, name)) for name in ("keys", "delta", "mention", "spread")
    )


def test_the_scored_wordings_are_never_those_of_a_request() -> None:
    from agentmem_lm.editing_cases import asked

    world = build()
    made = cases(world, 5, seed=3)
    given = {
        text.format(case.fact.subject)
        for case in made
        for text in (*case.request.paraphrases, *case.request.preserve, case.request.prompt)
    }
    scored = [one for one in asked(world, made, 3, others=5) if one.score != "rewrite"]
    assert scored
    assert not [one for one in scored if one.prompt in given]
    assert all(len(case.request.paraphrases) == len(case.request.preserve) == 4 for case in made)


def test_an_edit_is_mounted_again_when_its_home_is_opened_again(tmp_path: Path, background: str) -> None:
    wise = {"layer": 2, "examine": False, "background": background}
    settings = {"local_model": "demo", "memories": "wise", "embedder": "hash", "wise": wise}
    fact = next(fact for fact in build().facts if fact.relation == "employer")
    target = next(name for name in build().objects["employer"] if name != fact.object)
    with Agent.open(tmp_path, **settings) as agent:
        agent.edit(fact.subject, "{} works for", target)
    with Agent.open(tmp_path, **settings) as agent:  # a fresh model, and nothing asked of the memory before
        assert str(agent.complete(f"{fact.subject} works for")).strip().startswith(target)
        assert str(agent.complete(f"{fact.subject} works for", base=True)).strip().startswith(fact.object)
