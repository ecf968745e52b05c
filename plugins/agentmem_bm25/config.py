"""The settings of the full-text memory (section ``bm25`` of agentmem.toml)."""

from __future__ import annotations

from pydantic import Field, field_validator

from agentmem.contract import MemoryConfig
from agentmem_bm25.analysis import LANGUAGES


class Bm25Config(MemoryConfig):
    language: str = Field("english", description=f"whose word endings are cut; one of {', '.join(LANGUAGES)}")
    batch: int = Field(512, ge=1, description="records handed to tantivy at once; the rest is scored one by one")

    @field_validator("language")
    @classmethod
    def _known(cls, language: str) -> str:
        if language not in LANGUAGES:
            raise ValueError(f"no stemmer for '{language}'; known: {', '.join(LANGUAGES)}")
        return language
