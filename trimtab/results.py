"""Results: rows with intervals, and everything that can be made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.errors import UsageError, did_you_mean
from trimtab.store import Store


@dataclass(frozen=True)
class Results:
    """What a study found; `data` is the content of results.json."""

    data: Mapping[str, Any]

    @classmethod
    def read(cls, place: str | Path) -> Results:
        """Read a run by its folder, its results.json or its name under runs/.

        Raises UsageError where there is no finished run.
        """
        chosen = Path(place)
        for path in (chosen, chosen / "results.json", Path("runs") / chosen / "results.json"):
            if path.is_file():
                try:
                    data = json.loads(path.read_text("utf-8"))
                except (json.JSONDecodeError, UnicodeDecodeError):
                    raise UsageError(f"{path} is not a results.json; give a run's folder or name") from None
                if not isinstance(data, dict) or "rows" not in data:
                    raise UsageError(f"{path} is not the results of a run; give a run's folder or name")
                return cls(data)
        raise UsageError(f'there is no finished run "{place}"; give a run folder, a results.json or a name under runs/')

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row per pair, method and metric."""
        return list(self.data["rows"])

    @property
    def study(self) -> str:
        """Kind of the study: "generalize" or "search"."""
        return str(self.data.get("study", "generalize"))

    def of_weak_labels(self, command: str) -> Results:
        """Return the results themselves. Raises UsageError for a search study, which a command cannot read."""
        if self.study == "search":
            raise UsageError(
                f"{self.data.get('name')} is a search study, which `{command}` does not know; its table has every "
                "method beside the base model, and results.json all numbers"
            )
        return self

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """What a reader must know before trusting a number."""
        return list(self.data["warnings"])

    def row(self, method: str, metric: str | None = None, weak: str = "w0", strong: str = "s0") -> dict[str, Any]:
        """Return the row of one method (default: the main metric of the first pair).

        Raises UsageError where there is none.
        """
        metric = metric or self.rows[0]["metric"]
        wanted = {"method": method, "metric": metric, "weak": weak, "strong": strong}
        rows = self.rows
        for name, value in wanted.items():
            known = {str(row[name]) for row in rows}
            rows = [row for row in rows if row[name] == value]
            if not rows:
                raise UsageError(f'no row has {name} "{value}" ({_asked(wanted)}).{did_you_mean(str(value), known)}')
        return rows[0]

    def table(self, *, everything: bool = False) -> str:
        """Return the table of the main metric as text; with `everything`, those of all metrics and slices."""
        from trimtab.report import search_text, table_text

        if self.study == "search":
            return search_text(self.data, everything=everything)
        main = [row for row in self.rows if row["metric"] == self.rows[0]["metric"] and row["slice"] is None]
        return table_text(dict(self.data) | {"rows": self.rows if everything else main})

    def report(self, path: str | Path) -> Path:
        """Write the self-contained HTML report and return its path."""
        from trimtab.report import write_report

        write_report(dict(self.data), Path(path))
        return Path(path)

    def export(self, folder: str | Path, store: Store | None = None) -> list[Path]:
        """Write every row's predictions and labels as parquet into `folder`, with class names and ground truth; of a
        search study every method's answers with what judges said of them."""
        from trimtab.export import export
        from trimtab.export.search import export_answers

        write = export_answers if self.study == "search" else export
        return write(self.data, Path(folder), store or Store.open(self.data.get("store")))


def _asked(wanted: Mapping[str, str]) -> str:
    return "asked for " + ", ".join(f"{name} {value}" for name, value in wanted.items())
