"""Twenty memories that each break one promise, and the check that has to name it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from keyword_memory import KeywordMemory, words

from agentmem.contract import Capability, Memory, Message
from agentmem.errors import AgentmemError
from agentmem.records import Change, Hit, Query, Recall, Record


class LeaksNamespace(KeywordMemory):
    name = "leaks_namespace"

    def recall(self, query: Query) -> Recall:
        return super().recall(replace(query, namespace=()))


class RecallsRetracted(KeywordMemory):
    name = "recalls_retracted"

    def apply(self, changes: Sequence[Change]) -> None:
        super().apply([change for change in changes if change.record is not None])


class RecallsPurged(KeywordMemory):
    name = "recalls_purged"

    def apply(self, changes: Sequence[Change]) -> None:
        known = self.context.records.get_many([change.record_id for change in changes])
        super().apply([change for change in changes if change.record_id in known])

    def erase(self) -> None:
        pass


class KeepsPurgedText(KeywordMemory):
    name = "keeps_purged_text"

    def apply(self, changes: Sequence[Change]) -> None:
        super().apply(changes)
        with open(self.context.data_dir / "words.log", "a", encoding="utf-8") as log:
            log.writelines(change.text + "\n" for change in changes)

    def erase(self) -> None:
        pass


class ForgetsAfterReopening(KeywordMemory):
    name = "forgets_after_reopening"

    @property
    def applied(self) -> int:
        path = self.context.data_dir / "applied.json"
        return json.loads(path.read_text()) if path.exists() else 0

    @applied.setter
    def applied(self, seq: int) -> None:
        (self.context.data_dir / "applied.json").write_text(json.dumps(seq))


class AppliesTwice(KeywordMemory):
    name = "applies_twice"
    weight = 0.01

    def apply(self, changes: Sequence[Change]) -> None:
        super().apply(changes)
        for change in changes:
            self.counts[change.record_id] = self.counts.get(change.record_id, 0) + self.weight

    def recall(self, query: Query) -> Recall:
        return _rescored(super().recall(query), self.counts)

    @property
    def counts(self) -> dict[str, float]:
        return self.__dict__.setdefault("_counts", {})


class DependsOnBatches(AppliesTwice):
    name = "depends_on_batches"

    def apply(self, changes: Sequence[Change]) -> None:
        KeywordMemory.apply(self, changes)
        for place, change in enumerate(changes):
            self.counts[change.record_id] = self.weight / (1 + place)


class DiffersFromRebuild(KeywordMemory):
    name = "differs_from_rebuild"

    def apply(self, changes: Sequence[Change]) -> None:
        before = {key: found for key, (_, found) in self.index.items()}
        super().apply(changes)
        for key, (record, found) in list(self.index.items()):
            self.index[key] = (record, found | before.get(key, set()))


class IgnoresAsOf(KeywordMemory):
    name = "ignores_as_of"
    capabilities = Capability.AS_OF


class WritesOutside(KeywordMemory):
    name = "writes_outside"

    def apply(self, changes: Sequence[Change]) -> None:
        super().apply(changes)
        (self.context.data_dir.parent / "notes.txt").write_text("outside")


class OpensSocket(KeywordMemory):
    name = "opens_socket"

    def recall(self, query: Query) -> Recall:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), timeout=0.1).close()
        return super().recall(query)


class ChatsInApply(KeywordMemory):
    name = "chats_in_apply"

    def apply(self, changes: Sequence[Change]) -> None:
        super().apply(changes)
        with suppress(AgentmemError):
            assert self.context.chat is not None
            self.context.chat.chat([Message("user", "summarise this")])


class MutatesRecords(KeywordMemory):
    name = "mutates_records"

    def apply(self, changes: Sequence[Change]) -> None:
        super().apply(changes)
        for change in changes:
            if change.record is not None:
                change.record.attributes["seen"] = True  # type: ignore[index]


class Unsorted(KeywordMemory):
    name = "unsorted"

    def recall(self, query: Query) -> Recall:
        found = super().recall(query)
        return replace(found, hits=found.hits[::-1])


class MoreThanK(KeywordMemory):
    name = "more_than_k"

    def recall(self, query: Query) -> Recall:
        return super().recall(replace(query, k=query.k + 1))


class HitsWithoutRecord(KeywordMemory):
    name = "hits_without_record"

    def recall(self, query: Query) -> Recall:
        found = super().recall(query)
        bare: Any = None
        return replace(found, hits=tuple(Hit(bare, hit.score) for hit in found.hits))


class UntypedError(KeywordMemory):
    name = "untyped_error"

    def recall(self, query: Query) -> Recall:
        if not words(query.text):
            raise KeyError("no words")
        return super().recall(query)


class TouchesReadonly(KeywordMemory):
    name = "touches_readonly"

    def recall(self, query: Query) -> Recall:
        (self.context.data_dir / "last_query.txt").write_text(str(len(query.text)))
        return super().recall(query)


class ClassState(KeywordMemory):
    name = "class_state"
    shared: ClassVar[dict[str, tuple[Record, set[str]]]] = {}

    @property
    def index(self) -> dict[str, tuple[Record, set[str]]]:
        return self.shared


class HangsInRecall(KeywordMemory):
    name = "hangs_in_recall"

    def recall(self, query: Query) -> Recall:
        time.sleep(60)
        return super().recall(query)


def _rescored(recall: Recall, bonus: dict[str, float]) -> Recall:
    hits = [Hit(hit.record, hit.score + bonus.get(hit.record.id, 0.0)) for hit in recall.hits]
    return replace(recall, hits=tuple(sorted(hits, key=lambda hit: (-hit.score, hit.record.id))))


@dataclass(frozen=True)
class Fault:
    memory: type[Memory]
    check: str
    named: str


FAULTS = [
    Fault(LeaksNamespace, "test_a_namespace_never_leaks", "leaks a namespace"),
    Fault(RecallsRetracted, "test_a_retracted_record_is_not_recalled", "recalls a retracted record"),
    Fault(RecallsPurged, "test_a_purged_record_is_not_recalled", "recalls a purged record"),
    Fault(KeepsPurgedText, "test_a_purged_text_is_in_no_file", "keeps the purged text in its files"),
    Fault(ForgetsAfterReopening, "test_it_remembers_after_reopening", "forgets after reopening"),
    Fault(AppliesTwice, "test_applying_a_change_twice_changes_nothing", "applies a change twice"),
    Fault(DependsOnBatches, "test_batches_of_any_size_give_the_same_index", "depends on the order or size of batches"),
    Fault(DiffersFromRebuild, "test_a_rebuild_equals_the_live_index", "differs from its rebuild"),
    Fault(IgnoresAsOf, "test_as_of_answers_from_that_time", "ignores as_of"),
    Fault(WritesOutside, "test_nothing_is_written_outside_its_folder", "writes outside its folder"),
    Fault(OpensSocket, "test_no_connection_is_opened", "opens a connection"),
    Fault(ChatsInApply, "test_apply_calls_no_chat_model", "calls the chat model in apply"),
    Fault(MutatesRecords, "test_records_are_not_changed", "mutates the records it is given"),
    Fault(Unsorted, "test_hits_are_sorted_best_first", "returns unsorted hits"),
    Fault(MoreThanK, "test_at_most_k_hits_are_returned", "returns more than k hits"),
    Fault(HitsWithoutRecord, "test_every_hit_carries_its_record", "returns hits without a record"),
    Fault(UntypedError, "test_any_query_is_answered", "raises an untyped error"),
    Fault(TouchesReadonly, "test_reading_readonly_leaves_no_trace", "touches in readonly"),
    Fault(ClassState, "test_two_instances_share_nothing", "keeps class-level state"),
    Fault(HangsInRecall, "test_it_answers_within_its_deadline", "hangs in recall"),
]
