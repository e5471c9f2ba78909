"""All moves of a chess position that mate, without trying all that are legal.

Only a move that gives check can mate, and few can give check: those to a square from which their piece attacks the
king, those of a piece that stands between the king and a slider, promotions, castling and captures en passant.

A check mates only if the king can go nowhere. With the squares beside the king that its own pieces leave free,

    open = beside the king, and attacked by no piece of the mover            mates only if  open <= attacks(moved piece)

Both sides are taken generously: a slider looks through the pieces of its own side and through the king, which may leave
the line. Nor does a check mate if the moved piece can be taken, by the king or by a piece that cannot be tied to it.
So nothing that mates is refused; what is left is made on the board.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Hunt:
    """A position as the mover sees the other king; sets of squares, a1 the lowest bit."""

    chess: Any
    board: Any
    us: int
    king: int
    """The square of the other king."""
    stops: int
    """The other side without its king: what stops a slider on its way."""
    open: int
    """Where the other king could go if it were its turn; or could not, because a piece that would stop it is pinned."""

    def mating_moves(self) -> list[Any]:
        """Return the legal moves of the side to move that mate, in no order."""
        board = self.board
        lines = _lines(self)
        if board.is_check():
            tried = board.generate_legal_moves()
        elif board.ep_square is None and not board.castling_rights:
            return [move for move in _plain_tries(self, lines) if _mates(board, move)]
        else:
            tried = _may_check(self, lines)
        return [move for move in tried if _mates(board, move)]

    def attacks(self, piece: int, square: int) -> int:
        """Return what a piece of the mover attacks from a square, and more: what it would through its own side."""
        chess, stops = self.chess, self.stops
        if piece == chess.QUEEN:
            return _straight(chess, square, stops) | _diagonal(chess, square, stops)
        if piece == chess.ROOK:
            return _straight(chess, square, stops)
        if piece == chess.BISHOP:
            return _diagonal(chess, square, stops)
        if piece == chess.KNIGHT:
            return chess.BB_KNIGHT_ATTACKS[square]
        return chess.BB_PAWN_ATTACKS[self.board.turn][square] if piece == chess.PAWN else chess.BB_KING_ATTACKS[square]


def hunt(chess: Any, board: Any) -> Hunt:
    """Look at a position for its mover."""
    us, them = board.occupied_co[board.turn], board.occupied_co[not board.turn]
    king = (board.kings & them).bit_length() - 1
    stops = them ^ 1 << king
    free = chess.BB_KING_ATTACKS[king] & ~stops & ~_covered(chess, board, us, stops)
    return Hunt(chess, board, us, king, stops, free)


def _covered(chess: Any, board: Any, us: int, stops: int) -> int:
    """Return what the mover's pieces attack, and more: what its sliders would through pieces of their own side."""
    pawns = board.pawns & us
    if board.turn:
        found = (pawns << 7 & ~chess.BB_FILE_H) | (pawns << 9 & ~chess.BB_FILE_A)
    else:
        found = (pawns >> 9 & ~chess.BB_FILE_H) | (pawns >> 7 & ~chess.BB_FILE_A)
    found |= chess.BB_KING_ATTACKS[(board.kings & us).bit_length() - 1]
    for square in squares(board.knights & us):
        found |= chess.BB_KNIGHT_ATTACKS[square]
    for square in squares((board.bishops | board.queens) & us):
        found |= _diagonal(chess, square, stops)
    for square in squares((board.rooks | board.queens) & us):
        found |= _straight(chess, square, stops)
    return found


@dataclass(frozen=True, slots=True)
class _Lines:
    """What meets on the lines through the other king."""

    straight: int
    """What a rook in the place of the king would attack."""
    diagonal: int
    """What a bishop there would."""
    between: int
    """The mover's pieces that may stand alone between the king and a slider of theirs."""
    tied: int
    """The king's own pieces that a slider of the mover may tie to it, now or when another piece has left the line."""


def _lines(seen: Hunt) -> _Lines:
    chess, board, us, king = seen.chess, seen.board, seen.us, seen.king
    straight, diagonal = _straight(chess, king, board.occupied), _diagonal(chess, king, board.occupied)
    between = tied = 0
    for sight, through, sliders in (
        (straight, _straight, us & (board.rooks | board.queens)),
        (diagonal, _diagonal, us & (board.bishops | board.queens)),
    ):
        ours = sight & us
        if ours and through(chess, king, board.occupied & ~ours) & ~sight & sliders:
            between |= ours
        # the first of the king's own pieces on each line, however many of the mover's stand before it
        first = through(chess, king, seen.stops) & seen.stops if sliders else 0
        if through(chess, king, seen.stops & ~first) & sliders:
            tied |= first
    return _Lines(straight, diagonal, between, tied)


def _plain_tries(seen: Hunt, lines: _Lines) -> Iterator[Any]:
    """Yield the moves that may mate where nobody may castle or capture in passing."""
    chess, board = seen.chess, seen.board
    for piece, source, target in _pieces_may_check(seen, lines):
        if _may_mate(seen, lines, piece, source, target):
            yield chess.Move(source, target)
    for move in _others_may_check(seen, lines):
        piece = move.promotion or board.piece_type_at(move.from_square)
        if _may_mate(seen, lines, piece, move.from_square, move.to_square):
            yield move


