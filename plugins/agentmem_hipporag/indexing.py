"""From a passage to its edges: what it names, its title, and triples that came with it or that a model read out of it.

Deterministic and local to the passage; the only thing asked of the store is the number of a name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from agentmem_hipporag.edges import Ints, Kind, encode
from agentmem_hipporag.names import name_key
from agentmem_hipporag.spans import Mentions
from agentmem_hipporag.stopwords import STOP
from agentmem_hipporag.store import Store

Triple = tuple[str, str, str]


def written_words(text: str) -> list[str]:
    """The distinct words of a text as they are written, for counting how often a word bears a capital."""
    found = {w for w in re.findall(r"[^\W\d_]+", text) if w.casefold() not in STOP}
    return sorted(w for w in found if w.islower() or w[:1].isupper())


def passage_edges(
    store: Store, page: int, mentions: Mentions, entities: Iterable[str] = (), triples: Sequence[Triple] = ()
) -> Ints:
    """(m, 3) of (from, to, code): title, names and relations of one source, each edge once."""
    title = mentions.title
    keys = [*mentions.keys(), *(name_key(e) for e in entities)]
    named = [(name_key(s), name_key(o)) for s, _, o in triples]
    keys += [key for pair in named for key in pair]
    wanted = list(dict.fromkeys(key for key in keys if key))
    ids = store.name_ids(wanted)
    rows = [(page, ids[key], encode(Kind.PAGE_TO_TITLE if key == title else Kind.CONTEXT)) for key in wanted]
    counted = Counter(tuple(sorted((ids[s], ids[o]))) for s, o in named if s and o and s != o)
    rows += [(a, b, encode(Kind.RELATION, n)) for (a, b), n in sorted(counted.items())]
    return np.array(rows, dtype=np.int32).reshape(-1, 3)
