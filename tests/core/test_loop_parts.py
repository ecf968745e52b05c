"""The parts of the loop by themselves: redaction, composing, consent, budgets, slash commands, traces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentmem.budget import Spending, TurnBudget
from agentmem.compose import compose, fenced, strongest_at_both_ends
from agentmem.consent import grounded, touches, wishes
from agentmem.errors import AgentmemError, BadInput, BudgetExceeded, NotFound
from agentmem.events import Cost
from agentmem.records import Hit, Record, Source, Status, Trust
from agentmem.redact import redact
from agentmem.settings import BudgetSettings
from agentmem.slash import SlashCommands
from agentmem.trace import to_opentelemetry
from tests.core.loop_fakes import open_agent

# ---- redaction


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("use sk-proj-abcDEF1234567890abcd please", "API key"),
        ("AKIAIOSFODNN7EXAMPLE is the id", "API key"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "API key"),
        ("ghp_abcdefghijklmnopqrstuvwxyz012345", "token"),
        ("xoxb-123456789012-abcdefghij", "token"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc-def", "token"),
        ("Authorization: Bearer abcdef0123456789abcdef", "token"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----", "private key"),
        ("my password is hunter22", "password"),
        ("API_KEY = 'a8f5f167f44f4964e6c998dee827110c'", "password"),
        ("postgres://admin:s3cr3t-pw@db.example/x", "password"),
        ("pay with 4111 1111 1111 1111 today", "card number"),
        ("5500-0055-5555-5559", "card number"),
    ],
)
def test_a_secret_is_taken_out_and_named(text: str, kind: str) -> None:
    found = redact(text)
    assert kind in found.kinds
    assert f"[{kind} removed]" in found.text
    assert redact(found.text) == type(found)(found.text), "a second time changes nothing"


@pytest.mark.parametrize(
    "text",
    [
        "The password is on the blackboard.",
        "Call me at 0049 151 2345 6789 tomorrow.",
        "Order 1234 5678 9012 3456 has shipped.",
        "In 1999 we sold 1,000,000,000,000 bolts.",
        "The secret is patience.",
        "Pi is 3.14159265358979323846.",
        "sk-8 is a short name",
        "the token ring network of 1985",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text).text == text


# ---- composing


class Shelf:
    """Records by id, as the journal has them."""

    def __init__(self, *records: Record) -> None:
        self._records = {record.id: record for record in records}

    def get_many(self, record_ids: Sequence[str], *, as_of: float | None = None) -> dict[str, Record]:
        return {i: self._records[i] for i in record_ids if i in self._records}


def record(id: str, body: str, **more: Any) -> Record:
    return Record(id=id, kind=more.pop("kind", "fact"), body=body, version_id=1, **more)


def composed(*records: Record, question: str = "What?", budget: int = 3000, **more: Any) -> Any:
    hits = [Hit(r, 1.0 - n / 100, memory="words") for n, r in enumerate(records)]
    shelf: Any = Shelf(*records)
    return compose(hits, shelf, question=question, budget_tokens=budget, **more)


def test_what_is_no_longer_true_is_left_out_with_its_reason() -> None:
    out = composed(record("a", "Old.", status=Status.SUPERSEDED), record("b", "New."))
    assert [h.record_id for h in out.hits] == ["b"]
    assert out.dropped == ("a: it is superseded",)


def test_an_earlier_answer_goes_when_what_it_rests_on_is_gone() -> None:
    fact = record("fact", "Pier 4.", status=Status.RETRACTED)
    echo = record("echo", "It is at Pier 4.", kind="turn", trust=Trust.AGENT, derived_from=("fact",))
    shelf: Any = Shelf(fact, echo)
    out = compose([Hit(echo, 1.0)], shelf, question="Where?", budget_tokens=100)
    assert out.hits == ()
    assert "rests on what is retracted" in out.dropped[0]


def test_the_same_is_said_once() -> None:
    span = (Source("a.md", 0, 100),), (Source("a.md", 30, 110),), (Source("a.md", 90, 200),)
    out = composed(
        record("a", "One two.", sources=span[0]),
        record("b", "Two three.", sources=span[1]),
        record("c", "Three four.", sources=span[2]),
        record("d", "one  TWO!"),
    )
    assert [h.record_id for h in out.hits] == ["a", "c"]


def test_of_two_statements_about_one_thing_the_newer_leads() -> None:
    old = record(
        "old", "Rosa works at Tidewell.", subject="Rosa", relation="works at", object="Tidewell", valid_from=1.0
    )
    new = record("new", "Rosa works at Brack.", subject="rosa", relation="Works at", object="Brack", valid_from=2.0)
    out = composed(old, new)
    assert [h.record_id for h in out.hits] == ["new", "old"]
    assert "; older; id old" in fenced(out.hits, "f")


def test_evidence_keeps_to_its_tokens_and_cuts_a_first_hit_that_is_too_long() -> None:
    out = composed(record("a", "x" * 200), record("b", "y" * 4000), record("c", "z" * 40), budget=120)
    assert [h.record_id for h in out.hits] == ["a", "c"]
    assert out.tokens <= 120
    long = composed(record("a", "word " * 4000), budget=100)
    assert len(long.hits[0].record.body) < 400


def test_the_strongest_stand_at_both_ends() -> None:
    hits = [Hit(record(str(n), str(n)), 1.0) for n in range(1, 7)]
    assert [rank for rank, _ in strongest_at_both_ends(hits)] == [1, 3, 5, 6, 4, 2]


# ---- consent


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Please remember that I like tea.", {"remember"}),
        ("Don't forget that I like tea.", {"remember"}),
        ("Forget what I said about tea.", {"forget"}),
        ("undo that", {"undo"}),
        ("Where is the office?", set()),
        ("I like tea.", set()),
        ("Vergiss nicht, dass ich Tee mag.", {"remember"}),
    ],
)
def test_the_users_words_say_which_changes_they_want(text: str, wanted: set[str]) -> None:
    assert wishes(text) == wanted


def test_a_claim_rests_on_what_was_said_or_it_does_not() -> None:
    said = "Remember that my boat Marigold lies at Pier 9."
    assert grounded("The boat Marigold lies at Pier 9.", said)
    assert not grounded("Send the money of the boat to Mallory today.", said)
    assert not grounded("", said)
    assert touches("Marigold is green.", said)
    assert not touches("The tea is hot.", said)


# ---- budgets


def test_each_limit_names_itself() -> None:
    def spent(**kept: Any) -> TurnBudget:
        return TurnBudget(BudgetSettings(steps=3, tokens=100, seconds=5, money=1), spent=Cost(**kept))

    for kept, name in (({"steps": 4}, "steps"), ({"tokens_in": 100}, "tokens"), ({"seconds": 6.0}, "seconds")):
        with pytest.raises(BudgetExceeded, match=rf"budget\.{name}"):
            spent(**kept).check()
    with pytest.raises(BudgetExceeded, match=r"\$1 a turn"):
        spent().charge(money=1.5)
    spent(steps=3, tokens_in=99).check()


def test_spending_is_counted_by_the_day_and_shared(tmp_path: Path) -> None:
    now = [1_700_000_000.0]
    one = Spending(tmp_path / "s.db", now=lambda: now[0])
    two = Spending(tmp_path / "s.db", now=lambda: now[0])
    assert one.spent_today() == 0.0
    one.spend(0.25, 10)
    two.spend(0.5, 10)
    assert one.spent_today() == 0.75
    now[0] += 86_400
    assert two.spent_today() == 0.0


# ---- slash commands


def test_every_slash_command_has_a_line_of_help(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        commands = SlashCommands(agent)
        shown = commands.run("/help").text
        for name in commands.names():
            assert f"/{name} " in shown
            assert commands.summary(name)


def test_slash_commands_write_read_and_take_back(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        commands = SlashCommands(agent)
        assert "remember" in commands.run("/remember The harbour office is at Pier 4.").text
        (fact,) = agent.records()
        commands.run(f"/correct {fact.id[:8]} The harbour office is at Pier 6.")
        assert agent.show(fact.id).body.endswith("Pier 6.")
        commands.last = agent.ask("Where is the harbour office?")
        assert "[1]" in commands.run("/why").text
        assert "recalled" in commands.run("/trace").text
        assert "tokens" in commands.run("/cost").text
        assert "took back" in commands.run("/undo").text
        assert agent.show(fact.id).body.endswith("Pier 4.")
        assert "Pier 4" in commands.run("/recall harbour").text
        assert "correct" in commands.run(f"/history {fact.id}").text
        assert "would remove" in commands.run(f"/purge {fact.id}").text
        assert agent.show(fact.id).is_live
        assert "purged" in commands.run(f"/purge {fact.id} yes").text
        assert commands.run("/quit").quit
        assert commands.run("/incognito on").text.startswith("incognito")


def test_slash_commands_say_what_is_wrong(tmp_path: Path) -> None:
    with open_agent(tmp_path) as agent:
        commands = SlashCommands(agent)
        for line, why in (
            ("/rember x", "did you mean /remember"),
            ("/correct abc", "something is missing"),
            ("/incognito maybe", "takes on or off"),
            ("/undo", "no change to take back"),
            ("/why", "no answer yet"),
            ("/show zzzz", "no record"),
            ("/discard", "nothing to resume or discard"),
        ):
            with pytest.raises(AgentmemError, match=why):
                commands.run(line)
        with pytest.raises(NotFound):
            commands.run("/approve zzzz")
        with pytest.raises(BadInput):
            commands.run("/")


# ---- traces


class Spans:
    """Stands in for OpenTelemetry's tracer."""

    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []

    def start_span(self, name: str, *_: Any, attributes: dict[str, Any], **__: Any) -> Spans:
        self.made.append((name, attributes))
        return self

    def end(self, *_: Any) -> None:
        return None


def test_a_trace_becomes_spans_only_when_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    otel = pytest.importorskip("opentelemetry.trace")
    spans = Spans()
    monkeypatch.setattr(otel, "get_tracer", lambda *_: spans)
    monkeypatch.setattr(otel, "set_span_in_context", lambda span: None)
    with open_agent(tmp_path / "a") as agent:
        agent.remember("The harbour office is at Pier 4.")
        agent.ask("Where is the harbour office?")
    assert spans.made == []
    with open_agent(tmp_path / "b", trace={"opentelemetry": True}) as agent:
        agent.remember("The harbour office is at Pier 4.")
        agent.ask("Where is the harbour office?")
    names = [name for name, _ in spans.made]
    assert names[0] == "agentmem.turn"
    assert "agentmem.recalled" in names
    assert all(isinstance(v, str | bool | int | float) for _, told in spans.made for v in told.values())
    assert "Pier 4" not in str(spans.made)


def test_without_the_package_the_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AgentmemError, match="opentelemetry-api is not installed"):
        to_opentelemetry({"at": 0.0, "steps": [], "outcome": {}})
