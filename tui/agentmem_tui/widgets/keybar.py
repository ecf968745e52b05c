"""The keys that matter on a screen, in one line that can be clicked; drawn once, so that it costs nothing later."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

_NARROW = 100


class KeyBar(Static):
    """Shows bindings by their names (``undo``), with the keys that they have now."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("", classes="keybar")
        self._names = names

    def on_mount(self) -> None:
        self.call_after_refresh(self.tell)

    def tell(self) -> None:
        """Read the bindings of the screen."""
        known = {active.binding.id: active.binding for active in self.screen.active_bindings.values()}
        parts = []
        for name in self._names:
            binding = known.get(name)
            if binding is not None:
                key = self.app.get_key_display(binding).replace("^", "Ctrl+") or binding.key
                key = key.upper() if key.startswith("f") and key[1:].isdigit() else key
                action = binding.action if "." in binding.action else f"screen.{binding.action}"
                if binding.action in _OF_THE_APP:
                    action = f"app.{binding.action}"
                parts.append(f"[@click={action}][$footer-key-foreground b]{key}[/] {binding.description}[/]")
        gap = " " if self.app.size.width < _NARROW else "  "
        self.update(Content.from_markup(gap.join(parts)))

    def on_resize(self) -> None:
        self.call_after_refresh(self.tell)


_OF_THE_APP = {"keys", "memory", "panels", "ingest", "settings", "doctor", "undo", "redo", "quit", "command_palette"}
