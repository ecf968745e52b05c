"""A fact earns a place in the weights, changes, and leaves them again; the text stays the source of truth.

Run it: python examples/promoted_fact.py   (the demo model comes with the package; about ten seconds)
"""

from __future__ import annotations

import tempfile
import time

from agentmem import Agent


class Clock:
    """A clock that the story moves on."""

    def __init__(self) -> None:
        self.at = time.time() - 90 * 86_400

    def now(self) -> float:
        return self.at


def main() -> None:
    clock = Clock()
    with (
        tempfile.TemporaryDirectory() as home,
        Agent.open(home, memories="bm25,wise", embedder="hash", local_model="demo", clock=clock) as agent,
    ):
        print("before:", agent.complete("The capital of Zurkia is", max_new_tokens=6))

        # Said in two sessions, asked for again and again, unchanged for a month: that earns it.
        agent.ask("The capital of Zurkia is Kultmouth.", session="spring")
        clock.at += 86_400
        agent.ask("By the way, the capital of Zurkia is Kultmouth.", session="spring fair")
        for _ in range(3):
            print("asked: ", agent.ask("What is the capital of Zurkia?").text)
        clock.at += 30 * 86_400
        for receipt in agent.promote():
            print("asks:  ", receipt.verb, [record.body for record in agent.pending()])

        # Nothing is done to weights without a yes. The memory then tests the edit before it lets it in.
        (change,) = agent.pending()
        approved = agent.approve(change.id)
        agent.flush_edits()
        print("edited:", agent.complete("The capital of Zurkia is", max_new_tokens=6))

        # Rolling back is an undo: the weights answer as before, bit for bit.
        undone = agent.undo(approved)
        print("undone:", agent.complete("The capital of Zurkia is", max_new_tokens=6))
        agent.undo(undone)
        agent.flush_edits()
        print("again: ", agent.complete("The capital of Zurkia is", max_new_tokens=6))

        # When the text changes, what the weights hold of it is taken off at once, and the answer says what changed.
        clock.at += 86_400
        agent.ask("The capital of Zurkia is now Nemport.")
        print("moved: ", agent.complete("The capital of Zurkia is", max_new_tokens=6))
        print("asked: ", agent.ask("What is the capital of Zurkia?").text)


if __name__ == "__main__":
    main()
