"""The user's own multiple-choice questions: jsonl, csv, tsv or parquet with a question, its choices and the answer.

Every item has choices of its own, two or more. A model reads the question with each choice; what decides is a softmax
over the item's choices.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from trimtab.digest import file_digest
from trimtab.errors import TaskError
from trimtab.tasks.choice_items import READS, Question, check_reads, items_of_questions
from trimtab.tasks.columns import numbers_of
from trimtab.tasks.formats import check_delimiter, read_table
from trimtab.tasks.own_splits import check_own_names
from trimtab.tasks.rows import Row, Table
from trimtab.tasks.values import name_of, own_split_of, plain_name, some, text_of, wrong
from trimtab.types import Items


@dataclass(frozen=True)
class Choices:
    """A file of questions with choices of their own."""

    path: str
    """File that ends in .jsonl, .ndjson, .csv, .tsv or .parquet."""
    question: str = "question"
    """Column that holds the question."""
    choices: str | tuple[str, ...] = "choices"
    """Column that holds a list of texts (in csv: as JSON), or the names of several columns with one choice each, of
    which an empty one means that the item has fewer."""
    answer: str = "answer"
    """Column that holds the right choice: its text, or its place counted from 0."""
    answer_as: Literal["auto", "text", "place"] = "auto"
    """How `answer` is to be read; `auto` takes either and refuses what could be both."""
    id: str | None = None
    """Column that holds a different name for every item; none = made from question and choices."""
    group: str | None = None
    """Column that says what belongs together: equal values never straddle two splits."""
    split: str | None = None
    """Column with the data set's own splits, as in the task `file`."""
    slices: tuple[str, ...] = ()
    """Columns of numbers (difficulty, year) by whose thirds scores are also shown."""
    reads: str = READS
    """What a model reads of a choice; holds `{question}` and `{choice}` once each."""
    order_seed: int = 0
    """Decides with their texts in which order an item's choices stand."""
    encoding: str = "utf-8"
    """Encoding of a text file."""
    delimiter: str | None = None
    """Character between the columns of a csv or tsv file; none = a comma in csv, a tab in tsv."""

    kind: ClassVar[str] = "choices"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_reads(self.reads)
        if isinstance(self.choices, tuple) and len(set(self.choices)) < max(2, len(self.choices)):
            raise ValueError(f"choices must name one column or two and more different ones, found {self.choices}")
        if self.answer_as not in ("auto", "text", "place"):
            raise ValueError(f"answer_as must be auto, text or place, found {self.answer_as!r}")
        if self.delimiter is not None:
            check_delimiter(self.delimiter, Path(self.path))

    def read(self) -> Items:
        """Return the items of the file.

        Raises TaskError with file, line and column where something in it cannot be used.
        """
        columns = [self.choices] if isinstance(self.choices, str) else list(self.choices)
        named = {"question": self.question, "answer": self.answer, "id": self.id, "group": self.group,
                 "split": self.split}  # fmt: skip
        wanted = [*columns, *self.slices, *(name for name in named.values() if name is not None)]
        table = read_table(Path(self.path), wanted, self.encoding, self.delimiter)
        for setting, name in (*named.items(), *(("choices", one) for one in columns)):
            if name is not None:
                table.require(name, setting)
        self._check_ids(table)
        questions = [self._question(table, row, columns) for row in table.rows]
        if self.split is not None:
            check_own_names({one.split for one in questions if one.split})
        slices = {name: numbers_of(table, name) for name in self.slices}
        return items_of_questions(questions, self.reads, self.order_seed, slices)

    def fingerprint(self) -> str:
        """Return the sha256 of the file's bytes."""
        if not Path(self.path).is_file():
            raise TaskError(f"{self.path} does not exist or is not a file. Check the task's path.")
        return file_digest(Path(self.path))

    def _question(self, table: Table, row: Row, columns: Sequence[str]) -> Question:
        choices = _choices_of(table, row, columns)
        return Question(
            question=text_of(table, row, self.question),
            choices=choices,
            answer=self._place_of(table, row, choices),
            group=None if self.group is None else name_of(table, row, self.group),
            id=None if self.id is None else name_of(table, row, self.id),
            split=None if self.split is None else own_split_of(table, row, self.split),
        )

    def _place_of(self, table: Table, row: Row, choices: Sequence[str]) -> int:
        """Return which choice is the answer; raise TaskError where it is none, or could be two."""
        name = plain_name(row.values.get(self.answer))
        if not name:
            raise wrong(table, row, self.answer, "no answer", "the right choice: its text, or its place from 0.")
        by_text = choices.index(name) if name in choices and self.answer_as != "place" else None
        counted = name.isascii() and name.isdigit() and self.answer_as != "text" and int(name) < len(choices)
        by_place = int(name) if counted else None
        found = {place for place in (by_text, by_place) if place is not None}
        if len(found) == 2:
            both = f'"{name}", which is the text of one choice and the place of another'
            raise wrong(table, row, self.answer, both, "`answer_as: text` or `answer_as: place` in the task.")
        if not found:
            places = f"a place from 0 to {len(choices) - 1}"
            allowed = {"auto": f"one of the choices ({some(choices)}) or {places}.", "place": f"{places}.",
                       "text": f"one of the choices ({some(choices)})."}  # fmt: skip
            raise wrong(table, row, self.answer, f'"{name}", which is no choice', allowed[self.answer_as])
        return found.pop()

    def _check_ids(self, table: Table) -> None:
        if self.id is None:
            return
        first: dict[str, Row] = {}
        for row in table.rows:
            name = name_of(table, row, self.id)
            if name is None or name in first:
                found = "no id" if name is None else f'id "{name}", which {first[name].place} has too'
                raise wrong(table, row, self.id, found, "a different id in every row.")
            first[name] = row


def _choices_of(table: Table, row: Row, columns: Sequence[str]) -> tuple[str, ...]:
    """Return a row's choices; raise TaskError where they are fewer than two, empty or equal."""
    listed = len(columns) == 1
    values = _list_of(table, row, columns[0]) if listed else [row.values.get(name) for name in columns]
    names = [None if value is None else plain_name(value) for value in values]
    if not listed:
        names = [name for name in names if name]
    where, wanted = columns[0], "two or more different, non-empty texts."
    if not all(names):
        raise wrong(table, row, where, "an empty choice", wanted)
    found = tuple(name for name in names if name)
    if len(found) < 2:
        raise wrong(table, row, where, f"{len(found)} choice{'s' * (len(found) != 1)}", wanted)
    repeated = sorted({one for one in found if found.count(one) > 1})
    if repeated:
        raise wrong(table, row, where, f'the choice "{repeated[0]}" twice', wanted)
    return found


def _list_of(table: Table, row: Row, column: str) -> Sequence[object]:
    value = row.values.get(column)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise wrong(table, row, column, f"broken JSON {value!r:.60}", 'a list such as ["yes", "no"].') from None
    if not isinstance(value, list):
        found = "no value" if value is None else f"{type(value).__name__} {value!r:.60}"
        raise wrong(table, row, column, found, 'a list such as ["yes", "no"].')
    return value
