"""Pairs of answers, of which one is preferred: reward modelling as a question of two classes.

    first, second = the two answers in an order that a seeded hash of them decides        gold = where the chosen one is
    p(second is better) = sigmoid(r(prompt, second) - r(prompt, first))

A row has `prompt`, `chosen` and `rejected`; or, as in the HH data, two whole dialogues that begin alike, whose common
beginning up to the last "Assistant:" is the prompt. Dialogues may also be lists of messages (`trimtab/tasks/chat.py`),
whose common leading messages are the prompt. Pairs with equal prompts belong together and never straddle two splits, in
files of their own either: of those the test split keeps its items, and the other files lose theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from trimtab.digest import digest_of, file_digest
from trimtab.errors import TaskError
from trimtab.tasks.chat import answers_apart, in_common, messages_of, prompt_messages
from trimtab.tasks.formats import read_table
from trimtab.tasks.rows import Row, Table
from trimtab.tasks.second import SECOND
from trimtab.tasks.values import text_of, wrong
from trimtab.types import Items

CLASSES = ("first", "second")
_TURN = "\n\nAssistant:"


@dataclass(frozen=True)
class Pair:
    """One comparison as the data set has it."""

    prompt: str
    chosen: str
    rejected: str
    split: str | None

    def sides(self, seed: int) -> tuple[str, str]:
        """Return both answers in an order that their contents and the seed decide, not which is the chosen one."""
        low, high = sorted((self.chosen, self.rejected))
        turned = hashlib.sha256("\0".join((str(seed), self.prompt, low, high)).encode()).digest()[0] % 2
        return (high, low) if turned else (low, high)


@dataclass(frozen=True)
class Pairs:
    """Files of preferred and rejected answers; the student's score of an answer is a reward."""

    path: str
    """File that ends in .jsonl, .ndjson, .csv, .tsv or .parquet; with the two below, the supervisor split."""
    transfer_path: str | None = None
    """File of the transfer split; none = the splits are drawn from `path`."""
    test_path: str | None = None
    """File of the test split; given if and only if `transfer_path` is."""
    second_path: str | None = None
    """File of pairs whose preferred answer is that of a second goal, for an implicit conflict; none = no such goal."""
    prompt: str | None = "auto"
    """Column that holds the prompt; "auto" takes `prompt` where there is one, else the common beginning of the two
    dialogues; none = there is no prompt."""
    chosen: str = "chosen"
    """Column that holds the preferred answer, or the dialogue that ends with it."""
    rejected: str = "rejected"
    """Column that holds the other one."""
    equal: Literal["error", "drop"] = "error"
    """What becomes of a pair whose answers are the same."""
    order_seed: int = 0
    """Decides with their contents which answer comes first."""
    encoding: str = "utf-8"
    """Encoding of text files."""

    kind: ClassVar[str] = "pairs"
    paired: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if (self.transfer_path is None) != (self.test_path is None):
            raise ValueError("transfer_path and test_path belong together: give both, or leave both out")
        if self.equal not in ("error", "drop"):
            raise ValueError(f'equal must be "error" or "drop", found {self.equal!r}')

    def read(self) -> Items:
        """Return the pairs as items of two classes.

        Raises TaskError with file and line where a pair cannot be used.
        """
        files = [(self.path, None if self.test_path is None else "supervisor")]
        files += [(self.transfer_path, "transfer"), (self.test_path, "test")] if self.test_path else []
        found = [pair for path, split in files if path for pair in self._pairs(path, split)]
        if not found:
            raise TaskError(f"{self.path} has no pair of two different answers.")
        if self.second_path is None:
            return items_of_pairs(found, self.order_seed, self.test_path is not None)
        return of_two_goals(items_of_pairs([*found, *self._pairs(self.second_path, SECOND)], self.order_seed, True))

    @property
    def second_goal(self) -> str | None:
        """What the second goal is; none where there is no file of it."""
        return "the answer that second_path prefers" if self.second_path else None

    def fingerprint(self) -> str:
        """Return a digest of all files' bytes."""
        paths = [path for path in (self.path, self.transfer_path, self.test_path, self.second_path) if path]
        for path in paths:
            if not Path(path).is_file():
                raise TaskError(f"{path} does not exist or is not a file. Check the paths of the task.")
        return digest_of([file_digest(Path(path)) for path in paths])

    def _pairs(self, path: str, split: str | None) -> Iterator[Pair]:
        asked = "prompt" if self.prompt == "auto" else self.prompt
        columns = [self.chosen, self.rejected, *([asked] if asked else [])]
        table = read_table(Path(path), columns, self.encoding)
        for setting in ("chosen", "rejected"):
            table.require(getattr(self, setting), setting)
        if self.prompt not in (None, "auto"):
            table.require(self.prompt, "prompt")
        column = asked if asked in table.columns else None
        for row in table.rows:
            found = self._answers(table, row, column)
            if found is not None:
                yield Pair(*found, split)
            elif self.equal == "error":
                raise _same(table, row, self.rejected)

    def _answers(self, table: Table, row: Row, column: str | None) -> tuple[str, str, str] | None:
        """Return the prompt and both answers of a row; none where the answers are the same."""
        if any(isinstance(row.values.get(name), list) for name in (self.chosen, self.rejected)):
            return self._chat_answers(table, row, column)
        chosen, rejected = (text_of(table, row, name) for name in (self.chosen, self.rejected))
        if chosen.strip() == rejected.strip():
            return None
        if column is not None:
            return text_of(table, row, column), chosen, rejected
        prompt = common_prompt(chosen, rejected) if self.prompt == "auto" else ""
        if self.prompt == "auto" and not prompt:
            raise _apart(table, row, self.rejected, 'turn "Assistant:"')
        return prompt, chosen[len(prompt) :], rejected[len(prompt) :]

    def _chat_answers(self, table: Table, row: Row, column: str | None) -> tuple[str, str, str] | None:
        """Return the same of dialogues in chat form: the prompt is the column's messages and the common ones."""
        chosen, rejected = (messages_of(table, row, name) for name in (self.chosen, self.rejected))
        if chosen == rejected:
            return None
        shared = 0 if self.prompt is None else in_common(chosen, rejected)
        asked = () if column is None else prompt_messages(table, row, column)
        if asked and asked[-1].content not in [one.content for one in chosen[:shared]]:
            chosen, rejected, shared = (*asked, *chosen), (*asked, *rejected), len(asked) + shared
        if not shared and self.prompt is not None:
            raise _apart(table, row, self.rejected, "message")
        return answers_apart(chosen, rejected, shared)


