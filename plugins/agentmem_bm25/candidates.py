"""Which documents might be the best, from a tantivy index that is only ever added to.

Nothing is deleted in tantivy: its statistics would count deleted documents until segments happen to merge, and scores
would depend on the past. Instead its idf is turned into the live one by a boost per term, whoever asks drops what is
dead, and an index with too many dead is written anew. Imports tantivy late.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentmem.errors import Missing
from agentmem_bm25.scoring import idf
from agentmem_bm25.table import Document, unpacked

_HEAP_BYTES, _SMALL_HEAP_BYTES = 100_000_000, 15_000_000
_SMALL = 5000  # documents; the smaller heap is quicker to set up
_TEXT, _FACET, _NUMBER = "text", "facet", "number"


class Candidates:
    """The index in ``folder``; it holds document numbers, terms and facets."""

    def __init__(self, folder: Path) -> None:
        try:
            import tantivy
        except ImportError as error:
            raise Missing("tantivy is not installed; install the extra 'bm25'") from error
        self._tantivy: Any = tantivy
        self._folder = folder
        builder = tantivy.SchemaBuilder()
        builder.add_text_field(_TEXT, tokenizer_name="whitespace", index_option="freq")
        builder.add_text_field(_FACET, tokenizer_name="raw", index_option="basic")
        builder.add_unsigned_field(_NUMBER, fast=True)
        self._schema = builder.build()
        folder.mkdir(parents=True, exist_ok=True)
        self._index = tantivy.Index(self._schema, path=str(folder))
        whitespace = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        self._index.register_tokenizer("whitespace", whitespace)  # texts are terms already
        self._searcher = self._index.searcher()

    @property
    def size(self) -> int:
        """How many documents were ever added."""
        return int(self._searcher.num_docs)

    def add(self, documents: Sequence[Document]) -> None:
        """Add and commit; durable afterwards."""
        writer = self._index.writer(_SMALL_HEAP_BYTES if len(documents) < _SMALL else _HEAP_BYTES, 1)
        for document in documents:
            made = self._tantivy.Document()
            made.add_unsigned(_NUMBER, document.number)
            made.add_text(_TEXT, " ".join(" ".join([term] * n) for term, n in unpacked(document.counts)))
            for facet in document.facets.splitlines():
                made.add_text(_FACET, facet)
            writer.add_document(made)
        writer.commit()
        writer.wait_merging_threads()
        self.reload()

    def reload(self) -> None:
        self._index.reload()
        self._searcher = self._index.searcher()

    def best(self, weights: Mapping[str, float], scope: Sequence[Sequence[str]], limit: int) -> tuple[list[int], float]:
        """Numbers of the ``limit`` best by tantivy's own length norm, and the score of the last (0 when that is all).

        ``weights``: term -> live idf. ``scope``: of each group of facets a document must have one.
        """
        query_of, occur = self._tantivy.Query, self._tantivy.Occur
        terms = []
        for term, weight in weights.items():
            frequency = self._searcher.doc_freq(_TEXT, term)
            if frequency:
                query = query_of.term_query(self._schema, _TEXT, term, "freq")
                terms.append((occur.Should, query_of.boost_query(query, weight / idf(self.size, frequency))))
        if not terms:
            return [], 0.0
        query = query_of.boolean_query(terms)
        if scope:
            groups = [query_of.term_set_query(self._schema, _FACET, list(group)) for group in scope]
            must = [(occur.Must, query_of.const_score_query(group, 0.0)) for group in groups]
            query = query_of.boolean_query([(occur.Must, query), *must])
        hits = self._searcher.search(query, limit, count=False).hits
        numbers = self._searcher.fast_field_values(_NUMBER, [address for _, address in hits]) if hits else []
        return [int(n) for n in numbers if n is not None], float(hits[-1][0]) if len(hits) >= limit else 0.0

    def drop(self) -> None:
        """Remove the folder: what tantivy has written is gone only then."""
        self._searcher = self._index = None
        shutil.rmtree(self._folder, ignore_errors=True)
