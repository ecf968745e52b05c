"""Which nodes a question names: longest match against the names of the graph, then by rare words in common.

A question need not be written with capitals: whether a single word is a name is then read from how the passages
write it. Knows the store's look-ups, no passages and no walk.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentmem_hipporag.names import has_no_case, is_ideographic, loose_key, name_key, words
from agentmem_hipporag.spans import entity_spans
from agentmem_hipporag.stopwords import STOP
from agentmem_hipporag.store import Store

LONGEST = 10  # words in a name
LONGEST_IDEOGRAPHIC = 12  # characters in a name written without spaces
NAME_SHARE = 0.95  # a word so often written with a capital is a name also where the question does not write one
NEAREST = 3  # nodes taken for a name that no node bears
LEAST_OVERLAP = 0.5
_COMMON = 5_000  # a word that more names bear says too little to look at all of them


@dataclass(frozen=True, slots=True)
class Link:
    """A node that the question names: the words that name it, and how surely (0 to 1]."""

    node: int
    said: str
    strength: float


def link_question(text: str, store: Store, df: NDArray[np.int32], n_names: int, path: str) -> tuple[list[Link], int]:
    """The nodes a question names (each once, the surest reading), and how many names it holds, linked or not.

    `df`: (n,), sources in sight that name each node; nodes with none are not found.
    """
    said = words(text)
    share = store.capital_share(said, path)
    capital = {w for token in text.split() if token[:1].isupper() for w in words(token)}

    def is_name(word: str) -> bool:
        return word.isdigit() or has_no_case(word) or word in capital or share.get(word, 0.0) >= NAME_SHARE

    def in_sight(nodes: list[int]) -> list[int]:
        return [node for node in nodes if node < len(df) and df[node] > 0]

    links: dict[int, Link] = {}

    def add(node: int, said: str, strength: float) -> None:
        if node not in links or links[node].strength < strength:
            links[node] = Link(node, said, strength)

    phrases = _phrases(said)
    exact = store.find_names(phrases)
    loose = store.find_loose([loose_key(p) for p in phrases])

    def bearers(phrase: str) -> list[int]:
        own = in_sight([exact[phrase]]) if phrase in exact else []
        return own or in_sight(loose.get(loose_key(phrase), []))

    taken = [0] * len(said)  # length of the name that a word was read as part of
    at = 0
    while at < len(said):
        step = 1
        for n in range(min(LONGEST, len(said) - at), 0, -1):
            phrase = " ".join(said[at : at + n])
            nodes = bearers(phrase)
            if not nodes:
                continue
            if n == 1 and not _stands_alone(phrase, is_name):
                break
            if all(word in STOP for word in said[at : at + n]):
                continue
            for node in nodes:
                add(node, phrase, 1.0)
            taken[at : at + n] = [n] * n
            step = n
            break
        at += step
    for node, name in _ideographic_links(text, store, in_sight):
        add(node, name, 1.0)

    unlinked = 0
    names = [name_key(span) for span in entity_spans(text)]
    written = [word if taken[i] == 0 else "" for i, word in enumerate(said)]
    names += _runs(written, lambda word: share.get(word, 0.0) >= NAME_SHARE)
    spoken = {link.said for link in links.values()}
    for name in dict.fromkeys(n for n in names if n):
        if bearers(name):
            continue
        near = _nearest(name, store, df, n_names)
        for node, strength in near:
            add(node, name, strength)
        unlinked += not near and not any(f" {s} " in f" {name} " for s in spoken)
    return sorted(links.values(), key=lambda link: (-link.strength, link.node)), len(spoken) + unlinked


def _phrases(said: list[str]) -> list[str]:
    every = [" ".join(said[i : i + n]) for i in range(len(said)) for n in range(1, min(LONGEST, len(said) - i) + 1)]
    return list(dict.fromkeys(every))


def _stands_alone(word: str, is_name: Callable[[str], bool]) -> bool:
    """One word names something if it is a name and not a function word."""
    return word not in STOP and (len(word) > 2 or not word.isalpha() or not word.isascii()) and is_name(word)


def _runs(said: list[str], is_name: Callable[[str], bool]) -> list[str]:
    """Stretches of neighbouring names, for questions without capitals."""
    runs: list[list[str]] = [[]]
    for word in said:
        if word and word not in STOP and is_name(word):
            runs[-1].append(word)
        elif runs[-1]:
            runs.append([])
    return [" ".join(run) for run in runs if run]


def _nearest(name: str, store: Store, df: NDArray[np.int32], n_names: int) -> list[tuple[int, float]]:
    """Nodes whose names share the rare words of a name that no node bears: overlap weighted by inverse frequency."""
    tokens = [t for t in dict.fromkeys(loose_key(name).split()) if t not in STOP]
    score: dict[int, float] = {}
    total = 0.0
    for token in tokens:
        nodes = store.with_token(token)
        nodes = nodes[nodes < len(df)]
        nodes = nodes[df[nodes] > 0]
        weight = math.log(1 + n_names / (1 + len(nodes)))
        total += weight
        if len(nodes) <= _COMMON:
            for node in nodes.tolist():
                score[node] = score.get(node, 0.0) + weight
    if not total:
        return []
    best = sorted((n for n, s in score.items() if s / total > LEAST_OVERLAP), key=lambda n: (-score[n], n))[:200]
    keys = store.keys_of(best)
    rated = [(n, score[n] / total * min(1.0, len(tokens) / len(keys[n].split()))) for n in best]
    rated = [(n, s) for n, s in rated if s > LEAST_OVERLAP]
    return sorted(rated, key=lambda r: (-round(r[1], 9), keys[r[0]]))[:NEAREST]


def _ideographic_links(text: str, store: Store, in_sight: Callable[[list[int]], list[int]]) -> list[tuple[int, str]]:
    """Longest names that the question holds, character by character, where words have no spaces between them."""
    if not is_ideographic(text):
        return []
    found: list[tuple[int, str]] = []
    for run in words(text):
        if not is_ideographic(run):
            continue
        pieces = {
            run[i : i + n] for i in range(len(run)) for n in range(2, LONGEST_IDEOGRAPHIC + 1) if i + n <= len(run)
        }
        known = {key: node for key, node in store.find_names(sorted(pieces)).items() if in_sight([node])}
        at = 0
        while at < len(run):
            fits = [run[at : at + n] for n in range(LONGEST_IDEOGRAPHIC, 1, -1) if run[at : at + n] in known]
            if fits:
                found.append((known[fits[0]], fits[0]))
            at += len(fits[0]) if fits else 1
    return found
