"""Which figures a result has, with what must be said beside each; and their export for a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.report.conflicts import conflicted
from trimtab.report.curves import curves_of, worth_sentence
from trimtab.report.drawing import Drawing
from trimtab.report.figure_conflict import deception_curve
from trimtab.report.figure_curves import calibration, size_points, sizes
from trimtab.report.figure_learning import learning
from trimtab.report.figure_rows import agreement, gap_recovered, scores
from trimtab.report.figure_style import saved
from trimtab.report.groups import (
    Group,
    Results,
    main_groups,
    metric_name,
    model_name,
    pair_of,
    row_name,
)
from trimtab.report.numbers import count, value
from trimtab.report.search.figures import search_figures
from trimtab.report.untrusted import first_up, short

MOST_PAIRS = 12
"""Pairs of models that are drawn; the table has all of them."""
MOST_CURVES = 6
"""Calibration figures that are drawn."""


def score_figures(results: Results) -> Iterator[Drawing]:
    """Yield, for each pair, the scores and (where a row has one) the PGR."""
    for number, group in enumerate(main_groups(results)[:MOST_PAIRS]):
        pair = _pair(results, group)
        yield Drawing(
            f"scores-{number}",
            scores(group),
            f"{first_up(metric_name(group.metric))} of supervisor, students and ceiling, with intervals. {pair}.",
            f"Scores for {pair}: {_in_words(group, 'student', 'mean')}",
        )
        if any((row.get("pgr") or {}).get("value") is not None for row in group.rows):
            yield Drawing(
                f"pgr-{number}",
                gap_recovered(group),
                f"Performance gap recovered: 0 is the weak supervisor, 1 the strong ceiling. {pair}.",
                f"Performance gap recovered for {pair}: {_in_words(group, 'pgr', 'value')}",
            )


def size_figure(results: Results) -> Drawing | None:
    """Return the figure of sizes; None below two strong models of different, known size."""
    points = size_points(results)
    if len({point.params for point in points}) < 2:
        return None
    method = row_name(points[0].row)
    words = "; ".join(
        f"{point.weak} to {point.params:,.0f} parameters {value(point.row['student']).text}" for point in points
    )
    caption = f"Student's score ({method}) against the student's size, one line per weak model."
    return Drawing("sizes", sizes(points), caption, f"{caption} {words}")


def learning_figures(results: Results) -> Iterator[Drawing]:
    """Yield the learning curves of each pair that has some."""
    for number, one in enumerate(curves_of(results)[:MOST_PAIRS]):
        pair = short(pair_of(results, one), 90)
        caption = (
            f"{first_up(metric_name(str(one.get('metric'))))} of the student after so many weak or true labels, "
            f"with intervals. {pair}."
        )
        yield Drawing(f"learning-{number}", learning(one), caption, f"{caption} {_curves_in_words(one)}")


def agreement_figures(results: Results) -> Iterator[Drawing]:
    """Yield the agreement split of each pair that has one."""
    for number, group in enumerate(main_groups(results)[:MOST_PAIRS]):
        if any(row.get("agreement") for row in group.rows):
            pair = _pair(results, group)
            caption = "Agreement with the supervisor on test items where it is right and where it is wrong."
            yield Drawing(f"agreement-{number}", agreement(group), f"{caption} {pair}.", f"{caption} {pair}")


def calibration_figures(results: Results) -> Iterator[Drawing]:
    """Yield a calibration figure for the first methods that have a curve."""
    rows = [
        row for group in main_groups(results) for row in group.methods if (row.get("calibration") or {}).get("curve")
    ]
    for number, row in enumerate(rows[:MOST_CURVES]):
        ece = value(row["calibration"].get("ece"))
        shown = " ".join(filter(None, [ece.text, ece.interval])) or "not recorded"
        name = row_name(row)
        yield Drawing(
            f"calibration-{number}",
            calibration(row),
            f"{name}: ECE {shown}.",
            f"Calibration curve of {name}; ECE {shown}",
        )


def conflict_figures(results: Results) -> Iterator[Drawing]:
    """Yield the deception score over its threshold for the first methods with a conflict."""
    found = [(group, row) for group in main_groups(results) for row in conflicted(group)]
    for number, (group, row) in enumerate(found[:MOST_CURVES]):
        curve = row["diagnostics"]["deception"]["curve"]
        caption = "Share of flips where the ceiling knows and the supervisor does not."
        caption = f"{caption} {row_name(row)}, {_pair(results, group)}."
        words = "; ".join(f"T {entry['threshold']:g}: {value(entry['score']).text}" for entry in curve)
        yield Drawing(f"deception-{number}", deception_curve(curve), caption, f"{caption} {words}")


def write_figures(results: Results, folder: Path, kinds: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """Write every figure of the report to `folder` as `svg`, `png` or `pdf`, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for drawing in search_figures(results) if results.get("study") == "search" else _all(results):
        for kind in kinds:
            path = folder / f"{drawing.name}.{kind}"
            path.write_bytes(saved(drawing.figure, kind))
            written.append(path)
    return written


def _all(results: Results) -> Iterator[Drawing]:
    size = size_figure(results)
    yield from score_figures(results)
    yield from [size] if size else []
    yield from learning_figures(results)
    yield from agreement_figures(results)
    yield from calibration_figures(results)
    yield from conflict_figures(results)


def _pair(results: Results, group: Group) -> str:
    return f"{short(model_name(results, group.weak), 40)} to {short(model_name(results, group.strong), 40)}"


def _in_words(group: Group, block: str, field: str) -> str:
    shown = ((row_name(row), value(row.get(block), field=field)) for row in group.rows)
    return "; ".join(f"{name} {number.text} {number.interval}".strip() for name, number in shown)


def _curves_in_words(curve: Mapping[str, Any]) -> str:
    """Return every point of both curves, then what the weak labels are worth."""
    said = []
    for field, words in (("weak_labels", "weak"), ("ground_truth", "true")):
        points = ((size, value(block)) for size, block in zip(curve["sizes"], curve[field], strict=True))
        said += [f"{count(size)} {words} labels {shown.text} {shown.interval}".strip() for size, shown in points]
    return f"{'; '.join(said)}. {worth_sentence(curve.get('worth') or {})}"
