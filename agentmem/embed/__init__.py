"""Embedders by prefix: `load_embedder` turns a setting into the object that the whole home embeds with.

A setting is ``name`` or ``name:rest``; names are entry points of the group ``agentmem.embedders``. Each points to a
function ``(rest, cache_dir, options) -> Embedder``. Knows nothing of any model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from agentmem import registry
from agentmem.contract import Embedder
from agentmem.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderOptions:
    """What an embedder may need besides its setting.

    ``export`` says when a model is turned into its faster form in the cache: by a child process while the slower form
    answers already, before the first text, or not at all. ``threads`` bounds the texts embedded at once (None: the
    cores, four at most).
    """

    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    export: Literal["background", "now", "never"] = "background"
    threads: int | None = None
    timeout_s: float = 60.0


Loader = Callable[[str, Path, EmbedderOptions], Embedder]


def load_embedder(setting: str, cache_dir: Path, options: EmbedderOptions | None = None) -> Embedder:
    """The embedder that a setting such as "minilm", "hf:/path" or "openai:NAME" names; models open at first use.

    Raises UnknownName for a prefix that nothing provides, BadInput for a rest that it cannot read.
    """
    name, _, rest = setting.strip().partition(":")
    if not name:
        known = ", ".join(registry.names("embedders"))
        raise BadInput(f"the setting embedder is empty; choose one of: {known}")
    loader = cast(Loader, registry.load("embedders", name))
    return loader(rest.strip(), cache_dir, options or EmbedderOptions())
