"""The keys that matter on a screen, in one line that can be clicked; drawn once, so that it costs nothing later."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import App
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Static

_NAMES = {"escape": "Esc", "enter": "Enter", "tab": "Tab", "space": "Space", "delete": "Del", "question_mark": "?"}
_OF_THE_APP = {"keys", "memory", "panels", "ingest", "settings", "doctor", "undo", "redo", "quit", "command_palette"}


def shown_key(app: App[None], binding: Binding, *, short: bool = False) -> str:
    """A key as people write it: ``F9``, ``Ctrl+P`` (``^P`` where room is short), ``e``."""
    *modifiers, key = (binding.key_display or binding.key.split(",")[0]).split("+")
    if not key[1:] or binding.key_display:
        shown = key.upper() if modifiers else key
    elif key[0] == "f" and key[1:].isdigit():
        shown = key.upper()
    else:
        shown = _NAMES.get(key) or app.get_key_display(Binding(key, "", ""))
    if short and modifiers == ["ctrl"]:
        return f"^{shown}"
    return "+".join([*(modifier.capitalize() for modifier in modifiers), shown])


class KeyBar(Static):
    """Shows bindings by their names (``undo``), with the keys that they have now.

    Where they do not all fit, those in ``spare`` are left out, the first one first, then the last ones of ``names``.
    """

    def __init__(self, names: Sequence[str], spare: Sequence[str] = ()) -> None:
        super().__init__("", classes="keybar")
        self._names = names
        self._spare = spare
        self._places: list[tuple[int, int, str]] = []  # columns from and to, and the action there

    def on_mount(self) -> None:
        self.call_after_refresh(self.tell)

    def tell(self) -> None:
        """Read the bindings of the screen and show as many as fit."""
        known = {active.binding.id: active.binding for active in self.screen.active_bindings.values()}
        names = [name for name in self._names if name in known]
        leave = [name for name in self._spare if name in names]
        width = self.content_size.width
        for gap, short in ((2, False), (1, True)):
            shown = [
                (shown_key(self.app, known[n], short=short), known[n].description, _action(known[n])) for n in names
            ]
            if _width(shown, gap) <= width:
                break
        while names and _width(shown, gap) > width:
            place = names.index(leave.pop(0)) if leave else len(names) - 1
            del names[place], shown[place]
        self._draw(shown, gap)

    def _draw(self, shown: Sequence[tuple[str, str, str]], gap: int) -> None:
        parts: list[Content] = []
        self._places, at = [], 0
        for key, told, action in shown:
            parts.append(Content.assemble((key, "bold $primary"), f" {told}"))
            wide = len(key) + 1 + len(told)
            self._places.append((at, at + wide, action))
            at += wide + gap
        self.update(Content(" " * gap).join(parts))

    def on_resize(self) -> None:
        self.call_after_refresh(self.tell)

    async def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        for begin, end, action in self._places:
            if offset is not None and begin <= offset.x < end:
                event.stop()
                await self.run_action(action)
                return


def _width(shown: Sequence[tuple[str, str, str]], gap: int) -> int:
    return sum(len(key) + 1 + len(told) + gap for key, told, _ in shown) - gap


def _action(binding: Binding) -> str:
    """The binding's action with the place where it is found."""
    if "." in binding.action.partition("(")[0]:
        return binding.action
    return f"{'app' if binding.action in _OF_THE_APP else 'screen'}.{binding.action}"
