"""The three calls by which a model manages its subgoals, as LangChain tools that read the graph's own messages.

They change nothing: what they mean is read off the history by `agentmem_hiagent.chunks`.
"""

from __future__ import annotations

from typing import Annotated, Any

from langchain_core.tools import BaseTool, tool
from langgraph.prebuilt import InjectedState

from agentmem_hiagent.chunks import COLLAPSE, EXPAND, SUBGOAL, answer

HINT = (
    "Before you act, call `subgoal` with one sentence that says what you want to reach next; do so again when you "
    "move on. The steps of finished subgoals show as one line each; `expand` with a subgoal's number brings its "
    "raw steps back, `collapse` hides them again."
)


def subgoal_tools(max_words: int = 80) -> list[BaseTool]:
    """`subgoal`, `expand` and `collapse`."""

    @tool(SUBGOAL)
    def subgoal(
        text: str,
        state: Annotated[dict[str, Any], InjectedState],
        previous_met: bool | None = None,
        previous_summary: str | None = None,
    ) -> str:
        """Say what you want to reach next, before you act. Closes the subgoal before it; say whether that was met."""
        args = {"text": text, "previous_met": previous_met, "previous_summary": previous_summary}
        return answer(state["messages"], SUBGOAL, args, max_words)

    @tool(EXPAND)
    def expand(number: int, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Show the raw steps of a finished subgoal again, until the present subgoal ends."""
        return answer(state["messages"], EXPAND, {"number": number})

    @tool(COLLAPSE)
    def collapse(number: int, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Hide the raw steps of a finished subgoal again."""
        return answer(state["messages"], COLLAPSE, {"number": number})

    return [subgoal, expand, collapse]
