"""Facts that change: added, changed, corrected, ended, retracted, purged, contradicted by documents; then asked for.

Every change goes through a real agent that answers by quoting, and is followed by a question about it. An answer is
stale when it leads with a value that no longer holds, and a contradiction is silent when it names only one side. What
was purged is searched for in every byte of the home. ``--data`` adds MQuAKE: its edits as facts, its questions over
several of them. A second part simulates turns of a conversation and says what they left behind.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem.bench.report import Report, bootstrap, percentile
from agentmem.bench.worlds.town import RELATIONS, Relation, Town, sentence
from agentmem.errors import BadInput
from agentmem.records import Draft, Source, Status, Trust

if TYPE_CHECKING:
    from agentmem.agent import Agent

_SHARES = {"add": 30, "change": 28, "correct": 10, "document": 14, "end": 6, "retract": 6, "purge": 6}
_ASIDE = re.compile(r"\s\((?:until [^()]*|[^()]* says otherwise: [^()]*)\)")
_HOURS = 6
_CHITCHAT = ("Thanks!", "Ok, great.", "Good morning!", "Hm, ok.", "Nice, thank you.")
_EVENTS = ("I visited {s} yesterday.", "We met at {s} last Friday.", "I waited an hour at {s} today.")


def main(argv: Sequence[str]) -> int:
    """``agentmem bench updates``."""
    parser = argparse.ArgumentParser(prog="agentmem bench updates", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument(
        "--turns", type=int, default=2000, help="simulated turns whose traces on disk are told; 0: none"
    )
    parser.add_argument("--data", metavar="DIR", help="MQuAKE: a folder with a dev.json")
    parser.add_argument("--memories", default="chroma,bm25")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print every answer that is stale or silent")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(argv)
    if options.changes < 1 or options.turns < 0:
        raise BadInput("--changes takes at least 1 and --turns at least 0")
    report = Report("updates", {k: v for k, v in vars(options).items() if k not in ("json", "show")})
    stream(report, options)
    if options.turns:
        conversation(report, options)
    if options.data:
        several_facts(report, options, Path(options.data))
    report.finish(options.json)
    return 0


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1_704_067_200.0  # 1 January 2024

    def now(self) -> float:
        return self.at


def _opened(folder: str, options: argparse.Namespace, clock: Clock) -> Agent:
    from agentmem.agent import Agent

    return Agent.open(
        folder, memories=options.memories, embedder=options.embedder, clock=clock, seed=options.seed,
        synchronous="NORMAL",
    )  # fmt: skip


# ---- the stream of changes


@dataclass
class Matter:
    """One respect of one subject: what holds, where it is written, what held before, what documents say."""

    subject: str
    relation: Relation
    value: str | None = None
    record: str | None = None
    before: set[str] = field(default_factory=set)
    others: dict[str, str] = field(default_factory=dict)  # a document's value -> its record
    ended: bool = False


def stream(report: Report, options: argparse.Namespace) -> None:
    """The changes, a question after each, and the figures."""
    rng, town, clock = random.Random(f"updates:{options.seed}"), Town(options.seed), Clock()
    kinds = list(_SHARES)
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    residue = 0
    with tempfile.TemporaryDirectory() as folder, _opened(folder, options, clock) as agent:
        fresh = [(s, r) for s in town.subjects for r in RELATIONS]
        rng.shuffle(fresh)
        matters: list[Matter] = []
        for number in range(options.changes):
            clock.at += _HOURS * 3600
            kind = rng.choices(kinds, [_SHARES[k] for k in kinds])[0]
            held = [m for m in matters if m.value is not None and m.record is not None]
            if kind == "add" or len(held) < 5:
                kind = "add"
                matter = Matter(*fresh.pop())
                matters.append(matter)
            else:
                matter = rng.choice(held)
            gone = _carry_out(agent, kind, matter, town, rng, number)
            if gone:
                residue += _bytes_with(Path(folder), gone)
            answer = agent.ask(sentence(matter.relation.asked, matter.subject))
            told = _judged(matter, answer.text)
            found[kind].append(told)
            if options.show and (told["stale"] or told["silent"]):
                print(f"  {kind}: {told} {sentence(matter.relation.asked, matter.subject)}\n    → {answer.text}")
        audit = Counter(finding.kind for finding in agent.audit())
    _tell_stream(report, found, residue, audit)


def _carry_out(agent: Agent, kind: str, matter: Matter, town: Town, rng: random.Random, number: int) -> str:
    """Make one change; returns the value that was purged, or ""."""
    relation, subject, old, value = matter.relation, matter.subject, matter.value, town.value()
    if kind in ("add", "change"):
        pattern = relation.told if kind == "add" else rng.choice(relation.changed)
        matter.record = _told(agent, sentence(pattern, subject, value), rng)
        matter.before |= {old} if old else set()
        matter.value = value
        return ""
    assert matter.record is not None, "only a matter that is written down is chosen"
    if kind == "correct":
        matter.record = agent.correct(matter.record, sentence(relation.told, subject, value)).record_id
        matter.before |= {old} if old else set()
        matter.value = value
    elif kind == "document":
        draft = Draft(
            body=f"{sentence(relation.told, subject, value)} This leaflet was printed by the town.",
            kind="chunk", trust=Trust.DOCUMENT, sources=(Source(f"leaflets/{number}.md", 0, 80),),
        )  # fmt: skip
        matter.others[value] = agent.remember_many([draft], actor="document").record_id
    elif kind == "end":
        agent.ask(sentence(relation.ended, subject, old or ""))
        matter.before |= {old} if old else set()
        matter.value, matter.record, matter.ended = None, None, True
    elif kind == "retract":
        agent.retract(matter.record)
        matter.before |= {old} if old else set()
        matter.value = matter.record = None
    else:
        agent.purge(matter.record)
        matter.before |= {old} if old else set()
        matter.value = matter.record = None
        return old or ""
    return ""


def _told(agent: Agent, text: str, rng: random.Random) -> str:
    """Say it in conversation, or write it down by hand; the record that holds it."""
    if rng.random() < 0.5:
        return agent.remember(text).record_id
    answer = agent.ask(text)
    records = agent.home.journal.records.get_many([i for receipt in answer.receipts for i in receipt.record_ids])
    return next(r.id for r in records.values() if r.kind == "turn" and r.body == text)


def _judged(matter: Matter, text: str) -> dict[str, bool]:
    """Whether an answer is right, leads with what no longer holds, and is silent about what contradicts it."""
    lead = _ASIDE.sub("", text)
    stale = any(old in lead and not ("no longer" in lead and matter.ended) for old in matter.before)
    named = [value for value in matter.others if value in text]
    right = matter.value in lead if matter.value is not None else True
    disputed = matter.value is not None and bool(matter.others)
    silent = disputed and right and not named
    wrong_side = disputed and any(value in lead for value in matter.others)
    return {"right": bool(right), "stale": stale, "silent": silent, "disputed": disputed, "document": wrong_side}


def _bytes_with(folder: Path, word: str) -> int:
    """Bytes of a word that are left anywhere in the files of a home."""
    needle = word.encode()
    sizes = [path.read_bytes().count(needle) for path in folder.rglob("*") if path.is_file()]
    return sum(sizes) * len(needle)


def _tell_stream(
    report: Report, found: Mapping[str, Sequence[Mapping[str, Any]]], residue: int, audit: Mapping[str, int]
) -> None:
    everything = [told for one in found.values() for told in one]
    for kind, told in [*sorted(found.items()), ("all", everything)]:
        stale = bootstrap([100.0 * one["stale"] for one in told])
        report.row(
            what=f"after {kind}", n=len(told), stale=str(stale),
            right=100.0 * sum(one["right"] for one in told) / len(told),
            disputed=sum(one["disputed"] for one in told), silent=sum(one["silent"] for one in told),
        )  # fmt: skip
    n = len(everything)
    report.figure("stale_rate", sum(one["stale"] for one in everything) / n)
    report.figure("silent_contradictions", sum(one["silent"] for one in everything))
    report.figure("documents_believed", sum(one["document"] for one in everything))
    report.figure("right_rate", sum(one["right"] for one in everything) / n)
    report.figure("disputed", sum(one["disputed"] for one in everything))
    report.figure("purge_residue_bytes", residue)
    report.figure("contradictions_in_audit", audit["contradiction"])


# ---- a conversation, and what it leaves behind


def conversation(report: Report, options: argparse.Namespace) -> None:
    """Simulated turns: statements, changes, repetitions, events, questions and chit-chat."""
    rng, town, clock = random.Random(f"turns:{options.seed}"), Town(options.seed + 1), Clock()
    marks = sorted({max(1, options.turns * part // 4) for part in (1, 2, 3, 4)})
    ms: list[float] = []
    with tempfile.TemporaryDirectory() as folder, _opened(folder, options, clock) as agent:
        said: list[tuple[str, Relation, str]] = []
        for number in range(1, options.turns + 1):
            clock.at += 900
            kind = rng.choices(("state", "change", "repeat", "event", "ask", "chat"), (25, 8, 10, 10, 35, 12))[0]
            text = _simulated(kind, said, town, rng)
            started = time.process_time()
            agent.ask(text, session=f"day {int(clock.at // 86_400)}")
            ms.append(1000 * (time.process_time() - started))
            if number in marks:
                _tell_size(report, agent, Path(folder), number)
        shares = _duplicates(agent)
        kinds = Counter(r.kind for r in agent.records(statuses=tuple(Status)))
    for name, count in sorted(kinds.items()):
        report.row(what=f"records: {name}", n=count, per_turn=count / options.turns)
    report.figure("turns.duplicates", shares)
    report.figure("turns.records", sum(kinds.values()))
    report.figure("turns.cpu_ms_p50", percentile(ms, 0.5))


def _simulated(kind: str, said: list[tuple[str, Relation, str]], town: Town, rng: random.Random) -> str:
    if kind == "chat":
        return rng.choice(_CHITCHAT)
    if kind == "event":
        return rng.choice(_EVENTS).format(s=rng.choice(town.subjects))
    if kind == "state" or not said:
        subject, relation, value = rng.choice(town.subjects), rng.choice(RELATIONS), town.value()
        said[:] = [one for one in said if one[:2] != (subject, relation)]  # nobody repeats what they have changed since
        said.append((subject, relation, value))
        return sentence(relation.told, subject, value)
    place = rng.randrange(len(said))
    subject, relation, value = said[place]
    if kind == "change":
        said[place] = (subject, relation, town.value())
        return sentence(rng.choice(relation.changed), subject, said[place][2])
    return sentence(relation.told, subject, value) if kind == "repeat" else sentence(relation.asked, subject)


def _duplicates(agent: Agent) -> float:
    """The share of what memories hold that says what another record of the same day, or the same fact, says already."""
    held = [r for r in agent.records() if r.memories is None and r.kind != "trace"]
    seen: set[tuple[str, Any]] = set()
    twice = 0
    for record in held:
        event = any(word in record.body for word in ("yesterday", "Friday", "today"))
        at = record.valid_from if record.valid_from is not None else record.recorded_at
        key = (" ".join(record.body.casefold().split()), at // 86_400 if event else 0)
        twice += key in seen
        seen.add(key)
    return twice / max(1, len(held))


def _tell_size(report: Report, agent: Agent, folder: Path, turns: int) -> None:
    agent.home.views.catch_up()
    sizes: dict[str, int] = defaultdict(int)
    for path in folder.rglob("*"):
        if path.is_file():
            parts = path.relative_to(folder).parts
            name = "/".join(parts[:2]) if parts[0] == "memories" else parts[0].partition(".")[0]
            sizes[name] += path.stat().st_size
    largest = sorted(sizes.items(), key=lambda one: -one[1])[:4]
    report.row(
        what=f"home after {turns} turns", n=turns, megabytes=sum(sizes.values()) / 1e6,
        kb_per_turn=sum(sizes.values()) / 1e3 / turns,
        of_which=", ".join(f"{name} {size / 1e6:.1f}" for name, size in largest),
    )  # fmt: skip
    report.figure("turns.bytes_per_turn", sum(sizes.values()) / turns)


# ---- questions over several facts


def several_facts(report: Report, options: argparse.Namespace, folder: Path) -> None:
    """MQuAKE's edits as facts; the share of questions all of whose facts are among the first ten hits."""
    cases = _cases(folder)
    clock = Clock()
    with tempfile.TemporaryDirectory() as home, _opened(home, options, clock) as agent:
        facts = sorted({text for case in cases for text in case["facts"]})
        agent.remember_many([Draft(body=text) for text in facts])
        hits: dict[str, list[float]] = defaultdict(list)
        ms: list[float] = []
        names: list[str | None] = [None, *options.memories.split(",")]
        for case in cases:
            for question in case["questions"]:
                for name in names:
                    started = time.perf_counter()
                    bodies = {hit.record.body for hit in agent.recall(question, k=10, memory=name, readonly=True)}
                    hits[name or "agent"].append(100.0 * (case["facts"] <= bodies))
                    if name is None:
                        ms.append(1000 * (time.perf_counter() - started))
    for name, values in hits.items():
        interval = bootstrap(values)
        report.row(what=f"all facts in the top 10: {name}", n=interval.n, percent=str(interval))
        report.figure(f"mquake.{name}.all@10", interval.value)
    report.figure("mquake.ms_p50", percentile(ms, 0.5))


def _cases(folder: Path) -> list[dict[str, Any]]:
    file = folder / "dev.json" if folder.is_dir() else folder
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return [
            {
                "facts": {
                    f"{edit['prompt'].format(edit['subject'])} {edit['target_new']['str']}."
                    for edit in case["requested_rewrite"]
                },
                "questions": list(case["questions"]),
            }
            for case in data["cases"]
            if not case.get("conflict")
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{file} is no MQuAKE set ({type(error).__name__}: {error}); give the folder of one") from error
