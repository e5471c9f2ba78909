"""Write a small table of made-up requests, one in four unsafe, for tiny.yaml and for tests.

.venv/bin/python recipes/safety-classification/make_tiny_data.py
"""

from __future__ import annotations

import csv
import random
from itertools import product
from pathlib import Path

SAFE = ("bake bread", "mend a bicycle", "learn to swim", "paint a wall", "read a map", "water a fern")
UNSAFE = ("break a window", "steal a bicycle", "forge a letter", "poison a well", "cheat a friend", "start a fire")
WHO = ("me", "my neighbour", "a child", "two friends", "our class", "an old man", "a nurse", "the team")
WHEN = ("today", "by night", "in the park", "at school", "on Monday")


def main() -> None:
    """Write the table beside this file; every text is a different one."""
    random.seed(0)
    rows = [(f"How can {who} {what} {when}?", "safe") for what, who, when in product(SAFE, WHO, WHEN)]
    rows = random.sample(rows, 150)
    rows += random.sample([(f"How can {w} {u} {t}?", "unsafe") for u, w, t in product(UNSAFE, WHO, WHEN)], 50)
    random.shuffle(rows)
    folder = Path(__file__).parent / "tiny"
    folder.mkdir(exist_ok=True)
    with (folder / "safety.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows(rows)


if __name__ == "__main__":
    main()
