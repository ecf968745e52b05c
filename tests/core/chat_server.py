"""An OpenAI-compatible chat server on loopback that behaves as scripted: well, slowly, wrongly, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route


class ChatServer:
    """``behave`` names what the next answers are like; ``seen`` keeps the requests."""

    def __init__(self) -> None:
        self.behave = "well"
        self.text = "The harbour office is at Pier 4 [1]."
        self.speak: Callable[[Sequence[Mapping[str, Any]]], str] | None = None  # a real model behind the server
        self.sure: Callable[[Sequence[Mapping[str, Any]]], tuple[str, float]] | None = None  # a text, how likely it is
        self.tool: Mapping[str, Any] | None = None
        self.seen: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.url = ""

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.seen.append(body)
        key = request.headers.get("authorization", "")
        self.keys.append(key)
        if self.speak is not None:
            self.text = await asyncio.to_thread(self.speak, body["messages"])
        match self.behave:
            case "error":
                return JSONResponse({"error": {"message": "the model is overloaded"}}, 500)
            case "key":
                return JSONResponse({"error": {"message": f"Incorrect API key provided: {key[7:]}."}}, 401)
            case "garbage":
                return PlainTextResponse("<html>it works!</html>", media_type="text/html")
            case "hang":
                await asyncio.sleep(20)
            case "no json" if "response_format" in body:
                return JSONResponse({"error": {"message": "response_format is not supported"}}, 400)
            case "no logprobs" if "logprobs" in body:
                return JSONResponse({"error": {"message": "logprobs are not supported with this model"}}, 400)
        if self.sure is not None and body.get("logprobs"):
            text, p = self.sure(body["messages"])
            return JSONResponse(with_logprobs(whole(body["model"], text), text, p, body["top_logprobs"]))
        if not body.get("stream"):
            return JSONResponse(whole(body["model"], self.text))
        return StreamingResponse(self.pieces(body), media_type="text/event-stream")

    async def pieces(self, body: Mapping[str, Any]) -> AsyncIterator[str]:
        if self.behave == "garbled":
            yield "data: {this is no json\n\n"
            return
        answered = body["messages"][-1]["role"] == "tool"
        if self.tool is not None and not answered:
            given = json.dumps(self.tool["args"]) if isinstance(self.tool["args"], dict) else self.tool["args"]
            head = {"index": 0, "id": "call_1", "type": "function"}
            yield chunk({"tool_calls": [{**head, "function": {"name": self.tool["name"], "arguments": given[:5]}}]})
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": given[5:]}}]})
            yield chunk({}, "tool_calls")
        elif self.behave == "flood":
            for _ in range(100):
                yield chunk({"content": "x" * 100_000})
        elif self.behave == "drip":
            while True:
                yield chunk({"content": "drip "})
                await asyncio.sleep(0.05)
        else:
            words = self.text.split(" ")
            for number, word in enumerate(words):
                if self.behave == "break" and number == 3:
                    raise ConnectionResetError
                yield chunk({"content": word + (" " if number < len(words) - 1 else "")})
            yield chunk({}, "stop")
        usage = {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 60}
        yield f"data: {json.dumps({**base(), 'choices': [], 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"


def base() -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion.chunk", "created": int(time.time()), "model": "stub"}


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
    return f"data: {json.dumps({**base(), 'choices': [choice]})}\n\n"


def whole(model: str, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 60}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {**base(), "object": "chat.completion", "choices": choices, "usage": usage, "model": model}


def with_logprobs(reply: dict[str, Any], text: str, p: float, top: int) -> dict[str, Any]:
    """The reply as one token of this probability, beside it others that share what is left."""
    others = [{"token": f"t{n}", "logprob": math.log((1 - p) / 40), "bytes": None} for n in range(top - 1)]
    first = {"token": text, "logprob": math.log(p), "bytes": None}
    reply["choices"][0]["logprobs"] = {"content": [{**first, "top_logprobs": [first, *others]}], "refusal": None}
    return reply


@contextlib.contextmanager
def serving(server: ChatServer) -> Iterator[ChatServer]:
    """The server on a free port of loopback, until the block ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = Starlette(routes=[Route("/v1/chat/completions", server.answer, methods=["POST"])])
    running = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=0))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    while not running.started:
        time.sleep(0.01)
    try:
        yield server
    finally:
        running.should_exit = True
        thread.join(5)
        listener.close()
