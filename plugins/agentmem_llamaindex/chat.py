"""The journal as the chat memory of a LlamaIndex agent or chat engine: every message a record, recall across threads.

Reading gives the last messages of the thread and, with them, what the memories know about the question. Writing keeps
the words of people and models as turns from which memories derive; what tools said is kept for the thread alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.memory.types import BaseMemory

from agentmem import Agent
from agentmem.answering import cited_in
from agentmem.compose import fenced
from agentmem.errors import BadInput
from agentmem.exchange import evidence_for, notice
from agentmem.models.protocol import estimate_tokens
from agentmem.records import Draft, Event, Hit, Namespace, Receipt, Record, Trust
from agentmem.redact import redact

ACTOR = "agent"
_FIELD = "llamaindex"
_SAID = {MessageRole.USER: "user", MessageRole.ASSISTANT: "assistant", MessageRole.CHATBOT: "assistant"}


class JournalMemory(BaseMemory):
    """Made by `from_defaults(agent, thread=…)`. ``k`` 0 leaves out what other threads know."""

    thread: str = Field(default="main", description="the conversation")
    namespace: list[str] = Field(default_factory=list, description="where it lies, and what is recalled")
    k: int | None = Field(default=None, description="records to recall; None: the home's setting")
    token_limit: int = Field(default=3000, gt=0, description="tokens that the thread's own messages may take")
    _agent: Agent | None = PrivateAttr(default=None)
    _shown: list[Hit] = PrivateAttr(default_factory=list)  # what the next answer may cite

    @classmethod
    def class_name(cls) -> str:
        return "JournalMemory"

    @classmethod
    def from_defaults(
        cls,
        agent: Agent,
        *,
        thread: str | None = None,
        namespace: Sequence[str] | None = None,
        k: int | None = None,
        token_limit: int = 3000,
        chat_history: Sequence[ChatMessage] = (),
    ) -> JournalMemory:
        """A memory of one thread of the agent; ``chat_history`` is added to it."""
        scope = list(agent.namespace if namespace is None else namespace)
        made = cls(thread=thread or agent.thread, namespace=scope, k=k, token_limit=token_limit)
        made._agent = agent
        made.put_messages(list(chat_history))
        return made

    # ---- reading

    def get(self, input: str | None = None, **keywords: Any) -> list[ChatMessage]:
        """The last messages within the limit, the question with what is known about it, and the notice before all."""
        records = self._records()
        messages = self._within([_message(record) for record in records])
        question = input or next((m.content for m in reversed(messages) if m.role == MessageRole.USER), None)
        self._shown = hits = self._evidence(question or "", records)
        if not hits:
            return messages
        fence = self._open().home.new_id()[-8:]
        told = ChatMessage(role=MessageRole.SYSTEM, content=notice(fence))
        return [told, *_with_evidence(messages, question or "", fenced(hits, fence))]

    def get_all(self) -> list[ChatMessage]:
        """Every message of the thread, and nothing else."""
        return [_message(record) for record in self._records()]

    def _evidence(self, question: str, shown: Sequence[Record]) -> list[Hit]:
        if self.k == 0 or not question.strip():
            return []
        known = {record.id for record in shown}
        found = evidence_for(self._open(), question, namespace=self._scope, k=self.k).hits
        return [hit for hit in found if hit.record_id not in known]

    def _within(self, messages: list[ChatMessage]) -> list[ChatMessage]:
        """The last messages that fit, from a person's on, so that no tool's answer stands without its call."""
        room, start = self.token_limit, len(messages)
        for place in range(len(messages) - 1, -1, -1):
            room -= estimate_tokens(str(messages[place].content or "")) + 8
            if room < 0:
                break
            if messages[place].role == MessageRole.USER:
                start = place
        return messages[start:] if start < len(messages) else messages[-1:]

    # ---- writing

    def put(self, message: ChatMessage) -> None:
        """Write one message down; secrets are taken out first."""
        self._write([message], "turn")

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Write messages down in one transaction."""
        self._write(messages, "turn")

    def set(self, messages: list[ChatMessage]) -> None:
        """Let the thread hold these messages; what they replace is archived, and one undo brings it back."""
        kept = self.get_all()
        if messages[: len(kept)] == kept:
            self._write(messages[len(kept) :], "turn")
        else:
            self._write(messages, "set", archive=self._records())

    def reset(self) -> None:
        """Archive the thread's messages; `agent.undo` brings them back."""
        self._write([], "reset", archive=self._records())

    def _write(self, messages: Sequence[ChatMessage], verb: str, archive: Sequence[Record] = ()) -> Receipt | None:
        if not messages and not archive:
            return None
        home = self._open().home
        before = (
            [r for r in self._records() if r.attributes.get("role") in ("user", "assistant")] if not archive else []
        )
        with home.journal.transaction(verb, actor=ACTOR, reason="by a LlamaIndex chat memory") as tx:
            for record in archive:
                tx.set_status(record.id, "archive")
            added: list[str] = []
            asked = before[-1].id if before and before[-1].attributes.get("role") == "user" else None
            for message in messages:
                draft = self._draft(message, asked)
                added.append(tx.add(draft))
                if message.role in _SAID:
                    asked = added[-1] if message.role == MessageRole.USER else None
        written = [r for r in home.journal.records.get_many(added).values() if r.memories is None]
        if written:
            event = Event(kind="turn", records=tuple(written), before=tuple(before[-6:]), namespace=self._scope)
            home.observe(event)
        return tx.receipt()

    def _draft(self, message: ChatMessage, asked: str | None) -> Draft:
        """A turn when somebody said something; otherwise a record that no memory indexes."""
        text = redact(str(message.content or "")).text
        role = _SAID.get(message.role)
        cited = [i for _, i, _ in cited_in(text, self._shown)] if role == "assistant" else []
        basis = [asked] if asked and role == "assistant" else []
        # what cites is an echo of what memories hold already, and goes when that is corrected or undone
        spoken = role is not None and bool(text.strip()) and not cited
        return Draft(
            body=text,
            kind="turn",
            namespace=self._scope,
            thread=self.thread,
            session=self.thread,
            speaker=role or str(message.role.value),
            derived_from=tuple(dict.fromkeys([*basis, *cited])),
            trust={"user": Trust.USER, "assistant": Trust.AGENT}.get(role or "", Trust.TOOL),
            valid_from=self._open().home.clock.now(),
            attributes={"role": role or str(message.role.value), _FIELD: _plain(message)},
            memories=None if spoken else (),
        )

    # ---- what both share

    @property
    def _scope(self) -> Namespace:
        return tuple(self.namespace)

    def _open(self) -> Agent:
        if self._agent is None:
            raise BadInput("this memory has no agent; make it with JournalMemory.from_defaults(agent)")
        return self._agent

    def _records(self) -> list[Record]:
        found = self._open().records(namespace=self._scope, kinds=("turn",), thread=self.thread)
        return [record for record in found if record.namespace == self._scope]


