"""What a study would do: what is cached, what the rest may take, and which gap its test split can resolve."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

from trimtab.experiment import SearchExperiment
from trimtab.metrics.resolution import resolvable_gap
from trimtab.plan import AnyExperiment, plan
from trimtab.preflight import preflight
from trimtab.stages.stage import Stage
from trimtab.store import Store
from trimtab.terminal import duration

ROUGH_SECONDS = {"data": 5.0, "split": 0.1, "label": 0.1, "select": 2.0, "train": 2.0, "predict": 0.5, "compare": 30.0}
ROUGH_SECONDS |= {"prompts": 0.1, "pairs": 60.0, "check": 60.0, "answer": 120.0, "judge": 15.0}
"""Seconds of a stage where the store has none of its kind to go by: small models, a few thousand items, two cores."""
ROUGH_EMBED_S = 180.0


def forecast(experiment: AnyExperiment, store: Store) -> dict[str, Any]:
    """Return per kind how many stages there are, how many are cached, and the seconds that the others may take.

    Raises ExperimentError, TaskError or ModelError where it is known before anything is run that it cannot be done.
    """
    planned = plan(experiment)
    stages = planned.stages
    known = preflight(experiment, planned, store)
    history = _history(store)
    todo = [stage for stage in stages if not store.has(stage.kind, stage.digest)]
    kinds = []
    for kind, total in Counter(stage.kind for stage in stages).items():
        missing = [stage for stage in todo if stage.kind == kind]
        kinds.append(
            {
                "kind": kind,
                "stages": total,
                "cached": total - len(missing),
                "to_run": len(missing),
                "seconds": round(sum(_seconds(stage, history) for stage in missing), 1),
                "measured": all(stage.title in history for stage in missing),
            }
        )
    searches = isinstance(experiment, SearchExperiment)
    test = known.test_items or (experiment.split.prompts if searches else experiment.split.test)
    return {
        "name": experiment.name,
        "stages": len(stages),
        "cached": len(stages) - len(todo),
        "seconds": round(sum(one["seconds"] for one in kinds), 1),
        "kinds": kinds,
        "to_run": [{"kind": one.kind, "digest": one.digest, "title": one.title} for one in todo],
        "test_items": test,
        "test_groups": known.test_groups,
        "smallest_gap": resolvable_gap(test) if test and not searches else None,
        "dropped": known.dropped,
        "data_checked": known.test_items is not None,
        "notes": [*known.data_notes, *known.warnings],
    }


def _history(store: Store) -> dict[str, float]:
    """Return the median seconds of finished stages by title; stages of another size are a rough guide only."""
    seen: dict[str, list[float]] = {}
    for kind, digest in store.artifacts():
        manifest = store.manifest(kind, digest)
        seen.setdefault(manifest["title"], []).append(manifest["seconds"])
    return {title: median(values) for title, values in seen.items()}


def _seconds(stage: Stage, history: dict[str, float]) -> float:
    rough = ROUGH_EMBED_S if stage.kind == "embed" else ROUGH_SECONDS.get(stage.kind, 1.0)
    return history.get(stage.title, rough)


def forecast_text(found: dict[str, Any]) -> str:
    """Return the forecast as text."""
    lines = [f"{found['name']}: {found['stages']} stages, {found['cached']} cached"]
    for one in found["kinds"]:
        state = f"{one['to_run']} to run, about {duration(one['seconds'])}" if one["to_run"] else "all cached"
        basis = "" if one["measured"] or not one["to_run"] else " (a rough guess: none like it in the store)"
        lines.append(f"  {one['kind']:8} {one['stages']:4}  {state}{basis}")
    if found["cached"] < found["stages"]:
        lines.append(f"about {duration(found['seconds'])} with one worker")
    if found["smallest_gap"] is not None:
        lines.append(
            f"{found['test_items']} test items resolve a gap (ceiling - weak) of about {found['smallest_gap']:.3f} in "
            "accuracy (95 %, both models near 0.8, errors taken as independent)"
        )
        groups = found["test_groups"]
        if groups is not None and groups < found["test_items"]:
            lines.append(
                f"the test items fall into {groups} groups, which are resampled as wholes: where models err on a group "
                "together, only a larger gap can be told from none"
            )
    dropped = [f"{number:,} {reason.replace('_', ' ')}" for reason, number in found["dropped"].items() if number]
    if dropped:
        lines.append(f"items left out of the data: {', '.join(dropped)}")
    if not found["data_checked"]:
        lines.append(
            "the data are streamed, too large or too far away for a plan: what they hold is checked when it is run"
        )
    return "\n".join([*lines, *(f"note: {text}" for text in found["notes"])])
