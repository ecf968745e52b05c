"""HippoRAG 2's side of the graph: facts found by the question's vector, and edges between names of like meaning.

After Gutiérrez et al., "From RAG to Memory" (ICML 2025). Facts and names are embedded as texts when they first
appear; synonyms are found by exact search for the new names only, block by block, so that neither time nor memory grows
with the square of the graph. Knows the store and an embedder; the walk is elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agentmem.contract import Embedder
from agentmem.errors import BadInput
from agentmem_hipporag.config import HippoRAGConfig
from agentmem_hipporag.edges import COUNT_MAX, Ints, Kind, encode
from agentmem_hipporag.graph import KnowledgeGraph, Sight
from agentmem_hipporag.indexing import Triple
from agentmem_hipporag.linking import Link
from agentmem_hipporag.names import name_key
from agentmem_hipporag.retrieval import Prior, Seeds
from agentmem_hipporag.store import SYNONYMS, Store
from agentmem_hipporag.vectors import VectorFile, Vectors

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, subject INTEGER, object INTEGER);
CREATE TABLE IF NOT EXISTS fact_source(fact INTEGER NOT NULL, source INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS phrase(node INTEGER PRIMARY KEY, row INTEGER NOT NULL);
"""
_BLOCK = 2_048
_SHORTEST = 3  # letters and digits; shorter names are near to everything


@dataclass(frozen=True, slots=True)
class LinkedFact:
    """A fact near to the question: its text, the nodes it joins, its score scaled to [0, 1] over all facts."""

    text: str
    subject: int
    object: int
    score: float


