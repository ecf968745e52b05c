"""Settings of a home: keywords before environment (AGENTMEM_*) before agentmem.toml before defaults.

Each memory has a section of its own name, checked by the memory's own Config when it is opened.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentmem.errors import BadInput

FILE_NAME = "agentmem.toml"
DEFAULT_MEMORIES = ("chroma", "bm25", "hipporag", "context")
WITH_LOCAL_MODEL = ("lm", "wise", "memit", "memlayer")  # on as well by default when there are weights


class BudgetSettings(BaseModel):
    """What one turn may spend; money in US dollars, ``money_per_day`` over all turns of a home."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    steps: int = Field(default=30, ge=1, description="calls of the model and of tools in one turn")
    tokens: int = Field(default=60_000, ge=100, description="read and written by models in one turn")
    seconds: float = Field(default=300.0, gt=0, description="that one turn may take")
    money: float = Field(default=1.0, ge=0, description="US dollars for one turn")
    money_per_day: float = Field(default=10.0, ge=0, description="US dollars for all turns of a day")
    context_tokens: int = Field(default=3_000, ge=100, description="how much recalled text a model is shown")


class Settings(BaseModel):
    """Everything that can be set, flat; sections of memories are kept in ``sections``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str = Field(
        default="extractive", description="chat model: extractive, openai:NAME, local:PATH, provider:NAME"
    )
    local_model: str | None = Field(default=None, description="weights that can be edited: demo, a path, or none")
    embedder: str = Field(default="minilm", description="minilm, hf:PATH, openai:NAME (by base_url), or hash")
    memories: tuple[str, ...] = Field(default=DEFAULT_MEMORIES, description="those that are switched on")
    router: str = Field(default="calibrated", description="what decides who is asked: calibrated, rules, static or llm")
    k: int = Field(default=10, ge=1, le=1000, description="how many records a question recalls")
    approval: Literal["auto", "ask"] = Field(default="auto", description="ask: what a person writes waits as well")
    recall_timeout_s: float = Field(default=5.0, gt=0, description="after which a memory is left out of an answer")
    observe: bool = Field(default=True, description="let memories derive records after each event")
    synchronous: Literal["FULL", "NORMAL"] = Field(
        default="FULL", description="NORMAL: quicker; the last writes may be lost when the power fails"
    )
    base_url: str | None = Field(default=None, description="of an OpenAI-compatible server")
    api_key_env: str = Field(default="OPENAI_API_KEY", description="the environment variable that holds the key")
    journal_url: str | None = Field(default=None, description="a SQLAlchemy URL; by default SQLite in the home")
    budget: BudgetSettings = BudgetSettings()
    sections: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def section(self, name: str) -> dict[str, Any]:
        return dict(self.sections.get(name, {}))


def read_settings(
    home: Path,
    keywords: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of a home. ``assignments`` are "name=value" or "memory.name=value" as in ``--set``."""
    merged: dict[str, Any] = {"sections": {}, "budget": {}}
    _merge(merged, _file(home / FILE_NAME), f"{FILE_NAME} in the home")
    _merge(merged, _environment(os.environ if environ is None else environ), "the environment")
    _merge(merged, {k: v for k, v in (keywords or {}).items() if v is not None}, "the keywords")
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise BadInput(f"--set takes NAME=VALUE or MEMORY.NAME=VALUE, not '{assignment}'")
        _merge(merged, _nested(name.strip(), parse_value(value.strip())), "--set")
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise BadInput(explain(error, Settings)) from error


def parse_value(text: str) -> Any:
    """A value as TOML reads it (numbers, true, lists, quoted text); anything else is text as it stands."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault of a pydantic error as one sentence with the names that would be right."""
    fault = error.errors()[0]
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"no setting named '{name}'; known: {', '.join(model.model_fields)}"
    why = fault["msg"].removeprefix("Value error, ")
    return f"setting '{name}' = {fault['input']!r} is not right: {why[:1].lower()}{why[1:]}"


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}; mend or remove it") from error


def _environment(environ: Mapping[str, str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in environ.items():
        if key.startswith("AGENTMEM_") and key not in ("AGENTMEM_HOME", "AGENTMEM_CACHE", "AGENTMEM_TOKEN"):
            name = key.removeprefix("AGENTMEM_").lower()
            _merge(out, _nested(name.replace("__", "."), parse_value(value)), "the environment")
    return out


def _nested(name: str, value: Any) -> dict[str, Any]:
    head, dot, tail = name.partition(".")
    return {head: {tail: value}} if dot else {head: value}


def _merge(into: dict[str, Any], new: Mapping[str, Any], where: str) -> None:
    """Lay ``new`` over ``into``: tables that are no setting of ours are sections of memories."""
    for key, value in new.items():
        if key in Settings.model_fields and key not in ("budget", "sections"):
            if key == "memories" and isinstance(value, str):
                value = [part.strip() for part in value.split(",") if part.strip()]
            into[key] = value
        elif key == "budget" and isinstance(value, Mapping):
            into.setdefault("budget", {}).update(value)
        elif key == "sections" and isinstance(value, Mapping):
            for name, section in value.items():
                into.setdefault("sections", {}).setdefault(name, {}).update(section)
        elif isinstance(value, Mapping):
            into.setdefault("sections", {}).setdefault(key, {}).update(value)
        else:
            known = ", ".join(k for k in Settings.model_fields if k != "sections")
            raise BadInput(f"no setting named '{key}' (in {where}); known: {known}, and MEMORY.NAME")
