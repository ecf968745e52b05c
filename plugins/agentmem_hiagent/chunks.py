"""HiAgent's working memory over a list of LangChain messages: cut into chunks, collapse, expand. Pure functions.

A chunk begins where the model calls the tool `subgoal` and lasts until it does so again or a person speaks. Only
the open chunk shows its raw action-observation pairs; a closed one shows as a line. Nothing is ever altered or
dropped: the raw messages are the input, the visible ones the output, and `expand` and `collapse` are calls that
stand among the messages themselves.

Source: HiAgent (Hu et al., ACL 2025), sections 3.2 to 3.4. Differences: chunks are cut by a tool call instead of a
text pattern; an expansion ends with the subgoal in which it was asked for; sentences that a later line says anew
are left out of older lines; under a token budget the oldest lines fold into one.

This module refuses to know records, models, graphs and plugins.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agentmem_hiagent.summary import Summary, complaint, extract, frame, sentences, without_restated

SUBGOAL, EXPAND, COLLAPSE = "subgoal", "expand", "collapse"
NOTICE = "notice"  # the name of a message in which the loop itself speaks to the model
HEADING = "Subgoals so far (expand(number) shows the raw steps of one):"


@dataclass(frozen=True)
class Chunk:
    """A subgoal with its raw messages. `number` counts from 1; 0 is what was done before the first subgoal."""

    number: int
    subgoal: str
    messages: tuple[BaseMessage, ...]
    closed: bool
    met: bool | None = None  # what the model said of it when it moved on
    said: str = ""  # the model's own summary, when it gave one

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(action, observation) in words, without the calls that only manage subgoals."""
        results = {m.tool_call_id: text_of(m) for m in self.messages if isinstance(m, ToolMessage)}
        return [
            (action_of(call), results.get(call["id"] or "", ""))
            for message in self.messages
            if isinstance(message, AIMessage)
            for call in message.tool_calls
            if call["name"] not in (SUBGOAL, EXPAND, COLLAPSE)
        ]

    @property
    def key(self) -> str:
        """A name made from the content: the same chunk has the same key in every run."""
        text = "\n".join([self.subgoal, *(f"{a}\t{o}" for a, o in self.pairs)])
        return f"{self.number}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


Part = Chunk | BaseMessage


@dataclass(frozen=True)
class Transcript:
    """The whole history: fixed messages (system, people, answers) and chunks, in order."""

    parts: tuple[Part, ...]

    @property
    def chunks(self) -> list[Chunk]:
        return [part for part in self.parts if isinstance(part, Chunk)]

    @property
    def raw(self) -> list[BaseMessage]:
        """Every message as it was: the inverse of `cut`."""
        return [m for part in self.parts for m in (part.messages if isinstance(part, Chunk) else (part,))]

    def chunk(self, number: int) -> Chunk | None:
        return next((chunk for chunk in self.chunks if chunk.number == number), None)


def text_of(message: BaseMessage) -> str:
    """The text of a message, whatever form its content has."""
    return str(message.text)


def action_of(call: Mapping[str, object]) -> str:
    """A tool call in words: a single argument as it is, several by name."""
    args = call["args"]
    assert isinstance(args, Mapping), f"arguments of a tool call should be a mapping, not {args!r}"
    said = [str(v) for v in args.values()] if len(args) == 1 else [f"{k}={v}" for k, v in args.items()]
    return f"{call['name']}({', '.join(said)})"


