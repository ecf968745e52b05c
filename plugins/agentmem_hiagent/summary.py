"""One line for a finished subgoal: what came of it, whether it was met, and why not.

The extractive summary needs no model: it keeps the newest of the sentences that say the same kind of thing of the
same subject ("the door is" + anything). With a chat model the model writes the line, and what it writes is checked.

Source: HiAgent (Hu et al., ACL 2025), section 3.3 (observation summarization); the extractive form is our own.
This module knows texts and pairs, neither messages nor records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

FAILURES = ("nothing happens", "error", "there is no ", "neither a subgoal nor an action")


@dataclass(frozen=True)
class Summary:
    """What became of a subgoal; `met` is None while nobody can tell, `reason` says why it was not met."""

    text: str
    met: bool | None = None
    reason: str = ""

    def line(self, name: str) -> str:
        """`name [verdict, reason]: text`."""
        verdict = {True: "met", False: "not met", None: "closed"}[self.met]
        return f"{name} [{verdict}{', ' + self.reason if self.reason else ''}]: {self.text}".rstrip()


@lru_cache(maxsize=65_536)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, without their full stops."""
    parts = re.split(r"(?<=[.!?])\s+|\n+", text.strip())
    return tuple(part.rstrip(".").strip() for part in parts if part.strip(". \n"))


def frame(sentence: str) -> str:
    """What a sentence speaks of: all of it but its last word. Two sentences with one frame exclude each other."""
    head, _, _ = sentence.rpartition(" ")
    return (head or sentence).lower()


def failed(observation: str) -> bool:
    """Whether an observation says that the action did not work."""
    return observation.lower().startswith(FAILURES)


def extract(observations: Sequence[str], met: bool | None = None) -> Summary:
    """What the last observation that used a frame said with it, in the order of these observations.

    Several sentences of one frame in one observation stand side by side ("the shed keeps lime", "… keeps sand").
    Failures are left to the verdict.
    """
    if not observations:
        return Summary("", False if met is None else met, "nothing was done")
    newest: dict[str, list[str]] = {}
    for observation in observations:
        told = [sentence for sentence in sentences(observation) if not failed(sentence)]
        for sentence in told:
            newest.pop(frame(sentence), None)
        for sentence in dict.fromkeys(told):
            newest.setdefault(frame(sentence), []).append(sentence)
    text = " ".join(f"{sentence}." for said in newest.values() for sentence in said)
    last = observations[-1]
    if met is None:
        met = not failed(last)
    reason = sentences(last)[0] if not met and failed(last) and sentences(last) else ""
    return Summary(text, met, reason)


def without_restated(text: str, later: Iterable[str]) -> str:
    """A summary without the sentences whose frame comes again in `later` (a set of frames)."""
    frames = set(later)
    return " ".join(f"{s}." for s in sentences(text) if frame(s) not in frames)


def complaint(text: str, max_words: int) -> str | None:
    """What is wrong with a summary, in one sentence for whoever wrote it, or None."""
    words = len(text.split())
    if words == 0:
        return f"The summary is empty; write one line of 1 to {max_words} words that says what came of the subgoal."
    if words > max_words:
        return f"The summary has {words} words; write one line of at most {max_words} words."
    return None


PROMPT = """You close one subgoal of an agent. Write exactly one line:
MET or NOT MET, then a colon, then what later steps need to know of the outcome, in at most {max_words} words. When
it was not met, say why. Copy names and values exactly; leave out what does not matter for later steps.

Subgoal: {subgoal}
Steps:
{steps}"""


def write(
    chat: Callable[[str], str], subgoal: str, pairs: Sequence[tuple[str, str]], max_words: int, attempts: int = 2
) -> Summary:
    """A summary by a chat model; told what is wrong with an empty or too long one, after that the extractive one."""
    steps = "\n".join(f"- {action} -> {observation}" for action, observation in pairs)
    prompt = PROMPT.format(max_words=max_words, subgoal=subgoal, steps=steps or "(none)")
    for _ in range(attempts):
        reply = " ".join(chat(prompt).split())
        verdict = re.match(r"(not met|met)\s*[:.,-]?\s*", reply, re.IGNORECASE)
        text = reply[verdict.end() :] if verdict else reply
        wrong = complaint(text, max_words)
        if wrong is None:
            met = None if verdict is None else verdict[1].lower() == "met"
            return Summary(text, met)
        prompt += f"\n\n{wrong}"
    return extract([observation for _, observation in pairs])
