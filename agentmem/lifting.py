"""What a summary that was found does for other questions: it is no hit, and lifts the turns that its sentences rest on.

A model that summed a session up has told which of its turns say something, and a summary that fits a question tells in
which session to look. What no summary covers (newer turns, facts, documents) must not fall behind for that: it is
lifted by its own score.

LoCoMo, 698 questions, a summary of attributed sentences for each session (made of its observations), evidence
recall@10 / @2: 76.8 / 47.6 without; summaries as hits 74.0; left out 77.0; this 79.8 / 55.7 (lift 0.2: 79.0 / 54.5,
0.5: 79.7), with those sentences alone that the agent's check keeps 79.3, with turns named at random 77.6. With
summaries of every other session only, questions about the others: 82.9 without, 81.9 when what is not covered is not
lifted, 83.9 with this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentmem.believing import is_summary
from agentmem.records import Namespace, Record
from agentmem.summaries import RESTS


def named_turns(record: Record) -> Sequence[str] | None:
    """Ids of the turns that the sentences of a summary rest on.

    None for what is no summary of others, or does not say what its sentences rest on: that may be all there is.
    """
    if not is_summary(record) or RESTS not in record.attributes:
        return None
    return [turn for rests in record.attributes[RESTS] for turn in rests]


@dataclass(frozen=True, slots=True)
class Lift:
    """``covered``: for each (namespace, thread, session) with live summaries the place in the journal of the last."""

    covered: Mapping[tuple[Namespace, str, str], int]

    def covers(self, record: Record) -> bool:
        """Whether a record is a turn that a summary tells of, or leaves out."""
        place = (record.namespace, record.thread or "", record.session or "")
        return record.kind == "turn" and record.created_seq < self.covered.get(place, 0)
