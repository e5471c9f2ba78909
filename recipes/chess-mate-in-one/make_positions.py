"""Write chess positions as a file for the task `choices`, so that a large set is made once.

.venv/bin/python recipes/chess-mate-in-one/make_positions.py 100000 positions.jsonl 2

The last number is that of the processes that play; it changes nothing but the time.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from trimtab.tasks.chess_mate_in_one import ChessMateInOne


def main(positions: int, path: Path, processes: int) -> None:
    """Write so many positions with the task's own settings."""
    task = ChessMateInOne(positions)
    with path.open("w", encoding="utf-8") as handle:
        for one in task.found(processes):
            asked = task.question(one)
            row = {"id": one.name, "question": asked.question, "choices": one.moves, "answer": one.moves[one.mate]}
            row |= {"game": one.game, "legal_moves": one.legal, "pieces": one.pieces}
            handle.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
