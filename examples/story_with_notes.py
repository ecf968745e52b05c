"""A long story is read sentence by sentence, and what follows from it is noted where it follows.

Run it with `python examples/story_with_notes.py`. It needs no model: a rule-based reader stands in for the chat model
that would write the notes. With one, `Agent.open(folder, memories=["selfnotes"], model="…")` writes notes on all
it reads.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence

from agentmem import Agent
from agentmem.contract import Message
from agentmem_selfnotes import SelfNotesMemory
from agentmem_selfnotes.bench_babi import StoryNotes
from agentmem_selfnotes.notes import strip

STORY = """Mary went to the kitchen. Mary got the milk there. John moved to the garden. Then he went to the office.
Mary travelled to the hallway. John picked up the apple there. Mary gave the milk to Sandra. Sandra went to the bedroom.
John went back to the garden. He dropped the apple. Sandra journeyed to the bathroom. Sandra put down the milk.
Mary moved to the bathroom. Mary took the milk there. After that she went to the office."""


class RuleModel:
    """Stands in for a chat model: answers the prompt for notes by rules for this kind of story."""

    name = "rules"

    def __init__(self) -> None:
        self._notes = StoryNotes()

    def chat(self, messages: Sequence[Message], **_: object) -> str:
        pieces = re.findall(r"^\d+\. (.*)$", messages[-1].content.rpartition("Pieces:")[2], re.MULTILINE)
        written = self._notes("", pieces)
        return "\n".join(f"{n}: {note}" for n, notes in enumerate(written, 1) for note in notes or ["NONE"])


def main() -> None:
    settings = ["memories=selfnotes", "selfnotes.max_notes=6"]
    with tempfile.TemporaryDirectory() as folder, Agent.open(folder, chat=RuleModel(), settings=settings) as agent:
        receipt = agent.remember(STORY, kind="chunk")
        memory = agent.home.views["selfnotes"].memory
        assert isinstance(memory, SelfNotesMemory)
        spliced = memory.annotated(receipt.record_id)
        fence = spliced.fence
        print(spliced.text.replace(fence.opening, " [note: ").replace(fence.closing, "]"))
        assert strip(spliced)[0] == STORY  # taking the notes out gives back the story
        print("\nWhere is the milk?")
        for hit in agent.recall("where is the milk", memory="selfnotes", k=3):
            print(f"  {hit.score:.2f}  {hit.record.body}")
        agent.retract(receipt.record_id)
        print(f"notes left after the story was retracted: {sum(r.kind == 'note' for r in agent.records())}")


if __name__ == "__main__":
    main()
