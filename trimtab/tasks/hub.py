"""Any data set that `datasets` can load: by hub id, or from a folder that was saved with `save_to_disk`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from trimtab.digest import digest_of, file_digest
from trimtab.errors import TaskError, did_you_mean
from trimtab.tasks.columns import Columns, items_of
from trimtab.tasks.own_splits import check_own_names
from trimtab.tasks.rows import Row, Table
from trimtab.tasks.values import ClassName, check_prompt, class_names
from trimtab.types import Items

if TYPE_CHECKING:
    from datasets import Dataset

PART_COLUMN = "part of the data set"


@dataclass(frozen=True)
class Hub:
    """A data set of the Hugging Face hub, or a saved one; code that comes with a data set is never run."""

    path: str
    """Hub id ("owner/name"), a folder written by `save_to_disk`, or a folder of data files."""
    config: str | None = None
    """Configuration of the data set (also called subset or name), where it has several."""
    revision: str | None = None
    """Branch, tag or commit on the hub; none = the newest."""
    parts: tuple[str, ...] = ("train",)
    """Parts of the data set to read (the hub calls them splits). With several parts and no `split` column
    their names are the data set's own splits: ("train", "test") keeps the test part for testing."""
    text: str = "text"
    """Column that holds the text."""
    label: str = "label"
    """Column that holds the class: words, whole numbers or a ClassLabel, whose names are used; spaces around
    it do not count."""
    id: str | None = None
    """Column that holds a different name for every item; none = made from text, group, template and split."""
    group: str | None = None
    """Column that says what belongs together (prompt, review, game): equal values never straddle two splits;
    an item without a value stands alone."""
    template: str | None = None
    """Column that names the template that made the text; kept together like groups."""
    split: str | None = None
    """Column with the data set's own splits: supervisor, transfer and test, the same for all seeds; or train
    and test, where every seed divides train anew; none = the parts say, or the splits are drawn."""
    classes: tuple[ClassName, ...] | None = None
    """All classes in their order, as the data writes them, any other label is an error; of two, the second is the
    positive one. None = the names of a ClassLabel, else those found, whole numbers by value, words by alphabet."""
    prompt: str = "{text}"
    """How a causal model is asked; holds `{text}` once and ends where the answer would begin."""

    kind: ClassVar[str] = "hub"

    def __post_init__(self) -> None:
        check_prompt(self.prompt)
        if not self.parts or len(set(self.parts)) < len(self.parts):
            raise ValueError(f"parts must be one or more different names, found {list(self.parts)}")
        object.__setattr__(self, "classes", class_names(self.classes))

    def read(self) -> Items:
        """Return the items of the parts asked for.

        Raises TaskError where the data set, a part or a column is missing or a value cannot be used.
        """
        from_parts = len(self.parts) > 1 and self.split is None
        if from_parts:
            check_own_names(set(self.parts))
        split = PART_COLUMN if from_parts else self.split
        columns = Columns(self.text, self.label, self.id, self.group, self.template, split)
        table, classes = self._table(self._load(), columns)
        return items_of(table, columns, class_names(self.classes) or classes, self.prompt)

    def fingerprint(self) -> str:
        """Return a digest of a saved folder's files, or of the commit (for a folder of data files, the sha256
        of each)."""
        folder = Path(self.path)
        if folder.is_dir():
            files = sorted(file for file in folder.rglob("*") if file.is_file())
            return digest_of({file.relative_to(folder).as_posix(): file_digest(file) for file in files})
        from datasets import load_dataset_builder

        try:
            builder = load_dataset_builder(self.path, self.config, revision=self.revision)
        except (OSError, ValueError, RuntimeError, LookupError) as error:
            raise self._cannot_load(error) from error
        return digest_of({"path": self.path, "config": builder.config.name, "commit": builder.hash})

    def _load(self) -> dict[str, Dataset]:
        from datasets import Dataset, load_dataset, load_from_disk

        folder = Path(self.path)
        saved = (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()
        try:
            if saved:
                found = load_from_disk(self.path)
            else:
                found = load_dataset(self.path, self.config, revision=self.revision)
        except (OSError, ValueError, RuntimeError, LookupError) as error:
            raise self._cannot_load(error) from error
        if isinstance(found, Dataset):
            if self.parts != ("train",):
                raise TaskError(f"{self.path} was saved as one part without a name; leave the setting parts out.")
            return {"train": found}
        parts = {str(name): part for name, part in found.items()}
        for name in self.parts:
            if name not in parts:
                raise TaskError(f'{self.path} has no part "{name}".{did_you_mean(name, parts)} Set the task\'s parts.')
        return {name: parts[name] for name in self.parts}

    def _table(self, parts: dict[str, Dataset], columns: Columns) -> tuple[Table, tuple[str, ...] | None]:
        from datasets import ClassLabel

        rows: list[Row] = []
        classes: tuple[str, ...] | None = None
        for part, data in parts.items():
            source = f"{self.path}, part {part}"
            values = _values(data, columns, source)
            feature = data.features[self.label]
            if isinstance(feature, ClassLabel):
                classes = classes or tuple(feature.names)
                # -1 is how data sets write that a label is withheld
                values[self.label] = [
                    None if code in (None, -1) else feature.int2str(code) for code in values[self.label]
                ]
            for number, row in enumerate(zip(*values.values(), strict=True), start=1):
                named = dict(zip(values, row, strict=True))
                rows.append(Row(f"part {part}, row {number}", {**named, PART_COLUMN: part}))
        if not rows:
            raise TaskError(f"{self.path}: {', '.join(parts)} has no rows; wanted one item per row.")
        present = dict.fromkeys(name for data in parts.values() for name in (*data.column_names, *columns.named()))
        return Table(self.path, tuple(present), rows), classes

    def _cannot_load(self, error: Exception) -> TaskError:
        return TaskError(
            f'The data set "{self.path}" cannot be loaded: {type(error).__name__}: {error} Wanted a hub id '
            "that this machine can reach or has in its cache, or a folder written by save_to_disk; check "
            "path, config and revision."
        )


def _values(data: Dataset, columns: Columns, source: str) -> dict[str, list[Any]]:
    table = Table(source, tuple(data.column_names), ())
    for setting, name in vars(columns).items():
        if name not in (None, PART_COLUMN):
            table.require(name, setting)
    plain = data.with_format(None)
    return {name: plain[name][:] for name in columns.named() if name != PART_COLUMN}
