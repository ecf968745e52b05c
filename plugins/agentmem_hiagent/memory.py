"""The HiAgent memory: closes subgoals into records and shows a message list as its view.

Raw steps are records of the core (kind "step", see `agentmem.acting`); here each finished subgoal becomes one
derived record (kind "subgoal") that names its steps, so that taking a step back takes the line back as well. It
refuses to know environments, tools of others and how a run is driven.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage, messages_from_dict
from langchain_core.tools import BaseTool

from agentmem.contract import Context, Memory, MemoryConfig, Message
from agentmem.records import Change, CheckLine, Draft, Event, Proposal, Query, Recall, Record, Trust
from agentmem.wordindex import WordIndex
from agentmem_hiagent.chunks import NOTICE, SUBGOAL, Chunk, cut, summarise, view
from agentmem_hiagent.config import HiAgentConfig
from agentmem_hiagent.summary import Summary, write


class HiAgentMemory(Memory):
    """Subgoals as chunks of working memory; recall finds finished ones, their steps are the path."""

    name: ClassVar[str] = "hiagent"
    kinds: ClassVar[frozenset[str]] = frozenset({"subgoal"})
    Config: ClassVar[type[MemoryConfig]] = HiAgentConfig

    def __init__(self, context: Context, config: MemoryConfig | None = None) -> None:
        super().__init__(context, config)
        self._index = WordIndex()
        self._expanded: frozenset[int] = frozenset()

    @property
    def settings(self) -> HiAgentConfig:
        assert isinstance(self.config, HiAgentConfig), f"settings of hiagent are a {type(self.config).__name__}"
        return self.config

    # ---- the three verbs

    def observe(self, event: Event) -> Sequence[Proposal]:
        """Closes the subgoals that a step has left behind; an event of kind "outcome" closes the last one too."""
        runs = {r.session: r for r in event.records if r.kind == "step" and r.session}
        return [draft for run, newest in runs.items() for draft in self._close(run, newest, event.kind == "outcome")]

    def apply(self, changes: Sequence[Change]) -> None:
        self._index.apply(changes)

    def recall(self, query: Query) -> Recall:
        hits = self._index.search(query, "a subgoal with these words")
        return Recall(hits=tuple(hits)) if len(self._index) else Recall(abstain="no subgoal has been finished yet")

    # ---- the visible context

    def view(self, messages: Sequence[Any]) -> Sequence[BaseMessage]:
        """The messages with finished subgoals as lines; summaries that are kept as records are used."""
        return view(messages, self.summaries(), self._expanded, self.settings.budget_tokens)

    def summaries(self) -> dict[str, Summary]:
        """The kept summaries by `Chunk.key`."""
        kept: dict[str, Summary] = {}
        for record in self._index.records():
            met = record.attributes.get("met")
            kept[str(record.attributes.get("key"))] = Summary(
                str(record.attributes.get("summary", record.body)),
                met if isinstance(met, bool) else None,
                str(record.attributes.get("reason", "")),
            )
        return kept

    def expand(self, number: int) -> None:
        """Show the raw steps of a subgoal from now on, until `collapse`."""
        self._expanded |= {number}

    def collapse(self, number: int) -> None:
        """Hide them again."""
        self._expanded -= {number}

    def tools(self) -> list[BaseTool]:
        """`subgoal`, `expand` and `collapse` for a model that acts."""
        from agentmem_hiagent.tools import subgoal_tools  # langgraph's prebuilt parts are slow to import

        return subgoal_tools(self.settings.max_words)

    def check(self) -> Sequence[CheckLine]:
        return (CheckLine("ok", f"hiagent holds {len(self._index)} finished subgoals"),)

    def erase(self) -> None:
        """Nothing is on disk: what a purge removed is gone with the change that `apply` got."""

    # ---- closing

    def _close(self, run: str, newest: Record, ended: bool) -> Iterable[Draft]:
        """Drafts for the chunks of a run that are finished and not written down yet."""
        if not ended and not _moves_on(newest):
            return
        find = self.context.records.find
        steps = list(find(kinds=("step",), session=run, namespace=newest.namespace))
        written = {
            r.attributes.get("number") for r in find(kinds=("subgoal",), session=run, namespace=newest.namespace)
        }
        told = [(m, step) for step in steps for m in messages_from_dict(step.attributes.get("messages", []))]
        place = 0
        for chunk in cut([message for message, _ in told]).parts:
            if not isinstance(chunk, Chunk):
                place += 1
                continue
            mine = [step for _, step in told[place : place + len(chunk.messages)]]
            place += len(chunk.messages)
            if (chunk.closed or ended) and chunk.number not in written and chunk.pairs:
                yield self._draft(run, chunk, list({step.id: step for step in mine}.values()))

    def _draft(self, run: str, chunk: Chunk, steps: Sequence[Record]) -> Draft:
        summary = self._summarise(chunk)
        return Draft(
            kind="subgoal",
            body=summary.line(f"{chunk.number}. {chunk.subgoal or 'before the first subgoal'}"),
            namespace=steps[0].namespace,
            thread=steps[0].thread,
            session=run,
            derived_from=tuple(step.id for step in steps),
            trust=Trust.AGENT,
            attributes={
                "number": chunk.number,
                "subgoal": chunk.subgoal,
                "key": chunk.key,
                "summary": summary.text,
                "met": summary.met,
                "reason": summary.reason,
            },
        )

    def _summarise(self, chunk: Chunk) -> Summary:
        chat = self.context.chat
        if self.settings.summaries == "chat" and chat is not None and not chunk.said:
            ask = lambda prompt: chat.chat([Message("user", prompt)])  # noqa: E731 (a name for one expression)
            return write(ask, chunk.subgoal, chunk.pairs, self.settings.max_words)
        return summarise(chunk, {}, self.settings.max_words)


def _moves_on(step: Record) -> bool:
    """Whether a step can have closed a subgoal: it formulates the next one, or somebody speaks."""
    messages = messages_from_dict(step.attributes.get("messages", []))
    return any(
        not isinstance(m, ToolMessage)
        and m.name != NOTICE
        and (not isinstance(m, AIMessage) or not m.tool_calls or any(call["name"] == SUBGOAL for call in m.tool_calls))
        for m in messages
    )
