"""A first conversation, scripted: what an agent with a memory that can be taken back looks like.

Runs by itself in a temporary home: no key, no server, no network.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from agentmem import Agent

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is fetched; libraries that would try are told so

NOTES = """# Town notes

The harbour office is open from eight to five. Ferries to Lund leave every second hour.

## People

Clara runs the bakery on Elm Street. She is allergic to walnuts.
"""


def say(agent: Agent, text: str) -> None:
    """One exchange, with the evidence under the answer."""
    print(f"\n> {text}")
    answer = agent.ask(text)
    print(f"  {answer.text}")
    for citation in answer.citations:
        place = citation.record.sources[0].uri if citation.record.sources else citation.record.kind
        print(f"    [{citation.number}] {place}, found by {citation.memory} ({citation.score:.2f})")
    for note in answer.notes:
        print(f"    note: {note}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes" / "town.md"
        notes.parent.mkdir()
        notes.write_text(NOTES, encoding="utf-8")
        with Agent.open(Path(folder) / "home") as agent:
            print("# Give it a folder")
            print(f"  {agent.ingest(notes.parent).summary()}")
            say(agent, "When is the harbour office open?")
            say(agent, "Where is the harbour office?")

            print("\n# Tell it something, and correct it")
            say(agent, "Remember that the harbour office moved to Pier 4.")
            say(agent, "Where is the harbour office?")
            say(agent, "Actually, the harbour office moved to Pier 6, not Pier 4.")
            say(agent, "Where is the harbour office?")

            print("\n# Take it back")
            say(agent, "undo that")
            say(agent, "Where is the harbour office?")

            print("\n# See what happened to that record")
            (fact,) = agent.records(kinds=["fact"])
            for entry in agent.history(fact.id):
                print(f"  {entry.op:8} {entry.status.value:9} by {entry.actor:6} {entry.body}")

        print("\n# Close, open again: it is still there")
        with Agent.open(Path(folder) / "home") as agent:
            say(agent, "Where is the harbour office?")

            print("\n# Remove it for good, from every memory and every file")
            receipt = agent.purge(fact.id, sources=True)
            print(f"  {len(receipt.record_ids)} record(s) are physically gone")
            for note in receipt.notes:
                print(f"  note: {note}")
            say(agent, "Where is the harbour office?")


if __name__ == "__main__":
    main()
