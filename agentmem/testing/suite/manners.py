"""What a memory leaves alone: other folders, the network, the records it is given, the chat model in apply."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from agentmem.contract import API_VERSION, Capability, MemoryConfig
from agentmem.records import CheckLine, Draft, Update, Verdict
from agentmem.testing.guards import Snapshot
from agentmem.testing.rig import Rig
from agentmem.testing.sentences import facts
from agentmem.testing.suite.base import SuiteBase, also_for_weights, compare, search
from agentmem.testing.witness import core_paths


def do_everything(rig: Rig, *, ask: bool = True) -> None:
    """Every verb once, so that whatever a memory does on the side is done."""
    ids = rig.remember_all([rig.draft(text) for text in facts(6)])
    rig.remember("Velmark keeps lanterns and sextants", attributes={"tags": ["one"], "n": {"deep": [1]}})
    rig.correct(ids[0], "Velmark keeps ravens")
    rig.retract(ids[1])
    for phase in ("turn", "session", "idle"):
        rig.accept(rig.maintain(phase))
    rig.catch_up()
    if ask:
        rig.recall("Velmark keeps ravens")
    rig.purge(ids[2])
    rig.reopen()
    if ask:
        rig.recall("Velmark keeps ravens")


class Manners(SuiteBase):
    @also_for_weights
    def test_it_declares_what_it_is(self, rig: Rig) -> None:
        """declares its name, kinds, capabilities and settings"""
        cls = type(rig.memory)
        assert isinstance(cls.name, str), "has no name"
        assert re.fullmatch(r"[a-z][a-z0-9_]*", cls.name), f"is named {cls.name!r}; use small letters, digits and _"
        assert cls.api_version == API_VERSION, f"is written for contract {cls.api_version}, this is {API_VERSION}"
        assert isinstance(cls.capabilities, Capability), "declares capabilities that are no Capability"
        assert cls.kinds, "indexes no kind of record"
        assert all(isinstance(kind, str) for kind in cls.kinds), f"declares kinds that are no texts: {cls.kinds!r}"
        assert issubclass(cls.Config, MemoryConfig), "has a Config that is no MemoryConfig"
        try:
            cls.Config(no_such_setting=1)  # type: ignore[call-arg]
        except ValidationError:
            pass
        else:
            raise AssertionError("takes a misspelt setting without a word; keep extra='forbid' in its Config")

    @also_for_weights
    def test_records_are_not_changed(self, rig: Rig) -> None:
        """leaves the records it is given as they are"""
        do_everything(rig)
        assert not rig.witness.mutations, f"mutates the records it is given: {rig.witness.mutations[0]}"

    @also_for_weights
    def test_nothing_is_written_outside_its_folder(self, rig: Rig, tmp_path: Path) -> None:
        """writes only below its own folder"""
        own = [rig.data_dir, *core_paths(rig.data_dir), rig.root / "secret", rig.root / "owner.lock"]
        before = Snapshot.of(tmp_path, without=own)
        do_everything(rig)
        written = rig.witness.writes + before.difference(Snapshot.of(tmp_path, without=own))
        assert not written, f"writes outside its folder: {', '.join(written[:3])}"

    @also_for_weights
    def test_no_connection_is_opened(self, rig: Rig) -> None:
        """opens no connection"""
        do_everything(rig)
        assert not rig.witness.connections, f"opens a connection: {', '.join(rig.witness.connections[:3])}"

    @also_for_weights
    def test_apply_calls_no_chat_model(self, rig: Rig) -> None:
        """calls no chat model in apply"""
        do_everything(rig, ask=False)
        assert not rig.chat.refused, f"calls the chat model in {rig.chat.refused[0]}"

    def test_reading_readonly_leaves_no_trace(self, rig: Rig) -> None:
        """leaves no trace when it is opened readonly"""
        texts = facts(8)
        rig.remember_all([rig.draft(text) for text in texts])
        rig.recall(texts[0])
        rig.close()
        before = Snapshot.of(rig.data_dir)
        reader = rig.reader()
        reader.catch_up()  # for memories that keep nothing on disk; the others have nothing to do
        first = search(reader, texts)
        for _ in range(3):
            again = search(reader, texts)
        why = compare(reader.memory, first, again)
        assert not why, f"touches in readonly: the same question asked again is answered otherwise ({why})"
        reader.close()
        changed = before.difference(Snapshot.of(rig.data_dir))
        assert not changed, f"touches in readonly: {', '.join(changed[:3])}"

    @also_for_weights
    def test_hooks_answer_what_they_promise(self, rig: Rig) -> None:
        """answers its hooks with what they promise"""
        rig.remember("Velmark keeps lanterns")
        run, memory = rig.witness.run, rig.memory
        for phase in ("turn", "session", "idle"):
            for proposal in rig.maintain(phase):
                assert isinstance(proposal, (Draft, Update)), f"maintain proposes a {type(proposal).__name__}"
        assert isinstance(run("admit", lambda: memory.admit(rig.draft("Orsk keeps kites"))), Verdict), (
            "admit returns no Verdict"
        )
        for line in run("check", lambda: list(memory.check())):
            assert isinstance(line, CheckLine), f"check returns a {type(line).__name__} among its lines"
            assert line.level in ("ok", "note", "warning", "error"), f"check returns the level {line.level!r}"
        if Capability.SEGMENT in memory.capabilities:
            for draft in run("segment", lambda: list(memory.segment("Velmark keeps lanterns."))):
                assert isinstance(draft, Draft), f"segment returns a {type(draft).__name__} among its drafts"

    def test_what_it_derives_says_where_from(self, rig: Rig) -> None:
        """names the records that its drafts are derived from"""
        ids = rig.append(*(rig.draft(text, kind="turn", speaker="user") for text in facts(4)))
        records = rig.records(ids)
        for proposal in rig.observe(records):
            if isinstance(proposal, Draft):
                unknown = [source for source in proposal.derived_from if rig.record(source) is None]
                assert proposal.derived_from, f"derives {proposal.body[:40]!r} from nothing; set derived_from"
                assert not unknown, f"derives {proposal.body[:40]!r} from records that do not exist"
