"""`agentmem bench working`: one scripted policy under several views of its history, in six planning domains.

The policy sees nothing but the rendered context (*scripted*: no chat model takes part). Views, all but the first
under the same token budget: `unbounded` (the whole history), `full` (the whole history, its middle cut out where it
does not fit), `window` (as many of the newest pairs as fit), `hiagent`. A run may take half as many steps again as
the policy needs with its whole history, at most 200. Makes its own data.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agentmem.bench.report import Report, bootstrap
from agentmem.bench.worlds.belief import ABOUT, fold
from agentmem.bench.worlds.policies import decide
from agentmem.bench.worlds.scenes import KINDS
from agentmem_hiagent.chunks import SUBGOAL, count_tokens, cut, summarise, text_of, view
from agentmem_hiagent.summary import Summary

View = Callable[[Sequence[BaseMessage], int], Sequence[BaseMessage]]
MAX_STEPS = 200


@dataclass(frozen=True)
class Run:
    """What one run came to. `tokens` sums the prompts of all calls; `lost` is the mean share of facts out of sight."""

    success: bool
    progress: float
    steps: int
    tokens: int
    lost: float
    plain: int  # as `tokens`, had the history held no subgoals


def unbounded(messages: Sequence[BaseMessage], budget: int) -> Sequence[BaseMessage]:
    return messages


def full(messages: Sequence[BaseMessage], budget: int) -> Sequence[BaseMessage]:
    """The opening and the newest pairs, half of the budget each; what lies between is cut out."""
    if count_tokens(messages) <= budget:
        return messages
    head = _fit(messages[1:], (budget - count_tokens(messages[:1])) // 2)
    tail = _fit(list(messages[1 + len(head) :])[::-1], budget - count_tokens(messages[:1]) - count_tokens(head))
    return [messages[0], *head, *tail[::-1]]


def window(messages: Sequence[BaseMessage], budget: int) -> Sequence[BaseMessage]:
    """The task and the newest pairs."""
    tail = _fit(list(messages[1:])[::-1], budget - count_tokens(messages[:1]))
    return [messages[0], *tail[::-1]]


def hiagent(messages: Sequence[BaseMessage], budget: int) -> Sequence[BaseMessage]:
    return view(messages, budget_tokens=budget)


def without_summaries(messages: Sequence[BaseMessage], budget: int) -> Sequence[BaseMessage]:
    """HiAgent with nothing but the names and verdicts of its finished subgoals, as the paper's ablation has it."""
    closed = [chunk for chunk in cut(messages).chunks if chunk.closed]
    return view(messages, {c.key: Summary("", summarise(c, {}).met) for c in closed}, budget_tokens=budget)


def _fit(messages: Sequence[BaseMessage], budget: int) -> list[BaseMessage]:
    """As many messages from the front as fit, in whole pairs."""
    used, fitting = 0, 0
    for index, message in enumerate(messages):
        used += count_tokens([message])
        if used > budget:
            break
        if index % 2 == 1:
            fitting = index + 1
    return list(messages[:fitting])


VIEWS: dict[str, View] = {
    "unbounded": unbounded,
    "full": full,
    "window": window,
    "hiagent": hiagent,
    "no_summaries": without_summaries,
}


def render(messages: Sequence[BaseMessage]) -> str:
    """Messages as the text that the policy reads."""
    lines: list[str] = []
    for message in messages:
        for call in message.tool_calls if isinstance(message, AIMessage) else ():
            name, said = call["name"], next(iter(call["args"].values()), "")
            lines.append(f"Subgoal: {said}" if name == SUBGOAL else f"Action: {said}")
        if text_of(message):
            lines.append(text_of(message))
    return "\n".join(lines)


def play(domain: str, seed: int, see: View, budget: int, limit: int) -> Run:
    """One run. The policy is called anew at every step with the view of the history."""
    kind = KINDS[domain]
    world, rng = kind.world(seed), random.Random(f"{domain}:{seed}")
    messages: list[BaseMessage] = [HumanMessage(world.reset())]
    spent, plain, managing, progress, lost = 0, 0, 0, 0.0, []
    for call in range(4 * limit):
        visible = see(messages, budget)
        spent += (used := count_tokens(visible))
        text = render(visible)
        if call % 10 == 9:
            lost.append(_lost(domain, render(messages), text))
        reply = decide(domain, text, rng)
        kind_of, said = reply.split(": ", 1)
        name = SUBGOAL if kind_of == "Subgoal" else "act"
        messages.append(AIMessage("", tool_calls=[{"name": name, "args": {"text": said}, "id": f"call-{call}"}]))
        if name == SUBGOAL:
            messages.append(ToolMessage("Go on.", tool_call_id=f"call-{call}"))
            managing += count_tokens(messages[-2:])
            continue
        plain += used - managing  # a call that only names a subgoal would not have been made
        outcome = world.step(said)
        progress = outcome.reward
        messages.append(ToolMessage(outcome.observation, tool_call_id=f"call-{call}"))
        if outcome.done or world.steps >= limit:
            break
    return Run(progress == 1.0, progress, world.steps, spent, statistics.fmean(lost) if lost else 0.0, plain)


