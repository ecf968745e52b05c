"""A local model as a LangChain chat model: `local:demo`, `local:/path`.

Knows messages and prompts; how tokens are made is the model's business. Streams token by token; a stream that is
closed stops generating.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from agentmem.errors import ModelError
from agentmem.gain import SURE, otherwise, same_answer, stands_in
from agentmem_lm.manners import passages_for
from agentmem_lm.memory import answer_confidence

_FENCE = re.compile(r"<memory-(?P<mark>[^>]+)>(?P<body>.*?)</memory-(?P=mark)>", re.DOTALL)
_LABEL = re.compile(r"^\[(\d+)\] \(.*\)$", re.MULTILINE)
_SHORT = 24  # tokens of an answer that is only looked at
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
    tell_conflicts: bool = True  # and when its weights alone would say otherwise than the passage that it followed
    context_weight: float | Literal["adaptive"] = 1.0  # of passages against the weights, 0 to 1
    mix_at: Literal["conflicts", "every_token"] = "conflicts"  # where that counts: `agentmem.gain.steered`

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
        limit, steer = self._room(prompt, kwargs), self._steering(messages, prompt)
        how: dict[str, Any] = {
            "max_new_tokens": limit,
            "stop": (*ends, *(stop or ())),
            "base": self.base,
            "namespace": self.namespace,
        }
        if steer is None:
            done = self.model.complete([prompt], **how)[0]
        else:
            done = self.model.steered(prompt, steer, **how)
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
                "notes": self._notes(messages, done.text),
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
            prompt,
            max_new_tokens=limit,
            stop=(*ends, *(stop or ())),
            base=self.base,
            namespace=self.namespace,
            steer=self._steering(messages, prompt),
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
        if notes := self._notes(messages, said):
            yield self._chunk("", run_manager, notes=notes)

    @staticmethod
    def _chunk(text: str, run_manager: CallbackManagerForLLMRun | None, **told: Any) -> ChatGenerationChunk:
        chunk = ChatGenerationChunk(message=AIMessageChunk(content=text, response_metadata=told))
        if run_manager:
            run_manager.on_llm_new_token(text, chunk=chunk)
        return chunk

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> LocalChatModel:
        """Itself: a local model answers without calling the tools that it is offered."""
        return self

    def prompt_of(self, messages: Sequence[BaseMessage], *, passages: bool = True) -> tuple[str, tuple[str, ...]]:
        """The prompt that asks for the next message, and the texts that end it besides the model's own stop tokens.

        ``passages``: with what was recalled, or without.
        """
        if self.model.manners.question:
            return self._question(messages, passages), ("\n",)
        turns = [{"role": ROLES.get(m.type, "user"), "content": str(m.text)} for m in messages]
        if not passages:
            turns = [{**turn, "content": _FENCE.sub("", turn["content"]).strip()} for turn in turns]
        if getattr(self.model.tokenizer, "chat_template", None):
            return self._templated(turns), ()
        lines = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns]
        return "\n".join([*lines, "Assistant:"]), ("\nUser:", "\nSystem:")

    def _question(self, messages: Sequence[BaseMessage], passages: bool) -> str:
        """A model that reads passages and one question gets just these: what it was not taught would confuse it."""
        question, recalled = asked_of(messages)
        return str(self.model.manners.prompt(question, passages_for(question, recalled) if passages else ()))

    def _steering(self, messages: Sequence[BaseMessage], prompt: str) -> Any:
        """How the passages are weighed against the weights; None when they alone count, or nothing stands against them.

        A model that by itself says that it does not know has nothing to set against a passage, however surely it says
        so.
        """
        if self.context_weight == 1.0:
            return None
        alone, _ = self.prompt_of(messages, passages=False)
        if alone == prompt:
            return None
        enough = 2 + max((len(self.model.encode_end(text)) for text in self.model.manners.unknown), default=0)
        if self.model.manners.says_unknown(self._by_itself(alone, enough).text):
            return None
        from agentmem_lm.decoding import Steering

        return Steering(alone, self.context_weight, always=self.mix_at == "every_token")

    def _by_itself(self, prompt: str, max_new_tokens: int) -> Any:
        """What the weights alone say, in few words."""
        return self.model.complete(
            [prompt], max_new_tokens=max_new_tokens, stop=("\n",), base=self.base, namespace=self.namespace
        )[0]

    def _notes(self, messages: Sequence[BaseMessage], answer: str) -> list[str]:
        """That the weights would say otherwise, when a bare answer follows a passage and they are sure."""
        if not self.tell_conflicts or self._source(messages, answer) is None:
            return []
        known = self._by_itself(self.prompt_of(messages, passages=False)[0], _SHORT)
        sure = answer_confidence(self.model, known.text, known.log_probabilities) >= SURE
        return [otherwise(self.model.name, known.text)] if sure and not same_answer(known.text, answer) else []

    def _cite(self, messages: Sequence[BaseMessage], answer: str) -> str:
        """What follows an answer: the number of the passage that says so, else that it came from the weights."""
        if not (self.cite and self.model.manners.question) or self.model.manners.says_unknown(answer):
            return ""
        number = self._source(messages, answer)
        return f" (from the weights of {self.model.name})" if number is None else f" [{number}]"

    def _source(self, messages: Sequence[BaseMessage], answer: str) -> int | None:
        """The number of the passage, of those that the model was shown, that says what a bare answer says."""
        if not self.model.manners.question or self.model.manners.says_unknown(answer):
            return None
        question, recalled = asked_of(messages)
        shown = passages_for(question, recalled)
        return next((number for number, text in recalled if text in shown and stands_in(answer, text)), None)

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
