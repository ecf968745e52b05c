"""Edit requests made whole: checked, completed with wordings and prompts to preserve.

Text only; knows neither a model nor a way of editing. Shared by every memory that edits weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agentmem.errors import BadInput, Refused
from agentmem.records import EditRequest

MAX_TARGET_TOKENS = 40
LEADS = ("", "Note: ", "It is known: ", "Remember: ")
"""Put before a prompt where no other wording of it is known, so that the subject is seen in more than one place."""

_TOO_COMMON = frozenset("the a an it he she they this that there is of and in on who what i you we".split())


@dataclass(frozen=True)
class Wish:
    """A request with everything an edit is computed and judged from; every prompt names the subject.

    ``prompts[0]`` is the edit prompt, the others are further wordings; ``preserve`` are prompts about the same
    subject whose continuations must stay; ``locality`` prompts about others, likewise.
    """

    subject: str
    target: str
    prompts: tuple[str, ...]
    preserve: tuple[str, ...]
    locality: tuple[str, ...]
    request: EditRequest
    edit_id: str = ""
    invented: tuple[str, ...] = ()  # preserve prompts made up for want of others: they steer, but are no evidence

    @property
    def own_wordings(self) -> tuple[str, ...]:
        """The edit prompt and the paraphrases that were given, without what was made up around them."""
        return self.prompts[: 1 + len(self.request.paraphrases)]


def wish_of(
    request: EditRequest,
    count_tokens: Callable[[str], int],
    *,
    others: Sequence[str] = (),
    edit_id: str = "",
) -> Wish:
    """The request made whole. ``others`` are prompts of other facts about the subject that are known to be true.

    Raises BadInput for a request that says nothing, Refused for one that would harm.
    """
    subject, target = request.subject.strip(), request.target.strip()
    check(subject, target, request.prompt, count_tokens)
    given = [filled(text, subject) for text in (request.prompt, *request.paraphrases)]
    if len(given) == 1:
        given += [f"{lead}{given[0]}" for lead in LEADS[1:3]]
    preserve = [filled(text, subject) for text in (*request.preserve, *others)]
    made_up = [] if preserve else [f"{subject} is a", f"{subject} is"]
    kept = [text for text in dict.fromkeys([*preserve, *made_up]) if text not in given]
    locality = tuple(dict.fromkeys(request.locality))
    prompts = tuple(dict.fromkeys(given))
    return Wish(subject, target, prompts, tuple(kept), locality, request, edit_id, tuple(made_up))


def check(subject: str, target: str, prompt: str, count_tokens: Callable[[str], int]) -> None:
    """Raise with a sentence when an edit of this kind cannot come to good."""
    if not subject:
        raise BadInput("an edit needs a subject: the words in the prompt that the fact is about")
    if not target:
        raise BadInput(f"the edit of '{subject}' has an empty target; give the text that should follow the prompt")
    if subject.casefold() in _TOO_COMMON or len(subject) < 2:
        raise Refused(f"'{subject}' is too common to be a subject: the edit would speak up everywhere; name the thing")
    tokens = count_tokens(target)
    if tokens > MAX_TARGET_TOKENS:
        raise Refused(
            f"the target has {tokens} tokens and an edit holds {MAX_TARGET_TOKENS} at most; keep the fact as text "
            "(agentmem remember) and edit a short answer"
        )
    filled(prompt, subject)


def check_together(requests: Sequence[EditRequest]) -> None:
    """Refused when two of these requests give one subject and relation different targets."""
    told: dict[tuple[object, ...], str] = {}
    for request in requests:
        about = (request.namespace, request.subject.strip(), request.relation or request.prompt)
        other = told.setdefault(about, request.target.strip())
        if other != request.target.strip():
            raise Refused(
                f"two requests contradict each other: '{request.prompt.replace('{}', request.subject)}' is to be "
                f"'{other}' and '{request.target}'; give one of them"
            )


def filled(text: str, subject: str) -> str:
    """The prompt with its subject; BadInput when it names none."""
    whole = text.replace("{}", subject)
    if subject not in whole:
        raise BadInput(f"the prompt {text!r} does not name '{subject}'; put {{}} where the subject stands")
    return whole.rstrip()


def look_alikes(subject: str, known: Sequence[str], limit: int = 3) -> list[str]:
    """Known subjects that are easily taken for this one: one or two letters apart, or sharing most of their words."""
    close = []
    own = subject.casefold()
    for name in dict.fromkeys(known):
        other = name.casefold()
        if other == own or abs(len(other) - len(own)) > 2:
            continue
        if _distance(own, other, 2) <= 2:
            close.append(name)
    return close[:limit]


def _distance(one: str, other: str, limit: int) -> int:
    """Levenshtein distance, given up above ``limit``."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row, before = [i, *row[1:]], row
        for j, b in enumerate(other, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
        if min(row) > limit:
            return limit + 1
    return row[-1]
