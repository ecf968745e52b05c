"""The OpenAI-compatible endpoint: a request becomes a turn of the agent, a turn's events become chunks.

A turn with tools or a system message of the caller's goes to the model directly, if there is one (see `passing`).
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agentmem import events
from agentmem.errors import AgentmemError, BadInput, NotFound
from agentmem.models.protocol import ToolCall, estimate_tokens
from agentmem.records import Namespace
from agentmem.remote import Remote, checked_json, told_answer
from agentmem_serve import passing
from agentmem_serve.chat_values import (
    CalledOut,
    ChatRequest,
    Completion,
    Memory,
    MessageOut,
    ModelList,
    ModelOut,
    Usage,
)
from agentmem_serve.threads import Said, Threads
from agentmem_serve.verbs import NAMESPACE_HEADER, THREAD_HEADER, header_of, json_body
from agentmem_serve.wire import answer, dumps, fault, refusal, status_of

NAME = "agentmem"


class Chat:
    """The endpoint over one agent."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._agent = remote.agent
        self._threads = Threads()
        self._started = int(time.time())

    # ---- models

    async def models(self, _: Request) -> Response:
        return answer(ModelList(object="list", data=[self._model(name) for name in self._names()]))

    async def model(self, request: Request) -> Response:
        name = request.path_params["id"]
        if name not in self._names():
            return refusal(404, f"no model '{name[:80]}'; there are {', '.join(self._names())}")
        return answer(self._model(name))

    def _names(self) -> list[str]:
        chat = self._agent.home.chat
        return [NAME, "extractive" if chat is None else chat.name]

    def _model(self, name: str) -> ModelOut:
        return ModelOut(id=name, object="model", created=self._started, owned_by=NAME)

    # ---- completions

    async def completions(self, request: Request) -> Response:
        try:
            asked = checked_json(ChatRequest, await json_body(request))
            self._check(asked)
            path, thread = header_of(request, NAMESPACE_HEADER), header_of(request, THREAD_HEADER)
            namespace = self._remote.scope(asked.namespace or path)
            said: Said = [(m.role, m.said()) for m in asked.messages]
            thread = asked.thread or thread or self._thread(asked, namespace, said)
            turn = _Turn(self, asked, namespace, thread, said)
            if asked.stream:
                return await turn.streamed()
            return await turn.whole()
        except AgentmemError as error:
            return refusal(status_of(error), str(error))

    def _thread(self, asked: ChatRequest, namespace: Namespace, said: Said) -> str:
        last = max(place for place, message in enumerate(asked.messages) if message.role == "user")
        return self._threads.of(namespace, said[:last])

    def _check(self, asked: ChatRequest) -> None:
        if asked.model not in self._names():
            raise NotFound(f"no model '{asked.model[:80]}'; there are {', '.join(self._names())}")
        if not any(m.role == "user" and m.said().strip() for m in asked.messages):
            raise BadInput("there is no message of role 'user' with a text to answer")
        if any(m.has_other_parts() for m in asked.messages):
            raise BadInput("only parts of type 'text' are understood; leave images, audio and files out")
        if asked.tool_choice == "required" and self._agent.home.chat is None:
            raise BadInput("the extractive model calls no tools; leave 'tool_choice' out, or connect a model")

    @property
    def agent(self) -> Any:
        return self._agent

    def passes(self, asked: ChatRequest) -> bool:
        """Whether the model is asked directly, with what the caller brings."""
        brings = bool(asked.tools) or any(m.role in ("system", "developer", "tool") for m in asked.messages)
        return brings and self._agent.home.chat is not None

    def note(self, namespace: Namespace, said: Said, text: str, thread: str) -> None:
        self._threads.note(namespace, [*said, ("assistant", text)], thread)


