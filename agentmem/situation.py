"""What a router is told about a home: who could be asked, what lies in scope, what of it the question names.

Counts are kept until the journal grows. Probes ask memories at most once a question; what they answer is used again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from agentmem.contract import Capability
from agentmem.errors import BadInput
from agentmem.home import Home
from agentmem.records import RECORDS_WITHOUT_TEXT, Namespace, Query, Recall
from agentmem.router import Candidate, Situation
from agentmem.routing.features import names_in
from agentmem.weighing import Weighing

LEARNED = "routing.json"
"""The file in a home that holds what was learnt of its own history."""
_HEARD = 200  # turns
_NAMES = 4  # names of a question that are looked up


class Probes:
    """Asks memories early and keeps what they answered."""

    def __init__(self, ask: Callable[[Sequence[str]], Sequence[Recall]]) -> None:
        self._ask = ask
        self.recalls: dict[str, Recall] = {}

    def __call__(self, names: Sequence[str]) -> list[Recall]:
        missing = [name for name in names if name not in self.recalls]
        if missing:
            self.recalls |= {recall.memory: recall for recall in self._ask(missing)}
        return [self.recalls[name] for name in names if name in self.recalls]


class Situations:
    """Makes situations of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._counted: tuple[tuple[int, Namespace], dict[str, int]] | None = None
        self._heard: dict[Namespace, tuple[int, frozenset[str]]] = {}
        self._learned: tuple[float, Mapping[str, Any]] | None = None
        self._weighing = Weighing(home)

    def of(self, query: Query, *, ranking: bool, probe: Probes | None = None) -> Situation:
        """``ranking``: hits will be ranked and quoted."""
        home = self._home
        limit = home.settings.budget.context_tokens
        kinds = self._kinds(query.namespace, limit)
        live = sum(kinds.values())
        candidates = [Candidate(v.name, v.memory.capabilities, v.memory.calibration) for v in home.views.usable()]
        tokens = None
        shows_all = not ranking and any(Capability.WHOLE in c.capabilities for c in candidates)
        if shows_all and 0 < live <= limit // 4:  # a record takes some four tokens at least
            found = home.journal.records.find(namespace=query.namespace)
            texts = (r.body for r in found if r.kind not in RECORDS_WITHOUT_TEXT)
            tokens = sum(len(text) // 4 + 8 for text in texts)
        weighs = self._weighing.model is not None
        return Situation(
            candidates,
            live,
            ranking,
            tokens,
            limit,
            kinds=kinds,
            subjects=self._subjects(query, kinds),
            speakers=self.speakers(query.namespace) if "turn" in kinds else frozenset(),
            probe=probe,
            chat=home.chat,
            learned=self._own(),
            weigh=partial(self._weighing.weigh, query) if weighs else None,
            likeness=partial(self._weighing.likeness, query) if weighs else None,
        )

    def _kinds(self, namespace: Namespace, limit: int) -> dict[str, int]:
        key = (self._home.journal.records.head(), namespace)
        if self._counted is None or self._counted[0] != key:
            found = self._home.journal.records.count_by_kind(namespace=namespace, at_most=limit)
            self._counted = (key, {kind: n for kind, n in found.items() if kind not in RECORDS_WITHOUT_TEXT})
        return self._counted[1]

    def _subjects(self, query: Query, kinds: Mapping[str, int]) -> dict[str, frozenset[str]]:
        """The names in the question that live facts or edits are about."""
        about = [kind for kind in ("fact", "edit") if kinds.get(kind)]
        if not about:
            return {}
        find = self._home.journal.records.find
        found = {
            name: frozenset(r.kind for r in find(namespace=query.namespace, kinds=about, subject=name, limit=8))
            for name in names_in(query.text)[:_NAMES]
        }
        return {name: kinds_found for name, kinds_found in found.items() if kinds_found}

    def speakers(self, namespace: Namespace) -> frozenset[str]:
        """Who spoke in the newest turns; looked at again when the journal has grown by as many."""
        head = self._home.journal.records.head()
        known = self._heard.get(namespace)
        if known is None or head - known[0] >= _HEARD:
            turns = self._home.journal.records.find(
                namespace=namespace, kinds=("turn",), newest_first=True, limit=_HEARD
            )
            self._heard = {namespace: (head, frozenset(t.speaker.casefold() for t in turns if t.speaker))}
        return self._heard[namespace][1]

    def _own(self) -> Mapping[str, Any] | None:
        """What this home has learnt of its own history; None when it has not."""
        file = self._home.folder / LEARNED
        try:
            changed = file.stat().st_mtime
            if self._learned is None or self._learned[0] != changed:
                self._learned = (changed, json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BadInput(
                f"{file} cannot be read ({error}); remove it, or learn it again: agentmem routing learn"
            ) from error
        return self._learned[1]
