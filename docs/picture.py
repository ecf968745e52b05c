"""Draws the architecture from what the code imports: one box a package, one arrow for each that another one imports.

Reads sources with ``ast`` and imports nothing, so the picture shows what is there and not what was planned.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

_SOURCES = {"tui": "tui", "agentmem": ".", "plugins": "plugins", "cuda_ext": "cuda_ext"}
_COLOURS = {"tui": "#7e57c2", "agentmem": "#1565c0", "plugins": "#2e7d32", "cuda_ext": "#ef6c00"}
_BOX_W, _BOX_H, _GAP, _ROW = 168, 34, 14, 6


def packages(root: Path) -> dict[str, tuple[str, Path]]:
    """Import name -> (layer, folder)."""
    found = {"agentmem": ("agentmem", root / "agentmem")}
    for layer, source in _SOURCES.items():
        if layer != "agentmem":
            for init in sorted((root / source).glob("agentmem_*/__init__.py")):
                found[init.parent.name] = (layer, init.parent)
    return found


def arrows(root: Path) -> dict[tuple[str, str], int]:
    """(importer, imported) -> how many modules do so, among our packages."""
    known = packages(root)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for name, (_, folder) in known.items():
        for file in sorted(folder.rglob("*.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            imported = set()
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module.partition(".")[0])
            for other in imported & known.keys() - {name}:
                counts[name, other] += 1
    return dict(sorted(counts.items()))


def parts(folder: Path) -> list[str]:
    """The core's own modules and sub-packages, by name."""
    modules = {file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")}
    return sorted(modules | {p.parent.name + "/" for p in folder.glob("*/__init__.py")})


def draw(root: Path) -> str:
    """The picture as SVG: the terminal above, the core in the middle, plugins below, kernels at the bottom."""
    known, joined = packages(root), arrows(root)
    rows = [[n for n, (layer, _) in known.items() if layer == wanted] for wanted in _SOURCES]
    places: dict[str, tuple[float, float, float, float]] = {}
    width = _ROW * (_BOX_W + _GAP) + _GAP
    y = float(_GAP)
    inside = parts(known["agentmem"][1])
    for row in rows:
        if row == ["agentmem"]:
            height = 44 + 17 * -(-len(inside) // 6)
            places["agentmem"] = (_GAP, y, width - 2 * _GAP, height)
            y += height + 46
            continue
        for start in range(0, len(row), _ROW):
            some = row[start : start + _ROW]
            left = (width - len(some) * (_BOX_W + _GAP) + _GAP) / 2
            for place, name in enumerate(some):
                places[name] = (left + place * (_BOX_W + _GAP), y, _BOX_W, _BOX_H)
            y += _BOX_H + _GAP
        y += 32 if row else 0
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y:.0f}"',
        ' font-family="sans-serif" font-size="12">',
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">'
        '<path d="M0,0 L7,3 L0,6" fill="none" stroke="#888"/></marker></defs>',
    ]
    lines += [_arrow(places[one], places[other], f"{one} imports {other}", n) for (one, other), n in joined.items()]
    for name, (x, top, w, h) in places.items():
        layer = known[name][0]
        lines.append(f'<rect x="{x:.0f}" y="{top:.0f}" width="{w:.0f}" height="{h}" rx="5" fill="{_COLOURS[layer]}"/>')
        label = top + (20 if name == "agentmem" else h / 2 + 4)
        lines.append(f'<text x="{x + w / 2:.0f}" y="{label:.0f}" fill="#fff" text-anchor="middle">{name}</text>')
    x, top, w, _ = places["agentmem"]
    for place, part in enumerate(inside):
        column, line = place % 6, place // 6
        at = x + (column + 0.5) * w / 6
        lines.append(
            f'<text x="{at:.0f}" y="{top + 42 + 17 * line:.0f}" fill="#cfe3ff" text-anchor="middle">{part}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def _arrow(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float], told: str, count: int
) -> str:
    """From the edge of one box to the facing edge of the other; thicker where more modules import."""
    down = one[1] < other[1]
    x1, y1 = one[0] + one[2] / 2, one[1] + (one[3] if down else 0)
    x2 = min(max(x1, other[0] + 10), other[0] + other[2] - 10)
    y2 = other[1] + (0 if down else other[3])
    thick = 1 + min(2.0, count / 8)
    return (
        f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="#888" stroke-width="{thick:.1f}" '
        f'marker-end="url(#tip)"><title>{told} ({count} modules)</title></line>'
    )
