"""The memory `lm`: what a local model knows by itself, with a calibrated confidence, labelled parametric.

Holds no records and indexes none; it abstains when the model says that it does not know, or is not sure enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from agentmem.contract import Capability, Context, Memory
from agentmem.errors import ModelError
from agentmem.records import Change, CheckLine, Hit, Query, Recall, Record, Trust
from agentmem_lm.config import LmConfig
from agentmem_lm.live import live_edits

if TYPE_CHECKING:
    from agentmem_lm.model import CausalModel


class LmMemory(Memory):
    """A local model's own answer to the query."""

    name = "lm"
    kinds: ClassVar[frozenset[str]] = frozenset({"answer"})  # nothing of that kind is ever written
    capabilities = Capability.NEEDS_LOCAL_MODEL | Capability.PARAMETRIC
    Config = LmConfig

    def __init__(self, context: Context, config: LmConfig | None = None) -> None:
        super().__init__(context, config)
        self._kept: tuple[object, tuple[Record, ...]] | None = None

    def apply(self, changes: Sequence[Change]) -> None:
        """Nothing to index: knowledge is in the weights."""

    def recall(self, query: Query) -> Recall:
        """One hit, the model's answer, scored by its confidence; or abstains."""
        model = cast("CausalModel | None", self.context.local_model)
        if model is None:
            return Recall(abstain="no local model is open; set local_model to 'demo' or to a model's folder")
        if self.context.chat is not None and self.context.chat.name == f"local:{model.name}":
            return Recall(abstain=f"model {model.name!r} is the one that answers: it need not be asked twice")
        config = cast(LmConfig, self.config)
        try:
            done = model.complete(
                [model.manners.prompt(query.text.strip())],
                max_new_tokens=config.max_new_tokens,
                stop=("\n",),
                base=config.base,
                namespace=query.namespace,
                as_of=query.as_of,
            )[0]
        except ModelError as error:
            return Recall(abstain=str(error))
        answer = done.text.strip()
        confidence = answer_confidence(model, answer, done.log_probabilities)
        told = None if config.base else self._told(query, answer)
        if told is not None:
            confidence = told_confidence(told)
        signals = {"confidence": confidence}
        if model.manners.says_unknown(answer):
            return Recall(abstain=f"model {model.name!r} says that it does not know", signals=signals)
        if confidence < config.min_confidence:
            return Recall(
                abstain=f"confidence {confidence:.2f} is below {config.min_confidence:.2f} (lm.min_confidence)",
                signals=signals,
            )
        record = Record(
            id=f"lm:{model.name}",
            kind="answer",
            body=f"{query.text.strip()} {answer}",
            namespace=query.namespace,
            trust=Trust.AGENT,
            speaker=model.name,
            attributes={"parametric": True, "model": model.name, "answer": answer, "confidence": confidence},
            derived_from=() if told is None else (told.id,),
        )
        calibrated = "calibrated" if model.manners.calibrated else "not calibrated"
        if told is not None:
            calibrated = "of an edit, by how it was admitted"
        why = f"parametric: from the weights of {model.name!r}, confidence {confidence:.2f} ({calibrated})"
        return Recall(hits=(Hit(record, confidence, why, memory=self.name),), signals=signals)

    def _told(self, query: Query, answer: str) -> Record | None:
        """The live, examined edit that this answer repeats: its subject is in the question, its target the answer."""
        asked, said = query.text.casefold(), answer.casefold().rstrip(".")
        for record in self._edits(query):
            subject, target = (record.subject or "").casefold(), (record.object or "").casefold()
            if subject and subject in asked and said == target and record.attributes["admission"]["figures"]:
                return record
        return None

    def _edits(self, query: Query) -> tuple[Record, ...]:
        """All live edits in scope, read again when the journal has grown."""
        key = (self.context.records.head(), query.namespace, query.as_of)
        if self._kept is None or self._kept[0] != key:
            found = live_edits(self.context.records, query.namespace, query.as_of)
            self._kept = (key, tuple(record for record in found if "admission" in record.attributes))
        return self._kept[1]

    def check(self) -> Sequence[CheckLine]:
        """What is open, and whether its confidence means anything."""
        model = cast("CausalModel | None", self.context.local_model)
        if model is None:
            return (CheckLine("note", "lm: no local model", "set local_model to 'demo' or to a model's folder"),)
        if not model.manners.calibrated:
            remedy = "fit one with agentmem bench model --calibrate"
            return (
                CheckLine("note", f"lm: {model.name} has no calibration; its confidence is a raw probability", remedy),
            )
        return (CheckLine("ok", f"lm: {model.name}, calibrated"),)


def told_confidence(edit: Record) -> float:
    """The chance that an admitted edit is said in a further wording, from those it was said in when it was examined.

    The mean of a binomial share under Jeffreys' prior, (right + 1/2) / (tried + 1): the model's own probability means
    nothing here, since the optimisation of an edit stops at a given one.
    """
    figures = edit.attributes["admission"]["figures"]
    others = len(edit.attributes.get("request", {}).get("paraphrases", ()))
    right = float(figures.get("rewrite", 0.0)) + others * float(figures.get("paraphrase", 0.0))
    return (right + 0.5) / (1 + others + 1)


def answer_confidence(model: CausalModel, answer: str, log_probabilities: Sequence[float]) -> float:
    """The calibrated probability that the answer is right; 0 when it says that the model does not know.

    `log_probabilities` are those of the answer's tokens, the stop token included.
    """
    if model.manners.says_unknown(answer):
        return 0.0
    return model.manners.calibration(math.exp(sum(log_probabilities)))
