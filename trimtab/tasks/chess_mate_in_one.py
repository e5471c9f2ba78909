"""Chess: of the legal moves, the one that mates. Exact truth, as many items as wanted, of known difficulty.

Positions come from seeded self-play (`mate_positions.py`): those in which exactly one legal move mates. Black to move
is turned round, so that White always moves. A model reads the board and one move; moves are written without the signs
of check and mate, which would give the answer away.

No two positions have the same pieces on the same squares, up to exchanging colours and left with right, or without
pawns any turn of the board. Positions of one game are a group: none of them is in another split than the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from trimtab.digest import digest_of, settings_of
from trimtab.tasks.choice_items import READS, Question, check_reads, items_of_questions
from trimtab.tasks.mate_positions import Found, mates_in_one
from trimtab.types import Items

GENERATOR_VERSION = 2
"""Raised whenever equal settings would give other items."""
PIECES = ("pawn", "knight", "bishop", "rook", "queen", "king")
"""In the order in which a side is written: the king last, so that what is to be mated stands next to the move."""
LETTERS = "PNBRQK"


@dataclass(frozen=True)
class ChessMateInOne:
    """Positions with exactly one mating move, found in self-play."""

    positions: int = 2000
    """Number of positions; the splits take theirs from them."""
    moves: int = 20
    """Most moves that are choices, at least 2: the mating one and, where there are more, some of the others at
    random."""
    fewest_moves: int = 5
    """Fewest legal moves of a position, from 2 to 50: with very few, guessing does well."""
    board: Literal["pieces", "fen"] = "pieces"
    """How the board is written: pieces and squares in words, or the first field of a FEN."""
    reads: str = READS
    """What a model reads of a move; holds `{question}` and `{choice}` once each."""
    data_seed: int = 0
    """Seed of the games, and of the order of the moves."""

    kind: ClassVar[str] = "chess_mate_in_one"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_reads(self.reads)
        if self.positions < 1:
            raise ValueError(f"positions must be at least 1, found {self.positions}")
        for name in ("moves", "fewest_moves"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} must be at least 2, found {getattr(self, name)}")
        if self.fewest_moves > 50:
            raise ValueError(f"fewest_moves must be at most 50, which few positions have, found {self.fewest_moves}")
        if self.board not in ("pieces", "fen"):
            raise ValueError(f"board must be pieces or fen, found {self.board!r}")

    def read(self) -> Items:
        """Play until there are enough positions.

        Raises TaskError where python-chess is not installed.
        """
        found = self.found()
        return items_of_questions(
            [self.question(one) for one in found],
            self.reads,
            self.data_seed,
            slices={
                "legal moves": np.array([one.legal for one in found], float),
                "pieces": np.array([one.pieces for one in found], float),
            },
            notes=("The positions are from random games: simulated data, unlike those of people.",),
        )

    def found(self, processes: int = 1) -> list[Found]:
        """Return the positions themselves, which are the same whatever the number of processes; raises what `read`
        raises."""
        return mates_in_one(self.positions, self.moves, self.fewest_moves, self.data_seed, processes)

    def fingerprint(self) -> str:
        """Return a digest of the settings and of the version of the generator."""
        return digest_of({"generator": GENERATOR_VERSION, "settings": settings_of(self)})

    def question(self, found: Found) -> Question:
        """Return a position as a question, whose answer is the mating move."""
        asked = board_text(found.placement, self.board)
        return Question(asked, found.moves, found.mate, group=found.game, id=found.name)


def board_text(placement: str, form: str) -> str:
    """Return what is asked about a board that is given as the first field of a FEN, White to move.

    >>> print(board_text("6k1/5ppp/8/8/8/8/5PPP/3R2K1", "pieces"))
    White: pawns f2 g2 h2, rook d1, king g1. Black: pawns f7 g7 h7, king g8. White mates in one move:
    >>> board_text("6k1/5ppp/8/8/8/8/5PPP/3R2K1", "fen")
    '6k1/5ppp/8/8/8/8/5PPP/3R2K1 w White mates in one move:'
    """
    if form == "fen":
        return f"{placement} w White mates in one move:"
    return f"White: {_side(placement, white=True)}. Black: {_side(placement, white=False)}. White mates in one move:"


def _side(placement: str, white: bool) -> str:
    """Return one side's pieces in words, squares from a1 to h8."""
    squares = _squares(placement)
    told = []
    for piece, letter in zip(PIECES, LETTERS, strict=True):
        its = sorted(square for square, found in squares if found == (letter if white else letter.lower()))
        if its:
            told.append(f"{piece}{'s' * (len(its) > 1)} {' '.join(its)}")
    return ", ".join(told)


def _squares(placement: str) -> list[tuple[str, str]]:
    """Return each piece's square and letter."""
    found = []
    for rank, row in zip(range(8, 0, -1), placement.split("/"), strict=True):
        column = 0
        for letter in row:
            if letter.isdigit():
                column += int(letter)
            else:
                found.append((f"{'abcdefgh'[column]}{rank}", letter))
                column += 1
    return found
