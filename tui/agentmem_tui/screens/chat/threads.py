"""The sidebar's verbs: begin, open, name and delete threads."""

from __future__ import annotations

from typing import Any

from textual import on

from agentmem_tui.screens.asking import AskText
from agentmem_tui.screens.chat.part import ChatPart
from agentmem_tui.widgets.threads import ThreadList, Threads


class ThreadVerbs(ChatPart):
    """One thread is shown; others wait in the sidebar."""

    def action_toggle_threads(self) -> None:
        panel = self.query_one(Threads)
        panel.display = not panel.display
        if panel.display:
            self.query_one(ThreadList).focus()
        else:
            self.composer.focus()

    def action_new_thread(self) -> None:
        if not self.is_answering:
            self.app.desk.new_thread()
            self.reopen()

    @on(Threads.Wanted)
    def _thread_wanted(self, event: Threads.Wanted) -> None:
        event.stop()
        if self.is_answering:
            self.app.notify("a reply is being written; esc stops it", severity="warning")
            return
        match event.verb:
            case "new":
                self.action_new_thread()
            case "open":
                self.app.desk.thread = event.name
                self.reopen()
            case "rename":
                self._rename(event.name)
            case "delete":
                self._delete(event.name)

    def _rename(self, name: str, title: str = "") -> None:
        desk = self.app.desk

        def given(title: str | None) -> None:
            if title:
                self.app.background(
                    lambda: desk.book.rename(name, title), lambda _: self.refresh_state(), name="rename"
                )

        if not name:
            return
        given(title) if title else self.app.push_screen(AskText("a title for this thread"), given)

    def _delete(self, name: str) -> None:
        desk = self.app.desk
        if not name:
            return

        async def then(receipt: Any) -> None:
            if desk.thread == name:
                desk.new_thread()
                self.reopen()
            else:
                self.refresh_state()
            self.app.notify(f"deleted {len(receipt.record_ids)} records; F9 takes it back")

        self.app.background(lambda: desk.book.delete(name), then, name="delete")
