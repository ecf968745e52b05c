"""Who writes the notes: a chat model asked about several segments at once, or a causal LM that pauses by itself.

Source: Self-Notes (Lanchantin et al., NeurIPS 2023): the LM writes a note where the start-of-note token is the most
likely next token or passes a threshold (section 3.2); the prompt for chat models follows the idea of its few-shot
setting, in our words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from agentmem.contract import LocalModel
from agentmem_selfnotes.notes import Writer

PROMPT = """You read a text piece by piece and keep notes. For each numbered piece write at most one note: something
that follows from it together with what you read before and that is not stated in so many words, such as where a
thing is now, what a value has become, or who is meant. Answer one line a piece: its number, a colon, the note, or
NONE.

Read so far, with your notes in ⟦ ⟧:
{seen}

Pieces:
{pieces}"""


def chat_writer(chat: Callable[[str], str], max_seen_chars: int = 6000) -> Writer:
    """Asks a chat model once per batch; lines that it leaves out or garbles count as no note."""

    def writer(seen: str, pieces: Sequence[str]) -> list[list[str]]:
        numbered = "\n".join(f"{number}. {piece}" for number, piece in enumerate(pieces, start=1))
        reply = chat(PROMPT.format(seen=seen[-max_seen_chars:] or "(nothing)", pieces=numbered))
        notes: list[list[str]] = [[] for _ in pieces]
        for line in reply.splitlines():
            match = re.match(r"\s*(\d+)\s*[:.)]\s*(.+)", line)
            if match and 1 <= int(match[1]) <= len(pieces) and match[2].strip(" .").upper() != "NONE":
                notes[int(match[1]) - 1].append(match[2].strip())
        return notes

    return writer


@runtime_checkable
class Encodes(Protocol):
    """A local model that also tells which tokens a text becomes; then a threshold on the probability can be used."""

    def encode(self, text: str) -> list[int]: ...


def local_writer(
    model: LocalModel, start: str, end: str, threshold: float | None = None, max_new_tokens: int = 32
) -> Writer:
    """Lets a causal LM interleave notes: after each piece it writes one where it would begin with `start`.

    `threshold` is the least probability of the start's first token; None asks for the most likely continuation.
    """

    def writer(seen: str, pieces: Sequence[str]) -> list[list[str]]:
        notes: list[list[str]] = []
        text = seen
        for piece in pieces:
            text = f"{text} {piece}".strip()
            note = ""
            if _begins(model, text, start, threshold):
                note = model.generate([text + start], max_new_tokens=max_new_tokens, stop=(end,))[0]
                note = note.partition(end)[0].strip()
            if note:
                text += f"{start}{note}{end}"
            notes.append([note] if note else [])
        return notes

    return writer


def _begins(model: LocalModel, text: str, start: str, threshold: float | None) -> bool:
    if threshold is not None and isinstance(model, Encodes):
        return start_probability(model, text, start) >= threshold
    continuation = model.generate([text], max_new_tokens=4)[0]
    return continuation.lstrip().startswith(start.strip())


def start_probability(model: LocalModel, text: str, start: str) -> float:
    """The probability that the next token is the first token of `start`."""
    assert isinstance(model, Encodes), "a threshold needs a model that tells its tokens"
    whole, before = model.encode(text + start), model.encode(text)
    first = whole[min(len(before), len(whole) - 1)]
    scores = np.asarray(model.logits([text])[0][-1], dtype=np.float64)
    return math.exp(scores[first] - scores.max()) / float(np.exp(scores - scores.max()).sum())
