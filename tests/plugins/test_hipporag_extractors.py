"""Reading passages with a chat model: at idle time, checked, and tried again when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentmem.errors import ModelError
from agentmem.records import Draft
from agentmem.testing import Bench, Rig, ScriptedChat
from agentmem_hipporag import HippoRAGMemory
from agentmem_hipporag.config import HippoRAGConfig
from agentmem_hipporag.extractors import LlmNer, OpenIE, Spans

GOOD = json.dumps({"entities": ["Ada Penn", "Orsk"], "triples": [["Ada Penn", "lives in", "Orsk"]]})


def test_a_reply_that_fits_is_read() -> None:
    found = OpenIE().extract("Ada lives there.", chat=ScriptedChat([f"Here it is:\n{GOOD}"]))
    assert found.entities == ("Ada Penn", "Orsk")
    assert found.triples == (("Ada Penn", "lives in", "Orsk"),)


@pytest.mark.parametrize("reply", ["", "no", "{", "[1]", '{"entities": "x"}', '{"entities": [1, {}]}', '{"names": []}'])
def test_a_reply_that_does_not_fit_is_an_error(reply: str) -> None:
    with pytest.raises(ModelError):
        LlmNer().extract("text", chat=ScriptedChat([reply]))


def test_spans_need_no_model() -> None:
    assert Spans().extract("Anna met Boris Kern.").entities == ("anna", "boris kern")
    with pytest.raises(ModelError, match="needs a chat model"):
        OpenIE().extract("text")


def test_passages_are_read_when_idle_and_failures_later(tmp_path: Path) -> None:
    chat = ScriptedChat(["gibberish", GOOD, GOOD], default=GOOD)
    rig = Rig(tmp_path, Bench(HippoRAGMemory, HippoRAGConfig(extractor="openie", read_at_idle=2), chat=chat))
    ids = [rig.remember(text) for text in ("she lives there", "they met again", "it was late")]
    first = rig.maintain("idle")
    assert [d.derived_from for d in first if isinstance(d, Draft)] == [(ids[1],)]
    rig.accept(first)
    rig.catch_up()
    second = rig.maintain("idle")
    assert {d.derived_from[0] for d in second if isinstance(d, Draft)} == {ids[2], ids[0]}
    rig.accept(second)
    rig.catch_up()
    assert not rig.maintain("idle")
    assert set(rig.ids("Where does Ada Penn live?")) == set(ids)
    rig.close()


def test_iterating_with_a_chat_model_asks_for_the_missing_name(tmp_path: Path) -> None:
    chat = ScriptedChat(["Ada Penn wrote Tidewater, so look up Ada Penn.", "So the answer is Orsk."])
    rig = Rig(tmp_path, Bench(HippoRAGMemory, HippoRAGConfig(iterate="chat"), chat=chat))
    rig.remember_all(
        [rig.draft(t) for t in ("The book was by a local.", "Ada Penn grew up in Orsk.", "Ferries leave at noon.")]
    )
    assert rig.hits("Where did the author of the book grow up?", 1)[0].record.body.startswith("Ada Penn")
    rig.close()
