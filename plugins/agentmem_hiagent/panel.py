"""Working memory as a tree: runs, their closed subgoals with what came of each, the open one with its raw steps."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar

from langchain_core.messages import messages_from_dict

from agentmem.panels import Table
from agentmem.records import Namespace, Record
from agentmem_hiagent.chunks import Chunk, cut

if TYPE_CHECKING:
    from agentmem.home import Home

_STATES = {"True": "met", "False": "given up"}
_RUNS = 20  # the newest ones
_STEPS = 6  # raw steps of the open subgoal


class HiAgentPanel:
    """Reads steps and subgoals of the journal; calls no model."""

    title: ClassVar[str] = "working memory"

    def table(self, home: Home, namespace: Namespace) -> Table:
        reader = home.journal.records
        runs: dict[str, list[Record]] = defaultdict(list)
        for record in reader.find(namespace=namespace, kinds=("step",), newest_first=True, limit=2000):
            if record.session:
                runs[record.session].append(record)
        rows: list[tuple[str, ...]] = []
        for run, steps in list(runs.items())[:_RUNS]:
            rows.append((f"▾ {run[:16]}", "run", f"{len(steps)} steps"))
            closed = reader.find(namespace=namespace, kinds=("subgoal",), session=run)
            numbers = set()
            for subgoal in sorted(closed, key=lambda r: int(r.attributes.get("number", 0))):
                numbers.add(subgoal.attributes.get("number"))
                met = _STATES.get(str(subgoal.attributes.get("met")), "closed")
                rows.append((f"  ▸ subgoal {subgoal.attributes.get('number')}", met, subgoal.body))
            told = [m for step in reversed(steps) for m in messages_from_dict(step.attributes.get("messages", []))]
            for chunk in cut(told).parts:
                if isinstance(chunk, Chunk) and chunk.number not in numbers and chunk.pairs:
                    rows.append((f"  ▾ subgoal {chunk.number}", "open", chunk.subgoal or "(before the first subgoal)"))
                    rows += [("      step", "", f"{done} → {seen}"[:300]) for done, seen in chunk.pairs[-_STEPS:]]
        lines = () if rows else ("No run was written down yet; an agent that acts leaves its steps here.",)
        return Table(("what", "state", "text"), tuple(rows), lines)
