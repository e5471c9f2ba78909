"""The envelope of results.json: rows, aggregates, splits, models, warnings and examples of one comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.comparison.choices import not_asked
from trimtab.comparison.examples import examples
from trimtab.comparison.one_class import one_class_warnings
from trimtab.comparison.remarks import control_remarks, missing_controls, split_warnings, warnings
from trimtab.comparison.row import Beside, ConflictedRow, Row
from trimtab.comparison.rows import adjust_for_methods, gap_recovered, row_json
from trimtab.comparison.tested import Tested
from trimtab.metrics import METRICS
from trimtab.metrics.aggregate import median_pgr
from trimtab.metrics.intervals import LEVEL
from trimtab.types import Progress

SCHEMA = 1


@dataclass(frozen=True)
class Description:
    """What the artifacts' manifests say about data and models."""

    learners: tuple[tuple[str, str, str], ...]
    embedded: tuple[str, ...]
    splits: dict[str, Any]
    facts: Mapping[str, dict[str, Any]]
    """Facts of each input of the comparison, by input name."""
    left_out: tuple[str, ...] = ()
    """Usual controls that were not asked for."""

    def models(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return each learner's model as it was used."""
        found = {}
        for key, model, fit in self.learners:
            facts = self._model_facts(key, rows)
            found[key] = {"model": model, "fit": fit, **facts.get("description", {})}
            found[key]["truncated"] = self._truncated(key, rows)
            found[key]["strengths"] = sorted({one["strength"] for one in self._fits(key, rows) if "strength" in one})
        return found

    def refused(self, rows: Sequence[Row]) -> dict[str, str]:
        """Return why a row has no predictions, by the keys of the rows that have none."""
        found = {}
        for row in rows:
            for position in row.student_predictions:
                reason = self.facts[f"predictions.{position}"].get("refused")
                if reason:
                    found[row.key] = reason
        return found

    def fits(self, rows: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
        """Return the facts of every supervisor's, student's and ceiling's fits, by what they are called."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            named = (
                (row.weak, row.weak_fits),
                (row.key, row.student_fits),
                (f"{row.strong}-ceiling", row.ceiling_fits),
            )
            for name, positions in named:
                found.setdefault(name, [self.facts[f"models.{i}"] for i in positions])
        return found

    def _fits(self, key: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Return the facts of the fits of one learner as supervisor or student."""
        positions = {i for row in rows if row.strong == key and not row.control for i in row.student_fits}
        positions |= {i for row in rows if row.weak == key for i in row.weak_fits}
        return [self.facts[f"models.{i}"] for i in sorted(positions)]

    def _truncated(self, key: str, rows: Sequence[Row]) -> int:
        """Return how many texts were cut for a learner: of all items, or in tuning the most of any fit and its test."""
        if key in self.embedded:
            return self.facts[f"embeds.{self.embedded.index(key)}"]["truncated"]
        counts = [fit["truncated"] for fit in self._fits(key, rows)]
        positions = {i for row in rows if row.strong == key and not row.control for i in row.student_predictions}
        positions |= {i for row in rows if row.weak == key for i in row.weak_predictions}
        tested = [self.facts[f"predictions.{i}"].get("truncated", 0) for i in positions]
        return max(counts, default=0) + max(tested, default=0)

    def _model_facts(self, key: str, rows: Sequence[Row]) -> dict[str, Any]:
        if key in self.embedded:
            return self.facts[f"embeds.{self.embedded.index(key)}"]
        fits = self._fits(key, rows)
        return fits[0] if fits else {}


def envelope(
    tested: Tested,
    rows: Sequence[Row],
    metrics: Sequence[str],
    description: Description,
    digests: Mapping[str, Sequence[str]],
    progress: Progress,
) -> dict[str, Any]:
    """Return the content of results.json that does not depend on the run that made it."""
    refused = description.refused(rows) | not_asked(rows, description.facts["data"])
    rows = [row for row in rows if row.key not in refused]
    found = _all_rows(tested, rows, metrics, progress)
    _point_to_artifacts(found, rows, digests)
    data = description.facts["data"]
    remarks = control_remarks(tested, rows, metrics[0])
    models = description.models(rows)
    return {
        "schema": SCHEMA,
        "study": "generalize",
        "seeds": list(tested.seeds),
        "interval": {
            "level": LEVEL,
            "method": _method(len(tested.seeds)),
            "draws": len(tested.resample.item_weights),
        },
        "task": {name: data[name] for name in ("kind", "classes", "notes", "prompt")},
        "splits": description.splits
        | {"dropped": data["dropped"], "truncated": {key: one["truncated"] for key, one in models.items()}},
        "models": models,
        "rows": found,
        "aggregates": _aggregates(tested, rows, metrics),
        "controls": remarks,
        "control_sentence": " ".join(_of_pair(one, models, len(remarks)) for one in remarks) or None,
        "examples": examples(tested, rows, metrics[0]),
        "warnings": ([] if "zero_shot" in description.left_out else missing_controls(rows, models, refused))
        + split_warnings(description.splits, tested.tested_classes, data["classes"])
        + one_class_warnings(tested, rows, data["classes"])
        + warnings(found, metrics[0], description.fits(rows), data["notes"], tested.n_test, len(tested.seeds)),
    }


def _of_pair(remark: Mapping[str, Any], models: Mapping[str, Any], pairs: int) -> str:
    """Return a pair's sentence, with the pair's name before it where there are several."""
    if pairs == 1:
        return remark["sentence"]
    weak, strong = (f"{models[remark[side]]['model']} ({remark[side]})" for side in ("weak", "strong"))
    return f"{weak} to {strong}: {remark['sentence']}"


def _method(seeds: int) -> str:
    return "crossed" if seeds >= 5 else "crossed_t" if seeds > 1 else "items_only"


def _all_rows(tested: Tested, rows: Sequence[Row], metrics: Sequence[str], progress: Progress) -> list[dict[str, Any]]:
    """Return every row under every metric, then the methods' slices under the main one."""
    beside = {row.key: Beside.of(row, rows) for row in rows}
    found = []
    for done, metric in enumerate(metrics):
        found += [row_json(tested, row, metric, beside[row.key], None) for row in rows]
        progress(done + 1, len(metrics) + 1)
    for one in tested.parts():
        part, metric = tested.part(one.inside), one.metric or metrics[0]
        found += [row_json(part, row, metric, beside[row.key], one.name) for row in rows if not row.control]
    progress(len(metrics) + 1, len(metrics) + 1)
    adjust_for_methods(found)
    return found


def _point_to_artifacts(found: list[dict[str, Any]], rows: Sequence[Row], digests: Mapping[str, Sequence[str]]) -> None:
    """Add to every per-seed entry the digests of the predictions and labels that it comes from."""
    by_key = {(row.weak, row.strong, row.method, row.control or False): row for row in rows}
    for one in found:
        row = by_key[one["weak"], one["strong"], one["method"], one["control"]]
        for i, entry in enumerate(one["per_seed"]):
            entry["predictions"] = {
                "weak": digests["predictions"][row.weak_predictions[i]],
                "student": digests["predictions"][row.student_predictions[i]],
                "ceiling": digests["predictions"][row.ceiling_predictions[i]],
            }
            if isinstance(row, ConflictedRow):
                entry["predictions"]["without_conflict"] = digests["predictions"][row.without_conflict[i]]
            entry["labels"] = {"weak_labels": digests["labels"][row.weak_labels[i]]}
            if row.labels:
                entry["labels"]["labels"] = digests["labels"][row.labels[i]]


def _aggregates(tested: Tested, rows: Sequence[Row], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """Return the median PGR of each method over all pairs, where there are several."""
    found = []
    methods = dict.fromkeys(row.method for row in rows if not row.control)
    for metric in (name for name in metrics if METRICS[name].pgr):
        for method in methods:
            pairs = [row for row in rows if row.method == method and not row.control]
            if len(pairs) > 1:
                median = median_pgr([gap_recovered(tested, row, metric) for row in pairs]).to_json()
                counts = {name: median.pop(name) for name in ("n_ok", "n_imprecise", "n_no_gap", "n_other")}
                found.append({"over": "pairs", "method": method, "metric": metric, "median_pgr": median, **counts})
    return found
