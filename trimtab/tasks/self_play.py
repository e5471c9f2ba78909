"""Seeded chess games of two players that move at random, and positions in them with exactly one mating move.

A game starts from a random array: on each side a king at the edge, and 6, 7, 8 or 9 other pieces of the usual set on any
squares. It lasts a few moves. From the usual array random players take a hundred half-moves to the first mate.

The players draw a piece, and one of its moves: so only a few of all legal moves are ever listed. Whether a position has a
mate is found out without listing them either (`mating_moves.py`).

Positions are taken in turns from games with 6, 7, 8 and 9 pieces a side, so that each is as frequent as the others,
whatever is found in them how often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from trimtab.errors import TaskError
from trimtab.tasks.chess_notation import LETTERS, Diagram, Name, diagram, names_of
from trimtab.tasks.mating_moves import Hunt, hunt, squares

SIZES = (6, 7, 8, 9)
"""Pieces of a side at the start, its king not counted."""
SET = "QQRRRBBNNPPPP"
"""What the other pieces of a side are drawn from: more heavy ones than in the usual set, since most mates are theirs."""
EDGE, INNER, ALL = 0xFF818181818181FF, 0x00FFFFFFFFFFFF00, 0xFFFFFFFFFFFFFFFF
"""Squares at the edge of the board; all but both ends of each file, where no pawn stands; all squares."""
PLIES = 16
"""Half-moves of a game; the array is the first position."""
MOST_OF_GAME = 4
"""Positions of one game that are taken at most."""
MOST_OPEN = 2
"""Positions in which the king could go to more squares are passed over: one in fifty of those with a mate is lost, and a
third of the work is saved."""


@dataclass(frozen=True)
class Found:
    """A position with White to move in which exactly one legal move mates."""

    game: str
    """The game that it comes from; positions of one game are alike."""
    ply: int
    """Half-moves of the game before it."""
    placement: str
    """First field of the FEN; nobody has the right to castle."""
    en_passant: str
    """Square on which a pawn may be captured in passing, or "-"."""
    legal: int
    """Number of legal moves."""
    moves: tuple[str, ...]
    """The mating move and others in standard algebraic notation without the signs of check and mate, in the order of
    the alphabet."""
    mate: int
    """Which of them mates."""

    @property
    def name(self) -> str:
        """Different for every position."""
        return f"{self.game}-{self.ply:02d}"

    @property
    def pieces(self) -> int:
        """Number of pieces on the board, kings and pawns counted."""
        return sum(letter.isalpha() for letter in self.placement)


def chess_library() -> Any:
    """Return python-chess. Raises TaskError where it is not installed."""
    try:
        import chess
    except ModuleNotFoundError:
        raise TaskError(
            "The task chess_mate_in_one needs python-chess, which is not installed. Install it with the extra: "
            'pip install "trimtab[chess]"'
        ) from None
    return chess


def mates_in_one(positions: int, shown: int, fewest: int, seed: int) -> list[Found]:
    """Return so many positions, each with `fewest` legal moves or more and up to `shown` of them.

    Which moves are left out is drawn; the mating one never is. Raises TaskError where python-chess is not installed.
    """
    chess = chess_library()
    streams = [_positions(chess, size, fewest, seed) for size in SIZES]
    found: list[Found] = []
    seen: set[object] = set()
    while len(found) < positions:
        one = next(streams[len(found) % len(SIZES)])
        key = one.diagram.canonical
        if key not in seen:
            seen.add(key)
            found.append(one.found(shown, seed))
    return found


@dataclass(frozen=True)
class _Position:
    """A position as it stands in a game, whoever moves."""

    game: str
    ply: int
    diagram: Diagram
    names: Sequence[Name]
    """Of all legal moves."""
    mate: Name
    en_passant: str

    def found(self, shown: int, seed: int) -> Found:
        """Return it with some of its moves."""
        others = [one for one in self.names if one != self.mate]
        chosen = Random(f"{seed}/{self.game}/{self.ply}/shown").sample(others, min(len(others), shown - 1))
        moves = tuple(sorted([self.mate, *chosen]))
        placement = self.diagram.placement
        return Found(
            self.game, self.ply, placement, self.en_passant, len(self.names), moves, moves.index(self.mate)
        )  # fmt: skip


def _positions(chess: Any, size: int, fewest: int, seed: int) -> Iterator[_Position]:
    """Yield the positions of all games with arrays of one size."""
    number = 0
    while True:
        random = Random(f"{seed}/{size}/{number}")
        yield from _of_game(chess, _array(chess, random, size), random, fewest, f"game-{size}-{number:07d}")
        number += 1


def _of_game(chess: Any, board: Any, random: Random, fewest: int, game: str) -> Iterator[_Position]:
    """Play a game and yield its positions with one mating move."""
    taken = 0
    for ply in range(PLIES):
        seen = hunt(chess, board)
        mates = seen.mating_moves() if seen.open.bit_count() <= MOST_OPEN else []
        if len(mates) == 1:
            legal = sorted(board.generate_legal_moves(), key=_order)
            if len(legal) >= fewest:
                names = names_of(chess, board, legal)
                passing = _passing(chess, board)
                yield _Position(game, ply, diagram(chess, board), names, names[legal.index(mates[0])], passing)
                taken += 1
        if taken == MOST_OF_GAME or not _moved(seen, random, mates):
            return


def _passing(chess: Any, board: Any) -> str:
    """Return the square on which a pawn may be captured in passing, White to move, or "-"."""
    if not board.has_legal_en_passant():
        return "-"
    return chess.square_name(board.ep_square if board.turn else board.ep_square ^ 56)


def _array(chess: Any, random: Random, size: int) -> Any:
    """Return a random array in which nobody is in check."""
    while True:
        board = chess.Board(None)
        sets = dict.fromkeys(LETTERS, 0)
        for color in (chess.WHITE, chess.BLACK):
            for letter in random.sample(SET, size):
                bit = _free(random, INNER if letter == "P" else ALL, board.occupied)
                sets[letter] |= bit
                board.occupied_co[color] |= bit
                board.occupied |= bit
        board.pawns, board.knights, board.bishops, board.rooks, board.queens, _ = sets.values()
        # a king that is put where nothing attacks it closes lines and opens none
        if all(_put_king(random, board, color) for color in (chess.WHITE, chess.BLACK)):
            return board


def _put_king(random: Random, board: Any, color: bool) -> bool:
    """Put a king at the edge where nothing attacks it; say whether such a square was found."""
    for _ in range(20):
        bit = _free(random, EDGE, board.occupied)
        if not board.attackers_mask(not color, bit.bit_length() - 1):
            board.kings |= bit
            board.occupied_co[color] |= bit
            board.occupied |= bit
            return True
    return False


def _free(random: Random, allowed: int, occupied: int) -> int:
    """Return a random square on which nothing stands, as a set of one."""
    while True:
        bit = 1 << int(random.random() * 64)
        if allowed & ~occupied & bit:
            return bit


def _moved(seen: Hunt, random: Random, mates: Sequence[Any]) -> bool:
    """Make a legal move that does not mate; say whether there was one.

    A piece is drawn first, and of its moves the one that takes most squares from the other king, at random among
    equals.
    """
    board = seen.board
    if board.is_check():
        return _answered(board, random, mates)
    for square in _turned(list(squares(seen.us)), random):
        for move in _moves_from(seen, square, random):
            if move not in mates:
                board.push(move)
                if not board.was_into_check():
                    return True
                board.pop()
    return False


def _answered(board: Any, random: Random, mates: Sequence[Any]) -> bool:
    """Make a legal move that does not mate out of a check; say whether there was one."""
    # an order of our own, so that another version of the library plays the same games
    moves = sorted((move for move in board.generate_legal_moves() if move not in mates), key=_order)
    if moves:
        board.push(moves[int(random.random() * len(moves))])
    return bool(moves)


def _moves_from(seen: Hunt, square: int, random: Random) -> Iterator[Any]:
    """Yield the moves of a piece, best first, some of which may not be legal."""
    chess, board = seen.chess, seen.board
    if board.pawns >> square & 1:
        yield from _turned(sorted(board.generate_pseudo_legal_moves(1 << square), key=_order), random)
        return
    piece = board.piece_type_at(square)
    targets = _turned(list(squares(board.attacks_mask(square) & ~seen.us)), random)
    if seen.open:
        targets.sort(key=lambda target: -(seen.open & seen.attacks(piece, target)).bit_count())
    for target in targets:
        yield chess.Move(square, target)


def _turned(some: list[Any], random: Random) -> list[Any]:
    """Return a list from a random place on, and then its beginning."""
    first = int(random.random() * len(some))
    return some[first:] + some[:first]


def _order(move: Any) -> tuple[int, int, int]:
    return move.from_square, move.to_square, move.promotion or 0
