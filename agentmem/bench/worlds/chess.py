"""Just enough chess to tell games: who stands where and which moves the pieces have, without check and special moves.

A board maps squares ("e4") to (side, kind), side "w" or "b", kind one of "PNBRQK". Kings are never taken.
"""

from __future__ import annotations

NAMES = {"P": "pawn", "N": "knight", "B": "bishop", "R": "rook", "Q": "queen", "K": "king"}
FILES = "abcdefgh"

_DIAGONAL = ((1, 1), (1, -1), (-1, 1), (-1, -1))
_STRAIGHT = ((1, 0), (-1, 0), (0, 1), (0, -1))
_KNIGHT = ((1, 2), (2, 1), (-1, 2), (-2, 1), (1, -2), (2, -1), (-1, -2), (-2, -1))
_RAYS = {"B": _DIAGONAL, "R": _STRAIGHT, "Q": _DIAGONAL + _STRAIGHT}
_LEAPS = {"N": _KNIGHT, "K": _DIAGONAL + _STRAIGHT}

Board = dict[str, tuple[str, str]]


def opening() -> Board:
    """The board before the first move."""
    board: Board = {}
    for file, kind in zip(FILES, "RNBQKBNR", strict=True):
        board[f"{file}1"], board[f"{file}2"] = ("w", kind), ("w", "P")
        board[f"{file}8"], board[f"{file}7"] = ("b", kind), ("b", "P")
    return board


def moves(board: Board, side: str) -> list[tuple[str, str]]:
    """All (origin, target) of a side, sorted."""
    return sorted(
        (origin, target) for origin, piece in board.items() if piece[0] == side for target in targets(board, origin)
    )


def targets(board: Board, origin: str) -> list[str]:
    """The squares that the piece on `origin` may go to."""
    side, kind = board[origin]
    column, row = FILES.index(origin[0]), int(origin[1])
    if kind == "P":
        return _pawn_targets(board, side, column, row)
    found: list[str] = []
    for dx, dy in _RAYS.get(kind) or _LEAPS[kind]:
        x, y = column + dx, row + dy
        while (square := _square(x, y)) is not None:
            if square not in board or _may_take(board, side, square):
                found.append(square)
            if square in board or kind in _LEAPS:
                break
            x, y = x + dx, y + dy
    return sorted(found)


def _pawn_targets(board: Board, side: str, column: int, row: int) -> list[str]:
    ahead = 1 if side == "w" else -1
    found: list[str] = []
    step = _square(column, row + ahead)
    if step is not None and step not in board:
        found.append(step)
        leap = _square(column, row + 2 * ahead)
        if row == (2 if side == "w" else 7) and leap is not None and leap not in board:
            found.append(leap)
    for dx in (-1, 1):
        square = _square(column + dx, row + ahead)
        if square is not None and square in board and _may_take(board, side, square):
            found.append(square)
    return sorted(found)


def _may_take(board: Board, side: str, square: str) -> bool:
    return board[square][0] != side and board[square][1] != "K"


def _square(column: int, row: int) -> str | None:
    return f"{FILES[column]}{row}" if 0 <= column < 8 and 1 <= row <= 8 else None
