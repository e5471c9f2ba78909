"""A study with every kind of stage, small enough to be killed hundreds of times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fault_data import by_level, rated

from trimtab.experiment import Experiment, parse
from trimtab.plan import plan
from trimtab.stages.stage import Stage

PROBE = {"kind": "probe", "strengths": [0.1, 1.0], "folds": 2, "steps": 30, "max_steps": 200}
TUNE = {"kind": "tune", "rank": 2, "epochs": 1, "batch_size": 14, "micro_batch_size": 14, "save_every": 1}


def fault_experiment(folder: Path, **changes: Any) -> Experiment:
    """Return a study on made-up reviews: a probed encoder teaches a probed and a tuned causal model, with controls."""
    values = {
        "name": "faults",
        "task": {
            "kind": "file",
            "path": str(folder / "reviews.csv"),
            "id": "id",
            "classes": ["bad", "good"],
            "prompt": "review : {text} answer :",
            "supervisor": 40,
            "transfer": 40,
            "test": 60,
        },
        "split": {"pool": 600},
        "weak": [{"model": str(folder / "weak"), "fit": PROBE, "precision": "fp32"}],
        "strong": [
            {"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"},
            {"model": str(folder / "strong"), "fit": TUNE, "precision": "fp32"},
        ],
        "methods": [{"name": "sure", "labels": [{"confident": {"keep": 0.9}}], "objective": "confidence"}],
        "seeds": [0],
        "controls": True,
        "metrics": ["accuracy"],
    }
    return parse(values | changes, Path())


def every_supervisor(folder: Path, fit: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every supervisor that is no single trained model, with small settings."""
    weak = {"model": str(folder / "weak"), "fit": fit, "precision": "fp32"}
    asked = {"model": str(folder / "strong"), "precision": "fp32"}
    return [
        {"mean_ensemble": {"members": [weak, {**weak, "layer": 0}]}},
        {"dirichlet_ensemble": {"members": [weak, {**weak, "layer": 0}]}},
        {"bagging": {"model": weak, "rounds": 2}},
        {"adaboost": {"model": weak, "rounds": 2}},
        {"human_ratings": {"crowd": 1}},
        {"trained_on_ratings": {"model": weak, "crowd": 1}},
        {"annotator": {}},
        {"prompted": {"model": asked, "shots": 2}},
        {"ccs": {"model": asked, "starts": 2}},
        {"icm": {"model": asked}},
    ]


def _all_else(folder: Path) -> tuple[Stage, ...]:
    """Return the stages of supervisors that are no single model, of steps with evidence, schedules, curves, hints."""
    methods = [
        {"name": "smooth", "labels": [{"graph_smoothing": {"neighbours": 3}}], "objective": "naive"},
        {"schedule": {"strong_to_strong": {"rounds": 1, "folds": 2}}},
        {"schedule": {"early_stopping": {"lengths": [5, 20], "folds": 4}}},
    ]
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"}]
    told = fault_experiment(folder, methods=methods, strong=strong, controls=False)
    weak = every_supervisor(folder, PROBE)
    supervised = rated(fault_experiment(folder, weak=weak, methods=["naive"], strong=strong, controls=False))
    curved = fault_experiment(folder, strong=strong, controls=["trivial_imitation"], curves={"sizes": [20]})
    studies = (plan(one).stages for one in (told, supervised, curved))
    return (*(stage for stages in studies for stage in stages), *_pairs(folder), *_choices(folder))


def _levelled(folder: Path) -> tuple[Stage, ...]:
    """Return the stages of a study whose split is by level."""
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"}]
    methods = [{"schedule": "easy_truth"}]
    split = {"by": "level", "hard_from": 1}
    told = fault_experiment(folder, strong=strong, methods=methods, split=split, controls=False)
    return plan(by_level(told)).stages


def _pairs(folder: Path) -> tuple[Stage, ...]:
    task: dict[str, Any] = {"kind": "pairs", "path": str(folder / "pairs.jsonl"), "prompt": None}
    task |= {"supervisor": 30, "transfer": 30, "test": 40}
    task |= {"second_path": str(folder / "second.jsonl"), "second": 30}
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"}]
    methods = ["naive", {"conflict": {"explicit": {"rounds": 1}}}, {"conflict": "implicit"}]
    return plan(fault_experiment(folder, task=task, split={}, strong=strong, methods=methods, controls=False)).stages


def _choices(folder: Path) -> tuple[Stage, ...]:
    task = {"kind": "choices", "path": str(folder / "choices.jsonl"), "answer_as": "place", "supervisor": 25,
            "transfer": 25, "test": 30}  # fmt: skip
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"}]
    return plan(fault_experiment(folder, task=task, split={}, strong=strong, methods=["naive"])).stages