class _Turn:
    """One request on its way to an answer."""

    def __init__(self, chat: Chat, asked: ChatRequest, namespace: Namespace, thread: str, said: Said) -> None:
        self._chat, self._asked, self._said = chat, asked, said
        self._namespace, self._thread = namespace, thread
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._ended: Completion | None = None

    async def whole(self) -> Response:
        async for _ in self._pieces():
            pass
        assert self._ended is not None, "a turn that raises nothing ends"
        return answer(self._ended)

    async def streamed(self) -> Response:
        """The stream begins with the first piece: what is wrong before it is an answer with a status of its own."""
        pieces = self._pieces()
        try:
            first = await anext(pieces)
        except StopAsyncIteration:
            first = ""
        return StreamingResponse(
            self._chunks(first, pieces), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def _chunks(self, first: str, pieces: AsyncIterator[str]) -> AsyncIterator[bytes]:
        yield self._chunk({"role": "assistant", "content": first})
        try:
            async for piece in pieces:
                yield self._chunk({"content": piece})
        except AgentmemError as error:
            yield b"data: " + dumps(fault(status_of(error), str(error))) + b"\n\n"
            return
        ended = self._ended
        assert ended is not None, "a turn that raises nothing ends"
        (choice,) = ended["choices"]
        if "tool_calls" in choice["message"]:
            calls = [{**call, "index": place} for place, call in enumerate(choice["message"]["tool_calls"])]
            yield self._chunk({"tool_calls": calls})
        yield self._chunk({}, choice["finish_reason"], agentmem=ended["agentmem"])
        if self._asked.stream_options is not None and self._asked.stream_options.include_usage:
            yield b"data: " + dumps({**self._base(), "choices": [], "usage": ended["usage"]}) + b"\n\n"
        yield b"data: [DONE]\n\n"

    def _base(self) -> dict[str, Any]:
        head = {"id": self._id, "object": "chat.completion.chunk", "created": self._created}
        return {**head, "model": self._asked.model}

    def _chunk(self, delta: Any, finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return b"data: " + dumps({**self._base(), "choices": [choice], **more}) + b"\n\n"

    # ---- the two ways to an answer

    async def _pieces(self) -> AsyncIterator[str]:
        """The text as it comes; afterwards `_ended` is set."""
        source = self._passed() if self._chat.passes(self._asked) else self._answered()
        async for piece in source:
            yield piece

    async def _answered(self) -> AsyncIterator[str]:
        """By the agent's own loop. Leaving early cancels the turn."""
        question = passing.last_said(self._asked.messages)
        stream = self._chat.agent.astream(
            question,
            namespace=self._namespace,
            thread=self._thread,
            session=self._asked.session,
            speaker=self._asked.user,
            incognito=self._asked.incognito,
        )
        spoken = ""
        last: events.Event | None = None
        try:
            async for event in stream:
                last = event
                if isinstance(event, events.Token) and event.text:
                    spoken += event.text
                    yield event.text
        finally:
            await stream.aclose()
        if isinstance(last, events.TurnFailed):
            raise last.cause if isinstance(last.cause, AgentmemError) else AgentmemError(last.error)
        assert isinstance(last, events.Answered), "a turn ends with Answered or TurnFailed"
        ended = last.answer
        told = told_answer(ended)
        used_in = ended.cost.tokens_in or sum(estimate_tokens(text) for _, text in self._said)
        used_out = ended.cost.tokens_out or estimate_tokens(ended.text)
        memory = Memory(
            citations=[dict(citation) for citation in told["citations"]],
            receipts=told["receipts"],
            thread=ended.thread,
            stopped=ended.stopped,
            notes=told["notes"],
        )
        text = ended.text or spoken
        self._chat.note(self._namespace, self._said, text, self._thread)
        self._end(MessageOut(role="assistant", content=text), used_in, used_out, memory, bool(ended.stopped))

    async def _passed(self) -> AsyncIterator[str]:
        """By the model directly; its stream is read on a thread."""
        passed, pieces = passing.reply(self._chat.agent, self._asked, namespace=self._namespace, thread=self._thread)
        async for piece in on_thread(pieces):
            yield piece
        message = MessageOut(role="assistant", content=passed.text or None)
        if passed.calls:
            message["tool_calls"] = [_called(call) for call in passed.calls]
        else:
            self._chat.note(self._namespace, self._said, passed.text, self._thread)
        memory = Memory(
            citations=[],
            receipts=[receipt.id for receipt in passed.receipts],
            thread=self._thread,
            stopped="",
            notes=passed.notes,
        )
        self._end(message, passed.tokens_in or 0, passed.tokens_out or 0, memory, False)

    def _end(self, message: MessageOut, used_in: int, used_out: int, memory: Memory, cut: bool) -> None:
        finish = "tool_calls" if "tool_calls" in message else "length" if cut else "stop"
        self._ended = Completion(
            id=self._id,
            object="chat.completion",
            created=self._created,
            model=self._asked.model,
            choices=[{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            usage=Usage(prompt_tokens=used_in, completion_tokens=used_out, total_tokens=used_in + used_out),
            agentmem=memory,
        )


def _called(call: ToolCall) -> CalledOut:
    arguments = json.dumps(dict(call.args), ensure_ascii=False)
    return CalledOut(id=call.id, type="function", function={"name": call.name, "arguments": arguments})


async def on_thread(pieces: Any) -> AsyncIterator[str]:
    """A blocking iterator, read on a thread of its own; leaving early lets it end by itself."""
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[tuple[str | None, BaseException | None]] = asyncio.Queue()
    left = threading.Event()

    def tell(piece: str | None, error: BaseException | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(told.put_nowait, (piece, error))

    def read() -> None:
        try:
            for piece in pieces:
                if left.is_set():
                    break
                tell(piece, None)
            tell(None, None)
        except BaseException as error:  # handed to whoever waits
            tell(None, error)
        finally:
            pieces.close()

    threading.Thread(target=read, name="agentmem-passing", daemon=True).start()
    try:
        while True:
            piece, error = await told.get()
            if error is not None:
                raise error
            if piece is None:
                return
            yield piece
    finally:
        left.set()
