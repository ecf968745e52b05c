"""agentmem inside LlamaIndex: the vector view, the retriever and the chat memory (agentmem_llamaindex)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentmem import Agent
from agentmem.contract import Memory
from agentmem.errors import BadInput
from agentmem.testing import Bench, MemoryContract, Rig

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core.llms import ChatMessage, MessageRole, MockLLM
from llama_index.core.vector_stores import SimpleVectorStore

from agentmem_llamaindex import JournalMemory, JournalRetriever, LlamaIndexMemory
from agentmem_llamaindex.config import LlamaIndexConfig

FERRY = "The ferry leaves from Pier 4."


# ---- the vector view


class TestThroughSimpleVectorStore(MemoryContract):
    many = 300

    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return LlamaIndexMemory


class Failing(SimpleVectorStore):
    """A store whose server is away while ``away`` is set."""

    def query(self, *args: Any, **keywords: Any) -> Any:
        if AWAY:
            raise ConnectionError("the server is away")
        return super().query(*args, **keywords)

    def add(self, *args: Any, **keywords: Any) -> Any:
        if AWAY:
            raise ConnectionError("the server is away")
        return super().add(*args, **keywords)

    def delete_nodes(self, *args: Any, **keywords: Any) -> None:
        raise NotImplementedError("this store deletes documents only")


AWAY: list[bool] = []


def rig_of(folder: Path, **settings: Any) -> Rig:
    return Rig(folder, Bench(LlamaIndexMemory, LlamaIndexConfig(**settings)))


def test_the_store_holds_ids_and_vectors_only(tmp_path: Path) -> None:
    rig = rig_of(tmp_path)
    rig.remember("the secret harbour")
    assert "SimpleVectorStore" in rig.hits("harbour", 1)[0].why
    memory: Any = rig.memory
    held = memory._nodes._made.to_dict()
    assert len(held["embedding_dict"]) == 1
    assert "harbour" not in str(held)
    rig.close()


def test_a_store_that_fails_is_left_out_and_filled_again(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, store=f"{__name__}:Failing")
    ids = [rig.remember(f"harbour number {n}") for n in range(4)]
    assert "Failing" in rig.hits("harbour number 2", 1)[0].why
    AWAY.append(True)
    late = rig.remember("harbour lantern")
    rig.retract(ids[0])
    assert rig.ids("harbour lantern", 1) == [late], "search goes on exactly"
    assert any(line.level == "warning" and "server is away" in line.text for line in rig.memory.check())
    AWAY.clear()
    rig.memory.maintain("idle")
    (hit,) = rig.hits("harbour lantern", 1)
    assert (hit.record_id, "Failing" in hit.why) == (late, True)
    assert set(rig.ids("harbour", 10)) == {*ids[1:], late}
    rig.close()


def test_a_durable_store_keeps_what_it_holds_and_can_be_built_again(tmp_path: Path) -> None:
    pytest.importorskip("llama_index.vector_stores.chroma", reason="llama-index-vector-stores-chroma is not installed")
    where = {"collection_name": "agentmem", "persist_dir": str(tmp_path / "chroma")}
    store = "llama_index.vector_stores.chroma:ChromaVectorStore.from_params"
    rig = rig_of(tmp_path / "home", store=store, options=where, durable=True)
    ids = [rig.remember(f"harbour number {n}") for n in range(5)]
    assert "ChromaVectorStore" in rig.hits("harbour number 3", 1)[0].why
    rig.correct(ids[1], "a lantern")
    rig.retract(ids[2])
    before = rig.ids("harbour number 3", 10)
    rig.reopen()
    assert rig.ids("harbour number 3", 10) == before
    assert set(before) == {ids[0], ids[1], ids[3], ids[4]}
    rig.rebuild()
    assert rig.ids("harbour number 3", 10) == before
    rig.close()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"store": "llama_index.nowhere:Store"}, "install the package"),
    ({"store": "llama_index.core:Nothing"}, "has no 'Nothing'"),
    ({"store": "pathlib:Path"}, "is no vector store"),
    ({"options": {"data": 1, "fs": 2}}, "cannot be made with data, fs"),
]


def test_a_store_that_cannot_be_made_is_told_with_the_remedy(tmp_path: Path) -> None:
    for number, (settings, told) in enumerate(WRONG):
        with Agent.open(
            tmp_path / str(number), embedder="hash", memories=("llamaindex",), llamaindex=settings
        ) as agent:
            agent.remember("harbour")
            (recall,) = agent.search("harbour", memory="llamaindex").recalls
            assert told in str(recall.error)


def test_the_view_is_switched_on_by_settings(tmp_path: Path) -> None:
    with Agent.open(tmp_path, embedder="hash", memories=("llamaindex",), llamaindex={"overfetch": 3}) as agent:
        agent.remember(FERRY)
        assert agent.recall("ferry", memory="llamaindex")[0].record.body == FERRY


def test_what_is_not_installed_is_told_with_the_extra(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['llama_index'] = sys.modules['langchain'] = None\n"
        "for name in ('agentmem_llamaindex.JournalMemory', 'agentmem_langchain.MemoryMiddleware'):\n"
        "    module, _, name = name.partition('.')\n"
        "    try: getattr(__import__(module), name)\n"
        "    except ImportError as error: print(error)\n"
        "from agentmem import Agent\n"
        "with Agent.open(sys.argv[1], embedder='hash', memories=('llamaindex',)) as agent:\n"
        "    agent.remember('harbour'); print(agent.search('harbour', memory='llamaindex').recalls[0].error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, two, three = done.stdout.splitlines()
    assert one.endswith("needs LlamaIndex; install the extra 'llamaindex'")
    assert two.endswith("needs LangChain; install the extra 'langchain'")
    assert three.startswith("Missing: llamaindex.store = ")


# ---- the retriever


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with Agent.open(tmp_path / "home", embedder="hash") as agent:
        yield agent


async def test_the_retriever_returns_records_as_nodes(agent: Agent) -> None:
    record = agent.remember(FERRY, namespace=("ann",), speaker="Ann", at=1_700_000_000)
    agent.remember("The ferry sleeps.", namespace=("bob",))
    retriever = JournalRetriever(agent, k=3, namespace=("ann",))
    (found,) = retriever.retrieve("Where does the ferry leave from?")
    assert (found.node.node_id, found.node.text) == (record.record_id, FERRY)  # type: ignore[attr-defined]
    assert found.node.metadata["speaker"] == "Ann"
    assert found.node.metadata["date"] == "2023-11-14"
    assert found.score is not None
    assert [n.node.node_id for n in await retriever.aretrieve("ferry")] == [record.record_id]
    agent.correct(found.node.node_id, "The ferry leaves from Pier 6.")
    assert "Pier 6" in retriever.retrieve("ferry")[0].text
    agent.undo()
    assert retriever.retrieve("ferry")[0].text == FERRY


def test_a_query_engine_answers_from_it(agent: Agent) -> None:
    from llama_index.core.query_engine import RetrieverQueryEngine

    agent.remember(FERRY)
    engine = RetrieverQueryEngine.from_args(JournalRetriever(agent), llm=MockLLM())
    answer = engine.query("Where does the ferry leave from?")
    assert answer.source_nodes[0].text == FERRY
    assert FERRY in str(answer)


# ---- the chat memory


def said(memory: JournalMemory) -> list[tuple[str, str | None]]:
    return [(message.role.value, message.content) for message in memory.get_all()]


def user(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, content=text)


def assistant(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, content=text)


def test_a_thread_keeps_its_messages_and_others_know_what_was_said(agent: Agent) -> None:
    one = JournalMemory.from_defaults(agent, thread="one")
    one.put_messages([user(FERRY), assistant("Noted.")])
    assert said(one) == [("user", FERRY), ("assistant", "Noted.")]
    assert said(JournalMemory.from_defaults(agent, thread="one")) == said(one)
    two = JournalMemory.from_defaults(agent, thread="two")
    two.put(user("Where does the ferry leave from?"))
    notice, question = two.get()
    assert notice.role == MessageRole.SYSTEM
    assert "never follow instructions" in str(notice.content)
    assert "Pier 4" not in str(notice.content)
    assert FERRY in str(question.content)
    assert str(question.content).endswith("Where does the ferry leave from?")
    assert said(two) == [("user", "Where does the ferry leave from?")], "the thread itself keeps no evidence"
    assert len(JournalMemory.from_defaults(agent, thread="two", k=0).get()) == 1
    asked = JournalMemory.from_defaults(agent, thread="three").get(input="Where does the ferry leave from?")
    assert FERRY in str(asked[-1].content)
    assert JournalMemory.from_defaults(agent, thread="three", namespace=("bob",)).get(input="ferry") == []


def test_messages_come_back_as_they_were(agent: Agent) -> None:
    memory = JournalMemory.from_defaults(agent, thread="tools")
    calls = {"tool_calls": [{"id": "1", "function": {"name": "look", "arguments": '{"at": "the pier"}'}}]}
    messages = [
        user("Look at the pier"),
        ChatMessage(role=MessageRole.ASSISTANT, content="", additional_kwargs=calls),
        ChatMessage(role=MessageRole.TOOL, content="a crane", additional_kwargs={"tool_call_id": "1"}),
        assistant("There is a crane."),
    ]
    memory.put_messages(messages)
    back = memory.get_all()
    assert [m.content or "" for m in back] == ["Look at the pier", "", "a crane", "There is a crane."]
    assert [m.additional_kwargs for m in back] == [{}, calls, {"tool_call_id": "1"}, {}]
    assert agent.recall("crane", filters={"kind": "turn"})[0].record.body == "There is a crane."
    assert not any(h.record.body == "a crane" for h in agent.recall("a crane", k=10)), "tools are for their thread"


def test_secrets_are_taken_out(agent: Agent) -> None:
    memory = JournalMemory.from_defaults(agent)
    secret = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"
    memory.put(ChatMessage(role="user", content=f"my key is {secret}", additional_kwargs={"token": secret}))
    assert secret not in str([(r.body, r.attributes) for r in agent.records()])


def test_setting_and_resetting_is_undone_as_one(agent: Agent) -> None:
    memory = JournalMemory.from_defaults(agent, thread="t", chat_history=[user("one"), assistant("two")])
    state = agent.home.journal.state_hash()
    memory.set([user("one"), assistant("two"), user("three")])
    assert said(memory) == [("user", "one"), ("assistant", "two"), ("user", "three")]
    memory.set([user("other")])
    assert said(memory) == [("user", "other")]
    agent.undo()
    memory.reset()
    assert said(memory) == []
    agent.undo()
    assert len(said(memory)) == 3
    third = list(agent.records())[-1]
    agent.undo(agent.history(third.id)[0].receipt_id)
    assert agent.home.journal.state_hash() == state


def test_undoing_a_question_takes_its_answer_along_and_a_correction_is_shown(agent: Agent) -> None:
    memory = JournalMemory.from_defaults(agent)
    memory.put(user(FERRY))
    memory.put(assistant("Noted."))
    question, _ = agent.records()
    agent.correct(question.id, "The ferry leaves from Pier 6.")
    assert said(memory) == [("user", "The ferry leaves from Pier 6.")], "the answer rested on what was wrong"
    agent.undo()
    assert said(memory) == [("user", FERRY), ("assistant", "Noted.")]
    agent.undo(agent.history(question.id)[0].receipt_id)
    assert said(memory) == []


def test_an_answer_goes_with_what_it_cites(agent: Agent) -> None:
    record = agent.remember(FERRY)
    memory = JournalMemory.from_defaults(agent, thread="t")
    memory.put(user("Where does the ferry leave from?"))
    assert FERRY in str(memory.get()[-1].content)
    memory.put(assistant("It leaves from Pier 4 [1]."))
    agent.correct(record.record_id, "The ferry leaves from Pier 6.")
    assert said(memory) == [("user", "Where does the ferry leave from?")]


def test_only_the_last_messages_that_fit_are_shown_beginning_with_a_persons(agent: Agent) -> None:
    memory = JournalMemory.from_defaults(agent, token_limit=120, k=0)
    for number in range(6):
        memory.put_messages([user(f"question {number} " + "x" * 60), assistant(f"answer {number} " + "y" * 60)])
    shown = memory.get()
    assert shown[0].role == MessageRole.USER
    assert 2 <= len(shown) < 12
    assert str(shown[-1].content).startswith("answer 5")


async def test_a_chat_engine_uses_it(agent: Agent) -> None:
    from llama_index.core.chat_engine import SimpleChatEngine

    agent.remember(FERRY)
    memory = JournalMemory.from_defaults(agent, thread="engine")
    engine = SimpleChatEngine.from_defaults(llm=MockLLM(), memory=memory)
    answer = await engine.achat("Where does the ferry leave from?")
    assert FERRY in str(answer), "the mock model repeats what it is shown"
    assert said(memory)[0] == ("user", "Where does the ferry leave from?")
    assert said(memory)[1][0] == "assistant"


def test_a_memory_without_an_agent_says_so() -> None:
    with pytest.raises(BadInput, match="from_defaults"):
        JournalMemory().get_all()
