"""An agent builds towers of blocks, one subgoal after the other, and the tree of its subgoals is printed.

Run it with `python examples/blocksworld_subgoals.py`. It needs no model: a scripted policy acts, and it sees nothing
but what HiAgent shows of the history. Give `Agent.act` a chat model that calls tools instead, and it acts by itself.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

from agentmem import Agent
from agentmem.bench.worlds.policies import decide
from agentmem.bench.worlds.scenes import KINDS
from agentmem_hiagent.bench_working import render
from agentmem_hiagent.chunks import count_tokens


def main(problem: int = 3) -> None:
    prompts: list[int] = []

    def policy(messages: Sequence[BaseMessage]) -> AIMessage:
        """Stands in for a chat model: reads the visible messages, answers with one tool call."""
        prompts.append(count_tokens(messages))
        line = decide("blocksworld", render(messages), random.Random(len(messages)))
        name, said = line.split(": ", 1)
        call = {"name": "subgoal" if name == "Subgoal" else "act", "args": {"text": said}, "id": f"call-{len(prompts)}"}
        return AIMessage("", tool_calls=[call])

    world = KINDS["blocksworld"].world(problem)
    with tempfile.TemporaryDirectory() as folder, Agent.open(folder, memories=["hiagent"]) as agent:
        ended = agent.act(environment=world, model=policy, name="towers")
        subgoals = sorted(
            (record for record in agent.records() if record.kind == "subgoal"),
            key=lambda record: record.attributes["number"],
        )
        print(f"goal reached: {ended.done}, {world.steps} actions, {len(subgoals)} subgoals")
        for record in subgoals:
            mark = {True: "met", False: "not met", None: "closed"}[record.attributes["met"]]
            print(f"{record.attributes['number']:>3}. {record.attributes['subgoal']}  [{mark}]")
            for step in sorted((agent.show(i) for i in record.derived_from), key=lambda step: step.created_seq):
                action, _, observation = step.body.partition("\n")
                if action.startswith("act("):
                    print(f"       {action[4:-1]:<18} {observation}")
        print(f"the longest prompt had {max(prompts)} tokens")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
