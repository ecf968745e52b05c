"""The memory's tools for a LangChain agent: recall, and remember, correct, forget, undo by the user's own wish.

They are the tools of `agentmem.tools`: a tool that writes does so only when the user's last message asks for its kind
of change, and only what that message says. They read that message from the agent's state.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool

from agentmem import Agent
from agentmem.exchange import notice
from agentmem.models.protocol import ToolCall
from agentmem.records import Namespace
from agentmem.tools import Asked, MemoryTools, described, offered
from agentmem_langchain.place import place_of, question_of, turn_id

_EVERY_WISH = "remember correct forget undo"
SPECS = {spec.name: spec for spec in offered(_EVERY_WISH, may_write=True)}


def memory_tools(agent: Agent, *, namespace: Sequence[str] | None = None) -> list[BaseTool]:
    """Tools for `create_agent` or a `ToolNode`. ``namespace`` holds for all runs; otherwise each run's own is used."""
    scope: Namespace | None = None if namespace is None else tuple(namespace)
    caller = _Caller(agent, scope)

    def recall(query: str, runtime: ToolRuntime) -> str:
        return caller.call("recall", {"query": query}, runtime)

    def remember(text: str, runtime: ToolRuntime) -> str:
        return caller.call("remember", {"text": text}, runtime)

    def correct(id: str, text: str, runtime: ToolRuntime) -> str:
        return caller.call("correct", {"id": id, "text": text}, runtime)

    def forget(id: str, runtime: ToolRuntime) -> str:
        return caller.call("forget", {"id": id}, runtime)

    def undo(runtime: ToolRuntime) -> str:
        return caller.call("undo", {}, runtime)

    return [
        StructuredTool.from_function(function, name=name, description=SPECS[name].description)
        for name, function in (
            ("recall", recall),
            ("remember", remember),
            ("correct", correct),
            ("forget", forget),
            ("undo", undo),
        )
    ]


class _Caller:
    """Carries out one call in the place of the run that makes it."""

    def __init__(self, agent: Agent, namespace: Namespace | None) -> None:
        self._agent = agent
        self._namespace = namespace
        self._tools = MemoryTools(agent)

    def call(self, name: str, arguments: Mapping[str, str], runtime: ToolRuntime) -> str:
        """What the model is told; what is wrong with a call is a sentence, never an exception."""
        place = place_of(self._agent, runtime.config, self._namespace)
        question = question_of(runtime.state["messages"] if runtime.state else [])
        if question is None:
            return "not done: nobody has said anything yet"
        asked = Asked(
            turn_id(place, question), place.thread, place.namespace, question.text, place.session, place.speaker
        )
        call = ToolCall(runtime.tool_call_id or name, name, dict(arguments))
        outcome = self._tools.call(call, asked, may_write=not self._agent.home.readonly)
        if not outcome.found:
            return outcome.text
        records = self._agent.home.journal.records.get_many(outcome.found)
        fence = secrets.token_hex(4)
        quoted = described(list(records.values()))
        return f"{outcome.text}. {notice(fence)}\n\n<memory-{fence}>\n{quoted}\n</memory-{fence}>"
