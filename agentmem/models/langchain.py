"""LangChain's chat models as ours: messages and tools there, text, tool calls and usage back.

LangChain is imported at the first call. Tracing is off whatever the environment says: prompts hold memories.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentmem.contract import Message
from agentmem.errors import AgentmemError, BadInput, Missing, ModelError
from agentmem.gain import Said, Weighed
from agentmem.models.probabilities import IGNORANCE, MOST_TOKENS, TOP, said, short_question
from agentmem.models.protocol import Delta, PlainMessage, ToolCall, ToolSpec
from agentmem.records import Namespace

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

_KEYLIKE = re.compile(r"\b(?:sk|pk|rk)[-_][\w-]{8,}|(?i:bearer\s+)\S+|(?i:api[_-]?key\S*\s+provided:?\s*)\S+")


def is_langchain(model: Any) -> bool:
    """Whether this is a LangChain chat model (found without importing LangChain)."""
    return any(c.__module__.startswith("langchain_core.language_models") for c in type(model).__mro__)


def of_any_provider(spec: str, options: Mapping[str, Any]) -> BaseChatModel:
    """``provider:model`` by LangChain's `init_chat_model`; Missing names the package that is not installed."""
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise Missing(f"model '{spec}' needs LangChain; install the extra 'openai', or langchain itself") from error
    try:
        made: BaseChatModel = init_chat_model(spec, **options)
    except ImportError as error:
        raise Missing(f"model '{spec}' needs a package that is not installed: {error}") from error
    except Exception as error:  # providers check their settings each in their own way
        raise BadInput(f"model '{spec}' cannot be set up: {_sentence(error)}") from error
    return made


class LangChainChat:
    """A LangChain chat model, made at its first use.

    ``prices`` are US dollars per million tokens (``input``, ``output``). ``json_mode`` says that the server takes
    ``response_format``; when it refuses, the schema is asked for in words alone.
    """

    def __init__(
        self,
        make: Callable[[], BaseChatModel],
        name: str,
        *,
        prices: Mapping[str, Any] | None = None,
        json_mode: bool = False,
        takes_max_tokens: bool = False,
    ) -> None:
        self._make = make
        self._made: BaseChatModel | None = None
        self._name = name
        self._prices = {key: float(value) for key, value in (prices or {}).items()}
        self._json_mode = json_mode
        self._takes_max_tokens = takes_max_tokens
        self._gives_probabilities = True  # until a reply comes without them

    def __repr__(self) -> str:
        return f"<chat model {self._name}>"

    @property
    def name(self) -> str:
        return self._name

    @property
    def calls_tools(self) -> bool:
        from langchain_core.language_models import BaseChatModel

        model = self._model()
        return bool(getattr(model, "calls_tools", type(model).bind_tools is not BaseChatModel.bind_tools))

    @property
    def extracts_facts(self) -> bool:
        return bool(getattr(self._model(), "extracts_facts", True))

    def _model(self) -> BaseChatModel:
        if self._made is None:
            self._made = self._make()
        return self._made

    def price(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self._prices.get("input", 0.0) + tokens_out * self._prices.get("output", 0.0)) / 1e6

    def stream(
        self,
        messages: Sequence[PlainMessage],
        *,
        tools: Sequence[ToolSpec] = (),
        max_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Delta]:
        model: Any = self._model()
        if tools:
            model = model.bind_tools([_tool(tool) for tool in tools])
        options: dict[str, Any] = {}
        if max_tokens is not None and self._takes_max_tokens:
            options["max_tokens"] = max_tokens
        calls: AIMessageChunk | None = None
        try:
            with _untraced():
                for chunk in model.stream(as_langchain(messages), **options):
                    usage = getattr(chunk, "usage_metadata", None) or {}
                    if getattr(chunk, "tool_call_chunks", None) or getattr(chunk, "tool_calls", None):
                        calls = chunk if calls is None else calls + chunk
                    notes = tuple((getattr(chunk, "response_metadata", None) or {}).get("notes", ()))
                    yield Delta(str(chunk.text), (), usage.get("input_tokens"), usage.get("output_tokens"), notes)
        except AgentmemError:
            raise
        except Exception as error:  # whatever a provider's client raises is a failure of the model
            raise ModelError(f"model {self._name} failed: {_sentence(error)}") from error
        if calls is not None:
            yield Delta(tool_calls=_tool_calls(calls))

    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> str:
        plain: list[PlainMessage] = [{"role": m.role, "content": m.content} for m in messages]
        options: dict[str, Any] = {"stop": list(stop)} if stop else {}
        if max_tokens is not None and self._takes_max_tokens:
            options["max_tokens"] = max_tokens
        if schema is None:
            return self._invoke(plain, options)
        asked = f"Answer with JSON only, following this JSON schema:\n{json.dumps(schema)}"
        plain = [{"role": "system", "content": asked}, *plain]
        if self._json_mode:
            form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": dict(schema), "strict": True}}
            try:
                return _without_fence(self._invoke(plain, {**options, "response_format": form}))
            except ModelError:
                self._json_mode = False  # some compatible servers refuse the option
        return _without_fence(self._invoke(plain, options))

    def weigh(self, question: str, passages: Sequence[str], *, namespace: Namespace = ()) -> Weighed | None:
        """Two short calls with ``logprobs`` (`agentmem.models.probabilities`); None when the server gives none.

        A server that gave none is not asked again.
        """
        closed = self._said(question, ())
        opened = self._said(question, passages) if closed is not None else None
        return None if closed is None or opened is None else Weighed(self._name, closed, opened, IGNORANCE)

    def _said(self, question: str, passages: Sequence[str]) -> Said | None:
        if not self._gives_probabilities:
            return None
        options: dict[str, Any] = {"logprobs": True, "top_logprobs": TOP}
        if self._takes_max_tokens:
            options["max_tokens"] = MOST_TOKENS
        try:
            reply = self._reply(short_question(question, passages), options)
            found = said(str(reply.text), reply.response_metadata)
        except ModelError as error:
            if "logprobs" not in str(error):  # it failed for another reason, and may do better next time
                raise
            found = None
        self._gives_probabilities = found is not None
        return found

    def _invoke(self, messages: Sequence[PlainMessage], options: Mapping[str, Any]) -> str:
        return str(self._reply(messages, options).text)

    def _reply(self, messages: Sequence[PlainMessage], options: Mapping[str, Any]) -> AIMessage:
        try:
            with _untraced():
                return self._model().invoke(as_langchain(messages), **options)
        except AgentmemError:
            raise
        except Exception as error:  # as in stream
            raise ModelError(f"model {self._name} failed: {_sentence(error)}") from error