def cut(messages: Sequence[BaseMessage]) -> Transcript:
    """Cuts a message list into chunks; `cut(messages).raw == list(messages)` always."""
    parts: list[Part] = []
    run: list[BaseMessage] = []
    number, count, subgoal = 0, 0, ""

    def close(closed: bool, met: bool | None = None, said: str = "") -> None:
        if run:
            parts.append(Chunk(number, subgoal, tuple(run), closed, met, said))
            run.clear()

    for place, message in enumerate(messages):
        noticed = place + 1 < len(messages) and messages[place + 1].name == NOTICE
        if isinstance(message, AIMessage) and message.tool_calls:
            opening = next((call["args"] for call in message.tool_calls if call["name"] == SUBGOAL), None)
            if opening is not None and str(opening.get("text", "")).strip():
                met = opening.get("previous_met")
                close(True, met if isinstance(met, bool) else None, str(opening.get("previous_summary") or ""))
                count += 1
                number, subgoal = count, str(opening["text"]).strip()
            run.append(message)
        elif run and (isinstance(message, ToolMessage) or message.name == NOTICE or noticed):
            run.append(message)
        else:  # somebody speaks: the turn that was going on is over
            close(True)
            parts.append(message)
            number, subgoal = 0, ""
    close(False)
    return Transcript(tuple(parts))


def expanded_by_model(transcript: Transcript) -> frozenset[int]:
    """The chunks that the calls in the open chunk have expanded and not collapsed again."""
    shown: set[int] = set()
    for chunk in transcript.chunks:
        if chunk.closed:
            continue
        for message in chunk.messages:
            for call in message.tool_calls if isinstance(message, AIMessage) else ():
                wanted = call["args"].get("number")
                if isinstance(wanted, int) and call["name"] == EXPAND:
                    shown.add(wanted)
                elif isinstance(wanted, int) and call["name"] == COLLAPSE:
                    shown.discard(wanted)
    return frozenset(shown)


def view(
    messages: Sequence[BaseMessage],
    summaries: Mapping[str, Summary] | None = None,
    expanded: frozenset[int] = frozenset(),
    budget_tokens: int | None = None,
    count: Callable[[Sequence[BaseMessage]], int] | None = None,
) -> list[BaseMessage]:
    """What the model sees: closed chunks as lines, the open one and the expanded ones raw.

    `summaries` are by `Chunk.key`; a closed chunk without one gets the extractive line. With a budget the oldest
    lines fold into one as far as is needed; `count` measures messages in tokens (default: `count_tokens`).
    """
    transcript = cut(messages)
    shown = expanded | expanded_by_model(transcript)
    hidden = [c for c in transcript.chunks if c.closed and c.number not in shown]
    measure = count or count_tokens
    lines = _lines(transcript, hidden, summaries or {})
    empty = [c for c in hidden if lines[c.key].endswith("]:")]  # nothing left to say that is not said again
    visible = _assemble(transcript, hidden, lines, [])
    if budget_tokens is None or measure(visible) <= budget_tokens:
        return visible
    longest = max((len(c.messages) for c in transcript.chunks if not c.closed), default=0)
    for kept in range(longest, 2, -2):  # the older half of a long open chunk becomes a line of its own
        visible = _assemble(transcript, hidden, lines, empty, kept)
        if measure(visible) <= budget_tokens:
            return visible
    rest = [chunk for chunk in hidden if chunk not in empty]
    for folded in range(len(rest) + 1):
        visible = _assemble(transcript, hidden, lines, [*empty, *rest[:folded]], 2)
        if measure(visible) <= budget_tokens:
            break
    return visible


def _lines(transcript: Transcript, hidden: list[Chunk], summaries: Mapping[str, Summary]) -> dict[str, str]:
    """One line per hidden chunk, newest first worked out, so that an older line can leave out what is said again."""
    frames: set[str] = set()
    lines: dict[str, str] = {}
    for chunk in reversed(transcript.chunks):
        if chunk not in hidden:
            frames.update(frame(s) for _, observation in chunk.pairs for s in sentences(observation))
            continue
        summary = summarise(chunk, summaries)
        text = without_restated(summary.text, frames)
        frames.update(frame(s) for s in sentences(summary.text))
        name = f"{chunk.number}. {chunk.subgoal or 'before the first subgoal'}"
        lines[chunk.key] = _clip(name, Summary(text, summary.met, summary.reason), count_tokens(chunk.messages))
    return lines


def summarise(chunk: Chunk, summaries: Mapping[str, Summary], max_words: int = 80) -> Summary:
    """The summary that is kept for a chunk, or the model's own, or the extractive one."""
    kept = summaries.get(chunk.key)
    if kept is not None:
        return kept
    if chunk.said and complaint(chunk.said, max_words) is None:
        return Summary(" ".join(chunk.said.split()), chunk.met)
    return extract([observation for _, observation in chunk.pairs], chunk.met)


