"""As many chess positions with one mating move as are wanted, from seeded games, none of them twice.

Positions are taken in turns from games with 7, 8, 9 and 10 pieces a side, so that each size is as frequent as the
others, however many are found in its games. Every game has a seed of its own: several processes find what one finds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context
from typing import Any

from trimtab.errors import TaskError
from trimtab.tasks.self_play import Position, positions_of_game

SIZES = (7, 8, 9, 10)
"""Pieces of a side at the start of a game, its king not counted."""
GAMES = 8
"""Games of a block."""


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


def mates_in_one(positions: int, shown: int, fewest: int, seed: int, processes: int = 1) -> list[Found]:
    """Return so many positions, each with `fewest` legal moves or more and up to `shown` of them.

    Raises TaskError where python-chess is not installed.
    """
    chess_library()
    play = partial(_block, shown, fewest, seed)
    if processes == 1:
        return _in_turns([_alone(play, size) for size in SIZES], positions)
    pool = ProcessPoolExecutor(processes, get_context("spawn"))
    try:
        return _in_turns([_ahead(pool, play, size) for size in SIZES], positions)
    finally:
        pool.shutdown(cancel_futures=True)


def _block(shown: int, fewest: int, seed: int, size: int, block: int) -> list[Position]:
    """Return the positions of one block of games."""
    chess = chess_library()
    games = range(block * GAMES, (block + 1) * GAMES)
    return [one for number in games for one in positions_of_game(chess, size, number, shown, fewest, seed)]


def _alone(play: Any, size: int) -> Iterator[Position]:
    for block in count():
        yield from play(size, block)


def _ahead(pool: Executor, play: Any, size: int) -> Iterator[Position]:
    """Yield the positions of one block after the other while two more are on their way."""
    asked = deque(pool.submit(play, size, block) for block in range(3))
    for block in count(3):
        yield from asked.popleft().result()
        asked.append(pool.submit(play, size, block))


def _in_turns(streams: Sequence[Iterator[Position]], positions: int) -> list[Found]:
    """Return new positions from each stream in turn."""
    found: list[Found] = []
    seen: set[tuple[int, ...]] = set()
    while len(found) < positions:
        one = next(streams[len(found) % len(streams)])
        if one.diagram.canonical not in seen:
            seen.add(one.diagram.canonical)
            placement = one.diagram.placement
            found.append(Found(one.game, one.ply, placement, one.en_passant, one.legal, one.moves, one.mate))
    return found
