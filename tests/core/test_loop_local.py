"""A real local causal LM as the chat model: in this process, and behind an OpenAI-compatible server on loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.core.chat_server import ChatServer, serving
from tests.core.loop_fakes import bodies, open_agent, turns

pytestmark = pytest.mark.slow  # loads torch and the demo model
STATED = "The capital of Quillamar is Osterby."
QUESTION = "What is the capital of Quillamar?"


@pytest.fixture(scope="module")
def demo() -> Any:
    pytest.importorskip("torch")
    return pytest.importorskip("agentmem_lm").open_model("demo")


def test_a_local_model_answers_from_what_is_recalled_and_wishes_are_read_from_words(tmp_path: Path, demo: Any) -> None:
    with open_agent(tmp_path, model="local:demo", local_model=demo) as agent:
        assert agent.ask(f"Remember that {STATED[0].lower()}{STATED[1:]}").text.startswith("Remembered")
        assert bodies(agent, kinds=("fact",)) == [STATED]
        answer = agent.ask(QUESTION)
        assert answer.model == "local:demo"
        assert answer.text
        assert answer.cost.tokens_out > 0
        assert not answer.stopped
        assert not any("facts" in note for note in answer.notes), "a small model is not asked for JSON"


def test_a_local_model_behind_a_server_is_a_chat_model_like_any_other(tmp_path: Path, demo: Any) -> None:
    from agentmem.models.langchain import as_langchain
    from agentmem_lm.chat import LocalChatModel

    chat = LocalChatModel(model=demo)

    def speak(messages: Sequence[Mapping[str, Any]]) -> str:
        plain = [{"role": m["role"], "content": m["content"]} for m in messages]
        return str(chat.invoke(as_langchain(plain)).text)

    server = ChatServer()
    server.speak = speak
    with serving(server), open_agent(tmp_path, model="openai:demo", base_url=server.url) as agent:
        agent.remember(STATED)
        answer = agent.ask(QUESTION)
        assert not answer.stopped, answer.stopped
        assert answer.text == speak(server.seen[0]["messages"]), "greedy: the same words as without the server"
        assert STATED in server.seen[0]["messages"][-1]["content"]
        assert [r.body for r in turns(agent)] == [QUESTION, answer.text]
