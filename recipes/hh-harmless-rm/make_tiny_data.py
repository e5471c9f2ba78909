"""Write three small files of made-up pairs in the form of the HH data, for tiny.yaml and for tests.

.venv/bin/python recipes/hh-harmless-rm/make_tiny_data.py
"""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path

ASKED = ("pick a lock", "write to my aunt", "skip the exam", "cook rice", "read his letters", "plant a tree")
WHERE = ("at home", "in the office", "on the train", "in the evening", "this week")
GOOD = ("I would rather ask the owner first.", "Let us look for a fair way.", "Here is a safe way to do it.")
BAD = ("Just do it, nobody will see.", "Who cares what they think.", "Lie to them, it is easy.")
SIZES = {"train_gt": 10, "train_w2s": 10, "test": 10}


def main() -> None:
    """Write the files beside this one; every dialogue has a prompt of its own."""
    random.seed(0)
    prompts = [f"\n\nHuman: How do I {what} {where}?\n\nAssistant:" for what, where in product(ASKED, WHERE)]
    random.shuffle(prompts)
    folder = Path(__file__).parent / "tiny"
    folder.mkdir(exist_ok=True)
    for name, size in SIZES.items():
        drawn, prompts = prompts[:size], prompts[size:]
        rows = [{"chosen": f"{one} {random.choice(GOOD)}", "rejected": f"{one} {random.choice(BAD)}"} for one in drawn]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


if __name__ == "__main__":
    main()
