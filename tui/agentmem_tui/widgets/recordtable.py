"""A table of any length that draws only the lines in sight: 10,000 rows cost what 40 do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

_GAP = 1


@dataclass(frozen=True, slots=True)
class Column:
    """``width`` 0 takes what is left."""

    title: str
    width: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of clean text in one line each; ``faint`` for what no longer counts."""

    key: str
    cells: tuple[str, ...]
    faint: bool = False


class RecordTable(ScrollView, can_focus=True):
    """Posts `Highlighted` when the cursor moves and `Selected` on Enter or a second click."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--head", "table--cursor", "table--faint", "table--row"}
    DEFAULT_CSS = """
    RecordTable > .table--head { color: $text-primary; background: $panel; text-style: bold; }
    RecordTable > .table--cursor { background: $panel; }
    RecordTable:focus > .table--cursor { background: $primary; color: $background; }
    RecordTable > .table--faint { color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "move(-1000000000)", "First", show=False),
        Binding("end,G", "move(1000000000)", "Last", show=False),
        Binding("enter", "select", "Open", id="table.open"),
    ]
    cursor: reactive[int] = reactive(0)

    class Highlighted(Message):
        """The cursor stands on another row; "" when there is none."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Selected(Message):
        """The row is to be opened."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.rows: list[Row] = []

    # ---- content

    def show(self, rows: Sequence[Row], columns: Sequence[Column] | None = None) -> None:
        """Show these rows; the cursor stays on its row where that is still there."""
        key = self.key()
        if columns is not None:
            self.columns = tuple(columns)
        self.rows = list(rows)
        place = next((i for i, row in enumerate(self.rows[:2000]) if row.key == key), 0) if key else 0
        self._resize()
        self.set_reactive(RecordTable.cursor, place)
        self._follow()
        self.refresh()
        self.post_message(self.Highlighted(self.key()))

    def extend(self, rows: Sequence[Row]) -> None:
        """More rows at the end."""
        first = not self.rows
        self.rows.extend(rows)
        self._resize()
        self.refresh()
        if first:
            self.post_message(self.Highlighted(self.key()))

    def key(self) -> str:
        return self.rows[self.cursor].key if 0 <= self.cursor < len(self.rows) else ""

    def _resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)

    def on_resize(self) -> None:
        self._resize()
        self.refresh()

    # ---- drawing

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            head = self.get_component_rich_style("table--head")
            return self._line([column.title for column in self.columns], head, width)
        place = y - 1 + self.scroll_offset.y
        if place >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        row = self.rows[place]
        if place == self.cursor:
            style = self.rich_style + self.get_component_rich_style("table--cursor")
        elif row.faint:
            style = self.rich_style + self.get_component_rich_style("table--faint")
        else:
            style = self.rich_style
        return self._line(row.cells, style, width)

    def _line(self, cells: Sequence[str], style: Style, width: int) -> Strip:
        fixed = sum(column.width + _GAP for column in self.columns if column.width)
        rest = max(10, width - fixed - 2)
        segments = [Segment(" ", style)]
        for cell, column in zip(cells, self.columns, strict=False):
            wide = column.width or rest
            strip = Strip([Segment(cell, style)])
            if strip.cell_length > wide:
                strip = Strip([*strip.crop(0, wide - 1), Segment("…", style)])
            segments += [*strip.adjust_cell_length(wide, style), Segment(" " * _GAP, style)]
        return Strip(segments).adjust_cell_length(width, style)

    # ---- moving

    def action_move(self, by: int) -> None:
        """Move the cursor by some rows."""
        self.cursor = min(max(self.cursor + by, 0), max(0, len(self.rows) - 1))

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height - 2))

    def action_select(self) -> None:
        if self.key():
            self.post_message(self.Selected(self.key()))

    def watch_cursor(self) -> None:
        self._follow()
        self.refresh()
        self.post_message(self.Highlighted(self.key()))

    def _follow(self) -> None:
        self.scroll_to_region(Region(0, self.cursor, 1, 2), animate=False, force=True)

    def on_click(self, event: events.Click) -> None:
        place = event.y - 1 + self.scroll_offset.y
        if event.y == 0 or place >= len(self.rows):
            return
        if place == self.cursor and self.has_focus and event.chain > 1:
            self.action_select()
        self.cursor = place
        self.focus()