def _lost(domain: str, whole: str, visible: str) -> float:
    """The share of what the whole history says that the visible context does not say or says otherwise."""
    scene = KINDS[domain].scene
    texts = [_without_goal(text) for text in (whole, visible)]
    known, seen = (fold(ABOUT[domain], scene.atoms_in(text)) for text in texts)
    return sum(seen.get(key) != atom for key, atom in known.items()) / max(1, len(known))


def _without_goal(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("Goal: "))


def main(argv: list[str]) -> int:
    """Entry point of `agentmem bench working`."""
    parser = argparse.ArgumentParser(prog="agentmem bench working", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--problems", type=int, default=30, help="problems a domain (default 30)")
    parser.add_argument("--budget", type=int, default=2000, help="tokens of context a call (default 2000)")
    parser.add_argument("--domains", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=0, help="number of the first problem (default 0)")
    parser.add_argument("--json", metavar="FILE", help="write settings, rows and figures to a file")
    args = parser.parse_args(argv)
    report = Report("working", {"problems": args.problems, "budget_tokens": args.budget, "seed": args.seed})
    runs: dict[tuple[str, str], list[Run]] = {}
    for domain in args.domains:
        for number in range(args.seed, args.seed + args.problems):
            reference = play(domain, number, unbounded, args.budget, MAX_STEPS)
            limit = min(MAX_STEPS, max(30, reference.steps * 3 // 2))
            for name, see in VIEWS.items():
                run = reference if name == "unbounded" else play(domain, number, see, args.budget, limit)
                runs.setdefault((domain, name), []).append(run)
        for name in VIEWS:
            _tell(report, domain, name, runs[domain, name], runs[domain, "unbounded"])
    for name in VIEWS:
        every = [run for domain in args.domains for run in runs[domain, name]]
        base = [run for domain in args.domains for run in runs[domain, "unbounded"]]
        _tell(report, "overall", name, every, base)
    _compare(report, args.domains, runs)
    report.finish(args.json)
    return 0


def _tell(report: Report, domain: str, name: str, runs: list[Run], base: list[Run]) -> None:
    success = bootstrap([100.0 * run.success for run in runs])
    tokens = statistics.fmean(run.tokens for run in runs)
    report.row(
        domain=domain,
        view=name,
        n=len(runs),
        success=str(success),
        progress=100 * statistics.fmean(run.progress for run in runs),
        steps=statistics.fmean(run.steps for run in runs),
        tokens=tokens,
        ratio=tokens / statistics.fmean(run.tokens for run in base),
        lost=100 * statistics.fmean(run.lost for run in runs),
    )
    report.figure(f"{domain}.{name}.success", success.value)
    report.figure(f"{domain}.{name}.success_low", success.low)
    report.figure(f"{domain}.{name}.success_high", success.high)
    report.figure(f"{domain}.{name}.tokens", tokens)
    report.figure(f"{domain}.{name}.steps", statistics.fmean(run.steps for run in runs))


def _compare(report: Report, domains: list[str], runs: dict[tuple[str, str], list[Run]]) -> None:
    """Paired differences of success, and prompt tokens of a run against those of the run with its whole history."""
    for other in ("window", "full"):
        pairs = [p for d in domains for p in zip(runs[d, "hiagent"], runs[d, other], strict=True)]
        ahead = bootstrap([100.0 * (a.success - b.success) for a, b in pairs])
        report.row(domain="overall", view=f"hiagent - {other}", n=len(pairs), success=str(ahead))
        report.figure(f"ahead_of_{other}", ahead.value)
        report.figure(f"ahead_of_{other}_low", ahead.low)
    long = [p for d in domains for p in zip(runs[d, "hiagent"], runs[d, "unbounded"], strict=True) if p[1].steps > 30]
    ratio = bootstrap([a.tokens / b.tokens for a, b in long])
    report.row(domain="overall", view="hiagent / unbounded", n=len(long), ratio=ratio.value)
    hard = statistics.fmean(a.tokens / b.plain for a, b in long)
    report.row(domain="overall", view="hiagent / unbounded without subgoals", n=len(long), ratio=hard)
    report.figure("tokens_ratio_without_subgoals", hard)
    report.figure("tokens_ratio", ratio.value)
    report.figure("tokens_ratio_low", ratio.low)
    report.figure("tokens_ratio_high", ratio.high)
