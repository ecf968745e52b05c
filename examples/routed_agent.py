"""An agent with every memory on, and the trace of how it routes: what was asked, why, and what came of it.

Runs by itself in a temporary home with the demo model: no key, no server, no network.
"""

from __future__ import annotations

import os
import tempfile

from agentmem import Agent, events, registry

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is fetched; libraries that would try are told so

TOLD = (
    "Clara moved to Osterby and runs the bakery on Elm Street.",
    "The bakery on Elm Street belongs to Tibor Lindgren.",
    "Tibor Lindgren lives in Velmark.",
    "Bruno lived in Lund before he moved to Osterby.",
    "The harbour office is open from eight to five.",
)
QUESTIONS = (
    "Where does Clara work?",
    "In which town does the owner of the bakery where Clara works live?",
    "Where did Bruno live before?",
    "How many people live in Osterby?",
    "Where does Zed Quillfeather live?",
    "Thanks, that was nice!",
)


def show(agent: Agent, question: str) -> None:
    """One question with the route it took."""
    print(f"\n> {question}")
    silent = 0
    for event in agent.stream(question):
        match event:
            case events.Routed():
                print(f"  route: {', '.join(event.memories) or 'nothing'}")
                print(f"         because {event.reason}")
                stage = event.decision.get("stage", "rule")
                judged = sorted(event.decision.get("p", {}).items(), key=lambda one: -one[1])[:4]
                likely = ", ".join(f"{arm or 'nothing'} {p:.2f}" for arm, p in judged)
                print(f"         decided by {stage}" + (f": {likely}" if likely else "") + f" ({event.ms:.1f} ms)")
            case events.Recalled():
                silent += not event.hits
                if event.hits:
                    print(f"  {event.memory}: {len(event.hits)} hits ({event.ms:.1f} ms)")
            case events.Answered():
                print(f"  {silent} memories had nothing to say")
                print(f"  {event.answer.text}")


def main() -> None:
    memories = tuple(name for name in registry.names("memories") if name != "context")  # that one shows everything
    with tempfile.TemporaryDirectory() as folder, Agent.open(folder, memories=memories, local_model="demo") as agent:
        for text in TOLD:
            agent.remember(text)
        print(f"memories: {', '.join(memories)}")
        for question in QUESTIONS:
            show(agent, question)


if __name__ == "__main__":
    main()
