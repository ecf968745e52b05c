"""How sure a local model is of a question by itself, and with passages before it (`GivesProbabilities` of the core).

Asked in the model's own manner, with its edits mounted as for any other call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentmem.gain import Said, Weighed
from agentmem.records import Namespace
from agentmem_lm.manners import passages_for
from agentmem_lm.memory import answer_confidence

if TYPE_CHECKING:
    from agentmem_lm.decoding import Finished
    from agentmem_lm.model import CausalModel

MOST_TOKENS = 24
"""Of a short answer, as the memory `lm` gives it."""


def weigh(model: CausalModel, question: str, passages: Sequence[str], namespace: Namespace) -> Weighed | None:
    """Both answers in one batch; None when the model can read none of the passages.

    What it was not made to read is left out, and, from the last on, what it has no room for.
    """
    asked = " ".join(question.split())
    shown = [" ".join(text.split()) for text in passages]
    if model.manners.question:
        shown = passages_for(asked, list(enumerate(shown, 1)))
    while shown and len(model.encode(model.manners.prompt(asked, shown))) + MOST_TOKENS > model.max_tokens:
        shown.pop()
    if not shown:
        return None
    closed, opened = model.complete(
        [model.manners.prompt(asked), model.manners.prompt(asked, shown)],
        max_new_tokens=MOST_TOKENS,
        stop=("\n",),
        namespace=namespace,
        entropies=True,
    )
    ignorance = math.log(model.structure.embedding.num_embeddings)
    return Weighed(model.name, said(model, closed), said(model, opened), ignorance)


def said(model: CausalModel, done: Finished) -> Said:
    """What was answered, as sure as the model's calibration makes it."""
    text = done.text.strip()
    confidence = answer_confidence(model, text, done.log_probabilities)
    return Said(text, max(done.entropies, default=0.0), confidence, model.manners.says_unknown(text))
