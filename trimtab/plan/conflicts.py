"""From the labels of a method to those of a student that is to want something else too; and which methods can run.

The conflict is the student's alone. Label steps come before it, and models of a chain hand labels on without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trimtab.conflicts.conflict import Conflict
from trimtab.conflicts.explicit import Explicit
from trimtab.conflicts.implicit import Implicit
from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment
from trimtab.methods import Method
from trimtab.plan.kinds import STREAMED, Kinds
from trimtab.plan.seed import Predictor, Seed
from trimtab.schedules.early_stopping import EarlyStopping
from trimtab.schedules.weak_few_shot import WeakFewShot
from trimtab.stages.conflict import LabelExplicit, LabelImplicit, SplitSecond
from trimtab.stages.stage import Stage

Learn = Callable[[Stage, tuple[str, ...]], Predictor]
"""Fits the student on some labels and asks it about some splits."""
NO_SECOND_DATA = "it needs true labels of a second goal, which this task has only where `second_path` names their file."


@dataclass(frozen=True)
class InConflict:
    """What a student learns, and what of it is about the transfer split."""

    learnt: Stage
    told: Stage


def in_conflict(seed: Seed, conflict: Conflict | None, told: Stage, learn: Learn) -> InConflict:
    """The labels of a student under a conflict; without one, or with one of weight 0, those that it is told."""
    if conflict is None or conflict.absent:
        return InConflict(told, told)
    if isinstance(conflict, Implicit):
        assert seed.experiment.second is not None
        split_seed = seed.experiment.split.split_seed
        second = SplitSecond(seed.data, seed.split, seed.experiment.second, split_seed, seed.seed)
        return InConflict(LabelImplicit(told, seed.data, second, conflict.weight), told)
    assert isinstance(conflict, Explicit)
    gold = seed.gold("transfer") if conflict.gate == "truth" else None
    labels = told
    for _ in range(conflict.rounds):
        before = learn(labels, ("transfer",)).predictions
        labels = LabelExplicit(told, before, conflict.alpha, conflict.gate, gold)
    return InConflict(labels, labels)


def runnable(experiment: Experiment, kinds: Kinds) -> tuple[tuple[Method, ...], tuple[tuple[str, str], ...]]:
    """Return the methods that the task has the data for, and (name, reason) of each other one.

    Raises ExperimentError where a conflict does not suit the task or the rest of its method.
    """
    left_out: dict[str, str] = {}
    for place, method in enumerate(experiment.methods):
        if method.conflict is not None:
            _check(method, f"methods.{place}", kinds)
        if isinstance(method.conflict, Implicit) and not method.conflict.absent:
            left_out |= _without_data(experiment, method, f"methods.{place}")
    kept = tuple(method for method in experiment.methods if method.name not in left_out)
    if not kept:
        raise ExperimentError(f"methods: none of them can run: {next(iter(left_out.values()))}")
    return kept, tuple(left_out.items())


def _check(method: Method, path: str, kinds: Kinds) -> None:
    if kinds is STREAMED:
        raise ExperimentError(
            f"{path}.conflict: a conflict holds items in memory, which a streamed task does not; use the task `file` "
            "for data that fit"
        )
    if isinstance(method.schedule, EarlyStopping | WeakFewShot):
        raise ExperimentError(
            f"{path}.conflict: {method.schedule.name} judges or prompts by the labels that it was told, which a "
            "conflict is no part of; take another schedule, or leave the conflict out"
        )


def _without_data(experiment: Experiment, method: Method, path: str) -> dict[str, str]:
    """Return why an implicit conflict has no data, by the method's name; nothing where it has."""
    goal = getattr(experiment.task, "second_goal", "")  # "" has none, None has none in this file
    if goal is None:
        return {method.name: NO_SECOND_DATA}
    if not goal:
        raise ExperimentError(
            f"{path}.conflict: implicit learns true labels of a second goal, and a task of kind "
            f"{experiment.task.kind} has none; take movie_pairs, or pairs with `second_path`, or an explicit conflict"
        )
    if experiment.second is None:
        raise ExperimentError(
            f"task.second: the key is missing; {method.name} learns the true labels of so many items of a second goal"
        )
    return {}
