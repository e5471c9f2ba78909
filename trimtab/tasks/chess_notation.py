"""Chess positions and moves as text, seen by whoever moves: a position of Black is turned round, so that White moves.

python-chess can do all of this too, by way of a copy of the board, and tries every move for the sign of check; on a
hundred thousand positions with forty moves each that takes longer than to find them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Name = str
"""A move in standard algebraic notation without the signs of check and mate."""
LETTERS = "PNBRQK"
"""Pieces in the order of python-chess, which counts from 1."""
FILES = "abcdefgh"


def unsigned(move: str) -> Name:
    """Return a move without the signs of check and mate.

    >>> unsigned("Qxf7#"), unsigned("O-O+")
    ('Qxf7', 'O-O')
    """
    return move.rstrip("+#")


@dataclass(frozen=True)
class Diagram:
    """The pieces on the board, White to move: sets of squares, a1 the lowest bit."""

    white: int
    kinds: tuple[int, ...]
    """Squares of the pawns, knights, bishops, rooks, queens and kings of both sides."""
    canonical: tuple[int, ...]
    """The same for all positions that differ by exchanging left and right, or without pawns by any turn of the
    board."""

    @property
    def placement(self) -> str:
        """First field of the FEN."""
        squares = ["."] * 64
        for letter, bits in zip(LETTERS, self.kinds, strict=True):
            while bits:
                square = bits.bit_length() - 1
                bits ^= 1 << square
                squares[square] = letter if self.white >> square & 1 else letter.lower()
        rows = "/".join("".join(squares[start : start + 8]) for start in range(56, -8, -8))
        for empty in range(8, 0, -1):
            rows = rows.replace("." * empty, str(empty))
        return rows


def diagram(chess: Any, board: Any) -> Diagram:
    """Return the pieces on a board, turned round where Black moves."""
    ours = board.occupied_co[board.turn]
    sets = (ours, board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings)
    if not board.turn:
        sets = tuple(map(chess.flip_vertical, sets))
    forms = [sets, tuple(map(chess.flip_horizontal, sets))]
    if not board.pawns:
        forms += [tuple(map(chess.flip_vertical, one)) for one in forms]
        forms += [tuple(map(chess.flip_diagonal, one)) for one in forms]
    return Diagram(sets[0], sets[1:], min(forms))


def names_of(chess: Any, board: Any, legal: Sequence[Any], some: Sequence[Any]) -> list[Name]:
    """Return the names of some of all legal moves of a position in which nobody may castle."""
    turned = 0 if board.turn else 56
    sources: dict[tuple[int, int], list[int]] = defaultdict(list)
    for move in legal:
        sources[board.piece_type_at(move.from_square), move.to_square].append(move.from_square)
    theirs = board.occupied_co[not board.turn]
    names = []
    for move in some:
        source, target = move.from_square, move.to_square
        kind = board.piece_type_at(source)
        if kind == chess.PAWN:
            # a pawn that leaves its file captures, also in passing
            takes = (source - target) % 8 != 0
            begins = FILES[source % 8] if takes else ""
        else:
            takes = bool(theirs >> target & 1)
            begins = LETTERS[kind - 1] + _which(source, sources[kind, target], turned)
        ends = f"={LETTERS[move.promotion - 1]}" if move.promotion else ""
        names.append(f"{begins}{'x' if takes else ''}{_square(target ^ turned)}{ends}")
    return names


def _which(source: int, sources: Sequence[int], turned: int) -> str:
    """Return what tells a piece from others of its kind that may go to the same square: file, rank, or both."""
    others = {one for one in sources if one != source}
    if not others:
        return ""
    square = _square(source ^ turned)
    if all(one % 8 != source % 8 for one in others):
        return square[0]
    return square[1] if all(one // 8 != source // 8 for one in others) else square


def _square(number: int) -> str:
    return FILES[number % 8] + str(number // 8 + 1)
