"""HiAgent in a plain LangChain agent: `create_agent(model, tools, middleware=[HiAgentMiddleware()])`.

Needs the package `langchain`, and nothing else of agentmem: no home, no journal. Summaries live in the agent's own
state, so that a checkpointer keeps them. For a graph of one's own use `agentmem_hiagent.chunks.view` in the node
that calls the model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, NotRequired, cast

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse, hook_config
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from agentmem_hiagent.chunks import NOTICE, cut, summarise, text_of, view
from agentmem_hiagent.summary import Summary, write
from agentmem_hiagent.tools import HINT, subgoal_tools

NOTHING = "That was neither a subgoal nor an action: call `subgoal` or a tool, or answer in words when you are done."


def _merge(left: Mapping[str, Any] | None, right: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**(left or {}), **(right or {})}


class HiAgentState(AgentState[Any]):
    """The agent's state with the summaries of finished subgoals, by chunk key, as plain data."""

    hiagent_summaries: NotRequired[Annotated[dict[str, Any], _merge]]


class HiAgentMiddleware(AgentMiddleware[HiAgentState, Any, Any]):
    """Shows the model its finished subgoals as lines and only the present one in full."""

    state_schema = HiAgentState

    def __init__(
        self,
        *,
        summariser: BaseChatModel | None = None,
        budget_tokens: int | None = None,
        max_words: int = 80,
        retries: int = 3,
    ) -> None:
        """`summariser` writes the lines (default: extractive, no model); `retries` bounds replies without content."""
        super().__init__()
        self.summariser, self.budget_tokens, self.max_words = summariser, budget_tokens, max_words
        self.retries = retries
        self.tools = subgoal_tools(max_words)

    def before_model(self, state: HiAgentState, runtime: Any) -> dict[str, Any] | None:
        """Writes the summaries that are missing."""
        kept = state.get("hiagent_summaries", {})
        written: dict[str, Any] = {}
        for chunk in cut(state["messages"]).chunks:
            if not chunk.closed or chunk.key in kept:
                continue
            if self.summariser is None or chunk.said:
                summary = summarise(chunk, {}, self.max_words)
            else:
                summary = write(self._chat, chunk.subgoal, chunk.pairs, self.max_words)
            written[chunk.key] = {"text": summary.text, "met": summary.met, "reason": summary.reason}
        return {"hiagent_summaries": written} if written else None

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """The model sees the view; the state keeps every message."""
        return handler(self._seen(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """As `wrap_model_call`."""
        return await handler(self._seen(request))

    @hook_config(can_jump_to=["model"])
    def after_model(self, state: HiAgentState, runtime: Any) -> dict[str, Any] | None:
        """A reply with neither a call nor a word is answered with one sentence, at most `retries` times on end."""
        last = state["messages"][-1]
        if not isinstance(last, AIMessage) or last.tool_calls or text_of(last).strip():
            return None
        notices = [m.name == NOTICE for m in state["messages"][-2 * self.retries :]]
        if sum(notices) >= self.retries:
            return None
        return {"messages": [HumanMessage(NOTHING, name=NOTICE)], "jump_to": "model"}

    def _seen(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        kept = cast("HiAgentState", request.state).get("hiagent_summaries", {})
        summaries = {key: Summary(**value) for key, value in kept.items()}
        visible = view(request.messages, summaries, budget_tokens=self.budget_tokens)
        prompt = f"{request.system_prompt}\n\n{HINT}" if request.system_prompt else HINT
        return request.override(messages=cast("list[AnyMessage]", visible), system_message=SystemMessage(prompt))

    def _chat(self, prompt: str) -> str:
        assert self.summariser is not None, "only called with a summariser"
        return text_of(self.summariser.invoke([HumanMessage(prompt)]))
