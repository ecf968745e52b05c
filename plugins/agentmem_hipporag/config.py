"""The settings of the graph memory: one small model, every value with its reason in the README."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agentmem.contract import MemoryConfig
from agentmem_hipporag.edges import Weights
from agentmem_hipporag.graph import Gains


class HippoRAGConfig(MemoryConfig):
    """`mode` and `extractor` decide what is indexed; the rest is read with each question."""

    mode: Literal["entities", "hipporag2"] = "entities"
    extractor: str = "spans"  # names of the group agentmem.extractors; "spans" needs no model
    filter_facts: bool = False  # hipporag2: let the chat model drop facts that do not bear on the question
    iterate: Literal["off", "evidence", "chat"] = "off"  # a second hop with the first hop's evidence

    read_at_idle: int = Field(default=20, ge=0)  # passages that a chat model reads in one idle phase

    prior_top: int = Field(default=500, ge=1)  # passages that enter the walk by their similarity
    entity_mass: float = Field(default=0.6, ge=0, le=1)  # share of the mass that starts at the question's entities
    damping: float = Field(default=0.6, gt=0, lt=1)
    eps: float = Field(default=1e-5, gt=0)  # mass per entry of a row below which it is not pushed on
    late: float = Field(default=0.5, ge=0)  # how much the similarity counts once more at the end
    w_title: float = Field(default=10.0, ge=0)  # an entity's own page against the pages that mention it
    w_page: float = Field(default=1.0, ge=0)  # a page's own title against the other names on it
    w_relation: float = Field(default=0.0, ge=0)
    w_synonym: float = Field(default=0.0, ge=0)
    with_page: float = Field(default=3.0, ge=0)  # pull of an entity that has a page of its own
    loner: float = Field(default=0.0, ge=0)  # pull of an entity that a single passage names

    link_top: int = Field(default=5, ge=1)  # hipporag2: facts linked to a question
    passage_weight: float = Field(default=0.05, ge=0)  # hipporag2: weight of passages beside phrases
    synonym_floor: float = Field(default=0.8, ge=0, le=1)
    hipporag2_damping: float = Field(default=0.5, gt=0, lt=1)

    @property
    def indexes_facts(self) -> bool:
        return self.mode == "hipporag2"

    @property
    def walk_damping(self) -> float:
        return self.damping if self.mode == "entities" else self.hipporag2_damping

    def weights(self) -> Weights:
        if self.mode == "hipporag2":
            return Weights(
                page_to_title=0.0, title_to_page=0.0, relation=2.0, synonym=2.0, synonym_floor=self.synonym_floor
            )
        return Weights(
            page_to_title=self.w_page,
            title_to_page=self.w_title,
            relation=self.w_relation,
            synonym=self.w_synonym,
            synonym_floor=self.synonym_floor,
        )

    def gains(self) -> Gains:
        return Gains(self.with_page, self.loner) if self.mode == "entities" else Gains(1.0, 1.0)

    def index_print(self) -> str:
        """What the index on disk depends on; another value means that it must be built again."""
        return f"1 {self.mode} {self.extractor} {self.with_page} {self.loner} {self.synonym_floor}"
