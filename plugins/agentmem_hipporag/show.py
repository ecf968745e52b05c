"""`agentmem graph show ENTITY`: what the graph knows around a name, as text, or as a picture when asked for one.

Reads the index of an open home; draws with nothing but the standard library. Knows no ranking.
"""

from __future__ import annotations

import argparse
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agentmem.errors import BadInput, NotFound, Refused
from agentmem.records import namespace_of, path_of
from agentmem_hipporag.edges import Kind, kind_of
from agentmem_hipporag.index import GraphIndex
from agentmem_hipporag.memory import HippoRAGMemory
from agentmem_hipporag.names import loose_key, name_key
from agentmem_hipporag.segments import positions
from agentmem_hipporag.store import Selection

if TYPE_CHECKING:
    from agentmem.agent import Agent
    from agentmem.cli.options import Options

_LINE = 100  # characters of a passage that are shown
_SIZE = 900  # width and height of the picture
_KINDS = {
    Kind.CONTEXT: "named in",
    Kind.TITLE_TO_PAGE: "has the page",
    Kind.RELATION: "related to",
    Kind.SYNONYM: "like",
}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A node beside another: why, how often it is said, and its text (a passage's beginning, or the name)."""

    why: str
    count: int
    text: str
    passage: str | None  # record id


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A name and what is around it: passages that name it, and names that share a passage or a triple with it."""

    name: str
    passages: list[Neighbour]
    names: list[Neighbour]


def main(arguments: Sequence[str], options: Options) -> int:
    parser = argparse.ArgumentParser(prog="agentmem graph", description="Look into the graph of names.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    show = verbs.add_parser("show", help="the neighbourhood of a name")
    show.add_argument("entity", nargs="+")
    show.add_argument("--limit", type=int, default=12, help="passages and names shown")
    show.add_argument("--svg", metavar="FILE")
    show.add_argument("--html", metavar="FILE")
    parsed = parser.parse_args(list(arguments))
    with options.open() as agent:
        around = look_up(agent, " ".join(parsed.entity), options.namespace, parsed.limit)
    if parsed.svg:
        Path(parsed.svg).write_text(as_svg(around), encoding="utf-8")
    if parsed.html:
        Path(parsed.html).write_text(as_html(around), encoding="utf-8")
    options.print(around, as_text(around))
    return 0


def look_up(agent: Agent, entity: str, namespace: str, limit: int) -> Neighbourhood:
    """The neighbourhood of a name within a namespace; NotFound when the graph does not hold it."""
    if "hipporag" not in agent.home.views.names():
        raise BadInput("the memory 'hipporag' is not switched on; add it: --memories hipporag,…")
    view = agent.home.views["hipporag"]
    if view.pid is not None:
        raise Refused(f"process {view.pid} holds this home; ask there, or close it first")
    view.catch_up()
    memory = view.memory
    assert isinstance(memory, HippoRAGMemory), "the name hipporag belongs to this plugin"
    scope = path_of(tuple(part for part in namespace.split("/") if part))
    found = neighbourhood(memory.index, entity, scope, limit)
    records = memory.context.records.get_many([n.passage for n in found.passages if n.passage is not None])
    passages = [
        Neighbour(n.why, n.count, " ".join(records[n.passage].body.split())[:_LINE], n.passage)
        for n in found.passages
        if n.passage in records
    ]
    return Neighbourhood(found.name, passages, found.names)


def neighbourhood(index: GraphIndex, entity: str, scope: str, limit: int) -> Neighbourhood:
    """What is joined to a name by live sources in the scope, the strongest first."""
    key = name_key(entity)
    sight = index.graph.sight(Selection(scope))
    known = index.store.find_names([key])
    candidates = list(known.values()) or index.store.find_loose([loose_key(key)]).get(loose_key(key), [])
    nodes = [node for node in candidates if node < len(sight.df) and sight.df[node] > 0]
    if not nodes:
        where = f" in {'/'.join(namespace_of(scope))}" if scope != "/" else ""
        raise NotFound(f"no passage{where} names '{entity}'; names are found as they are written there")
    node = max(nodes, key=lambda n: (int(sight.df[n]), -n))
    direct = _beside(index, [node], sight.live)
    pages = [other for other, kind in direct if kind in (Kind.CONTEXT, Kind.TITLE_TO_PAGE)]
    second: dict[int, int] = {}
    for other, kind in _beside(index, pages, sight.live):
        if other != node and kind in (Kind.CONTEXT, Kind.PAGE_TO_TITLE):
            second[other] = second.get(other, 0) + 1
    keys = index.store.keys_of({node, *(o for o, _ in direct), *second})
    direct.sort(key=lambda found: (found[1] != Kind.TITLE_TO_PAGE, keys[found[0]]))  # its own page first
    passages = [Neighbour(_KINDS[k], 1, "", keys[o]) for o, k in direct if k in (Kind.CONTEXT, Kind.TITLE_TO_PAGE)]
    joined = [Neighbour(_KINDS[k], 1, keys[o], None) for o, k in direct if k in (Kind.RELATION, Kind.SYNONYM)]
    shared = [Neighbour("shares passages", n, keys[o], None) for o, n in second.items()]
    shared.sort(key=lambda n: (-n.count, n.text))
    return Neighbourhood(keys[node], passages[:limit], [*joined, *shared][:limit])


def _beside(index: GraphIndex, nodes: Sequence[int], live: np.ndarray | None) -> list[tuple[int, Kind]]:
    """(neighbour, kind) of every live entry of some rows."""
    found: list[tuple[int, Kind]] = []
    rows = np.array(sorted(set(nodes)), dtype=np.int32)
    for segment in index.graph.segments:
        at = positions(*segment.bounds(rows))
        if live is not None:
            at = at[live[segment.via[at]]]
        kinds = kind_of(segment.code[at])
        found += [(int(t), Kind(int(k))) for t, k in zip(segment.target[at], kinds, strict=True)]
    return found


def as_text(around: Neighbourhood) -> str:
    lines = [around.name]
    lines += [f"  {n.why:<15} {(n.passage or '')[:8]}  {n.text}" for n in around.passages]
    lines += [f"  {n.why:<15} {n.text}" + (f" ({n.count})" if n.count > 1 else "") for n in around.names]
    return "\n".join(lines)


def as_svg(around: Neighbourhood) -> str:
    """The name in the middle, names on an inner ring, passages on an outer one."""
    middle = _SIZE / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE} {_SIZE}"',
        ' font-family="sans-serif" font-size="12">',
        f"<title>{html.escape(around.name)}</title>",
    ]
    dots: list[str] = []
    for ring, colour, neighbours in ((0.25, "#2b6cb0", around.names), (0.40, "#718096", around.passages)):
        for i, neighbour in enumerate(neighbours):
            angle = 2 * math.pi * (i + 0.5 * (ring > 0.3)) / len(neighbours)
            x, y = middle + _SIZE * ring * math.cos(angle), middle + _SIZE * ring * math.sin(angle)
            label = neighbour.text if len(neighbour.text) <= 28 else neighbour.text[:27] + "…"
            hint = f"{neighbour.why}: {neighbour.text}"
            parts.append(f'<line x1="{middle}" y1="{middle}" x2="{x:.0f}" y2="{y:.0f}" stroke="#cbd5e0"/>')
            dots.append(
                f'<g><title>{html.escape(hint)}</title><circle cx="{x:.0f}" cy="{y:.0f}" r="5" fill="{colour}"/>'
                f'<text x="{x:.0f}" y="{y - 9:.0f}" text-anchor="middle">{html.escape(label)}</text></g>'
            )
    dots.append(
        f'<circle cx="{middle}" cy="{middle}" r="9" fill="#c05621"/><text x="{middle}" y="{middle - 14}"'
        f' text-anchor="middle" font-weight="bold">{html.escape(around.name)}</text>'
    )
    return "\n".join([*parts, *dots, "</svg>"]) + "\n"


def as_html(around: Neighbourhood) -> str:
    """The picture with its text below; one file, nothing fetched."""
    rows = "".join(f"<li>{html.escape(n.why)}: {html.escape(n.text)}</li>" for n in [*around.passages, *around.names])
    return (
        f'<!doctype html><html><head><meta charset="utf-8"><title>{html.escape(around.name)}</title></head>'
        f"<body>{as_svg(around)}<ul>{rows}</ul></body></html>\n"
    )
