"""The contracts of routers, extractors and panels as tests; each is subclassed with one fixture, like a memory's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentmem.contract import Capability
from agentmem.home import Home
from agentmem.panels import Graph, Table
from agentmem.records import Draft, Query
from agentmem.router import Candidate, Route, Situation
from agentmem.testing.guards import Snapshot, guarded
from agentmem.testing.sentences import ODD_QUERIES, UNICODE, facts

_CANDIDATES = (
    Candidate("one", Capability.NONE),
    Candidate("two", Capability.APPROXIMATE | Capability.NEEDS_EMBED),
    Candidate("three", Capability.AS_OF),
    Candidate("weights", Capability.PARAMETRIC),
)


class RouterContract:
    """Subclass with a fixture ``router_class``; a router is made without arguments."""

    @pytest.fixture
    def router_class(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} needs a fixture 'router_class' that returns the router class")

    @pytest.mark.parametrize("candidates", [_CANDIDATES, _CANDIDATES[:1], ()], ids=["four", "one", "none"])
    def test_every_candidate_is_asked_or_skipped_with_a_reason(self, router_class: Any, candidates: Any) -> None:
        for text in ("harbour office?", "what did everybody say about the move of the office to the pier?"):
            route = router_class().route(Query(text=text), Situation(candidates, live=10))
            assert isinstance(route, Route), f"returns a {type(route).__name__}, not a Route"
            names = {candidate.name for candidate in candidates}
            assert set(route.memories) <= names, f"asks memories that are no candidates: {route.memories}"
            assert len(set(route.memories)) == len(route.memories), f"asks a memory twice: {route.memories}"
            assert set(route.memories) | set(route.skipped) == names, "leaves a candidate out without a reason"
            assert route.reason.strip(), "gives no reason"

    def test_the_same_question_takes_the_same_route(self, router_class: Any) -> None:
        situation = Situation(_CANDIDATES, live=10)
        one, two = (router_class().route(Query(text="who keeps lanterns?"), situation) for _ in range(2))
        assert (one.memories, one.reason) == (two.memories, two.reason), "decides otherwise for the same question"

    def test_any_question_is_routed_without_a_trace(self, router_class: Any, tmp_path: Path) -> None:
        with guarded(tmp_path) as guard:
            for text in (*ODD_QUERIES, *UNICODE):
                router_class().route(Query(text=text, as_of=1.0), Situation(_CANDIDATES, live=0))
        assert not guard.connections, f"opens a connection: {guard.connections[0]}"
        assert not guard.writes, f"writes a file: {guard.writes[0]}"


class ExtractorContract:
    """Subclass with a fixture ``extractor_class``; those that need a chat model are not run without one."""

    @pytest.fixture
    def extractor_class(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} needs a fixture 'extractor_class' that returns the class")

    @pytest.fixture
    def extractor(self, extractor_class: Any) -> Any:
        if extractor_class.needs_chat:
            pytest.skip(f"{extractor_class.name} needs a chat model")
        return extractor_class()

    def test_entities_and_triples_are_texts(self, extractor: Any) -> None:
        for text in (*facts(5), *UNICODE, *ODD_QUERIES):
            found = extractor.extract(text, "A title")
            assert all(isinstance(name, str) and name for name in found.entities), f"names {found.entities!r}"
            for triple in found.triples:
                assert len(triple) == 3, f"returns a triple of {len(triple)} parts"
                assert all(isinstance(part, str) for part in triple), f"returns a triple that is no text: {triple!r}"

    def test_the_same_text_gives_the_same_extraction(self, extractor_class: Any, extractor: Any) -> None:
        text = "Ada Byron is the keeper of Velmark. Velmark lies in Osterby."
        one, two = extractor.extract(text), extractor_class().extract(text)
        assert (one.entities, one.triples) == (two.entities, two.triples), "reads the same text otherwise"

    def test_reading_opens_no_connection(self, extractor: Any, tmp_path: Path) -> None:
        with guarded(tmp_path) as guard:
            extractor.extract("Ada Byron is the keeper of Velmark.")
        assert not guard.connections + guard.writes, f"touches {(guard.connections + guard.writes)[0]}"


class PanelContract:
    """Subclass with a fixture ``panel_class``; a panel is made without arguments."""

    @pytest.fixture
    def panel_class(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} needs a fixture 'panel_class' that returns the panel class")

    def test_a_table_comes_of_any_home_and_nothing_is_written(self, panel_class: Any, tmp_path: Path) -> None:
        assert panel_class.title.strip(), "has no title"
        for name, texts in (("empty", ()), ("full", (*facts(5), *UNICODE))):
            with Home.open(tmp_path / name, memories={}) as home:
                if texts:
                    home.write([Draft(body=text, namespace=("ann",)) for text in texts])
                before = Snapshot.of(tmp_path / name)
                for namespace in ((), ("ann",), ("nobody",)):
                    table = panel_class().table(home, namespace)
                    assert isinstance(table, Table), f"returns a {type(table).__name__}, not a Table"
                    for row in table.rows:
                        assert len(row) == len(table.columns), f"has a row of {len(row)} cells: {row}"
                        assert all(isinstance(cell, str) for cell in row), f"has a cell that is no text: {row}"
                    if hasattr(panel_class, "asks"):
                        about = panel_class().about(home, namespace, table.rows[0][0] if table.rows else "nobody")
                        assert isinstance(about, Table | Graph), f"answers with a {type(about).__name__}"
                changed = before.difference(Snapshot.of(tmp_path / name))
                assert not changed, f"writes into the home: {changed[0]}"