def _plain(message: ChatMessage) -> dict[str, Any]:
    """What of a message is not its text: calls of tools, blocks that are no text. Secrets are taken out."""
    data = message.model_dump(mode="json", exclude_none=True)
    blocks = [block for block in data.get("blocks", ()) if block.get("block_type") != "text"]
    kept = {"role": data["role"], "blocks": blocks, "additional_kwargs": data.get("additional_kwargs", {})}
    plain: dict[str, Any] = json.loads(redact(json.dumps(kept, ensure_ascii=False)).text)
    return plain


def _message(record: Record) -> ChatMessage:
    """The message that a record holds, with its text as it stands now; turns of other programs have only that."""
    plain = record.attributes.get(_FIELD) or {"role": record.attributes.get("role", "user")}
    message = ChatMessage(role=plain["role"], content=record.body, additional_kwargs=plain.get("additional_kwargs", {}))
    if plain.get("blocks"):
        rest = ChatMessage.model_validate({"role": plain["role"], "blocks": plain["blocks"]}).blocks
        message.blocks = [*(message.blocks if record.body else []), *rest]
    return message


def _with_evidence(messages: list[ChatMessage], question: str, evidence: str) -> list[ChatMessage]:
    """The messages with the evidence in front of the question; behind them when it is not among them yet."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].role == MessageRole.USER and messages[place].content == question:
            asked = ChatMessage(role=MessageRole.USER, content=f"{evidence}\n\n{question}")
            return [*messages[:place], asked, *messages[place + 1 :]]
    return [*messages, ChatMessage(role=MessageRole.USER, content=evidence)]
