"""Verbs for the weights of the local model: edits, promotion of facts, raw continuations."""

from __future__ import annotations

from collections.abc import Sequence

from agentmem import approvals
from agentmem.errors import Missing
from agentmem.journal.transaction import PERSON
from agentmem.records import EditRequest, Receipt
from agentmem.verbs.handle import Handle
from agentmem.verbs.twins import twin


class WeightVerbs(Handle):
    """Put facts into weights, and hear what the weights say."""

    def edit(
        self,
        subject: str,
        prompt: str,
        target: str,
        *,
        memory: str = "wise",
        relation: str | None = None,
        paraphrases: Sequence[str] = (),
        preserve: Sequence[str] = (),
        locality: Sequence[str] = (),
        namespace: Sequence[str] | str | None = None,
        actor: str = PERSON,
    ) -> Receipt:
        """Put a fact into weights: the fact becomes a record, the edit derives from it. ``prompt`` holds ``{}``."""
        request = EditRequest(
            subject=subject,
            prompt=prompt,
            target=target,
            relation=relation,
            paraphrases=tuple(paraphrases),
            preserve=tuple(preserve),
            locality=tuple(locality),
            namespace=self._scope(namespace),
        )
        return self.edit_many([request], memory=memory, actor=actor)

    def edit_many(self, requests: Sequence[EditRequest], *, memory: str = "wise", actor: str = PERSON) -> Receipt:
        """Put many facts into weights in one transaction."""
        from agentmem.editing import edit

        asks = approvals.must_ask(self.home, actor) or actor != PERSON
        return edit(self.home, requests, memory=memory, actor=actor, ask=asks)

    def promote(self, *, memory: str | None = None, namespace: Sequence[str] | str | None = None) -> list[Receipt]:
        """Propose weight edits for facts that have earned a place in the weights; take off those that no longer hold.

        What is proposed is pending (`approve`, `refuse`) and derives from the text, which stays what is believed. The
        section ``[promotion]`` says what earns it; `agentmem.promotion.candidates` tells the reasons.
        """
        from agentmem.promotion import promote

        return promote(self.home, self._scope(namespace), memory=memory)

    def flush_edits(self) -> list[Receipt]:
        """Compute the edits that are queued (also done before `complete`, `recall` and `ask`)."""
        from agentmem.editing import flush

        return flush(self.home)

    def complete(
        self,
        prompt: str | Sequence[str],
        *,
        base: bool = False,
        max_new_tokens: int = 32,
        namespace: Sequence[str] | str | None = None,
    ) -> str | list[str]:
        """The raw greedy continuation by the local model, with its edits mounted or, with ``base``, without."""
        model = self.home.local_model
        if model is None:
            raise Missing(
                "no local model is set; give local_model='demo' (or a folder with a Hugging Face model), "
                "--local-model on the command line"
            )
        if not base:
            self.flush_edits()
            self.home.views.usable()  # memories are made at first use, and a weight memory mounts its edits when made
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        out = model.generate(prompts, max_new_tokens=max_new_tokens, base=base, namespace=self._scope(namespace))
        return out[0] if isinstance(prompt, str) else out

    # ---- async twins

    aedit = twin(edit)
    aedit_many = twin(edit_many)
    apromote = twin(promote)
    aflush_edits = twin(flush_edits)
    acomplete = twin(complete)
