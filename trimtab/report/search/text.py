"""A search study's tables on a terminal or in a text file."""

from __future__ import annotations

from trimtab.report.grid import Grid
from trimtab.report.numbers import Value
from trimtab.report.search.grids import Results, guide_grid, main_grid, reading_grid, reward_grid


def search_text(results: Results, *, everything: bool = False) -> str:
    """Return the main table as aligned plain text; with `everything`, all tables."""
    grids = [main_grid(results)]
    if everything:
        grids += [reading_grid(results), guide_grid(results), reward_grid(results)]
    return "\n\n".join(grid_text(grid) for grid in grids)


def grid_text(grid: Grid) -> str:
    """Return one table as aligned plain text with its notes."""
    lines = [[_cell(one) for one in row] for row in (grid.head, *grid.rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(grid.head))]
    shown = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([grid.caption, *filter(None, [grid.subtitle]), *shown, *grid.notes])


def _cell(one: str | Value) -> str:
    return one if isinstance(one, str) else f"{one.text} {one.interval}".strip()
