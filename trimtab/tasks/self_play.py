"""Seeded chess games of two players that move at random, and their first positions with exactly one mating move.

A game starts from a random array: a king and 6 to 9 other pieces of the usual set on each side, on any squares, and
lasts a few moves. From the usual array random players take a hundred half-moves to the first mate, and the search three
times as long.

Only a move that gives check can mate, and only few moves can give check: those to a square from which their piece
attacks the enemy king, those from a line that leads to it, promotions, castling and captures en passant. All others
are not tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from trimtab.errors import TaskError

PLIES = 12
"""Half-moves of a game; the array is the first position."""
FEWEST_PIECES, MOST_PIECES = 6, 9
SET = "QRRBBNNPPPPPPPP"
"""What a side has beside its king in the usual array."""


@dataclass(frozen=True)
class Found:
    """A position with White to move in which exactly one legal move mates."""

    name: str
    """The game that it comes from, and after how many half-moves."""
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
    """Return so many positions of as many games, each with `fewest` legal moves or more and up to `shown` of them.

    Which moves are left out is drawn; the mating one never is. Raises TaskError where python-chess is not installed.
    """
    chess = chess_library()
    found: list[Found] = []
    seen: set[str] = set()
    for game, board, mate in _games(chess, fewest, seed):
        ply = board.ply()
        if not board.turn:
            board, mate = board.mirror(), chess.Move(mate.from_square ^ 56, mate.to_square ^ 56, mate.promotion)
        key = min(board.board_fen(), board.transform(chess.flip_horizontal).board_fen())
        if key in seen:
            continue
        seen.add(key)
        others = [move for move in _legal(board) if move != mate]
        chosen = Random(f"{seed}/{game}/shown").sample(others, min(len(others), shown - 1))
        answer = unsigned(board.san(mate))
        texts = tuple(sorted([answer, *(unsigned(board.san(move)) for move in chosen)]))
        passing = chess.square_name(board.ep_square) if board.has_legal_en_passant() else "-"
        name = f"game-{game:07d}-{ply:02d}"
        found.append(Found(name, board.board_fen(), passing, len(others) + 1, texts, texts.index(answer)))
        if len(found) == positions:
            break
    return found


def unsigned(move: str) -> str:
    """Return a move without the signs of check and mate.

    >>> unsigned("Qxf7#"), unsigned("O-O+")
    ('Qxf7', 'O-O')
    """
    return move.rstrip("+#")


def _games(chess: Any, fewest: int, seed: int) -> Iterator[tuple[int, Any, Any]]:
    """Yield for each game that has one: its number, the position and the mating move."""
    game = 0
    while True:
        random = Random(f"{seed}/{game}")
        board = _array(chess, random)
        mate = _play(chess, board, random, fewest)
        if mate is not None:
            yield game, board, mate
        game += 1


def _array(chess: Any, random: Random) -> Any:
    """Return a random array in which nobody is in check that may not be."""
    while True:
        board, squares = chess.Board(None), list(range(64))
        random.shuffle(squares)
        for color in (chess.WHITE, chess.BLACK):
            pieces = list(SET)
            random.shuffle(pieces)
            count = FEWEST_PIECES + int(random.random() * (MOST_PIECES - FEWEST_PIECES + 1))
            for letter in ["K", *pieces[:count]]:
                # pawns stand on neither edge
                place = next(i for i, square in enumerate(squares) if letter != "P" or 8 <= square < 56)
                symbol = letter if color else letter.lower()
                board.set_piece_at(squares.pop(place), chess.Piece.from_symbol(symbol))
        if board.is_valid():
            return board


def _play(chess: Any, board: Any, random: Random, fewest: int) -> Any:
    """Play a game up to its first position with one mating move, and return that; none where there is no such one."""
    for _ in range(PLIES):
        legal = _legal(board)
        aims, lines = _aims(chess, board)
        mates = [move for move in legal if _may_check(chess, board, move, aims, lines) and _mates(board, move)]
        if len(mates) == 1 and len(legal) >= fewest:
            return mates[0]
        rest = [move for move in legal if move not in mates]
        if not rest:
            return None
        board.push(rest[int(random.random() * len(rest))])
    return None


def _legal(board: Any) -> list[Any]:
    """Return the legal moves in an order of their own, so that another version of the library plays the same games."""
    return sorted(board.generate_legal_moves(), key=_order)


def _order(move: Any) -> tuple[int, int, int]:
    return move.from_square, move.to_square, move.promotion or 0


def _mates(board: Any, move: Any) -> bool:
    board.push(move)
    mated = board.is_checkmate()
    board.pop()
    return mated


def _aims(chess: Any, board: Any) -> tuple[dict[int, int], int]:
    """Return from which squares each kind of piece would attack the enemy king, and the lines that lead to it."""
    king, occupied, turn = board.king(not board.turn), board.occupied, board.turn
    straight = (
        chess.BB_RANK_ATTACKS[king][chess.BB_RANK_MASKS[king] & occupied]
        | chess.BB_FILE_ATTACKS[king][chess.BB_FILE_MASKS[king] & occupied]
    )
    diagonal = chess.BB_DIAG_ATTACKS[king][chess.BB_DIAG_MASKS[king] & occupied]
    aims = {
        chess.PAWN: chess.BB_PAWN_ATTACKS[not turn][king],
        chess.KNIGHT: chess.BB_KNIGHT_ATTACKS[king],
        chess.BISHOP: diagonal,
        chess.ROOK: straight,
        chess.QUEEN: straight | diagonal,
        chess.KING: 0,
    }
    return aims, straight | diagonal


def _may_check(chess: Any, board: Any, move: Any, aims: dict[int, int], lines: int) -> bool:
    """Say whether a move can give check; what it refuses cannot."""
    if chess.BB_SQUARES[move.from_square] & lines or move.promotion or move.to_square == board.ep_square:
        return True
    if chess.BB_SQUARES[move.to_square] & aims[board.piece_type_at(move.from_square)]:
        return True
    return bool(board.castling_rights) and board.is_castling(move)
