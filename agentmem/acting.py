"""Acting: a model calls tools, or moves in an environment, until it is done or a limit ends it.

Every reply with what came of it is one record (kind "step"), written as it happens; a run is the list of its steps.
What a run did is therefore history like everything else, and a run that was cut off goes on where its records end:
messages are built again from them and the environment is put back to its last snapshot. A call that was cut off
between doing and writing is made again; an environment with snapshots does not notice.

What the model sees is whatever `view` makes of the messages (the hook of memories such as HiAgent). This module refuses
to know how that is done, who the model is and what the tools do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    ToolMessage,
    message_to_dict,
    messages_from_dict,
)
from langchain_core.tools import BaseTool, StructuredTool

from agentmem.errors import BadInput, NotFound
from agentmem.records import Draft, Event, Namespace, Record, Trust

if TYPE_CHECKING:
    from agentmem.home import Home

NOTICE = "notice"  # the name of a message in which the loop itself speaks to the model
NO_ACTION = "That was neither a subgoal nor an action. Call a tool; the task is not done yet."
ACTOR = "agent"

Decide = Callable[[Sequence[BaseMessage]], AIMessage]
"""The model: the visible messages in, its reply out."""
See = Callable[[Sequence[BaseMessage]], Sequence[BaseMessage]]


@runtime_checkable
class Outcome(Protocol):
    """What one move in an environment brought; reward is a share of the goal, 0 to 1."""

    @property
    def observation(self) -> str: ...

    @property
    def reward(self) -> float: ...

    @property
    def done(self) -> bool: ...


@runtime_checkable
class Environment(Protocol):
    """A world to act in. Mistakes are observations; `step` raises only when the environment itself is broken."""

    def reset(self) -> str:
        """The task in words."""
        ...

    def valid_actions(self) -> Sequence[str]: ...

    def step(self, action: str) -> Outcome: ...


@runtime_checkable
class Snapshots(Protocol):
    """An environment that can be put back: needed to resume a run."""

    def snapshot(self) -> Mapping[str, Any]:
        """The state as JSON values."""
        ...

    def restore(self, snapshot: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Limits:
    """Where a run ends by itself. None: no limit."""

    steps: int = 200  # replies of the model
    seconds: float | None = None
    tokens: int | None = None  # of all prompts together, four characters each
    idle: int = 3  # replies on end without a call
    result_chars: int = 4000  # of a tool's result; longer ones are stored and referred to


@dataclass(frozen=True)
class Ended:
    """How a run ended. `stopped` names the limit that ended it, or is empty."""

    run: str
    text: str
    steps: int
    reward: float
    done: bool
    stopped: str = ""


@dataclass
class Run:
    """One run in one home. The same `name` goes on with the run of that name."""

    home: Home
    decide: Decide
    task: str = ""
    name: str = "run"
    tools: Sequence[BaseTool] = ()
    environment: Environment | None = None
    view: See | None = None
    namespace: Namespace = ()
    limits: Limits = field(default_factory=Limits)
    reward: float = 0.0
    done: bool = False
    _messages: list[BaseMessage] = field(default_factory=list)
    _n_steps: int = 0
    _last: Record | None = None
    _spent: int = 0

    @property
    def messages(self) -> list[BaseMessage]:
        """The raw history, nothing left out."""
        return list(self._messages)

    def go(self) -> Ended:
        """Acts until the model is done or a limit is reached; picks up what an earlier process left."""
        tools = {tool.name: tool for tool in (*self.tools, *self.own_tools())}
        self._begin()
        started, idle = time.monotonic(), 0
        stopped = ""
        text = self._messages[-1].text if self.done and self.environment is None else ""
        while not self.done and not (stopped := self._limit(started)):
            visible = self.view(self._messages) if self.view else self._messages
            self._spent += sum(len(m.text) for m in visible) // 4
            reply = self.decide(visible)
            if not reply.tool_calls:
                text = reply.text.strip()
                if text and self.environment is None:
                    self.done = True
                    self._write([reply])
                    break
                idle += 1
                if idle >= self.limits.idle:
                    stopped = f"{idle} replies on end called no tool"
                self._write([reply, HumanMessage(NO_ACTION, name=NOTICE)])
                if stopped:
                    break
                continue
            idle = 0
            self._write([reply, *(self._call(tools, call) for call in reply.tool_calls)])
        return self._end(text, stopped)

    # ---- beginning and end

    def _begin(self) -> None:
        """Reads the run's records; a new run begins with its task."""
        steps = list(self.home.journal.records.find(kinds=("run", "step"), session=self.name, namespace=self.namespace))
        if not steps:
            told = [self.task, self.environment.reset()] if self.environment is not None else [self.task]
            if not any(told):
                raise BadInput("a run needs a task, an environment, or both")
            self._write([HumanMessage("\n".join(part for part in told if part))], kind="run")
            return
        self._messages = [m for step in steps for m in messages_from_dict(step.attributes["messages"])]
        self._n_steps, self._last = len(steps) - 1, steps[-1]
        self.reward, self.done = float(steps[-1].attributes["reward"]), bool(steps[-1].attributes["done"])
        if self.environment is not None:
            snapshot = steps[-1].attributes.get("snapshot")
            if not isinstance(self.environment, Snapshots) or not isinstance(snapshot, Mapping):
                raise BadInput(f"run {self.name!r} cannot be resumed: its environment gives no snapshots")
            self.environment.restore(snapshot)

    def _limit(self, started: float) -> str:
        limits = self.limits
        if self._n_steps >= limits.steps:
            return f"the limit of {limits.steps} steps"
        if limits.seconds is not None and time.monotonic() - started > limits.seconds:
            return f"the limit of {limits.seconds:g} seconds"
        if limits.tokens is not None and self._spent > limits.tokens:
            return f"the limit of {limits.tokens} tokens"
        return ""

    def _end(self, text: str, stopped: str) -> Ended:
        data = {"run": self.name, "reward": self.reward, "done": self.done, "stopped": stopped}
        if self._last is not None:
            self.home.observe(Event(kind="outcome", records=(self._last,), namespace=self.namespace, data=data))
        return Ended(self.name, text, self._n_steps, self.reward, self.done, stopped)

    # ---- one step

    def _call(self, tools: Mapping[str, BaseTool], call: Mapping[str, Any]) -> ToolMessage:
        """Makes one call; whatever goes wrong is an observation."""
        text, ok = call_tool(tools, call, self._messages)
        if len(text) > self.limits.result_chars:
            text = self._stored(text)
        return ToolMessage(
            text, tool_call_id=str(call["id"]), name=str(call["name"]), status="success" if ok else "error"
        )

    def _write(self, messages: list[BaseMessage], kind: str = "step") -> None:
        """Appends messages to the history and to the home, with the environment's state after them."""
        self._messages += messages
        attributes: dict[str, Any] = {
            "messages": [message_to_dict(message) for message in messages],
            "reward": self.reward,
            "done": self.done,
        }
        if isinstance(self.environment, Snapshots):
            attributes["snapshot"] = dict(self.environment.snapshot())
        draft = Draft(
            body="\n".join(said for message in messages for said in _said(message)) or "(nothing)",
            kind=kind,
            namespace=self.namespace,
            session=self.name,
            trust=Trust.USER if kind == "run" else Trust.TOOL,
            attributes=attributes,
        )
        receipt = self.home.write([draft], verb="act", actor=ACTOR)
        self._last = self.home.journal.records.get(receipt.record_id)
        self._n_steps += kind == "step"
        if kind == "step" and self._last is not None:
            self.home.observe(Event(kind="tool", records=(self._last,), namespace=self.namespace))

    # ---- tools of the loop itself

    def own_tools(self) -> Iterable[BaseTool]:
        """`read_result`, and with an environment `act` and `valid_actions`."""
        yield StructuredTool.from_function(
            self._read_result, name="read_result", description="Read on in a stored result, from a character on."
        )
        if self.environment is not None:
            yield StructuredTool.from_function(self._act, name="act", description="Take one action in the world.")
            yield StructuredTool.from_function(
                self._valid_actions, name="valid_actions", description="List the actions that are possible now."
            )

    def _act(self, text: str) -> str:
        assert self.environment is not None, "the tool 'act' is offered only with an environment"
        outcome = self.environment.step(text)
        self.reward, self.done = outcome.reward, outcome.done
        return outcome.observation

    def _valid_actions(self) -> str:
        assert self.environment is not None, "the tool 'valid_actions' is offered only with an environment"
        return "\n".join(self.environment.valid_actions()) or "(none)"

    def _stored(self, text: str) -> str:
        """Keeps a long result as a record and returns its beginning with the way to the rest."""
        draft = Draft(
            body=text, kind="result", namespace=self.namespace, session=self.name, trust=Trust.TOOL, memories=()
        )
        record_id = self.home.write([draft], verb="act", actor=ACTOR).record_id
        shown = self.limits.result_chars // 2
        rest = f"{len(text)} characters in all; read_result(id={record_id[:12]!r}, start={shown}) reads on"
        return f"{text[:shown]}\n… ({rest})"

    def _read_result(self, id: str, start: int = 0) -> str:
        record = self.home.journal.records.get(self.home.journal.records.resolve(id))
        if record is None or record.kind != "result" or record.session != self.name:
            raise NotFound(f"no stored result {id!r} in this run")
        part = record.body[max(start, 0) : max(start, 0) + self.limits.result_chars // 2]
        return part or f"(the result has only {len(record.body)} characters)"


def call_tool(
    tools: Mapping[str, BaseTool], call: Mapping[str, Any], messages: Sequence[BaseMessage]
) -> tuple[str, bool]:
    """The text of a tool's result and whether it worked. Tools that ask for the graph's state get the messages."""
    from langgraph.errors import GraphBubbleUp

    tool = tools.get(str(call["name"]))
    if tool is None:
        return f"There is no tool {call['name']!r}; tools: {', '.join(sorted(tools))}.", False
    args = dict(call["args"])
    if "state" in tool.get_input_schema().__annotations__:
        args["state"] = {"messages": list(messages)}
    try:
        result = tool.invoke(args)
    except GraphBubbleUp:  # an interrupt is no failure
        raise
    except Exception as error:  # a tool may do anything; the model is told and may try again
        return f"Error: {type(error).__name__}: {error}", False
    return result if isinstance(result, str) else str(result), True


def _said(message: BaseMessage) -> Iterable[str]:
    calls = message.tool_calls if isinstance(message, AIMessage) else ()
    yield from (f"{call['name']}({', '.join(str(v) for v in call['args'].values())})" for call in calls)
    if message.text:
        yield message.text
