"""One seeded chess game of two players that move at random, and the positions in it with exactly one mating move.

A game starts from a random array: on each side a king at the edge, and 7 to 10 other pieces on any squares. It lasts a
few moves. From the usual array random players take a hundred half-moves to the first mate.

Both hunt the other king: a player draws a piece, and of its moves the one that takes most squares from that king. So
only a few of all legal moves are ever listed; whether one of them mates is found out without listing them
(`mating_moves.py`), and a move that does is not made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from trimtab.tasks.chess_notation import LETTERS, Diagram, Name, diagram, names_of
from trimtab.tasks.mating_moves import Hunt, hunt, squares

SET = "QQRRRBBNNPPPP"
"""What a side's pieces are drawn from: more heavy ones than in the usual set, since most mates are theirs."""
EDGE, INNER, ALL = 0xFF818181818181FF, 0x00FFFFFFFFFFFF00, 0xFFFFFFFFFFFFFFFF
"""Squares at the edge of the board; all but both ends of each file, where no pawn stands; all squares."""
PLIES = 24
"""Half-moves of a game; the array is the first position."""
MOST_OF_GAME = 6
"""Positions of one game that are taken at most."""
MOST_OPEN = 2
"""Positions in which the king could go to more squares are passed over, as are those in check: a third of all, and
three in a hundred of those with one mating move."""


@dataclass(frozen=True)
class Position:
    """A position in which one legal move mates, seen by whoever moves."""

    game: str
    ply: int
    """Half-moves of the game before it."""
    diagram: Diagram
    en_passant: str
    """Square on which a pawn may be captured in passing, or "-"."""
    legal: int
    """Number of legal moves."""
    moves: tuple[Name, ...]
    """The mating move and some of the others, in the order of the alphabet."""
    mate: int
    """Which of them mates."""


def positions_of_game(chess: Any, size: int, number: int, shown: int, fewest: int, seed: int) -> list[Position]:
    """Play a game with `size` pieces a side beside the king, and return its positions with one mating move.

    They have `fewest` legal moves or more, of which up to `shown` are named. Which are left out is drawn; the mating
    one never is.
    """
    random, game = Random(f"{seed}/{size}/{number}"), f"game-{size:02d}-{number:07d}"
    board, found = random_array(chess, random, size), []
    for ply in range(PLIES):
        seen = hunt(chess, board)
        passed_over = seen.open.bit_count() > MOST_OPEN or board.is_check()
        mates = [] if passed_over else seen.mating_moves()
        if len(mates) == 1:
            legal = sorted(board.generate_legal_moves(), key=_order)
            if len(legal) >= fewest:
                # numbers of its own, so that more or fewer moves shown change no game
                drawn = Random(f"{seed}/{size}/{number}/{ply}/shown")
                found.append(_position(chess, board, game, ply, legal, mates[0], shown, drawn))
        if len(found) == MOST_OF_GAME or not _moved(seen, random, mates):
            break
    return found


def _position(
    chess: Any, board: Any, game: str, ply: int, legal: Sequence[Any], mate: Any, shown: int, random: Random
) -> Position:
    others = [move for move in legal if move != mate]
    chosen = random.sample(others, min(len(others), shown - 1))
    answer, *names = names_of(chess, board, legal, [mate, *chosen])
    moves = tuple(sorted([answer, *names]))
    return Position(game, ply, diagram(chess, board), _passing(chess, board), len(legal), moves, moves.index(answer))


def _passing(chess: Any, board: Any) -> str:
    if not board.has_legal_en_passant():
        return "-"
    return chess.square_name(board.ep_square if board.turn else board.ep_square ^ 56)


def random_array(chess: Any, random: Random, size: int) -> Any:
    """Return a board with `size` pieces and a king on each side, on which nobody is in check; White moves."""
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
    """Make a legal move that does not mate; say whether there was one."""
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
    moves = sorted((move for move in board.generate_legal_moves() if move not in mates), key=_order)
    if moves:
        board.push(moves[int(random.random() * len(moves))])
    return bool(moves)


def _moves_from(seen: Hunt, square: int, random: Random) -> Iterator[Any]:
    """Yield the moves of a piece, best first and equals at random; some of them may not be legal."""
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
    """An order of our own, so that another version of the library plays the same games."""
    return move.from_square, move.to_square, move.promotion or 0
