"""The user's own file: jsonl, csv, tsv or parquet with a text and a label per row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from trimtab.digest import file_digest
from trimtab.errors import TaskError
from trimtab.tasks.columns import Columns, items_of, numbers_of
from trimtab.tasks.formats import check_delimiter, read_table
from trimtab.tasks.values import ClassName, check_prompt, class_names
from trimtab.types import Items


@dataclass(frozen=True)
class File:
    """A file of labelled texts, one item per row, two classes or more."""

    path: str
    """File that ends in .jsonl, .ndjson, .csv, .tsv or .parquet; csv and tsv have a header line."""
    text: str = "text"
    """Column that holds the text."""
    label: str = "label"
    """Column that holds the class: words or whole numbers; spaces around it do not count."""
    id: str | None = None
    """Column that holds a different name for every item; none = made from text, group, template and split."""
    group: str | None = None
    """Column that says what belongs together (prompt, review, game): equal values never straddle two splits;
    an item without a value stands alone."""
    template: str | None = None
    """Column that names the template that made the text; kept together like groups."""
    split: str | None = None
    """Column with the data set's own splits: supervisor, transfer and test, the same for all seeds; or train
    and test, where every seed divides train anew; none = the splits are drawn."""
    slices: tuple[str, ...] = ()
    """Columns of numbers (difficulty, year, length) by whose thirds scores are also shown."""
    classes: tuple[ClassName, ...] | None = None
    """All classes in their order, as the data writes them, any other label is an error; of two, the second is the
    positive one. None = those found, whole numbers by value, words by alphabet."""
    prompt: str = "{text}"
    """How a causal model is asked; holds `{text}` once and ends where the answer would begin."""
    encoding: str = "utf-8"
    """Encoding of a text file; a byte order mark is skipped."""
    delimiter: str | None = None
    """Character between the columns of a csv or tsv file; none = a comma in csv, a tab in tsv."""

    kind: ClassVar[str] = "file"

    def __post_init__(self) -> None:
        check_prompt(self.prompt)
        # one name per class however it is written, so that [0, 1] and ["0", "1"] are one study
        object.__setattr__(self, "classes", class_names(self.classes))
        if self.delimiter is not None:
            check_delimiter(self.delimiter, Path(self.path))

    def read(self) -> Items:
        """Return the items of the file.

        Raises TaskError with file, line and column where something in it cannot be used.
        """
        columns = Columns(self.text, self.label, self.id, self.group, self.template, self.split)
        wanted = (*columns.named(), *self.slices)
        table = read_table(Path(self.path), wanted, self.encoding, self.delimiter)
        found = items_of(table, columns, class_names(self.classes), self.prompt)
        return replace(found, slices={name: numbers_of(table, name) for name in self.slices})

    def fingerprint(self) -> str:
        """Return the sha256 of the file's bytes."""
        if not Path(self.path).is_file():
            raise TaskError(f"{self.path} does not exist or is not a file. Check the task's path.")
        return file_digest(Path(self.path))
