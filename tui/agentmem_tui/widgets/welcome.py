"""What an empty thread shows: three lines, and three things to press. Never in the way of typing."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, Static

SAMPLE = Path(__file__).parent.parent / "sample"
QUESTIONS = ("Where is the harbour office?", "Who keeps the lighthouse?")


class Welcome(Vertical):
    """Posts `Wanted` with "sample", "settings", or "ask" and a question."""

    class Wanted(Message):
        def __init__(self, verb: str, text: str = "") -> None:
            super().__init__()
            self.verb = verb
            self.text = text

    def __init__(self, model: str, records: int) -> None:
        super().__init__(classes="welcome")
        self._model = model
        self._records = records

    def compose(self) -> ComposeResult:
        yield Static("Tell me something to remember, or ask. Every answer names the records it rests on.")
        yield Static("A number like [1] opens its record; F3 tells why; F9 takes the last change back, F10 redoes it.")
        if self._model == "extractive":
            told = "Answers are quoted from your records. F7 connects a model that writes (Ollama, OpenAI, …)."
        else:
            told = f"Answers are written by {self._model}. F7 changes that."
        yield Static(told, markup=False)
        with Horizontal(classes="buttons"):
            if self._records == 0:
                yield Button("Read the sample folder", name="sample", compact=True)
            else:
                for question in QUESTIONS if SAMPLE_MARK else ():
                    yield Button(question, name="ask", compact=True)
            yield Button("Connect a model", name="settings", compact=True)
            yield Button("Keys", name="help", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        name = event.button.name or ""
        self.post_message(self.Wanted(name, str(event.button.label) if name == "ask" else ""))


SAMPLE_MARK = False