def _same(table: Table, row: Row, column: str) -> TaskError:
    return wrong(
        table, row, column, "the same answer as the chosen one", "two different answers, or `equal: drop` in the task."
    )


def _apart(table: Table, row: Row, column: str, what: str) -> TaskError:
    return wrong(
        table, row, column, f"a dialogue that has no {what} in common with the chosen one",
        "two dialogues that begin alike, a column with the prompt (`prompt: ...` in the task), or `prompt: null` for "
        "answers without one.",
    )  # fmt: skip


def common_prompt(chosen: str, rejected: str) -> str:
    r"""Return what two dialogues have in common, up to and with the last turn of the assistant; empty if there is none.

    >>> common_prompt("\n\nHuman: hi\n\nAssistant: yes", "\n\nHuman: hi\n\nAssistant: yesterday")
    '\n\nHuman: hi\n\nAssistant:'
    """
    shared = 0
    while shared < min(len(chosen), len(rejected)) and chosen[shared] == rejected[shared]:
        shared += 1
    end = chosen.rfind(_TURN, 0, shared)
    return "" if end < 0 else chosen[: end + len(_TURN)]


def items_of_pairs(pairs: Sequence[Pair], seed: int, own_splits: bool) -> Items:
    """Return pairs as items: the text shows both answers, and a model reads each one after the prompt."""
    sides = [pair.sides(seed) for pair in pairs]
    ids: list[str] = []
    seen: dict[str, int] = {}
    for pair, (first, second) in zip(pairs, sides, strict=True):
        key = hashlib.sha256("\0".join((pair.prompt, first, second, pair.split or "")).encode()).hexdigest()[:16]
        seen[key] = seen.get(key, 0) + 1
        ids.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
    return Items(
        ids=tuple(ids),
        texts=tuple(
            f"{pair.prompt}\n\n[first] {first.strip()}\n\n[second] {second.strip()}"
            for pair, (first, second) in zip(pairs, sides, strict=True)
        ),
        gold=np.array([second == pair.chosen for pair, (_, second) in zip(pairs, sides, strict=True)], np.int64),
        classes=CLASSES,
        groups=tuple(pair.prompt.strip() or f"alone: {name}" for pair, name in zip(pairs, ids, strict=True)),
        splits=tuple(pair.split or "" for pair in pairs) if own_splits else None,
        sides=tuple(
            (pair.prompt + first, pair.prompt + second) for pair, (first, second) in zip(pairs, sides, strict=True)
        ),
    )


def of_two_goals(items: Items) -> Items:
    """Return the items with the preference of those in the split "second" as truth of a second goal, unknown of the
    others; as truth of the first goal it is not kept."""
    apart = np.array([split == SECOND for split in items.splits or ()])
    return replace(items, gold=np.where(apart, 0, items.gold), second_gold=np.where(apart, items.gold, -1))
