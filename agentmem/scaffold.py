"""Writes the package of a new plugin from a template: ``agentmem plugins new NAME --kind memory``.

The templates lie beside this file; in their text ``@name@`` stands for the plugin's name and ``@Name@`` for its class.
"""

from __future__ import annotations

import re
from pathlib import Path

from agentmem.errors import BadInput

KINDS = ("memory", "router", "extractor", "panel")
_TEMPLATES = Path(__file__).with_name("templates")
_SUFFIX = ".in"  # keeps linters and test runners away from the templates


def write_package(name: str, kind: str = "memory", folder: Path | None = None) -> Path:
    """Write ``agentmem-NAME`` into ``folder`` (the current one by default); returns the package's folder."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise BadInput(f"'{name}' cannot name a plugin; use small letters, digits and _, beginning with a letter")
    if kind not in KINDS:
        raise BadInput(f"no kind of plugin named '{kind}'; known: {', '.join(KINDS)}")
    target = (folder or Path.cwd()) / f"agentmem-{name.replace('_', '-')}"
    if target.exists():
        raise BadInput(f"{target} exists already; choose another name or remove it")
    for path, text in render(name, kind).items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return target


def render(name: str, kind: str) -> dict[str, str]:
    """The files of the package, by their path within it."""
    words = {
        "name": name,
        "Name": "".join(part.capitalize() for part in name.split("_")),
        "dist": f"agentmem-{name.replace('_', '-')}",
        "package": f"agentmem_{name}",
    }
    files = {}
    for root in (_TEMPLATES / "shared", _TEMPLATES / kind):
        for source in sorted(root.rglob(f"*{_SUFFIX}")):
            path = str(source.relative_to(root)).removesuffix(_SUFFIX).replace("package/", f"{words['package']}/")
            files[path] = re.sub(r"@(\w+)@", lambda found: words[found[1]], source.read_text(encoding="utf-8"))
    return files
