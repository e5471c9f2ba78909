"""Compare: from all stored predictions to the rows of results.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.comparison.learning_curves import Curve
from trimtab.comparison.row import Row
from trimtab.digest import digest_of, settings_of
from trimtab.metrics.intervals import LEVEL
from trimtab.stages.data import Data
from trimtab.stages.stage import Stage
from trimtab.types import Progress

DRAWS = 2000


@dataclass(frozen=True)
class Compare(Stage):
    """All students, supervisors, ceilings and controls of an experiment on one test split."""

    data: Data
    splits: tuple[Stage, ...]
    transfer_gold: tuple[Stage, ...]
    predictions: tuple[Stage, ...]
    labels: tuple[Stage, ...]
    models: tuple[Stage, ...]
    embeds: tuple[Stage, ...]
    embedded: tuple[str, ...]
    """Learner keys whose activations are `embeds`."""
    learners: tuple[tuple[str, str, str], ...]
    """(key, model, kind of fit) of every learner."""
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]
    cuts: tuple[tuple[str, tuple[float, ...]], ...] = ()
    curves: tuple[Curve, ...] = ()
    """Learning curves, one of each pair, where they were asked for."""
    left_out: tuple[str, ...] = ()
    """Usual controls that the experiment file does not ask for."""
    not_run: tuple[tuple[str, str], ...] = ()
    """(method, reason) of each method that the task has no data for."""

    kind: ClassVar[str] = "compare"
    code: ClassVar[tuple[str, ...]] = (
        "trimtab.comparison",
        "trimtab.metrics",
        "trimtab.diagnostics",
        "trimtab.supervise.certainty_weights",
        "trimtab.supervise.overlap_density",
    )

    @cached_property
    def settings(self) -> dict[str, Any]:
        # what a study does not ask for leaves its identity as it was before there was such a thing
        names = ("embedded", "learners", "rows", "seeds", "metrics")
        names += tuple(name for name in ("cuts", "curves", "left_out", "not_run") if getattr(self, name))
        chosen = {name: settings_of(getattr(self, name)) for name in names}
        return chosen | {"level": LEVEL, "draws": DRAWS}

    @property
    def title(self) -> str:
        return f"compare {len(self.rows)} rows"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `results.json`: the envelope without what belongs to one run (stages, versions)."""
        from trimtab.comparison.conflict import conflict_warnings
        from trimtab.comparison.curves import curves_json
        from trimtab.comparison.cut_answers import cut_answer_warnings
        from trimtab.comparison.envelope import Description, envelope
        from trimtab.comparison.parts import unknown_cuts
        from trimtab.store import facts_of, write_json

        facts = {name: facts_of(folder) for name, folder in inputs.items()}
        measured = self._measured(inputs, facts)
        description = Description(self.learners, self.embedded, self._splits(inputs), facts, self.left_out)
        results = envelope(measured, self.rows, self.metrics, description, self._digests(), progress)
        if self.cuts:
            results["warnings"] += unknown_cuts(dict(self.cuts), measured.slices)
        results["warnings"] += cut_answer_warnings(results["models"], facts["data"], self._cut_at_end())
        goal = self._second_goal(inputs, measured)
        results["task"] |= {"second_goal": goal} if goal else {}
        results["warnings"] += conflict_warnings(self.rows, self.not_run, goal)
        for key, dimension in self._dimensions(inputs).items():
            results["models"][key]["intrinsic_dimension"] = dimension
        results["overlap_density"] = self._overlaps(inputs, measured)
        if self.curves:
            results["curves"] = curves_json(measured, self.curves, self.metrics[0])
        write_json(out / "results.json", results)
        return {"rows": len(results["rows"])}

    def _cut_at_end(self) -> set[str]:
        """Return the keys of the learners whose model cuts a text that is too long at its end."""
        readers = list(zip(self.embedded, self.embeds, strict=True))
        for row in self.rows:
            readers += [(row.weak, self.models[i]) for i in row.weak_fits]
            readers += [] if row.control else [(row.strong, self.models[i]) for i in row.student_fits]
        return {key for key, stage in readers if getattr(getattr(stage, "spec", None), "cut", None) == "end"}

    def _second_goal(self, inputs: Mapping[str, Path], measured: Any) -> dict[str, Any] | None:
        """Return how far the two goals of a task want the same answer; none where it has one goal."""
        from trimtab.comparison.conflict import goals_json
        from trimtab.stages.conflict import SECOND_GOLD
        from trimtab.stages.tables import read_table, rows_of, strings

        if not (inputs["data"] / SECOND_GOLD).is_file():
            return None
        table = read_table(inputs["data"] / SECOND_GOLD)
        second = table["gold"].to_numpy()[rows_of(strings(table, "id"), measured.ids)]
        agreement = goals_json(measured.gold, second, measured.resample)
        return {"goal": getattr(self.data.task, "second_goal", None), "agreement": agreement}

    def _digests(self) -> dict[str, list[str]]:
        """Return the digests of predictions and labels by position, so that results point at what they come from."""
        return {
            "predictions": [one.digest for one in self.predictions],
            "labels": [one.digest for one in self.labels],
        }

    def _measured(self, inputs: Mapping[str, Path], facts: Mapping[str, dict[str, Any]]) -> Any:
        """Read every prediction and label, aligned on the test items."""
        return self._measured_on("test", inputs, facts)

    def _measured_on(self, part: str, inputs: Mapping[str, Path], facts: Mapping[str, dict[str, Any]]) -> Any:
        """Read the same of the items with a role; of a prediction that was refused, or is about others, nothing is a
        number."""
        import numpy as np

        from trimtab.comparison.choices import measured_kind
        from trimtab.comparison.measured import shared_resample
        from trimtab.stages.tables import read_labels, read_predictions, read_table, rows_of, strings

        items = read_table(inputs["data"] / "items.parquet")
        test = [i for i, role in enumerate(strings(items, "role")) if role == part]
        ids, texts = strings(items, "id"), strings(items, "text")
        related = items["related"].to_numpy()[test]
        gold = read_table(inputs["data"] / "gold.parquet")["gold"].to_numpy()
        test_ids = tuple(ids[i] for i in test)

        def predicted(name: str) -> Any:
            table = None if "refused" in facts[name] else read_predictions(inputs[name]).of_split(part)
            if table is None or not table.ids:
                return np.full((len(test_ids), len(facts["data"]["classes"])), np.nan)
            return table.probabilities[rows_of(table.ids, test_ids)]

        known: dict[str, int] = {}
        for i in range(len(self.transfer_gold)):
            table = read_labels(inputs[f"transfer_gold.{i}"])
            known |= dict(zip(table.ids, table.probabilities.argmax(1).tolist(), strict=True))
        slices = {name: items[name].to_numpy()[test] for name in items.column_names if name.startswith("slice:")}
        return measured_kind(facts["data"])(
            ids=test_ids,
            texts=tuple(texts[i] for i in test),
            gold=np.asarray(gold)[test],
            classes=tuple(facts["data"]["classes"]),
            slices={name.removeprefix("slice:"): values for name, values in slices.items()},
            seeds=self.seeds,
            predictions=tuple(predicted(f"predictions.{i}") for i in range(len(self.predictions))),
            labels=tuple(read_labels(inputs[f"labels.{i}"]) for i in range(len(self.labels))),
            transfer_gold=known,
            resample=shared_resample(related, len(self.seeds), DRAWS),
            cuts=dict(self.cuts),
        )

    def _dimensions(self, inputs: Mapping[str, Path]) -> dict[str, Any]:
        """Return the intrinsic dimension of each probed model's activations of the test items."""
        from trimtab.diagnostics.dimension import MOST, dimension_json
        from trimtab.stages.choices import within_items
        from trimtab.stages.data import CHOICES
        from trimtab.stages.tables import read_table, strings
        from trimtab.stages.train import read_activations
        from trimtab.store import facts_of

        roles = strings(read_table(inputs["data"] / "items.parquet", ["role"]), "role")
        test = [i for i, role in enumerate(roles) if role == "test"]
        listwise = CHOICES in facts_of(inputs["data"])

        def states(folder: Path) -> Any:
            return within_items(folder, test, MOST) if listwise else read_activations(folder)[test]

        return {key: dimension_json(states(inputs[f"embeds.{i}"])) for i, key in enumerate(self.embedded)}

    def _overlaps(self, inputs: Mapping[str, Path], measured: Any) -> list[dict[str, Any]]:
        """Return the overlap density of each pair whose student is probed; where an item has several answers, none."""
        from trimtab.comparison.overlap import overlaps_json
        from trimtab.stages.tables import read_table, rows_of, strings
        from trimtab.stages.train import read_activations

        if getattr(self.data.task, "paired", False) or getattr(self.data.task, "listwise", False):
            return []
        ids = strings(read_table(inputs["data"] / "items.parquet", ["id"]), "id")
        found, strong = [], {row.strong for row in self.rows}
        for i, key in enumerate(self.embedded):
            if key not in strong:
                continue
            states = read_activations(inputs[f"embeds.{i}"])
            rows = [row for row in self.rows if row.strong == key]
            found += overlaps_json(rows, measured.labels, lambda names, states=states: states[rows_of(ids, names)])
        return found

    def _splits(self, inputs: Mapping[str, Path]) -> dict[str, Any]:
        """Return size and identity of the three splits; the test split is one for all seeds."""
        from trimtab.stages.tables import read_table, strings

        members: dict[str, list[list[str]]] = {"supervisor": [], "transfer": [], "test": []}
        for i in range(len(self.splits)):
            table = read_table(inputs[f"splits.{i}"] / "membership.parquet")
            pairs = list(zip(strings(table, "id"), strings(table, "split"), strict=True))
            for name, lists in members.items():
                lists.append([one for one, split in pairs if split == name])
        members["test"] = members["test"][:1]
        found: dict[str, Any] = {
            name: {"n": len(lists[0]), "digest": digest_of(lists)} for name, lists in members.items()
        }
        for name in ("supervisor", "transfer"):
            drawn = zip(self.seeds, members[name], strict=True)
            found[name]["per_seed"] = [{"seed": seed, "digest": digest_of(ids)} for seed, ids in drawn]
        return found
