"""The settings of the vector memory (section ``chroma`` of agentmem.toml)."""

from __future__ import annotations

from pydantic import Field

from agentmem.contract import MemoryConfig


class ChromaConfig(MemoryConfig):
    exact_below: int = Field(100_000, ge=0, description="records below which search is exact and Chroma is not started")
    batch: int = Field(
        1000, ge=1, le=5000, description="changes handed to Chroma at once; the rest is searched exactly"
    )
    overfetch: float = Field(
        3.0, ge=1.0, description="candidates asked of Chroma per wanted hit, before exact rescoring"
    )
    max_neighbors: int = Field(32, ge=4, description="HNSW: links per node")
    ef_construction: int = Field(200, ge=10, description="HNSW: candidates while building")
    ef_search: int = Field(200, ge=10, description="HNSW: candidates while searching")
    idle_s: float = Field(10.0, gt=0, description="how long one idle phase may feed Chroma")
    url: str | None = Field(None, description="of a Chroma server, such as http://127.0.0.1:8000; default: in the home")
    token_env: str = Field(
        "CHROMA_TOKEN", description="environment variable with the server's token, when it wants one"
    )
