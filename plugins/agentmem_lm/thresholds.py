"""What an edit must reach to become active; settings of every weight memory. Light: knows no tensors."""

from __future__ import annotations

from agentmem.contract import MemoryConfig


class Thresholds(MemoryConfig):
    """Shares that an edit must reach; ``perplexity`` is the most that ordinary text may become harder, as a ratio."""

    rewrite: float = 1.0
    paraphrase: float = 0.5
    same_subject: float = 0.5
    locality: float = 0.9
    perplexity: float = 1.2
    max_new_tokens: int = 16