class FactIndex:
    """Facts and phrases of one graph, with their vectors in two files."""

    def __init__(self, store: Store, folder: Path, embedder: Embedder | None, config: HippoRAGConfig) -> None:
        if embedder is None:
            raise BadInput("hipporag.mode = 'hipporag2' needs an embedder; set one, or use mode = 'entities'")
        self.store = store
        self.embedder = embedder
        self.floor = config.synonym_floor
        self.fact_vectors = VectorFile(folder / "facts.f32", embedder.dim)
        self.phrase_vectors = VectorFile(folder / "phrases.f32", embedder.dim)
        store.make(_SCHEMA)
        self._told = [(f, s) for f, s in store.db.execute("SELECT fact,source FROM fact_source ORDER BY rowid")]
        self._new_facts: list[tuple[int, str]] = []

    # ---- writing

    def add(self, source: int, triples: Sequence[Triple]) -> None:
        """Note what a source states; vectors follow with `settle`."""
        for s, r, o in triples:
            subject, object_ = name_key(s), name_key(o)
            if not subject or not object_:
                continue
            ids = self.store.name_ids([subject, object_])
            text = f"{subject} {name_key(r)} {object_}"
            row = self.store.db.execute("SELECT id FROM fact WHERE text=?", (text,)).fetchone()
            if row is None:
                number = int(self.store.db.execute("SELECT coalesce(max(id),-1)+1 FROM fact").fetchone()[0])
                self.store.db.execute("INSERT INTO fact VALUES(?,?,?,?)", (number, text, ids[subject], ids[object_]))
                self._new_facts.append((number, text))
            else:
                number = int(row[0])
            self.store.db.execute("INSERT INTO fact_source VALUES(?,?)", (number, source))
            self._told.append((number, source))

    def settle(self, graph: KnowledgeGraph) -> None:
        """Embed the new facts and names, and join new names to all that are near. Ends a batch of `add`."""
        if self._new_facts:
            first = self._new_facts[0][0]
            self.fact_vectors.write(first, self.embedder.embed([text for _, text in self._new_facts]))
            self._new_facts = []
        rows = self.store.db.execute(
            "SELECT id,key FROM node WHERE page=0 AND id NOT IN (SELECT node FROM phrase) ORDER BY id"
        ).fetchall()
        fresh = [(node, key) for node, key in rows if sum(map(str.isalnum, key)) >= _SHORTEST]
        if not fresh:
            return
        first = int(self.store.db.execute("SELECT count(*) FROM phrase").fetchone()[0])
        self.phrase_vectors.write(first, self.embedder.embed([key for _, key in fresh]))
        self.store.db.executemany("INSERT INTO phrase VALUES(?,?)", [(n, first + i) for i, (n, _) in enumerate(fresh)])
        edges = self._synonyms(first)
        if len(edges):
            page = self.store.page_id(SYNONYMS)
            source = self.store.add_source(SYNONYMS, "", page, None, "/", {"kind": SYNONYMS}, edges, ())
            graph.add(source, page, None, edges)

    def _synonyms(self, first: int) -> Ints:
        """(m, 3): every pair of a name from row `first` on with any earlier one whose cosine reaches the floor."""
        vectors = self.phrase_vectors.rows()
        nodes = np.array([n for (n,) in self.store.db.execute("SELECT node FROM phrase ORDER BY row")], dtype=np.int32)
        found: list[Ints] = []
        for start in range(first, len(nodes), _BLOCK):
            block = np.asarray(vectors[start : start + _BLOCK])
            for other in range(0, start + len(block), _BLOCK):
                similar = np.round(block @ np.asarray(vectors[other : other + _BLOCK]).T, 4)
                a, b = np.nonzero(similar >= self.floor)
                keep = (b + other) < (a + start)
                a, b = a[keep], b[keep]
                steps = np.rint((similar[a, b] - self.floor) / max(1 - self.floor, 1e-6) * COUNT_MAX)
                codes = encode(Kind.SYNONYM, 0) + np.clip(steps, 0, COUNT_MAX).astype(np.int32)
                found.append(np.stack([nodes[a + start], nodes[b + other], codes], axis=1).astype(np.int32))
        return np.concatenate(found) if found else np.zeros((0, 3), dtype=np.int32)

    # ---- reading

    def link(self, query: Vectors, sight: Sight, live: NDArray[np.bool_], top: int) -> list[LinkedFact]:
        """The `top` facts nearest to the question that a source in sight states, best first."""
        if not self._told:
            return []
        told = np.array(self._told, dtype=np.int64)
        states = live if sight.live is None else sight.live
        alive = np.unique(told[states[told[:, 1]], 0])
        if not len(alive):
            return []
        similar = np.round(self.fact_vectors.similarities(query, alive).astype(np.float64), 6)
        low, high = similar.min(), similar.max()
        best = alive[np.argsort(-similar, kind="stable")[: 4 * top]]
        marks = ",".join("?" * len(best))
        rows = self.store.db.execute(f"SELECT id,text,subject,object FROM fact WHERE id IN ({marks})", best.tolist())
        scaled = {
            int(f): float((s - low) / (high - low)) if high > low else 1.0 for f, s in zip(alive, similar, strict=True)
        }
        facts = [LinkedFact(text, s, o, scaled[f]) for f, text, s, o in rows]
        return sorted(facts, key=lambda fact: (-fact.score, fact.text))[:top]


def phrase_links(facts: Sequence[LinkedFact], df: NDArray[np.int32]) -> list[Link]:
    """The linked facts' phrases: mean score of their facts divided by the passages that hold them (paper, 3.3)."""
    scores: dict[int, list[float]] = {}
    said: dict[int, str] = {}
    for fact in facts:
        for node in dict.fromkeys((fact.subject, fact.object)):
            scores.setdefault(node, []).append(fact.score)
            said.setdefault(node, fact.text)
    weighted = [Link(n, said[n], float(np.mean(s)) / max(int(df[n]), 1)) for n, s in scores.items()]
    return sorted((link for link in weighted if link.strength > 0), key=lambda link: (-link.strength, link.node))


def phrase_seeds(links: Sequence[Link], prior: Prior, passage_weight: float) -> Seeds:
    """Phrases with their weight, passages with their scaled similarity times `passage_weight`; sums to one."""
    nodes = np.concatenate([np.array([link.node for link in links], dtype=np.int32), prior.pages]).astype(np.int32)
    mass = np.concatenate([np.array([link.strength for link in links]), passage_weight * prior.height])
    return Seeds(nodes, mass / mass.sum())
