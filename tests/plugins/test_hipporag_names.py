"""Names as nodes: which spellings are one node, which spans of a text are names, which nodes a question means."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentmem_hipporag.config import HippoRAGConfig
from agentmem_hipporag.graph import KnowledgeGraph
from agentmem_hipporag.indexing import passage_edges, written_words
from agentmem_hipporag.linking import link_question
from agentmem_hipporag.names import loose_key, name_key
from agentmem_hipporag.spans import entity_spans, mentions, sentences
from agentmem_hipporag.store import Selection, Store

NAMES = [
    "北京大学",
    "北京",
    "Москва",
    "Łódź",
    "Lodz",
    "C++",
    "C",
    "C#",
    "U.S.",
    "us",
    "Ōsaka",
    "Ελλάδα",
    "محمد",
    "हिन्दी",
]


def test_names_of_every_script_have_keys_of_their_own() -> None:
    keys = [name_key(name) for name in NAMES]
    assert all(keys)
    assert len(set(keys)) == len(NAMES)


def test_a_key_ignores_case_article_and_qualifier() -> None:
    assert name_key("The Beatles") == name_key("BEATLES")
    assert name_key("Mercury (planet)") == "mercury"
    assert name_key("(1984)") == "1984"
    assert name_key("…!") == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Łódź", "Lodz"),
        ("U.S.", "US"),
        ("Москва", "Москве"),
        ("gila monsters", "Gila monster"),
        ("Besançon", "Besancon"),
    ],
)
def test_loose_keys_meet(one: str, other: str) -> None:
    assert loose_key(name_key(one)) == loose_key(name_key(other))


def test_spans_join_what_belongs_together_and_keep_the_parts() -> None:
    found = entity_spans(
        "However, J. R. R. Tolkien wrote The Lord of the Rings in Oxford and London, December 4, 1954."
    )
    assert "However" not in " ".join(found)
    assert {"Oxford", "London", "December 4 1954"} <= set(found)
    assert any(name_key(span) == "lord of the rings" for span in found)
    assert entity_spans("Is it Anna's dog?") == ["Anna"]


def test_initials_and_abbreviations_do_not_end_a_sentence() -> None:
    assert sentences("Dr. Smith met J. R. Jones. He left.") == ["Dr. Smith met J. R. Jones.", "He left."]
    assert len(sentences("她住在北京。他住在上海！")) == 2


def test_a_surname_stands_for_the_person() -> None:
    assert "john wayne" in mentions("John Wayne was an actor. Wayne died in 1979.").sentences[1]


def test_chat_without_capitals_code_and_chinese_have_names_too() -> None:
    assert {"paris", "louvre"} <= set(mentions("i went to paris and we loved the louvre").keys())
    assert {"foo_bar", "numpy linalg norm", "c++"} <= set(
        mentions("call foo_bar() in numpy.linalg.norm, not C++").keys()
    )
    assert {"北京大学", "红高粱家族"} <= set(mentions("北京大学是大学。莫言写了《红高粱家族》。").keys())
    assert {"москва", "анна каренина"} <= set(mentions("Москва большая. В ней живёт Анна Каренина.").keys())


@pytest.fixture
def graph(tmp_path: Path) -> KnowledgeGraph:
    """One passage for each name."""
    store = Store(tmp_path / "graph.sqlite")
    made = KnowledgeGraph(store, tmp_path, HippoRAGConfig().gains())
    texts = [f"{name} is here." for name in NAMES] + [
        "Velmark Harbour is busy.",
        "the harbour of velmark sleeps",
        "gila Monster",
    ]
    with store.transaction():
        for row, text in enumerate(texts):
            page = store.page_id(f"r{row}")
            edges = passage_edges(store, page, mentions(text, NAMES[row] if row < len(NAMES) else text[:15]))
            made.add(store.add_source(f"r{row}", "", page, row, "/", {}, edges, written_words(text)), page, row, edges)
    return made


def linked(graph: KnowledgeGraph, question: str) -> set[str]:
    sight = graph.sight(Selection())
    links, _ = link_question(question, graph.store, sight.df, sight.n_names, "/")
    return set(graph.store.keys_of([link.node for link in links]).values())


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("us", "C")])
def test_a_name_of_any_script_is_found_again(graph: KnowledgeGraph, name: str) -> None:
    assert name_key(name) in linked(graph, f"Who knows {name}?")


def test_chinese_questions_need_no_spaces(graph: KnowledgeGraph) -> None:
    assert linked(graph, "北京大学在哪里？") == {"北京大学"}


def test_an_inflected_name_is_found(graph: KnowledgeGraph) -> None:
    assert "москва" in linked(graph, "Кто живёт в Москве?")


def test_a_question_without_capitals_finds_longer_names(graph: KnowledgeGraph) -> None:
    assert "velmark harbour" in linked(graph, "who works at velmark harbour?")


def test_function_words_link_to_nothing(graph: KnowledgeGraph) -> None:
    assert linked(graph, "what is it with us?") == set()
