"""Taking changes back and bringing them back, deciding on what waits, editing what was said."""

from __future__ import annotations

from typing import Any

from textual import on

from agentmem_tui.conversation import USER, Entry
from agentmem_tui.screens.asking import Choose
from agentmem_tui.screens.chat.part import ChatPart
from agentmem_tui.widgets.composer import Composer
from agentmem_tui.widgets.message import Bubble, Noted


class Changes(ChatPart):
    """Every change has a key, a button where it is told of, and asks only when later ones stand in the way."""

    @on(Noted.Chosen)
    async def _chosen(self, event: Noted.Chosen) -> None:
        event.stop()
        desk = self.app.desk
        match event.name:
            case "resume":
                self.resume()
            case "discard":
                self.app.background(lambda: desk.agent.resume(desk.thread, discard=True), name="discard")
            case "undo":
                self.undo(event.entry.receipt)
            case "redo":
                self.redo()
            case "approve" | "refuse" as verb:
                self._decide(verb, event.entry.record_id)
            case "open":
                self.app.open_record(event.entry.record_id)
        self.composer.focus()

    def _decide(self, verb: str, change_id: str) -> None:
        desk = self.app.desk

        def do() -> Any:
            return desk.agent.approve(change_id) if verb == "approve" else desk.agent.refuse(change_id)

        async def then(receipt: Any) -> None:
            await self.note(f"{verb}d".replace("refused", "refused: nothing changes"), receipt=receipt.id)
            self.refresh_state()
            if verb == "approve":
                self._compute_edits()

        self.app.background(do, then, name=verb)

    def _compute_edits(self) -> None:
        """What was approved may ask for edits of weights: compute them now, not at the next question."""
        desk = self.app.desk

        def begins() -> None:
            self.app.hand_over(self._busy, "computing the edit and examining it …")

        async def then(found: bool) -> None:
            self._busy("")
            if found:
                await self.note("the edit was computed; its figures are in the panel of edits (F5)")

        def failed(error: BaseException) -> None:
            self._busy("")
            self.complain(error)

        self.app.background(lambda: desk.computes_edits(begins), then, failed=failed, name="edit")

    def _busy(self, what: str) -> None:
        if not self.is_answering:
            self.status.busy = what

    def undo(self, receipt: str = "", *, cascade: bool = False) -> None:
        """Take a change back; when later ones stand in the way, ask."""
        from agentmem.errors import Conflict

        desk = self.app.desk

        async def then(found: tuple[Any, str]) -> None:
            await self.note(f"took back: {found[1]}", "undone", (("redo", "Redo  F10"),))
            self.app.notify(f"took back: {found[1]}", markup=False)
            self.refresh_state()

        def failed(error: BaseException) -> None:
            if isinstance(error, Conflict) and not cascade:
                self._ask_cascade(receipt, error)
            else:
                self.complain(error)
                self.app.notify(str(error), severity="warning", markup=False)

        self.app.background(lambda: desk.undo(receipt, cascade=cascade), then, failed=failed, name="undo")

    def _ask_cascade(self, receipt: str, error: BaseException) -> None:
        def chosen(name: str | None) -> None:
            if name:
                self.undo(receipt, cascade=True)

        self.app.push_screen(Choose("later changes stand in the way", str(error), [("all", "Take all back")]), chosen)

    def redo(self) -> None:
        """Bring back what was taken back last."""
        desk = self.app.desk

        async def then(found: tuple[Any, str]) -> None:
            await self.note(f"brought back: {found[1]}", "undone", (("undo", "Undo  F9"),))
            self.app.notify(f"brought back: {found[1]}", markup=False)
            self.refresh_state()

        self.app.background(desk.redo, then, name="redo")

    # ---- editing what was said

    @on(Composer.EditLast)
    def _edit_last(self, event: Composer.EditLast) -> None:
        event.stop()
        self._take_for_editing(self.transcript.last(USER))

    @on(Bubble.EditAsked)
    def _edit_asked(self, event: Bubble.EditAsked) -> None:
        event.stop()
        self._take_for_editing(event.entry)

    def _take_for_editing(self, entry: Entry | None) -> None:
        """Take an exchange back and put its words into the input, to be changed and sent again."""
        if entry is None or self.is_answering:
            return
        self.composer.fill(entry.text)
        self.composer.focus()
        if entry.record_id and not entry.taken_back:
            desk, record_id = self.app.desk, entry.record_id

            def do() -> Any:
                return desk.undo(desk.said_receipt(record_id), cascade=True)

            async def then(_: object) -> None:
                await self.note("The exchange was taken back; change the text and send it again.", "undone")
                self.refresh_state()

            self.app.background(do, then, name="edit")
