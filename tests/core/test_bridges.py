"""A question of two steps is asked again of what the first record names, and only when it asks for more than one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from loop_fakes import FromWeights, Words, open_agent

from agentmem import Agent
from agentmem.bridges import bridged
from agentmem.records import Draft, Hit, Query, Recall, Record

_ASKED = "Where is the employer of Ada Berg based?"
_AGAIN = "Where is the employer of Velmsoft based?"
_FIRST = "Ada Berg works for Velmsoft."
_SECOND = "Velmsoft has its head office in Kall."


def _hit(body: str, kind: str = "turn") -> Hit:
    return Hit(Record(id=body, kind=kind, body=body, speaker="Bob" if kind == "turn" else None), 1.0)


def _told(*bodies: str) -> list[Hit]:
    return [_hit(body) for body in bodies]


def _bodies(hits: Sequence[Hit]) -> list[str]:
    return [hit.record.body for hit in hits]


class _Asked:
    """Answers as it is told to, and keeps what it was asked."""

    def __init__(self, answers: Mapping[str, Sequence[str]] | None = None) -> None:
        self.answers, self.texts = dict(answers or {}), list[str]()

    def __call__(self, text: str) -> Sequence[Hit]:
        self.texts.append(text)
        return _told(*self.answers.get(text, ()))


_HITS = _told(_FIRST, "Bo Lund is a baker.", "Good to know.", "It rains.")


def test_the_second_fact_is_found_in_whatever_words_and_the_best_two_keep_their_places() -> None:
    ask = _Asked({_AGAIN: ["Bo Lund works for Velmsoft.", _SECOND, "Velmsoft sells bells."]})
    found = bridged(_ASKED, _HITS, ask, k=4)
    assert ask.texts == [_AGAIN]
    assert _bodies(found) == [_FIRST, "Bo Lund is a baker.", _SECOND, "Good to know."]
    assert found[2].why == "asked again of Velmsoft"


def test_what_only_has_the_name_as_its_value_does_not_speak_of_it() -> None:
    ask = _Asked({_AGAIN: ["Bo Lund works for Velmsoft.", "The company Cy Dahl works for is Velmsoft."]})
    assert bridged(_ASKED, _HITS, ask, k=4) == _HITS


def test_a_hit_that_stood_above_stays_there() -> None:
    hits = _told(_SECOND, _FIRST, "It rains.")
    found = bridged(_ASKED, hits, _Asked({_AGAIN: [_SECOND]}), k=3)
    assert _bodies(found) == [_SECOND, _FIRST, "It rains."]
    assert found[0].why == "asked again of Velmsoft"


def test_only_a_claim_in_words_of_the_question_carries_the_chain() -> None:
    for said, is_sure in ((_SECOND, False), ("Velmsoft is based in Kall.", True)):
        found = bridged(_ASKED, _HITS, _Asked({_AGAIN: [said]}), k=4)
        assert found[2].path == ((_FIRST, said) if is_sure else ())


def test_a_third_fact_is_asked_for_when_the_second_held_a_word_of_the_question() -> None:
    asked = "What is the capital of the country where Ada Berg was born?"
    ask = _Asked(
        {
            "What is the capital of the country where Velm was born?": ["Velm lies in the country of Norland."],
            "What is the capital of the country where Norland was born?": ["The capital of Norland is Kall."],
        }
    )
    found = bridged(asked, _told("Ada Berg is a native of Velm.", "It rains."), ask, k=5)
    assert _bodies(found)[2:] == ["Velm lies in the country of Norland.", "The capital of Norland is Kall."]
    ask.answers[ask.texts[0]] = ["Velm belongs to Norland."]
    assert len(bridged(asked, _told("Ada Berg is a native of Velm."), ask, k=5)) == 2


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("Where does Ada Berg live?", "Ada Berg has a house in Velm."),  # one word, which the first record answers
        ("Where is the company of Ada Berg?", "The company of Ada Berg is Velmsoft."),  # nothing is left open
        ("Where is the employer of Bob based?", "Bob works for Velmsoft."),  # every other turn bears the name
        ("Where is the employer of Ada Berg based?", "Ada Berg works for Bob."),
        ("Where is the employer of Ada Berg based?", "Ada Berg changed her employer."),  # it names nothing new
        ("Where is the employer of Ada Berg based?", "She works for Velmsoft."),  # it does not name her
        ("How many people does the employer of Ada Berg pay?", _FIRST),  # about many records
        ("where is the employer of ada berg based?", "ada berg works for velmsoft."),  # no name is seen
    ],
)
def test_a_question_is_not_asked_again_without_need(question: str, first: str) -> None:
    ask = _Asked()
    hits = _told(first, "It rains.")
    assert bridged(question, hits, ask, speakers=frozenset({"bob", "ann lee"})) == hits
    assert not ask.texts


def test_a_word_that_opens_a_sentence_is_no_name() -> None:
    ask = _Asked()
    bridged(_ASKED, _told("Wow. Ada Berg got a new job, based abroad. Here is her photo."), ask)
    assert not ask.texts


def test_passages_are_left_to_the_graph() -> None:
    ask = _Asked({_AGAIN: [_SECOND]})
    hits = [_hit(_FIRST, "chunk")]
    assert bridged(_ASKED, hits, ask) == hits
    assert not ask.texts


def _talk(agent: Agent, *bodies: str) -> None:
    place = {"thread": "t", "session": "s", "kind": "turn"}
    agent.remember_many([Draft(body=b, speaker=("Ann", "Bob")[i % 2], **place) for i, b in enumerate(bodies)])  # type: ignore[arg-type]


def test_the_agent_asks_again_on_its_own(tmp_path: Path) -> None:
    with Agent.open(tmp_path, memories="bm25", embedder="hash", observe=False) as agent:
        other = [f"The employer of Bo Lund{n} is based in Town{n}." for n in range(9)]
        _talk(agent, _SECOND, *other[:4], _FIRST, *other[4:])
        found = agent.recall(_ASKED, k=5)
    assert {_FIRST, _SECOND} <= set(_bodies(found))


def test_neither_weights_nor_a_chat_model_are_asked_again(tmp_path: Path) -> None:
    asked: list[str] = []

    class Weights(FromWeights):
        def recall(self, query: Query) -> Recall:
            asked.append(query.text)
            return super().recall(query)

    with open_agent(tmp_path, memories={"words": Words, "weights": Weights}, router="static", observe=False) as agent:
        _talk(agent, _FIRST, *(f"It rains in Town{n}." for n in range(6)), _SECOND)
        found = agent.recall(_ASKED, k=5)
    assert _SECOND in _bodies(found)
    assert asked == [_ASKED]
