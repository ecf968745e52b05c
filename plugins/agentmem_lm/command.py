"""The commands `agentmem demo world` and `agentmem doctor model`.

Prints what the demo model's world holds, and where a model keeps its facts. Knows no memory.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from agentmem.errors import NotFound
from agentmem_lm.demo.world import Fact, World, build

if TYPE_CHECKING:
    from agentmem.cli.options import Options
    from agentmem_lm.sites import Asked


def demo(arguments: list[str], options: Options) -> int:
    """`agentmem demo world [--subject NAME] [--relation NAME] [--limit N] [--probes KIND]`."""
    parser = argparse.ArgumentParser(prog="agentmem demo", description="The fictional world that the demo model knows.")
    parser.add_argument("topic", choices=["world"])
    parser.add_argument("--subject", metavar="NAME", help="all facts about one subject, and names like it")
    parser.add_argument("--relation", metavar="NAME", help="only facts of one relation, such as capital")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most N lines (default 20; 0: all)")
    parser.add_argument("--probes", action="store_true", help="questions to examine a model with, and their answers")
    given = parser.parse_args(arguments)
    world = build()
    if given.probes:
        return _show_probes(world, given.limit or 100, options)
    facts = _chosen(world, given.subject, given.relation)
    shown = facts[: given.limit] if given.limit else facts
    lines = [_line(fact) for fact in shown]
    if given.subject:
        lines.append(f"names like it: {', '.join(world.look_alikes(given.subject)) or 'none'}")
    elif len(shown) < len(facts):
        lines.append(f"… {len(facts) - len(shown)} more; --limit 0 shows all, --subject NAME one subject")
    counts = {kind: len(names) for kind, names in world.kinds.items()}
    head = f"{len(world.facts)} facts about {len(world.subjects)} subjects: " + ", ".join(
        f"{count} of kind {kind}" for kind, count in counts.items()
    )
    data = {"subjects": counts, "facts": [_plain(fact) for fact in shown], "total": len(facts)}
    options.print(data, "\n".join([head, *lines]))
    return 0


def doctor_model(arguments: list[str], options: Options) -> int:
    """`agentmem doctor model [--pairs N]`: what the local model is, and the table of its sites."""
    parser = argparse.ArgumentParser(prog="agentmem doctor model", description="Where the local model keeps its facts.")
    parser.add_argument(
        "--pairs", type=int, default=120, metavar="N", help="pairs of prompts to exchange (default 120)"
    )
    given = parser.parse_args(arguments)
    from agentmem.errors import Refused
    from agentmem_lm.provider import open_model
    from agentmem_lm.sites import find_sites

    spec = options.local_model or (options.model or "").removeprefix("local:") or "demo"
    model = open_model(spec)
    shape = model.structure
    count = sum(p.numel() for p in model.net.parameters())
    lines = [
        f"model {model.name}: {len(shape)} layers, width {shape.d_model}, feed-forward {shape.d_inner}, "
        f"{count / 1e6:.1f} million parameters, {model.dtype} on {model.device}",
        f"fingerprint {model.fingerprint[:16]}, down-projections {shape.layers[0].down.name} and alike",
    ]
    try:
        table = find_sites(model, demo_prompts() if model.manners.world == "demo" else None, pairs=given.pairs)
        lines += table.lines()
        table.checked()
    except Refused as refused:
        options.print({"model": model.name, "refused": str(refused)}, "\n".join(lines))
        sys.stderr.write(f"{refused}\n")
        return 1
    carries = ", ".join(map(str, table.layers))
    lines.append(
        f"facts are carried at the subject's last token after layers {carries}; edits go to layer {table.best}"
    )
    data = {"model": model.name, "layers": list(table.layers), "best": table.best, "stream": table.stream}
    options.print(data, "\n".join(lines))
    return 0


def demo_prompts(count: int = 240) -> list[Asked]:
    """Questions about the demo world for the site finder, several to a wording."""
    from agentmem_lm.demo.wordings import WORDINGS, question_prompt
    from agentmem_lm.sites import Asked

    chosen = ("birth_city", "employer", "job", "hq", "product", "river")
    each = count // len(chosen)
    out = []
    for relation in chosen:
        wording = WORDINGS[relation].questions[0]
        facts = [fact for fact in build().facts if fact.relation == relation][:each]
        out += [Asked(question_prompt(wording.format(fact.subject)), fact.subject) for fact in facts]
    return out


def _chosen(world: World, subject: str | None, relation: str | None) -> list[Fact]:
    if subject and subject not in world.by_subject:
        near = [name for name in world.subjects if subject.casefold() in name.casefold()][:5]
        hint = f"; did you mean {', '.join(near)}?" if near else "; agentmem demo world lists some"
        raise NotFound(f"no subject named '{subject}' in the demo world{hint}")
    known = {fact.relation for fact in world.facts}
    if relation and relation not in known:
        raise NotFound(f"no relation named '{relation}'; there are {', '.join(sorted(known))}")
    facts = world.by_subject[subject].values() if subject else world.facts
    return [fact for fact in facts if relation in (None, fact.relation)]


def _line(fact: Fact) -> str:
    years = f", {fact.since or ''}–{fact.until or ''}".replace(", –", "") if fact.since or fact.until else ""
    return f"{fact.subject:<22} {fact.relation:<12} {fact.object:<14} ({fact.source}{years})"


def _plain(fact: Fact) -> dict[str, object]:
    return {
        "subject": fact.subject,
        "relation": fact.relation,
        "object": fact.object,
        "since": fact.since,
        "until": fact.until,
        "source": fact.source,
    }


def _show_probes(world: World, count: int, options: Options) -> int:
    from agentmem_lm.demo.probes import probes

    made = probes(world, count)
    text = "\n".join(f"{probe.kind:<18} {probe.prompt!r} -> {probe.answer}" for probe in made)
    options.print([vars(probe) for probe in made], text)
    return 0