def _assemble(
    transcript: Transcript, hidden: list[Chunk], lines: Mapping[str, str], folded: list[Chunk], kept: int | None = None
) -> list[BaseMessage]:
    """The visible messages. `folded` chunks show no line; of the open chunk the last `kept` messages stay raw."""
    visible: list[BaseMessage] = []
    block: list[str] = []
    if folded:
        numbers = ", ".join(str(chunk.number) for chunk in folded)
        block.append(f"(Folded: {numbers}.)")
    for part in transcript.parts:
        if isinstance(part, Chunk) and part in hidden:
            if part not in folded:
                block.append(lines[part.key])
        elif isinstance(part, Chunk):
            raw = list(part.messages)
            if kept is not None and not part.closed and len(raw) > kept:
                block.append(_so_far(part, len(raw) - kept))
                raw = raw[-kept:]
            _flush(block, visible)
            visible.extend(raw)
        else:
            if visible:  # the lines stand after the opening messages
                _flush(block, visible)
            visible.append(part)
    _flush(block, visible)
    return visible


def _flush(block: list[str], visible: list[BaseMessage]) -> None:
    if block:
        visible.append(HumanMessage("\n".join([HEADING, *block])))
        block.clear()


def _so_far(chunk: Chunk, n_messages: int) -> str:
    """The line for the older messages of a chunk that is still open."""
    older = Chunk(chunk.number, chunk.subgoal, chunk.messages[:n_messages], True)
    return f"{older.number}. {older.subgoal} [so far]: {extract([o for _, o in older.pairs]).text}"


def _clip(name: str, summary: Summary, max_tokens: int) -> str:
    """A line that is no longer than what it stands for: its oldest sentences go first."""
    said = list(sentences(summary.text))
    while True:
        line = Summary(" ".join(f"{s}." for s in said), summary.met, summary.reason).line(name)
        if not said or tokens(line) <= max_tokens:
            return line
        said.pop(0)


def _plain(message: BaseMessage) -> str:
    calls = message.tool_calls if isinstance(message, AIMessage) else ()
    return " ".join([text_of(message), *(action_of(call) for call in calls)])


def tokens(text: str) -> int:
    """A count close to that of common tokenizers, without one: runs of letters, single digits' groups, signs."""
    return len(re.findall(r"[A-Za-z]{1,8}|\d{1,3}|[^\sA-Za-z\d]", text))


def count_tokens(messages: Sequence[BaseMessage]) -> int:
    """Tokens of messages, four for the frame of each, as chat formats have it."""
    return sum(4 + tokens(_plain(message)) for message in messages)


def answer(messages: Sequence[BaseMessage], name: str, args: Mapping[str, object], max_words: int = 80) -> str:
    """What the tools `subgoal`, `expand` and `collapse` say to the model; a mistake is told in one sentence.

    `messages` is the raw history, with or without the call that is being answered.
    """
    chunks = cut(messages).chunks
    if name == SUBGOAL:
        return _answer_subgoal(chunks, args, max_words)
    wanted, numbers = args.get("number"), [chunk.number for chunk in chunks if chunk.number]
    if wanted not in numbers:
        known = ", ".join(map(str, numbers)) or "none yet"
        return f"There is no subgoal {wanted}; subgoals so far: {known}."
    return f"Subgoal {wanted} shows its raw steps." if name == EXPAND else f"Subgoal {wanted} shows as one line."


def _answer_subgoal(chunks: list[Chunk], args: Mapping[str, object], max_words: int) -> str:
    if not str(args.get("text") or "").strip():
        return "A subgoal needs a text: one sentence that says what to reach. The present one stays open."
    said = args.get("previous_summary")
    wrong = complaint(str(said), max_words) if said is not None and chunks else None
    return "Go on." if wrong is None else f"{wrong} The extractive summary was kept; go on."
