"""The neighbourhood of a name as a drawing that one walks in: the name on the left, an arm to each neighbour.

Only the arms in sight are drawn; the name stays in the middle of them while one scrolls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from agentmem_tui.plaintext import bar, clean, one_line

if TYPE_CHECKING:
    from agentmem.panels import Edge, Graph

_BOX = 3  # lines of the frame around the name in the middle
_BAR = 4
_WIDEST_CENTRE, _WIDEST_LABEL, _WIDEST_NAME = 28, 18, 34


@dataclass(frozen=True, slots=True)
class _Arm:
    """One line of the drawing; every text is clean."""

    label: str
    drawn: str
    name: str
    further: str


class GraphView(ScrollView, can_focus=True):
    """Posts `Highlighted` when the cursor moves, `Walked` to a neighbour, `Back`, and `Opened` with a record."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"graph--arm", "graph--centre", "graph--bar", "graph--cursor", "graph--far"}
    DEFAULT_CSS = """
    GraphView { height: 1fr; width: 1fr; scrollbar-size-vertical: 1; background: $background; }
    GraphView > .graph--arm { color: $text-muted; }
    GraphView > .graph--centre { color: $text-primary; text-style: bold; }
    GraphView > .graph--bar { color: $primary; }
    GraphView > .graph--far { color: $text-muted; }
    GraphView > .graph--cursor { background: $panel; text-style: bold; }
    GraphView:focus > .graph--cursor { background: $primary; color: $background; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "move(-1000000)", "First", show=False),
        Binding("end,G", "move(1000000)", "Last", show=False),
        Binding("enter,right,l", "walk", "Walk there", id="graph.walk"),
        Binding("backspace,left,h", "back", "Walk back", id="graph.back"),
        Binding("o", "open", "Open the record", id="graph.open"),
    ]
    cursor: reactive[int] = reactive(0)

    class Highlighted(Message):
        """The cursor stands on another neighbour; None when there is none."""

        def __init__(self, edge: Edge | None) -> None:
            super().__init__()
            self.edge = edge

    class Walked(Message):
        """Make this name the middle."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class Back(Message):
        """Go to where one came from."""

    class Opened(Message):
        """Show the record that says so."""

        def __init__(self, record_id: str) -> None:
            super().__init__()
            self.record_id = record_id

    def __init__(self) -> None:
        super().__init__()
        self._edges: tuple[Edge, ...] = ()
        self._arms: list[_Arm] = []
        self._centre = ""

    def show(self, graph: Graph) -> None:
        """Draw this neighbourhood with the cursor on the strongest neighbour."""
        self._edges = graph.edges
        self._centre = one_line(graph.centre, _WIDEST_CENTRE)
        most = max((edge.weight for edge in graph.edges), default=1.0) or 1.0
        self._arms = [
            _Arm(
                one_line(edge.label, _WIDEST_LABEL),
                bar(edge.weight / most, _BAR),
                one_line(edge.name, _WIDEST_NAME),
                " · ".join(clean(name) for name in edge.further),
            )
            for edge in graph.edges
        ]
        self.set_reactive(GraphView.cursor, 0)
        self._resize()
        self.scroll_home(animate=False)
        self.refresh()
        self.post_message(self.Highlighted(self.edge()))

    def edge(self) -> Edge | None:
        """The neighbour under the cursor."""
        return self._edges[self.cursor] if self.cursor < len(self._edges) else None

    def on_resize(self) -> None:
        self._resize()
        self.refresh()

    def _resize(self) -> None:
        self.virtual_size = Size(self.size.width, max(_BOX, len(self._arms)))

    @property
    def _first_line(self) -> int:
        """The line of the first arm: a single one stands in the middle of the frame."""
        return 1 if len(self._arms) == 1 else 0

    # ---- drawing

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        arm_style, centre_style = self._style("graph--arm"), self._style("graph--centre")
        middle = min(self.size.height, max(_BOX, len(self._arms))) // 2
        place = y + self.scroll_offset.y - self._first_line
        box = self._box(y - middle, bool(self._arms))
        segments = [Segment(box, centre_style)]
        if 0 <= place < len(self._arms):
            segments.append(Segment(self._joint(place, y == middle) + "─", arm_style))
            segments += self._arm_segments(place, width - len(box) - 2)
        return Strip(segments).crop(0, width).adjust_cell_length(width, self.rich_style)

    def _style(self, name: str) -> Style:
        return self.rich_style + self.get_component_rich_style(name)

    def _box(self, line: int, leads_on: bool) -> str:
        wide = len(self._centre) + 2
        if line == 0:
            return f" │ {self._centre} {'├──' if leads_on else '│  '}"
        if abs(line) == 1:
            left, right = "╭╮" if line < 0 else "╰╯"
            return f" {left}{'─' * wide}{right}  "
        return " " * (wide + 5)

    def _joint(self, place: int, is_middle: bool) -> str:
        """The piece of the trunk at an arm."""
        first, last = place == 0, place == len(self._arms) - 1
        if first and last:
            return "─"
        if is_middle:
            return "┬" if first else "┴" if last else "┼"
        return "╭" if first else "╰" if last else "├"

    def _arm_segments(self, place: int, width: int) -> list[Segment]:
        arm = self._arms[place]
        label_wide = max(len(arm.label) for arm in self._arms)
        name_wide = max(len(arm.name) for arm in self._arms)
        arm_style = self._style("graph--arm")
        label = f" {arm.label} ".ljust(label_wide + 2, "─") if arm.label else "─" * (label_wide + 2)
        chosen = place == self.cursor
        far = " " * (name_wide - len(arm.name)) + f" ─ {arm.further}" if arm.further else ""
        left = width - (label_wide + 4 if label_wide else 2) - _BAR - 1 - len(arm.name) - 2
        far = far if len(far) <= left else f"{far[: max(0, left - 1)]}…"
        return [
            *([Segment(f"{label}─ ", arm_style)] if label_wide else [Segment("─ ", arm_style)]),
            Segment(f"{arm.drawn} ", self._style("graph--bar")),
            Segment(f" {arm.name} ", self._style("graph--cursor") if chosen else self.rich_style),
            Segment(far, self._style("graph--far")),
        ]

    # ---- moving

    def action_move(self, by: int) -> None:
        self.cursor = min(max(self.cursor + by, 0), max(0, len(self._arms) - 1))

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height - 1))

    def action_walk(self) -> None:
        edge = self.edge()
        if edge is not None:
            self.post_message(self.Walked(edge.name))

    def action_back(self) -> None:
        self.post_message(self.Back())

    def action_open(self) -> None:
        edge = self.edge()
        if edge is not None and edge.record_id:
            self.post_message(self.Opened(edge.record_id))

    def watch_cursor(self) -> None:
        self.scroll_to_region(Region(0, self.cursor + self._first_line, 1, 1), animate=False, force=True)
        self.refresh()
        self.post_message(self.Highlighted(self.edge()))

    def on_click(self, event: events.Click) -> None:
        """A click chooses a neighbour, a second one walks there."""
        place = event.y + self.scroll_offset.y - self._first_line
        self.focus()
        if not 0 <= place < len(self._arms):
            return
        if place == self.cursor and event.chain > 1:
            self.action_walk()
        self.cursor = place
