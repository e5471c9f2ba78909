"""The comparison as a table on a terminal or in a text file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trimtab.report.groups import (
    Group,
    Results,
    groups,
    metric_name,
    model_name,
    slice_name,
)
from trimtab.report.lines import Line, caption, lines, notes, said_of_all
from trimtab.report.numbers import Value
from trimtab.report.untrusted import short

if TYPE_CHECKING:
    from rich.table import Table

HEAD = ("", "score", "PGR", "against naive", "Holm p")
NARROWEST_NAME = 16
PAGE_WIDTH = 100
MARK = "*"


def table_text(results: Results, metric: str | None = None) -> str:
    """Return the table as aligned plain text, at most 100 columns wide unless its numbers are longer than that.

    Every pair of models, metric and slice is a block of its own; `metric` keeps one metric only. The weak supervisor
    and the strong ceiling are lines of their block, and controls follow below a rule. `*` marks what a note explains.
    """
    blocks = [_block(results, group) for group in _chosen(results, metric)]
    return "\n\n".join(blocks) if blocks else "No comparisons in these results."


def table(results: Results, metric: str | None = None) -> Table:
    """Return the same table for a rich console, one inner table per block."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 0, 1, 0))
    blocks = [_rich_block(results, group) for group in _chosen(results, metric)]
    for block in blocks or [Text("No comparisons in these results.")]:
        made.add_row(block)
    return made


def _rich_block(results: Results, group: Group) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = lines(group)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, title_justify="left", caption_justify="left")
    made.title = Text.assemble((_title(results, group), "bold"), "\n", (caption(results, group), "dim"))
    for number, name in enumerate(HEAD):
        made.add_column(name, overflow="fold", no_wrap=number > 0)
    for line, starts_controls in _with_breaks(shown):
        if starts_controls:
            made.add_section()
            made.add_row(Text("controls", style="dim"))
        made.add_row(*(Text(cell, style="" if line.kind == "method" else "dim") for cell in _cells(line, shown)))
    made.caption = Text("\n".join(f"{MARK} {note}" for note in notes(results, group, shown)))
    return made


def _chosen(results: Results, metric: str | None) -> list[Group]:
    return [group for group in groups(results) if metric is None or group.metric == metric]


def _title(results: Results, group: Group) -> str:
    part = f", {slice_name(group.slice)}" if group.slice is not None else ""
    pair = f"{model_name(results, group.weak)} to {model_name(results, group.strong)}"
    return f"{short(metric_name(group.metric), 40)}{part}: {short(pair, 90)}"


def _block(results: Results, group: Group) -> str:
    shown = lines(group)
    body = [_cells(line, shown) for line in shown]
    widths = [max(len(row[column]) for row in (HEAD, *body)) for column in range(1, len(HEAD))]
    room = max(NARROWEST_NAME, PAGE_WIDTH - sum(widths) - 2 * len(widths))
    widths.insert(0, min(room, max(len(row[0]) for row in body)))
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    out = [*textwrap.wrap(_title(results, group), PAGE_WIDTH), caption(results, group), ""]
    out += [*_wrapped(HEAD, widths), rule]
    for cells, (_, starts_controls) in zip(body, _with_breaks(shown), strict=True):
        if starts_controls:
            out += [rule, "controls"]
        out += _wrapped(cells, widths)
    out.append(rule)
    for note in notes(results, group, shown):
        out += textwrap.wrap(f"{MARK} {note}", PAGE_WIDTH, subsequent_indent="  ")
    return "\n".join(line.rstrip() for line in out)


def _with_breaks(shown: list[Line]) -> Iterator[tuple[Line, bool]]:
    """Yield each line and whether it is the first control."""
    before = ""
    for line in shown:
        yield line, line.kind == "control" and before != "control"
        before = line.kind


def _wrapped(cells: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    """Yield the printed lines of one row; a name that is too long goes on below, its numbers stay on the first."""
    name = textwrap.wrap(cells[0], widths[0], subsequent_indent=" ") if cells[0] and widths[0] > 1 else [""]
    numbers = "  ".join(cell.ljust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    yield f"{name[0].ljust(widths[0])}  {numbers}"
    yield from name[1:]


def _cells(line: Line, shown: list[Line]) -> tuple[str, ...]:
    quiet = said_of_all(shown)
    numbers = (_cell(block, quiet) for block in (line.score, line.gap, line.against))
    return (line.marked_name, *numbers, line.p)


def _cell(shown: Value, quiet: str) -> str:
    """Return number, interval, and a mark where a note below explains it and is not about every row."""
    mark = MARK if shown.note and shown.note != quiet else ""
    return " ".join(part for part in (shown.text, shown.interval) if part) + mark