def _may_check(seen: Hunt, lines: _Lines) -> Iterator[Any]:
    """Yield the moves that can give check, some of which are not legal; the mover is not in check itself."""
    for _, source, target in _pieces_may_check(seen, lines):
        yield seen.chess.Move(source, target)
    yield from _others_may_check(seen, lines)
    yield from seen.board.generate_castling_moves()


def _pieces_may_check(seen: Hunt, lines: _Lines) -> Iterator[tuple[int, int, int]]:
    """Yield kind, square and target of each piece that goes to where it attacks the king."""
    chess, board = seen.chess, seen.board
    free, others = ~seen.us, seen.us & ~lines.between
    for piece, pieces, aims in (
        (chess.KNIGHT, board.knights & others, chess.BB_KNIGHT_ATTACKS[seen.king] & free),
        (chess.BISHOP, board.bishops & others, lines.diagonal & free),
        (chess.ROOK, board.rooks & others, lines.straight & free),
        (chess.QUEEN, board.queens & others, (lines.straight | lines.diagonal) & free),
    ):
        for source in squares(pieces):
            for target in squares(board.attacks_mask(source) & aims):
                yield piece, source, target


def _others_may_check(seen: Hunt, lines: _Lines) -> Iterator[Any]:
    """Yield the moves of what leaves a line, and those of pawns."""
    if lines.between:
        yield from seen.board.generate_legal_moves(from_mask=lines.between)
    pawns = seen.board.pawns & seen.us & ~lines.between
    if pawns:
        yield from _pawns_may_check(seen, pawns)


def _pawns_may_check(seen: Hunt, pawns: int) -> Iterator[Any]:
    """Yield promotions, captures en passant, and moves to where a pawn attacks the king."""
    chess, board = seen.chess, seen.board
    last_but_one = pawns & (chess.BB_RANK_7 if board.turn else chess.BB_RANK_2)
    if last_but_one:
        yield from board.generate_legal_moves(from_mask=last_but_one)
    aims = chess.BB_PAWN_ATTACKS[not board.turn][seen.king] & ~chess.BB_BACKRANKS
    if board.ep_square is not None:
        aims |= 1 << board.ep_square
    others = pawns & ~last_but_one
    if others and any(_comes_from(board.turn, square) & others for square in squares(aims)):
        yield from board.generate_legal_moves(from_mask=others, to_mask=aims)


def _comes_from(turn: bool, square: int) -> int:
    """Return what is one and two ranks back on three files: a pawn that moves to the square stands there."""
    beside = 0b111 << square >> 1
    return (beside >> 8 | beside >> 16) if turn else (beside << 8 | beside << 16)


def _may_mate(seen: Hunt, lines: _Lines, piece: int, source: int, target: int) -> bool:
    """Say whether a move that may give check may mate; neither castling nor a capture in passing is possible."""
    if seen.open & ~seen.attacks(piece, target):
        return False
    chess, board = seen.chess, seen.board
    left = 1 << source
    occupied = board.occupied & ~left | 1 << target
    if left & lines.between:
        # another piece may give the check, so who could take it or step between is not asked
        return not _can_flee(seen, piece, left, target)
    helpers = seen.stops & ~lines.tied & ~(1 << target)
    if board.attackers_mask(not board.turn, target, occupied) & helpers:
        return False  # one of them takes it
    blockers = helpers & ~board.pawns
    for square in squares(chess.between(seen.king, target)):
        if board.attackers_mask(not board.turn, square, occupied) & blockers:
            return False  # one of them steps between
    return not _can_flee(seen, piece, left, target)


def _can_flee(seen: Hunt, piece: int, left: int, target: int) -> bool:
    """Say whether the king can go to a square that nothing attacks after a move, or take what has moved."""
    chess, board = seen.chess, seen.board
    occupied = (board.occupied & ~left | 1 << target) & ~(1 << seen.king)
    # without the pieces of the mover that stand in its own way, it attacks no more than this
    reached = seen.attacks(piece, target)
    for square in squares(chess.BB_KING_ATTACKS[seen.king] & ~(seen.stops & ~(1 << target)) & ~reached):
        if not board.attackers_mask(board.turn, square, occupied) & ~left:
            return True
    return False


def _mates(board: Any, move: Any) -> bool:
    board.push(move)
    mated = not board.was_into_check() and board.is_checkmate()
    board.pop()
    return mated


def _straight(chess: Any, square: int, occupied: int) -> int:
    ranks = chess.BB_RANK_ATTACKS[square][chess.BB_RANK_MASKS[square] & occupied]
    return ranks | chess.BB_FILE_ATTACKS[square][chess.BB_FILE_MASKS[square] & occupied]


def _diagonal(chess: Any, square: int, occupied: int) -> int:
    return chess.BB_DIAG_ATTACKS[square][chess.BB_DIAG_MASKS[square] & occupied]


def squares(bits: int) -> Iterator[int]:
    """Yield the squares of a set, the last one first."""
    while bits:
        square = bits.bit_length() - 1
        yield square
        bits ^= 1 << square
