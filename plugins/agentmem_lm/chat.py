"""A local model as a LangChain chat model: `local:demo`, `local:/path`.

Knows messages and prompts; how tokens are made is the model's business. Streams token by token; a stream that is
closed stops generating.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from agentmem.errors import ModelError

MOST_PASSAGES = 4
_FENCE = re.compile(r"<memory-(?P<mark>[^>]+)>(?P<body>.*?)</memory-(?P=mark)>", re.DOTALL)
_LABEL = re.compile(r"^\[(\d+)\] \(.*\)$", re.MULTILINE)
_NAME = re.compile(r"\b[A-Z]\w+")
ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "user"}


class LocalChatModel(BaseChatModel):
    """Speaks through a `CausalModel`: by its own way of being asked, its chat template or plain roles, in this order.

    Edits that are mounted on the model are heard; `namespace` and `base` choose which.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: Any  # a CausalModel; its class is not imported here, so that this module stays light
    max_new_tokens: int = 256
    namespace: tuple[str, ...] = ()
    base: bool = False
    cite: bool = True  # a model that answers bare questions says what its answer rests on

    @property
    def _llm_type(self) -> str:
        return "agentmem-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model.name, "base": self.base}

    @property
    def calls_tools(self) -> bool:
        """Never: the agent reads the user's wishes from their words instead."""
        return False

    @property
    def extracts_facts(self) -> bool:
        """Whether the agent may ask for facts as JSON: not of a model that only answers bare questions."""
        return not self.model.manners.question

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        prompt, ends = self.prompt_of(messages)
        limit = self._room(prompt, kwargs)
        done = self.model.complete(
            [prompt], max_new_tokens=limit, stop=(*ends, *(stop or ())), base=self.base, namespace=self.namespace
        )[0]
        asked = len(self.model.encode(prompt))
        message = AIMessage(
            content=done.text.strip() + self._cite(messages, done.text),
            usage_metadata={
                "input_tokens": asked,
                "output_tokens": len(done.tokens),
                "total_tokens": asked + len(done.tokens),
            },
            response_metadata={
                "model_name": self.model.name,
                "finish_reason": done.reason,
                "probability": math.exp(sum(done.log_probabilities)),
            },
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        prompt, ends = self.prompt_of(messages)
        limit = self._room(prompt, kwargs)
        pieces = self.model.stream(
            prompt, max_new_tokens=limit, stop=(*ends, *(stop or ())), base=self.base, namespace=self.namespace
        )
        said = ""
        try:
            for piece in pieces:
                text = piece if said else piece.lstrip()
                said += text
                yield self._chunk(text, run_manager)
        finally:
            pieces.close()
        if source := self._cite(messages, said):
            yield self._chunk(source, run_manager)

    @staticmethod
    def _chunk(text: str, run_manager: CallbackManagerForLLMRun | None) -> ChatGenerationChunk:
        chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
        if run_manager:
            run_manager.on_llm_new_token(text, chunk=chunk)
        return chunk

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> LocalChatModel:
        """Itself: a local model answers without calling the tools that it is offered."""
        return self

    def prompt_of(self, messages: Sequence[BaseMessage]) -> tuple[str, tuple[str, ...]]:
        """The prompt that asks for the next message, and the texts that end it besides the model's own stop tokens."""
        if self.model.manners.question:
            return self._question(messages), ("\n",)
        turns = [{"role": ROLES.get(m.type, "user"), "content": str(m.text)} for m in messages]
        if getattr(self.model.tokenizer, "chat_template", None):
            return self._templated(turns), ()
        lines = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns]
        return "\n".join([*lines, "Assistant:"]), ("\nUser:", "\nSystem:")

    def _question(self, messages: Sequence[BaseMessage]) -> str:
        """A model that reads passages and one question gets just these: what it was not taught would confuse it."""
        question, recalled = asked_of(messages)
        return str(self.model.manners.prompt(question, passages_for(question, recalled)))

    def _cite(self, messages: Sequence[BaseMessage], answer: str) -> str:
        """What follows an answer: the numbers of the recalled texts that say so, else that it came from the weights."""
        if not (self.cite and self.model.manners.question) or self.model.manners.says_unknown(answer):
            return ""
        _, recalled = asked_of(messages)
        wanted = answer.strip().strip(".").casefold()
        says_so = next((number for number, text in recalled if wanted in text.casefold()), None)
        return f" [{says_so}]" if says_so else f" (from the weights of {self.model.name})"

    def _templated(self, turns: list[dict[str, str]]) -> str:
        tokenizer = self.model.tokenizer
        try:
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # templates are programs; some refuse a system message
            joined = [turn for turn in turns if turn["role"] != "system"]
            if len(joined) == len(turns) or not joined:
                raise ModelError(f"the chat template of {self.model.name!r} refuses these messages: {error}") from error
            told = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
            joined[0] = {**joined[0], "content": f"{told}\n\n{joined[0]['content']}"}
            text = tokenizer.apply_chat_template(joined, tokenize=False, add_generation_prompt=True)
        opening = tokenizer.bos_token
        # The tokenizer puts its opening token before every prompt; a template that writes it too would double it.
        if opening and self.model.encode("x")[0] == tokenizer.bos_token_id:
            text = text.removeprefix(opening)
        return str(text)

    def _room(self, prompt: str, kwargs: dict[str, Any]) -> int:
        limit = int(kwargs.get("max_tokens") or self.max_new_tokens)
        left = int(self.model.max_tokens) - len(self.model.encode(prompt))
        if left < 1:
            raise ModelError(
                f"the prompt has {len(self.model.encode(prompt))} tokens, model {self.model.name!r} holds "
                f"{self.model.max_tokens}: lower budget_tokens or choose a model with a longer context"
            )
        return min(limit, left)


def asked_of(messages: Sequence[BaseMessage]) -> tuple[str, list[tuple[int, str]]]:
    """The question, and the recalled texts with their numbers: handed along, or found between the memory fences."""
    last = next((m for m in reversed(messages) if m.type == "human"), None)
    question = str(last.additional_kwargs.get("question", "")) if last is not None else ""
    if last is not None and not question:
        lines = _FENCE.sub("", str(last.text)).strip().splitlines()
        question = lines[-1] if lines else ""
    if not question.strip():
        raise ModelError("there is no question to answer: the messages hold none from a person")
    assert last is not None, "a question came from somewhere"
    if "passages" in last.additional_kwargs:
        recalled = [(n, str(text)) for n, text in enumerate(last.additional_kwargs["passages"], start=1)]
    else:
        told = "\n".join(str(m.text) for m in messages)
        recalled = [
            (int(number), text)
            for fence in _FENCE.finditer(told)
            for number, text in zip(*[iter(_LABEL.split(fence["body"])[1:])] * 2, strict=True)
        ]
    return " ".join(question.split()), sorted((number, " ".join(text.split())) for number, text in recalled)


def passages_for(question: str, recalled: Sequence[tuple[int, str]]) -> list[str]:
    """The recalled sentences that name something the question names, best first, as many as such a model can read."""
    names = set(_NAME.findall(question)[1:] or _NAME.findall(question))
    found: list[str] = []
    for _, text in recalled:
        # A question that was recalled is no evidence, and long texts are not what such a model was taught to read.
        if text and "?" not in text and len(text) < 200 and names & set(_NAME.findall(text)) and text not in found:
            found.append(text)
    return found[:MOST_PASSAGES]
