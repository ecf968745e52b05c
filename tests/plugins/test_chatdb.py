"""ChatDB keeps the contract, computes like a ledger, rolls a failing plan back whole, refuses what is not its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem.contract import Memory
from agentmem.errors import Refused
from agentmem.records import Draft
from agentmem.testing import Bench, MemoryContract, Rig, ScriptedChat, scripted_json
from agentmem_chatdb import ChatDbMemory
from agentmem_chatdb.config import ChatDbConfig
from agentmem_chatdb.tables import Tables


class TestChatDb(MemoryContract):
    @pytest.fixture
    def memory_class(self) -> type[Memory]:
        return ChatDbMemory


@pytest.fixture
def chat() -> ScriptedChat:
    return ScriptedChat(default=scripted_json({"steps": []}))


@pytest.fixture
def rig(tmp_path: Path, chat: ScriptedChat) -> Iterator[Rig]:
    config = ChatDbConfig(tables={"stock": ("fruit", "amount", "price")})
    made = Rig(tmp_path, Bench(ChatDbMemory, config, chat=chat))
    yield made
    made.close()


def say(rig: Rig, *steps: str) -> None:
    """A turn for which the model plans these statements."""
    rig.chat.default = scripted_json({"steps": list(steps)})
    rig.remember_all([Draft(body="something happened in the shop", kind="turn")])


def stock(rig: Rig) -> dict[str, int]:
    rows = rig.home.journal.records.find(kinds=["row"])
    return {row.attributes["values"]["fruit"]: row.attributes["values"]["amount"] for row in rows}


def ask(rig: Rig, *steps: str) -> float | None:
    rig.chat.default = scripted_json({"steps": list(steps)})
    return rig.recall("how much is there?").signals.get("sql_value")


def test_any_stream_of_transactions_equals_a_ledger(rig: Rig) -> None:
    rng, ledger = random.Random(5), {}
    for _ in range(40):
        fruit, amount = rng.choice(["fig", "pear", "plum"]), rng.randrange(1, 9)
        if fruit not in ledger:
            ledger[fruit] = amount
            say(rig, f"INSERT INTO stock (fruit, amount) VALUES ('{fruit}', {amount})")
        elif rng.random() < 0.2:
            del ledger[fruit]
            say(rig, f"DELETE FROM stock WHERE fruit = '{fruit}'")
        else:
            ledger[fruit] += amount
            say(rig, f"UPDATE stock SET amount = amount + {amount} WHERE fruit = '{fruit}'")
        assert stock(rig) == ledger
    assert ask(rig, "SELECT sum(amount) FROM stock") == sum(ledger.values())


def test_a_later_step_uses_what_an_earlier_one_found(rig: Rig) -> None:
    say(rig, "INSERT INTO stock VALUES (NULL, 'fig', 3, 2)", "INSERT INTO stock VALUES (NULL, 'pear', 5, 4)")
    found = ask(rig, "SELECT max(price) AS dear FROM stock", "SELECT amount FROM stock WHERE price = :s1_dear")
    assert found == 5
    hit = rig.hits("how much is there?")[0]
    assert hit.record.attributes["values"]["fruit"] == "pear"
    assert hit.why == "SQL result: amount: 5"


def test_a_plan_that_fails_in_one_step_does_nothing(rig: Rig) -> None:
    say(rig, "INSERT INTO stock (fruit, amount) VALUES ('fig', 1)", "UPDATE stock SET no_such_column = 1")
    assert stock(rig) == {}


def test_undo_takes_a_transaction_back_and_purge_its_rows(rig: Rig) -> None:
    say(rig, "INSERT INTO stock (fruit, amount) VALUES ('fig', 3)")
    say(rig, "UPDATE stock SET amount = 1")
    rig.undo(rig.home.journal.records.transactions(limit=1)[0].id)
    assert stock(rig) == {"fig": 3}
    turn = next(rig.home.journal.records.find(kinds=["turn"]))
    rig.purge(turn.id)
    assert stock(rig) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH DATABASE '/tmp/x.db' AS x",
        "PRAGMA writable_schema = 1",
        "DROP TABLE stock",
        "CREATE TABLE mine (a)",
        "SELECT 1; DELETE FROM stock",
        "SELECT load_extension('x')",
        "DELETE FROM sqlite_master",
        "UPDATE stock SET _id = 'mine'",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n",
        "VACUUM INTO '/tmp/x.db'",
    ],
)
def test_what_is_not_its_own_is_refused(statement: str) -> None:
    tables = Tables([("stock", "1", {"fruit": "fig"})], {}, most_rows=10, most_work=50_000)
    with pytest.raises(Refused):
        tables.run([statement], write=True)
    assert tables.run(["SELECT fruit FROM stock"], write=False)[0].rows == (("fig",),)
    tables.close()


def test_a_question_may_not_write(rig: Rig) -> None:
    say(rig, "INSERT INTO stock (fruit, amount) VALUES ('fig', 3)")
    assert ask(rig, "DELETE FROM stock") is None
    assert stock(rig) == {"fig": 3}


def test_another_namespace_is_not_computed_with(rig: Rig) -> None:
    for namespace, amount in ((("ann",), 3), (("bob",), 50)):
        values = {"fruit": "fig", "amount": amount}
        attributes = {"table": "stock", "values": values}
        rig.append(Draft(body="stock: fig", kind="row", namespace=namespace, attributes=attributes))
    rig.chat.default = scripted_json({"steps": ["SELECT sum(amount) FROM stock"]})
    assert rig.recall("how much is there?", namespace=("ann",)).signals["sql_value"] == 3