def _untraced() -> Any:
    from langsmith.run_helpers import tracing_context

    return tracing_context(enabled=False)


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def as_langchain(messages: Sequence[PlainMessage]) -> list[BaseMessage]:
    """Our messages as LangChain's."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    out: list[BaseMessage] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role == "system":
            out.append(SystemMessage(content))
        elif role == "assistant":
            calls = [{"id": c["id"], "name": c["name"], "args": c["args"]} for c in message.get("tool_calls", ())]
            out.append(AIMessage(content, tool_calls=calls))
        elif role == "tool":
            out.append(ToolMessage(content, tool_call_id=message["tool_call_id"]))
        else:
            # models that are asked with bare passages and a question find them here
            known = {k: message[k] for k in ("question", "passages") if k in message}
            out.append(HumanMessage(content, additional_kwargs=known))
    return out


def as_plain(messages: Sequence[BaseMessage]) -> list[PlainMessage]:
    """LangChain's messages as ours."""
    roles = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
    out: list[PlainMessage] = []
    for message in messages:
        plain: dict[str, Any] = {"role": roles.get(message.type, "user"), "content": str(message.text)}
        if message.type == "human":
            plain |= {k: v for k, v in message.additional_kwargs.items() if k in ("question", "passages")}
        calls = getattr(message, "tool_calls", None)
        if calls:
            plain["tool_calls"] = [{"id": c["id"], "name": c["name"], "args": c["args"]} for c in calls]
        if message.type == "tool":
            plain["tool_call_id"] = getattr(message, "tool_call_id", "")
        out.append(plain)
    return out


def _tool_calls(message: AIMessageChunk) -> tuple[ToolCall, ...]:
    """The calls of a whole reply. Arguments that came in pieces are read strictly: LangChain mends a text that broke
    off, and half a sentence would be remembered."""
    if not message.tool_call_chunks:
        return tuple(ToolCall(str(c["id"] or i), c["name"], c["args"]) for i, c in enumerate(message.tool_calls))
    calls = []
    for number, piece in enumerate(message.tool_call_chunks):
        call_id, name, given = str(piece["id"] or number), piece["name"] or "?", piece["args"] or "{}"
        try:
            args = json.loads(given)
        except (json.JSONDecodeError, RecursionError):
            args = None
        if isinstance(args, dict):
            calls.append(ToolCall(call_id, name, args))
        else:
            calls.append(ToolCall(call_id, name, {}, f"its arguments are no JSON object: {given[:200]!r}"))
    return tuple(calls)


def _without_fence(text: str) -> str:
    found = re.search(r"```(?:json)?\s*\n(.*?)```", text, re.DOTALL)
    return found.group(1) if found else text


def _sentence(error: Exception) -> str:
    """The error in a line, without anything that looks like a key (some servers repeat it)."""
    line = " ".join(str(error).split())[:400]
    return f"{type(error).__name__}: {_KEYLIKE.sub('[key]', line)}" if line else type(error).__name__
