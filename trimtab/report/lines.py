"""One group as the lines of a table: the supervisor, the methods, the ceiling, then the controls, each with notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from trimtab.metrics import METRICS
from trimtab.report.groups import Group, Results, Row, row_name, truth_mark
from trimtab.report.numbers import INTERVALS, Value, gap_recovered, probability, value
from trimtab.report.untrusted import printable

Kind = Literal["weak", "method", "ceiling", "control"]

NOTHING = Value()
HOLM_NOTE = (
    "Holm p is about the models trained here (McNemar's exact test per seed); the interval is also about other seeds, "
    "so one may show a difference and the other not."
)


@dataclass(frozen=True)
class Line:
    """One line of the table, ready to be printed."""

    kind: Kind
    name: str
    truth: str
    score: Value
    gap: Value = NOTHING
    against: Value = NOTHING
    p: str = ""
    interval_method: str | None = None

    @property
    def marked_name(self) -> str:
        """The name with its truth level in brackets where it saw ground truth."""
        return f"{self.name} [{self.truth}]" if self.truth else self.name


def lines(group: Group) -> list[Line]:
    """Return a group's lines; weak and ceiling scores shared by many rows are one line each."""
    methods = [_row_line("method", row) for row in group.methods]
    controls = [_row_line("control", row) for row in group.controls]
    weak = _shared(group, "weak_score", "weak", "weak supervisor")
    ceiling = _shared(group, "ceiling", "ceiling", "strong ceiling")
    return [*weak, *methods, *ceiling, *controls]


def notes(results: Results, group: Group, shown: list[Line]) -> list[str]:
    """Return what must be said below a table: statuses, missing or other intervals, and how its metric is read."""
    usual = (results.get("interval") or {}).get("method")
    said: dict[str, list[str]] = {}
    for line in shown:
        texts = [line.score.note, line.gap.note and f"PGR {line.gap.note}"]
        texts.append(line.against.note and f"difference to naive: {line.against.note}")
        if line.interval_method not in (None, usual):
            texts.append(f"interval: {INTERVALS.get(str(line.interval_method), printable(line.interval_method))}")
        for text in filter(None, texts):
            said.setdefault(printable(text, 400), []).append(line.name)
    metric = METRICS[group.metric].note if group.metric in METRICS else None
    general = [metric, HOLM_NOTE if any(line.p for line in shown) else None]
    return [f"{_who(names, shown)}: {text}" for text, names in said.items()] + [text for text in general if text]


def said_of_all(shown: list[Line]) -> str:
    """Return the note that every score has, if there is one: such a note needs no mark."""
    every = {line.score.note for line in shown}
    return every.pop() if len(every) == 1 else ""


def caption(results: Results, group: Group) -> str:
    """Return how the group was measured: items, seeds, level of the intervals."""
    items = next((row.get("n_test") for row in group.rows if row.get("n_test") is not None), None)
    seeds = len(results.get("seeds") or ())
    level = (results.get("interval") or {}).get("level")
    parts = [
        f"{items:,} test items" if items is not None else "",
        f"{seeds} seed{'s' if seeds != 1 else ''}" if seeds else "",
        f"{100 * level:g} % intervals" if level else "",
        "lower is better" if group.lower_is_better else "",
    ]
    return ", ".join(part for part in parts if part)


def _row_line(kind: Kind, row: Row) -> Line:
    against: dict[str, Any] = dict(row.get("vs_naive") or {})
    score = row.get("student")
    p = against.get("p_holm")
    return Line(
        kind,
        row_name(row),
        truth_mark(row),
        value(score) if score is not None else Value("\N{EM DASH}", note="no score was recorded"),
        gap_recovered(row.get("pgr")),
        value(against, field="delta", signed=True) if against.get("delta") is not None else Value(),
        probability(p),
        (score or {}).get("method"),
    )


def _shared(group: Group, field: str, kind: Kind, words: str) -> list[Line]:
    """Return one line per distinct block; a ceiling of another kind is a line of its own."""
    distinct: dict[tuple[object, ...], tuple[Row, str]] = {}
    for row in group.methods or group.controls:
        block = row.get(field)
        ceiling_kind = row.get("ceiling_kind") or "plain"
        name = words if field == "weak_score" or ceiling_kind == "plain" else f"{words} ({printable(ceiling_kind)})"
        if block is not None:
            distinct.setdefault((name, block.get("mean"), block.get("low"), block.get("high")), (block, name))
    return [
        Line(kind, name, "", value(block), interval_method=block.get("method")) for block, name in distinct.values()
    ]


def _who(names: list[str], shown: list[Line]) -> str:
    unique = list(dict.fromkeys(names))
    if len(unique) > 1 and len(unique) >= len({line.name for line in shown}):
        return "all rows"
    return ", ".join(unique[:6]) + (f" and {len(unique) - 6} more" if len(unique) > 6 else "")