def stages_of(folder: Path) -> tuple[Stage, ...]:
    """Return every kind of stage: those of other supervisors, steps and schedules, the study's own, the one that runs
    the lower layers of a student that tunes its top layer only, and those of a study that streams its data."""
    every = (*_levelled(folder), *_reading(folder), *_all_else(folder), *plan(fault_experiment(folder)).stages,
             *_prefixes(folder), *_smallest(folder), *_streamed(folder), *_searches(folder))  # fmt: skip
    return tuple({one.digest: one for one in every}.values())


def _reading(folder: Path) -> tuple[Stage, ...]:
    """Return the stages of a model that reads the task's texts first, which are few."""
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"}]
    methods = [{"schedule": {"generative": {"batch_size": 8}}}]
    told = fault_experiment(folder, methods=methods, strong=strong, split={"pool": 140}, controls=False)
    return plan(told).stages


def _prefixes(folder: Path) -> Iterator[Stage]:
    """Yield the stages that run the lower layers of a student."""
    tune = TUNE | {"layers": {"top": 1}}
    topmost = fault_experiment(folder, strong=[{"model": str(folder / "strong"), "fit": tune}], controls=False)
    yield from (one for one in plan(topmost).stages if one.kind == "prefix")


def _smallest(folder: Path) -> tuple[Stage, ...]:
    """Return the comparison with the fewest rows, which takes least time."""
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32"}]
    return plan(fault_experiment(folder, methods=["naive"], strong=strong, controls=False)).stages[-1:]


def _streamed(folder: Path) -> tuple[Stage, ...]:
    task = {"kind": "stream", "path": str(folder / "reviews.parquet"), "id": "id", "classes": ["bad", "good"],
            "prompt": "review : {text} answer :", "supervisor": 60, "transfer": 60, "test": 60}  # fmt: skip
    # a layer of its own, so that the model is asked for its answers and no stored state is
    strong = [{"model": str(folder / "strong"), "fit": PROBE, "precision": "fp32", "layer": 1}]
    return plan(fault_experiment(folder, task=task, split={}, strong=strong)).stages


def _searches(folder: Path) -> tuple[Stage, ...]:
    """Return the stages of a search study that makes its own guide."""
    model = {"model": str(folder / "strong"), "precision": "fp32"}
    reward = {**model, "layer": 0, "pooling": "mean", "fit": PROBE}
    values = {
        "name": "searches",
        "study": "search",
        "task": {"kind": "file", "path": str(folder / "reviews.csv"), "id": "id", "classes": ["bad", "good"],
                 "prompt": "review : {text} answer :"},
        "split": {"proxy": 40, "gold": 40, "prompts": 6, "development": 4},
        "base": model,
        "guide": {"model": model, "blocks": 1, "pairs": 16, "read": {"batch_size": 8}, "prefer": {"batch_size": 8}},
        "rewards": {"proxy": reward, "gold": reward},
        "prompt_words": 2,
        "max_new_tokens": 3,
        "value": {"prompts": 10, "samples": 2, "chunk": 2},
        "methods": ["sample", {"cbs": {"width": 1, "samples": 2, "chunk": 2}, "scorer": "value"}],
        "seeds": [0],
    }  # fmt: skip
    return plan(parse(values, Path())).stages


def small_parts() -> None:
    """Cut streamed data, and prompts that are answered, into parts so small that these data have several."""
    import trimtab.stages.search.answer
    import trimtab.tasks.stream
    import trimtab.tasks.streamed.batch
    import trimtab.tasks.streamed.roles

    trimtab.stages.search.answer.ROWS = 4
    for module in (trimtab.tasks.stream, trimtab.tasks.streamed.batch, trimtab.tasks.streamed.roles):
        module.PART = 40


def small_steps() -> None:
    """Let a model that reads few texts save its state now and then."""
    import trimtab.fit.generative
    import trimtab.fit.preference

    trimtab.fit.generative.SAVE_EVERY = 4
    trimtab.fit.preference.SAVE_EVERY = 1


def named(stages: tuple[Stage, ...]) -> dict[str, Stage]:
    """Return the last stage of each kind by the name of its class: data, split, embed, select, train (twice), ...

    One that reads texts with hints, which are fewer, only where there is no other of its kind.
    """
    plain_last = sorted(
        stages, key=lambda one: "TextHinted" not in {type(read).__name__ for read in one.inputs.values()}
    )
    return {type(stage).__name__: stage for stage in plain_last}


def classes_of_stages(base: type[Stage] = Stage) -> Iterator[str]:
    """Yield the names of all kinds of stages that there are; call once a plan has imported them."""
    for one in base.__subclasses__():
        if one.__module__.startswith("trimtab.") and not one.__abstractmethods__:
            yield one.__name__
        yield from classes_of_stages(one)
