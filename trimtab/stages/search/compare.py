"""Compare: from judged answers to the rows of a search study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.comparison.search.rows import SearchRow
from trimtab.digest import settings_of
from trimtab.metrics.intervals import LEVEL
from trimtab.stages.stage import Stage
from trimtab.types import Progress

DRAWS = 2000
SHOWN = 6
"""Prompts whose answers the results hold as examples."""


@dataclass(frozen=True)
class CompareSearch(Stage):
    """All methods of a search study on the same prompts."""

    data: Stage
    prompts: Stage
    proxy: Stage
    gold: Stage
    guides: tuple[Stage, ...]
    values: tuple[Stage, ...]
    """The value function, where a method chooses by one."""
    check: Stage
    answers: tuple[Stage, ...]
    """By method, then seed."""
    judged: tuple[Stage, ...]
    """In the order of `answers`."""
    rows: tuple[SearchRow, ...]
    seeds: tuple[int, ...]
    models: tuple[tuple[str, str], ...]
    """(place in the file, name) of every model."""

    kind: ClassVar[str] = "compare"
    code: ClassVar[tuple[str, ...]] = ("trimtab.comparison.search", "trimtab.metrics", "trimtab.stages.search.compare")

    @cached_property
    def settings(self) -> dict[str, Any]:
        chosen = {name: settings_of(getattr(self, name)) for name in ("rows", "seeds", "models")}
        return chosen | {"level": LEVEL, "draws": DRAWS}

    @property
    def title(self) -> str:
        return f"compare {len(self.rows)} methods"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `results.json`: the envelope without what belongs to one run (stages, versions)."""
        import numpy as np

        from trimtab.comparison.search.envelope import envelope
        from trimtab.metrics.resample import resample
        from trimtab.stages.search.prompts import PROMPTS, read_prompts
        from trimtab.store import facts_of, write_json

        prompts, related = read_prompts(inputs["prompts"], PROMPTS)
        facts = {name: facts_of(folder) for name, folder in inputs.items()}
        measured = {row.name: self._measured(place, inputs, facts) for place, row in enumerate(self.rows)}
        drawn = resample(np.asarray(related), len(prompts), len(self.seeds), DRAWS)
        results = envelope(self.rows, measured, related, drawn, self._checked(inputs), facts)
        results |= {"seeds": list(self.seeds), "models": dict(self.models), "digests": self._digests()}
        results["examples"] = [
            {"prompt": prompts[place].text, "answers": {name: one.texts[0][place] for name, one in measured.items()}}
            for place in range(min(SHOWN, len(prompts)))
        ]
        write_json(out / "results.json", results)
        return {"rows": len(results["rows"])}

    def _digests(self) -> dict[str, Any]:
        judged = {"judged": [one.digest for one in self.judged], "prompts": self.prompts.digest}
        return judged | {"answers": [one.digest for one in self.answers]}

    def _measured(self, row: int, inputs: Mapping[str, Path], facts: Mapping[str, dict[str, Any]]) -> Any:
        """Return what was measured of one method, all seeds together."""
        import numpy as np

        from trimtab.comparison.search.measured import MeasuredAnswers
        from trimtab.stages.search.judge import JUDGED
        from trimtab.stages.tables import read_table, strings

        places = range(row * len(self.seeds), (row + 1) * len(self.seeds))
        tables = [read_table(inputs[f"judged.{place}"] / JUDGED) for place in places]
        names = ("gold", "proxy", "base_nats", "tokens", "ngram_nats", "words")
        values = {name: np.stack([table[name].to_numpy().astype(float) for table in tables]) for name in names}
        count = sum(len(table) for table in tables)
        spent = [facts[f"answers.{place}"] for place in places]
        return MeasuredAnswers(
            **values,
            texts=tuple(strings(table, "text") for table in tables),
            flops=sum(one["flops"] for one in spent) / count,
            seconds=sum(one["answering_seconds"] for one in spent) / count,
        )

    def _checked(self, inputs: Mapping[str, Path]) -> dict[str, Any]:
        from trimtab.comparison.search.guide import guide_json
        from trimtab.stages.tables import read_table, strings

        table = read_table(inputs["check"] / "check.parquet")
        prompts = len(set(strings(table, "id")))
        guide, proxy, groups = (table[name].to_numpy().reshape(prompts, -1) for name in ("guide", "proxy", "related"))
        return guide_json(guide, proxy, groups[:, 0])
