"""The rows of a result, grouped as every table and figure shows them: one pair of models, one metric, one slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from trimtab.comparison.controls import CONTROLS
from trimtab.metrics import METRICS
from trimtab.report.untrusted import printable

Row = Mapping[str, Any]
Results = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """Rows that may be compared: the same weak and strong model, metric and slice."""

    weak: str
    strong: str
    metric: str
    slice: str | None
    methods: tuple[Row, ...]
    controls: tuple[Row, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The methods, then the controls."""
        return self.methods + self.controls

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller score is the better one."""
        return any(row.get("higher_is_better") is False for row in self.rows)


def groups(results: Results) -> list[Group]:
    """Return all groups in the order in which their first row appears.

    A control belongs to every pair that it speaks of: the one with its weak model, and with its strong model unless
    it has none or is about the weak model alone.
    """
    rows: Sequence[Row] = results.get("rows") or ()
    methods = [row for row in rows if not row.get("control")]
    controls = [row for row in rows if row.get("control")]
    found = []
    for identity in dict.fromkeys(_identity(row) for row in methods):
        found.append(
            Group(
                *identity,
                methods=tuple(row for row in methods if _identity(row) == identity),
                controls=tuple(row for row in controls if _speaks_of(row, identity)),
            )
        )
    shown = {id(row) for group in found for row in group.controls}
    alone = [row for row in controls if id(row) not in shown]
    for identity in dict.fromkeys(_identity(row) for row in alone):
        found.append(Group(*identity, methods=(), controls=tuple(r for r in alone if _identity(r) == identity)))
    return found


def main_groups(results: Results) -> list[Group]:
    """Return the groups of the first metric over all test items: what the report speaks of first."""
    every = groups(results)
    whole = [group for group in every if group.slice is None] or every
    return [group for group in whole if group.metric == whole[0].metric] if whole else []


def naive_row(group: Group) -> Row | None:
    """Return the row of the method `naive`, if it ran."""
    return next((row for row in group.methods if row.get("method") == "naive"), None)


def model_name(results: Results, key: str | None) -> str:
    """Return a model's name, with its layer if it is cut there, and its key where another has the same name."""
    models = results.get("models") or {}
    if key is None or key not in models:
        return printable(key or "no model")
    entry = models[key]
    name = printable(entry.get("model", key), limit=80)
    namesakes = [other for other in models.values() if other.get("model") == entry.get("model")]
    if len(namesakes) < 2:
        # an early exit is not the whole model, and must not be taken for it
        return name if entry.get("layer") is None else f"{name}, layer {entry['layer']}"
    layers = [other.get("layer") for other in namesakes]
    if entry.get("layer") is not None and layers.count(entry["layer"]) == 1:
        return f"{name}, layer {entry['layer']}"
    return f"{name} ({printable(key)})"


def pair_of(results: Results, entry: Row) -> str:
    """Return the two models of anything that names them by their keys `weak` and `strong`, in words."""
    return f"{model_name(results, entry.get('weak'))} to {model_name(results, entry.get('strong'))}"


def metric_name(metric: str) -> str:
    """Return a metric in words.

    >>> metric_name("balanced_accuracy"), metric_name("auroc")
    ('balanced accuracy', 'AUROC')
    """
    return METRICS[metric].title if metric in METRICS else printable(metric).replace("_", " ")


def slice_name(part: object) -> str:
    """Return a slice in words; empty for all test items."""
    return "" if part is None else printable(part)


def row_name(row: Row) -> str:
    """Return a row's method with its intermediate models, or its control in words."""
    control = row.get("control")
    if control:
        known = CONTROLS.get(str(control))
        return f"({known.letter}) {known.words}" if known else printable(control).replace("_", " ")
    between = [_link_name(row, str(key)) for key in list(row.get("chain") or ())[1:-1]]
    via = f" via {', '.join(between)}" if between else ""
    return printable(row.get("method", "unnamed")) + via


def _link_name(row: Row, link: str) -> str:
    """Return a model in between in words; of a folder the last part, as of the pair's own models."""
    if link == row.get("strong"):
        return "itself"
    return printable(PurePath(link).name if PurePath(link).is_absolute() else link)


def truth_mark(row: Row) -> str:
    """Return the row's truth level, or nothing where it saw no ground truth."""
    truth = row.get("truth") or "none"
    return "" if truth == "none" else printable(truth)


def marked_name(row: Row) -> str:
    """Return a row's name with its truth level in brackets, where it saw ground truth."""
    mark = truth_mark(row)
    return f"{row_name(row)} [{mark}]" if mark else row_name(row)


def _identity(row: Row) -> tuple[str, str, str, str | None]:
    part = row.get("slice")
    return (
        str(row.get("weak")),
        str(row.get("strong")),
        str(row.get("metric", "score")),
        None if part is None else str(part),
    )


def _speaks_of(row: Row, identity: tuple[str, str, str, str | None]) -> bool:
    weak, strong, metric, part = identity
    _, _, its_metric, its_part = _identity(row)
    same = (its_metric, its_part) == (metric, part)
    return same and row.get("weak") in (None, weak) and row.get("strong") in (None, strong, weak)
