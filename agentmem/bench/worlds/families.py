"""The four families of texts of Self-Notes, generated with the truth known after every statement.

Each instance is a list of short statements, a question about the end, and its answer. After every statement the
notes say what is newly true (`key value`), so that whoever writes them never has to look back further than one
earlier note. Lengths and depths are asked for by the caller: that is what "longer than trained on" varies.

Source: Lanchantin, Toshniwal, Weston, Szlam and Sukhbaatar, "Learning to Reason and Memorize with Self-Notes"
(NeurIPS 2023), section 4, which describes the families; the generators, names and sentences here are our own.
Differences: all tokens are separated by spaces, values are kept modulo ten, and chess is played without check,
castling, en passant or promotion.

This module refuses to know who reads the texts and how.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from agentmem.bench.worlds import chess


@dataclass(frozen=True)
class Statement:
    """One segment of a text, the notes that become true with it, and all that is known after it."""

    text: str
    notes: tuple[tuple[str, str], ...]  # (key, value)
    truth: dict[str, str]


@dataclass(frozen=True)
class Instance:
    """A text with a question; `answers` are all that count as right, `depth` the look-ups it takes without notes."""

    family: str
    statements: tuple[Statement, ...]
    question: str
    key: str
    answers: frozenset[str]
    depth: int

    @property
    def text(self) -> str:
        return " ".join(statement.text for statement in self.statements)


@dataclass(frozen=True)
class Span:
    """How long a text is (statements, inclusive) and how deep its question goes (look-ups, inclusive)."""

    statements: tuple[int, int]
    depth: tuple[int, int]


PEOPLE = ("mary", "john", "sandra", "daniel", "emma", "noah")
BOXES = ("bag", "box", "basket", "case", "jar", "crate", "drawer", "pouch")
THINGS = ("key", "coin", "ring", "map", "letter", "watch", "pen", "stone")
PLACES = ("park", "school", "office", "kitchen", "garden", "library", "harbour", "station")
VARIABLES = tuple("abcdefghijklmnopqrstuvwxyz")


def toy_story(rng: random.Random, span: Span) -> Instance:
    """Who is where and what is in what; the question asks where a thing is, `depth` steps from a place."""
    for _ in range(1000):
        statements, depth_of = _story(rng, rng.randint(*span.statements), span.depth[1])
        low, high = span.depth
        asked = sorted(name for name, depth in depth_of.items() if low <= depth <= high)
        if asked:
            name = rng.choice(asked)
            place = statements[-1].truth[name]
            return Instance("toy_story", statements, f"where {name} ?", name, frozenset({place}), depth_of[name])
    raise AssertionError(f"no story of depth {span.depth} in {span.statements} statements")


def _story(rng: random.Random, n: int, deepest: int) -> tuple[tuple[Statement, ...], dict[str, int]]:
    place_of: dict[str, str] = {}
    depth_of: dict[str, int] = {}
    unused = [*PEOPLE, *BOXES, *THINGS]
    rng.shuffle(unused)
    statements: list[Statement] = []
    while len(statements) < n and unused:
        name = unused.pop()
        holders = [h for h, depth in depth_of.items() if depth < deepest and h not in THINGS and name not in PEOPLE]
        if holders and rng.random() < 0.75:
            deep = max(depth_of[h] for h in holders)
            # Half of the time go on with a deepest chain, so that long stories do not stay flat.
            if rng.random() < 0.5:
                holders = [h for h in holders if depth_of[h] == deep]
            holder = rng.choice(holders)
            place_of[name], depth_of[name] = place_of[holder], depth_of[holder] + 1
            text = f"{name} {'with' if holder in PEOPLE else 'in'} {holder} ."
        else:
            place_of[name], depth_of[name] = rng.choice(PLACES), 1
            text = f"{name} at {place_of[name]} ."
        statements.append(Statement(text, ((name, place_of[name]),), dict(place_of)))
    return tuple(statements), depth_of


def algorithmic(rng: random.Random, span: Span) -> Instance:
    """A straight program over five variables of one digit: set, copy, count up and down; print one at the end."""
    names = VARIABLES[:5]
    value: dict[str, int] = {}
    depth_of: dict[str, int] = {}
    statements: list[Statement] = []
    for _ in range(rng.randint(*span.statements)):
        name = rng.choice(names)
        draw = rng.random()
        if name not in value or draw < 0.08:
            value[name], depth_of[name] = rng.randrange(10), 1
            text = f"{name} = {value[name]} ;"
        elif draw < 0.25:
            other = rng.choice(sorted(value))
            value[name], depth_of[name] = value[other], depth_of[other] + 1
            text = f"{name} = {other} ;"
        else:
            step = rng.choice((1, -1))
            value[name] = (value[name] + step) % 10
            depth_of[name] += 1
            text = f"{name} {'++' if step == 1 else '--'} ;"
        truth = {key: str(number) for key, number in value.items()}
        statements.append(Statement(text, ((name, str(value[name])),), truth))
    low, high = span.depth
    asked = sorted(name for name, depth in depth_of.items() if low <= depth <= high)
    if not asked:
        return algorithmic(rng, span)
    name = rng.choice(asked)
    return Instance(
        "algorithmic",
        tuple(statements),
        f"print {name} ?",
        name,
        frozenset({str(value[name])}),
        depth_of[name],
    )


def boolean(rng: random.Random, span: Span) -> Instance:
    """A chain of boolean assignments, each built on the one before; the answers are balanced."""
    wanted = rng.random() < 0.5
    while True:
        n = rng.randint(*span.statements)
        names = rng.sample(VARIABLES, n)
        value: dict[str, bool] = {}
        statements: list[Statement] = []
        for index, name in enumerate(names):
            text, value[name] = _boolean_statement(rng, name, names[:index], value)
            truth = {key: _truth(flag) for key, flag in value.items()}
            statements.append(Statement(text, ((name, _truth(value[name])),), truth))
        if value[names[-1]] == wanted:
            question = f"print {names[-1]} ?"
            return Instance("boolean", tuple(statements), question, names[-1], frozenset({_truth(wanted)}), n)


def _boolean_statement(rng: random.Random, name: str, earlier: list[str], value: dict[str, bool]) -> tuple[str, bool]:
    if not earlier:
        flag = rng.random() < 0.5
        return f"{name} = {_truth(flag)} ;", flag
    last = earlier[-1]
    if len(earlier) == 1 or rng.random() < 0.4:
        return f"{name} = not {last} ;", not value[last]
    other = rng.choice(earlier[:-1])
    if rng.random() < 0.5:
        return f"{name} = {last} xor {other} ;", value[last] != value[other]
    if rng.random() < 0.5:
        return f"{name} = {last} and {other} ;", value[last] and value[other]
    return f"{name} = {last} or {other} ;", value[last] or value[other]


def _truth(flag: bool) -> str:
    return "true" if flag else "false"


def chess_piece(rng: random.Random, span: Span) -> Instance:
    """A game told by squares alone; the question asks which piece stands on a square after the last move."""
    while True:
        statements, board, moves_of = _game(rng, span)
        low, high = span.depth
        asked = sorted(square for square, moves in moves_of.items() if low <= moves <= high)
        if asked:
            square = rng.choice(asked)
            piece = chess.NAMES[board[square][1]]
            return Instance(
                "chess_piece", statements, f"piece {square} ?", square, frozenset({piece}), moves_of[square]
            )


def chess_move(rng: random.Random, span: Span) -> Instance:
    """The same games; the question asks for a square to which the piece on a square may move: several are right."""
    while True:
        statements, board, moves_of = _game(rng, span)
        low, high = span.depth
        asked = sorted(s for s, n in moves_of.items() if low <= n <= high and chess.targets(board, s))
        if asked:
            square = rng.choice(asked)
            answers = frozenset(chess.targets(board, square))
            return Instance("chess_move", statements, f"move {square} ?", square, answers, moves_of[square])


def _game(rng: random.Random, span: Span) -> tuple[tuple[Statement, ...], dict[str, tuple[str, str]], dict[str, int]]:
    """The told game, the board at its end and, by square, how often the moved piece that stands there moved."""
    board = chess.opening()
    moves_of: dict[str, int] = {}
    statements: list[Statement] = []
    for ply in range(rng.randint(*span.statements)):
        side = "wb"[ply % 2]
        moves = chess.moves(board, side)
        if not moves:
            break
        # Pieces that moved before move again more often than chance would have it: long paths for few pieces.
        moved = [move for move in moves if move[0] in moves_of]
        origin, target = rng.choice(moved if moved and rng.random() < 0.6 else moves)
        board[target] = board.pop(origin)
        moves_of[target] = moves_of.pop(origin, 0) + 1
        piece = chess.NAMES[board[target][1]]
        truth = {square: chess.NAMES[kind] for square, (_, kind) in board.items()}
        statements.append(Statement(f"{origin} {target} ;", ((target, piece),), truth))
    return tuple(statements), board, moves_of


Generator = Callable[[random.Random, Span], Instance]

FAMILIES: dict[str, Generator] = {
    "toy_story": toy_story,
    "algorithmic": algorithmic,
    "boolean": boolean,
    "chess_piece": chess_piece,
    "chess_move": chess_move,
}

#: Short instances to train on and longer ones to test on, by family.
TRAINED: dict[str, Span] = {
    "toy_story": Span((3, 8), (1, 2)),
    "algorithmic": Span((3, 10), (1, 10)),
    "boolean": Span((3, 8), (3, 8)),
    "chess_piece": Span((4, 10), (1, 10)),
    "chess_move": Span((4, 10), (1, 10)),
}
LONGER: dict[str, Span] = {
    "toy_story": Span((9, 16), (3, 4)),
    "algorithmic": Span((11, 24), (3, 24)),
    "boolean": Span((9, 19), (9, 19)),
    "chess_piece": Span((11, 30), (3, 30)),
    "chess_move": Span((11, 30), (3, 30)),
}


def instances(family: str, span: Span, n: int, seed: int) -> list[Instance]:
    """`n` instances of a family; the same arguments give the same instances."""
    rng = random.Random(f"{family}:{span}:{seed}")
    return [FAMILIES[family](rng, span) for _ in range(n)]
