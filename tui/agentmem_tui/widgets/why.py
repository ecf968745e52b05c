"""Why an answer is as it is: who was asked and why, what came, what was used, what it cost."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from agentmem_tui.conversation import Why, WhyHit
from agentmem_tui.plaintext import age, bar, clean, one_line

_BAR = 8
_NOTHING = "The next answer tells here which memories were asked and what each brought."


class HitLine(Static, can_focus=True):
    """One record that was used; Enter or a click opens it."""

    BINDINGS: ClassVar[list[BindingType]] = [("enter", "open", "Open")]

    def __init__(self, hit: WhyHit, top: float) -> None:
        super().__init__(_hit_text(hit, top), classes="hit" + (" cited" if hit.number else ""))
        self._hit = hit

    def action_open(self) -> None:
        if self._hit.record is not None:
            self.post_message(WhyPanel.Opened(self._hit.record_id))

    def on_click(self) -> None:
        self.action_open()


class WhyPanel(VerticalScroll, can_focus=False):
    """Shows one `Why`; posts `Opened` when a record is to be looked at."""

    class Opened(Message):
        def __init__(self, record_id: str) -> None:
            super().__init__()
            self.record_id = record_id

    def __init__(self) -> None:
        super().__init__(id="why")
        self.border_title = "why"
        self.turn = ""

    def compose(self) -> ComposeResult:
        yield Static(_NOTHING, classes="quiet")

    async def show_nothing(self) -> None:
        """Wait for the next answer."""
        self.turn = ""
        await self.remove_children()
        await self.mount(Static(_NOTHING, classes="quiet"))

    async def show(self, why: Why | None) -> None:
        """Show how an answer came about, or that nothing was kept of it."""
        self.turn = "" if why is None else why.turn
        with self.app.batch_update():
            await self.remove_children()
            if why is None:
                await self.mount(Static("Nothing was kept of how this answer came about.", classes="quiet"))
                return
            await self.mount_all(_sections(why))
        self.scroll_home(animate=False)


def _sections(why: Why) -> list[Static]:
    out: list[Static] = []

    def section(title: str, text: str) -> None:
        if text:
            out.append(Static(title, classes="title", markup=False))
            out.append(Static(Content(clean(text)), classes="lines"))

    section(
        "route", "\n".join([why.reason, *(f"not asked: {name} ({reason})" for name, reason in why.skipped.items())])
    )
    section("brought", "\n".join(_recall_text(recall) for recall in why.recalls))
    if why.hits:
        out.append(Static("used", classes="title", markup=False))
        top = max(hit.score for hit in why.hits)
        out.extend(HitLine(hit, top) for hit in why.hits)
    section("left out", "\n".join(one_line(text, 200) for text in why.dropped))
    section("told", "\n".join(why.notices))
    if why.steps:
        out += [Static("time", classes="title", markup=False), Static(_times(why), classes="lines")]
    money = f" · ${why.money:.4f}" if why.money else ""
    section(
        "cost",
        f"{why.seconds:.2f} s · {why.tokens_in} tokens in, {why.tokens_out} out{money}\nmodel {why.model or '?'}",
    )
    return out


def _recall_text(recall: object) -> str:
    assert isinstance(recall, dict), "steps of a trace are tables"
    name, ms = recall.get("memory", "?"), float(recall.get("ms") or 0.0)
    if recall.get("error"):
        return f"{name}: failed: {recall['error']}"
    if recall.get("abstain"):
        return f"{name}: abstained: {recall['abstain']}"
    count = len(recall.get("hits", ()))
    return f"{name}: {count if count < 10 else '10 or more'} hits in {ms:.0f} ms"


def _hit_text(hit: WhyHit, top: float) -> Content:
    number = f"[{hit.number}] " if hit.number else "    "
    share = hit.score / top if top > 0 else 0.0
    drawn = Content.styled(bar(share, _BAR), "$primary")
    head = Content.assemble(number, drawn, f" {hit.score:.2f} {clean(hit.memory)}\n")
    if hit.record is None:
        return head + Content("(purged since)")
    record = hit.record
    source = record.sources[0].uri if record.sources else record.speaker or record.trust.value
    about = f"{record.kind}, {source}, {age(record.valid_from or record.recorded_at, time.time())}"
    about += f" · {hit.now}" if hit.now else ""
    about += f" · by {' → '.join(hit.path)}" if hit.path else ""
    return head + Content(f"{one_line(record.body, 130)}\n{one_line(about, 120)}")


def _times(why: Why) -> Content:
    longest = max(ms for _, ms in why.steps)
    wide = min(18, max(len(name) for name, _ in why.steps))
    parts: list[str | Content] = []
    for name, ms in why.steps:
        drawn = Content.styled(bar(ms / longest if longest else 0.0, _BAR), "$primary")
        parts += [f"{one_line(name, wide).ljust(wide)} ", drawn, f" {ms:.0f} ms\n"]
    return Content.assemble(*parts).rstrip()
