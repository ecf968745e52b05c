"""What can be done to one record, for every screen that shows one: correct, retract, archive, restore, purge, undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agentmem_tui.plaintext import one_line, text_of
from agentmem_tui.screens.asking import AskText, Choose
from agentmem_tui.widgets.recordview import RecordView

if TYPE_CHECKING:
    from agentmem_tui.app import ChatApp

_SHOWN = 30  # records of a purge's plan that are listed


def _counted(records: int) -> str:
    return "1 record" if records == 1 else f"{records} records"


class RecordActions:
    """Mixed into a screen that says which record is meant (`record_id`) and what to do afterwards (`changed`)."""

    if TYPE_CHECKING:

        @property
        def app(self) -> ChatApp: ...

    def record_id(self) -> str:
        raise NotImplementedError

    def view(self) -> RecordView:
        raise NotImplementedError

    def changed(self) -> None:
        raise NotImplementedError

    def _do(self, verb: str, do: Callable[[], Any]) -> None:
        def then(receipt: Any) -> None:
            waits = "; it waits for approval (F5)" if receipt.change_ids else "; F9 takes it back"
            self.app.notify(f"{verb}: {_counted(len(receipt.record_ids))}{waits}", markup=False)
            self.changed()

        self.app.background(do, then, failed=self._refused, name=verb)

    def _refused(self, error: BaseException) -> None:
        self.app.notify(str(error), severity="warning", timeout=10, markup=False)

    def action_correct(self) -> None:
        """Give the record another text."""
        looked, record_id = self.view().looked, self.record_id()
        if looked is None or looked.record is None:
            return
        old = looked.record.body

        def given(text: str | None) -> None:
            if text and text != old:
                self._do("correct", lambda: self.app.desk.agent.correct(record_id, text))

        told = "What memories derived from the old text is taken back and derived anew."
        self.app.push_screen(AskText("correct the record", old, told=told), given)

    def action_retract(self) -> None:
        """Say that it is no longer true."""
        self._set("retract")

    def action_archive(self) -> None:
        """Forget it reversibly."""
        self._set("archive")

    def action_restore(self) -> None:
        """Bring it back."""
        self._set("restore")

    def _set(self, verb: str) -> None:
        record_id = self.record_id()
        if record_id:
            self._do(verb, lambda: getattr(self.app.desk.agent, verb)(record_id))

    def action_purge(self) -> None:
        """Show what a purge would remove, and remove it when the user says so."""
        record_id, desk = self.record_id(), self.app.desk
        if record_id:
            self.app.background(
                lambda: desk.agent.purge_plan(record_id),
                lambda plan: self._ask_purge(record_id, plan),
                failed=self._refused,
                name="plan",
            )

    def _ask_purge(self, record_id: str, plan: list[Any]) -> None:
        shown = sorted((record for record in plan if record.kind != "trace"), key=lambda record: record.created_seq)
        listed = [f"· {record.kind}: {one_line(text_of(record), 90)}" for record in shown[:_SHOWN]]
        listed += [f"… and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
        traces = len(plan) - len(shown)
        listed += [f"· how {traces} answer{'s' if traces != 1 else ''} came about"] if traces else []
        head = f"This removes {_counted(len(plan))} for good; it cannot be undone."
        text = "\n".join([head, "", *listed])

        def chosen(name: str | None) -> None:
            if name:
                desk = self.app.desk
                self.app.background(
                    lambda: desk.agent.purge(record_id), self._purged, failed=self._refused, name="purge"
                )

        self.app.push_screen(Choose("purge", text, [("purge", f"Remove {len(plan)} for good")], danger=True), chosen)

    def _purged(self, receipt: Any) -> None:
        notes = "\n".join(f"· {note}" for note in receipt.notes)
        count = len(receipt.record_ids)
        text = f"{_counted(count)} {'is' if count == 1 else 'are'} gone.\n\n{notes}"
        self.app.push_screen(Choose("receipt of the purge", text, [("ok", "Good")]))
        self.changed()

    def action_undo_change(self) -> None:
        """Take back the change that has the focus, else the record's last one."""
        receipt = self.view().receipt()
        if receipt:
            self.undo_receipt(receipt)

    def undo_receipt(self, receipt: str, *, cascade: bool = False) -> None:
        """Take a change back; when later ones stand in the way, ask."""
        from agentmem.errors import Conflict

        desk = self.app.desk

        def failed(error: BaseException) -> None:
            if isinstance(error, Conflict) and not cascade:
                self.app.push_screen(
                    Choose("later changes stand in the way", str(error), [("all", "Take all back")]),
                    lambda name: self.undo_receipt(receipt, cascade=True) if name else None,
                )
            else:
                self._refused(error)

        def then(found: tuple[Any, str]) -> None:
            self.app.notify(f"took back: {found[1]}; F10 brings it back", markup=False)
            self.changed()

        self.app.background(lambda: desk.undo(receipt, cascade=cascade), then, failed=failed, name="undo")

    def action_copy(self) -> None:
        """Copy the record's text."""
        looked = self.view().looked
        if looked is not None and looked.record is not None:
            self.app.copy_to_clipboard(looked.record.body)
            self.app.notify("copied")
