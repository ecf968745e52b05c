"""Which conversation a request belongs to when it does not say so: the one whose messages it repeats.

OpenAI's clients send the whole conversation each time and no name for it. A conversation is recognised by its messages
up to our last reply; anything else begins a new one. Forgotten when the server ends.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Sequence

from agentmem.records import Namespace

_KEPT = 10_000

Said = Sequence[tuple[str, str]]
"""(role, text) of messages, oldest first."""


class Threads:
    """Names of conversations by what was said in them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, namespace: Namespace, before: Said) -> str:
        """The thread that these messages (without the new one) lead up to, or a new name."""
        key = _key(namespace, before)
        with self._lock:
            return self._known.get(key) or f"http-{uuid.uuid4().hex[:12]}"

    def note(self, namespace: Namespace, said: Said, thread: str) -> None:
        """These messages, our reply included, are of this thread."""
        with self._lock:
            self._known[_key(namespace, said)] = thread
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)


def _key(namespace: Namespace, said: Said) -> str:
    spoken = [(role, text.strip()) for role, text in said if role in ("user", "assistant")]
    return hashlib.sha256(json.dumps([namespace, spoken]).encode()).hexdigest()
