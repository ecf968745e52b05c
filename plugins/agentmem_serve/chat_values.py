"""What OpenAI's chat completions take and give, as far as this server speaks it. Unknown fields are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

_Name = Annotated[str, Field(max_length=200)]


class _Loose(BaseModel):
    """Clients send fields of every provider; what is not known here changes nothing."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Function(_Loose):
    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)


class Tool(_Loose):
    type: Literal["function"]
    function: Function


class CalledFunction(_Loose):
    name: str
    arguments: str


class Called(_Loose):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class Part(_Loose):
    type: str
    text: str | None = None


class ChatMessage(_Loose):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[Called] | None = None
    tool_call_id: str | None = None

    def said(self) -> str:
        """The text of the message; parts that are no text are left out (see `has_other_parts`)."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text is not None)
        return self.content or ""

    def has_other_parts(self) -> bool:
        return isinstance(self.content, list) and any(part.type != "text" for part in self.content)


class StreamOptions(_Loose):
    include_usage: bool = False


class ChatRequest(_Loose):
    model: _Name = Field(default="agentmem", description="'agentmem', or the name of the home's model")
    messages: list[ChatMessage] = Field(min_length=1, max_length=2000)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[Tool] | None = Field(default=None, max_length=128)
    tool_choice: str | dict[str, Any] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    n: int | None = Field(default=None, ge=1, le=1, description="one answer")
    user: _Name | None = Field(default=None, description="who speaks")
    thread: _Name | None = Field(default=None, description="the conversation; by default told by the messages before")
    namespace: _Name | None = Field(default=None, description="whose memory, as a path such as 'alice/work'")
    session: _Name | None = None
    incognito: bool = Field(default=False, description="write nothing of this exchange down")


class CalledOut(TypedDict):
    id: str
    type: str
    function: dict[str, str]
    index: NotRequired[int]


class MessageOut(TypedDict):
    role: str
    content: str | None
    tool_calls: NotRequired[list[CalledOut]]


class Choice(TypedDict):
    index: int
    message: MessageOut
    finish_reason: str
    logprobs: None


class Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Memory(TypedDict):
    """What the memory did in this exchange: an addition to OpenAI's shape."""

    citations: list[dict[str, Any]]
    receipts: list[str]
    thread: str
    stopped: str
    notes: list[str]


class Completion(TypedDict):
    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    agentmem: Memory


class ModelOut(TypedDict):
    id: str
    object: str
    created: int
    owned_by: str


class ModelList(TypedDict):
    object: str
    data: list[ModelOut]
