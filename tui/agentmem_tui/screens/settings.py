"""Settings of the home, written to ``agentmem.toml``; what names a model or a server is tried before it is kept."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Label, Select, Static

from agentmem_tui import preferences
from agentmem_tui.plaintext import clean
from agentmem_tui.screens.page import Page
from agentmem_tui.widgets.keybar import KeyBar

_FIELDS = (
    ("model", "extractive · openai:NAME · local:demo · provider:NAME"),
    ("base_url", "a compatible server: http://localhost:11434/v1"),
    ("api_key_env", "the environment variable that holds the key"),
    ("local_model", "weights that can be edited: demo, or a folder"),
    ("embedder", "minilm · hash · hf:PATH · openai:NAME"),
    ("memories", "which memories are on, with commas"),
    ("router", "calibrated · rules · static · llm"),
    ("k", "how many records an answer may rest on"),
    ("approval", "auto, or ask before anything is written"),
)
_CHECK_TOKENS = 8


class SettingsScreen(Page[None]):
    """A form over the settings; `try` opens what is written there without keeping it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", priority=True, id="settings.save"),
        Binding("ctrl+t", "try", "Try", priority=True, id="settings.try"),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        yield Static("settings", classes="heading")
        with VerticalScroll(classes="page", can_focus=False):
            for name, told in _FIELDS:
                with Horizontal(classes="row"):
                    yield Label(name)
                    yield Input(placeholder=told, id=f"field-{name}", select_on_focus=False, compact=True)
            with Horizontal(classes="row"):
                yield Label("theme")
                yield Select([(name, name) for name in sorted(self.app.available_themes)], id="theme", compact=True)
            yield Static("", id="told", markup=False)
            yield Static(
                "Keys of providers stay in environment variables; they are never written down here.\n"
                "Other settings (budget, sections of memories, keys of this chat) are edited in agentmem.toml.",
                classes="quiet",
            )
        with Horizontal(classes="toolbar"):
            yield Button("Save  ctrl+s", name="save", variant="primary", compact=True)
            yield Button("Try  ctrl+t", name="try", compact=True)
            yield Button("Doctor", name="doctor", compact=True)
            yield Button("Back", name="leave", compact=True)
        yield KeyBar(("back", "settings.save", "settings.try", "help"))

    def on_mount(self) -> None:
        desk = self.app.desk
        with self.prevent(Select.Changed):
            self.query_one("#theme", Select).value = self.app.theme
        self.app.background(lambda: desk.agent.settings, self._fill, name="settings")
        self.query_one("#field-model").focus()

    def _fill(self, settings: Any) -> None:
        for name, _ in _FIELDS:
            value = getattr(settings, name)
            text = ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
            self._known[name] = text
            self.query_one(f"#field-{name}", Input).value = text

    @on(Select.Changed, "#theme")
    def _theme(self, event: Select.Changed) -> None:
        event.stop()
        if event.value in self.app.available_themes:
            self.app.theme = str(event.value)

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        name = event.button.name or "leave"
        await self.run_action("app.doctor" if name == "doctor" else name)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_save()

    def _changes(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, _ in _FIELDS:
            text = self.query_one(f"#field-{name}", Input).value.strip()
            if text == self._known.get(name):
                continue
            if not text:
                out[name] = None
            elif name == "memories":
                out[name] = [part.strip() for part in text.split(",") if part.strip()]
            else:
                out[name] = int(text) if name == "k" and text.isdigit() else text
        return out

    def _tell(self, text: str, level: str = "ok") -> None:
        told = self.query_one("#told", Static)
        told.update(Content(clean(text)))
        told.set_classes(f"doctor-{level}")

    # ---- trying and keeping

    def _checked(self, changes: dict[str, Any]) -> Any:
        """The settings as they would be; raises with a sentence when they are not right."""
        from agentmem.settings import read_settings

        return read_settings(self.app.desk.folder, changes, self.app.desk.options.assignments)

    def action_try(self) -> None:
        """Ask the model for a word and the embedder for a vector, as they are written here."""
        changes = self._changes()
        self._tell("trying …", "note")

        def do() -> str:
            settings = self._checked(changes)
            return "\n".join([_try_model(settings), _try_embedder(settings)])

        self.app.background(do, self._tell, failed=lambda error: self._tell(str(error), "error"), name="try")

    def action_save(self) -> None:
        """Check, write, and open the home anew with it."""
        changes, desk = self._changes(), self.app.desk
        if not changes:
            self._tell("nothing was changed", "note")
            return

        def do() -> str:
            self._checked(changes)
            path = preferences.write(desk.folder, changes)
            desk.close()
            desk.open()
            return f"written to {path}; it holds from now on"

        def then(told: str) -> None:
            self._tell(told)
            self._fill(desk.agent.settings)
            self.app.chat.refresh_state()

        self.app.background(do, then, failed=lambda error: self._tell(str(error), "error"), name="save")


def _try_model(settings: Any) -> str:
    from agentmem.models.loading import load_chat_model, load_local_model

    if settings.model == "extractive":
        return "✓ extractive quotes your records; it needs nothing"
    key = settings.api_key_env
    if settings.model.startswith("openai:") and not settings.base_url and not os.environ.get(key):
        from agentmem.errors import Missing

        raise Missing(f"{key} is not set; export it before the chat is started, or give the base_url of a local server")
    model = load_chat_model(settings, local_model=load_local_model(settings))
    assert model is not None, "only extractive has no model"
    from agentmem.contract import Message

    said = model.chat([Message("user", "Say yes.")], max_tokens=_CHECK_TOKENS)
    return f"✓ {settings.model} answers: {said.strip()[:60] or '(nothing)'}"


def _try_embedder(settings: Any) -> str:
    from agentmem.embed import EmbedderOptions, load_embedder
    from agentmem.embed.cache import default_cache

    options = EmbedderOptions(base_url=settings.base_url, api_key_env=settings.api_key_env)
    vectors = load_embedder(settings.embedder, default_cache(), options).embed(["a first sentence"])
    return f"✓ embedder {settings.embedder}: {vectors.shape[1]} dimensions"
