"""Long-term memory for `create_agent(model, tools, middleware=[MemoryMiddleware(agent)])`.

Before the model is called first in a turn, the memories are asked about the user's message, and what they know is
shown to it as fenced data; after the last reply the exchange is written down. The agent's state names records by id and
quotes none, because a checkpoint must not keep what a purge removes. Needs the package `langchain`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, NotRequired, cast

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage
from langgraph.config import get_config

from agentmem import Agent
from agentmem.compose import fenced
from agentmem.exchange import evidence_for, notice, write_exchange
from agentmem.records import Hit, Namespace
from agentmem.state import hits_of, plain_hit
from agentmem.tools import offered
from agentmem_langchain.place import answer_to, place_of, question_of, turn_id
from agentmem_langchain.tools import memory_tools


class MemoryState(AgentState[Any]):
    """The agent's state with what was recalled for the present turn, as plain data without words."""

    agentmem_turn: NotRequired[Annotated[dict[str, Any], PrivateStateAttr]]


class MemoryMiddleware(AgentMiddleware[MemoryState, Any, Any]):
    """Recalls before the model, writes back after it, and offers the memory's tools when the user asks for them.

    ``namespace`` holds for all runs (default: ``configurable`` of the run, else the agent's own); ``k`` is how many
    records are shown; ``write`` False only reads; ``tools`` False leaves the tools out.
    """

    state_schema = MemoryState

    def __init__(
        self,
        agent: Agent,
        *,
        namespace: Sequence[str] | None = None,
        k: int | None = None,
        write: bool = True,
        tools: bool = True,
    ) -> None:
        super().__init__()
        self._agent = agent
        self._namespace: Namespace | None = None if namespace is None else tuple(namespace)
        self._k = k
        self._writes = write and not agent.home.readonly
        self.tools = memory_tools(agent, namespace=self._namespace) if tools else []

    # ---- recall

    def before_agent(self, state: MemoryState, runtime: Any) -> dict[str, Any] | None:
        """Ask the memories about what the user has just said."""
        question = question_of(state["messages"])
        if question is None:
            return None
        place = place_of(self._agent, get_config(), self._namespace)
        found = evidence_for(self._agent, question.text, namespace=place.namespace, k=self._k)
        turn = {"id": turn_id(place, question), "question": question.id, "hits": [plain_hit(h) for h in found.hits]}
        return {"agentmem_turn": turn}

    async def abefore_agent(self, state: MemoryState, runtime: Any) -> dict[str, Any] | None:
        """As `before_agent`."""
        return await asyncio.to_thread(self.before_agent, state, runtime)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """The model sees what is known in front of the question; the state keeps the messages as they are."""
        return handler(self._seen(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """As `wrap_model_call`."""
        return await handler(await asyncio.to_thread(self._seen, request))

    def _seen(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        turn = cast("MemoryState", request.state).get("agentmem_turn") or {}
        question = question_of(request.messages)
        wanted = offered(question.text if question else "", may_write=self._writes)
        names = {spec.name for spec in wanted}
        idle = {id(tool) for tool in self.tools if tool.name not in names}
        tools = [tool for tool in request.tools if id(tool) not in idle]
        hits = self._hits(turn)
        if not hits:
            return request.override(tools=tools)
        fence = turn["id"][-8:]
        told = f"{request.system_prompt}\n\n{notice(fence)}" if request.system_prompt else notice(fence)
        messages = _with_evidence(request.messages, turn["question"], fenced(hits, fence))
        return request.override(messages=messages, system_message=SystemMessage(told), tools=tools)

    def _hits(self, turn: dict[str, Any]) -> list[Hit]:
        """What was recalled, as it stands now: what was corrected or purged meanwhile is not shown as it was."""
        plain = turn.get("hits") or []
        records = self._agent.home.journal.records.get_many([hit["id"] for hit in plain])
        return [hit for hit in hits_of(plain, records) if hit.record.is_live]

    # ---- write back

    def after_agent(self, state: MemoryState, runtime: Any) -> dict[str, Any] | None:
        """Write the question and its answer down; memories then derive from them."""
        question = question_of(state["messages"])
        turn = state.get("agentmem_turn") or {}
        if question is None or not self._writes or turn.get("question") != question.id:
            return None
        answer = answer_to(question, state["messages"])
        if answer:
            place = place_of(self._agent, get_config(), self._namespace)
            write_exchange(
                self._agent,
                question.text,
                answer,
                namespace=place.namespace,
                thread=place.thread,
                session=place.session,
                speaker=place.speaker,
                turn_id=turn["id"],
                hits=self._hits(turn),
            )
        return None

    async def aafter_agent(self, state: MemoryState, runtime: Any) -> dict[str, Any] | None:
        """As `after_agent`."""
        return await asyncio.to_thread(self.after_agent, state, runtime)


def _with_evidence(messages: Sequence[AnyMessage], question: str | None, evidence: str) -> list[AnyMessage]:
    """The messages with the evidence in front of the question; at the beginning when the question is folded away."""
    out = list(messages)
    for place, message in enumerate(out):
        if isinstance(message, HumanMessage) and message.id == question:
            said = message.content
            shown = f"{evidence}\n\n{said}" if isinstance(said, str) else [{"type": "text", "text": evidence}, *said]
            out[place] = message.model_copy(update={"content": shown})
            return out
    return [HumanMessage(evidence, name="memory"), *out]
