"""Edit requests read from what a sentence claims: the text before its value, with {} where the subject stands.

Of "The capital of Velmark is now Osterby" that is the prompt "The capital of {} is" and the target "Osterby". Words
alone, no model; what is read is to be shown to whoever said it before it is applied.
"""

from __future__ import annotations

import re

from agentmem.claims import Claim, claims_of
from agentmem.errors import BadInput
from agentmem.records import EditRequest, Namespace

_NEWLY = re.compile(r"\s+(?:now|currently|today|again)$", re.IGNORECASE)
_OF = re.compile(r"[Tt]he (?P<what>[^{}]+) of \{\} (?P<verb>is|was)")


def read_edit(sentence: str, namespace: Namespace = ()) -> EditRequest:
    """The request that a plain sentence comes to. BadInput when no fact of one subject can be read from it."""
    for claim in claims_of(sentence, ""):
        found = prompt_of(claim)
        if found is not None and not claim.over:
            prompt, subject = found
            return EditRequest(
                subject=subject,
                prompt=prompt,
                target=claim.value,
                relation=claim.relation,
                paraphrases=wordings(prompt),
                namespace=namespace,
            )
    raise BadInput(f"no fact can be read from {sentence!r}; give subject, prompt with {{}} and target")


def prompt_of(claim: Claim) -> tuple[str, str] | None:
    """(the text before the value with {} for the subject, the subject as written); None when it cannot be cut so."""
    text = claim.sentence.rstrip(" .!")
    if not text.endswith(claim.value):
        return None
    before = _NEWLY.sub("", text[: -len(claim.value)].rstrip())
    words = r"\W+".join(map(re.escape, claim.subject.split()))
    subject = re.search(rf"\b{words}\b", before, re.IGNORECASE)
    if subject is None or before.endswith(subject.group()):
        return None
    return f"{before[: subject.start()]}{{}}{before[subject.end() :]}", subject.group()


def wordings(prompt: str) -> tuple[str, ...]:
    """Other wordings of a prompt that follow from its own: "The capital of {} is" says "{}'s capital is"."""
    of = _OF.fullmatch(prompt)
    return (f"{{}}'s {of['what']} {of['verb']}",) if of else ()
