"""What a task cannot be combined with whose items have several texts each: two answers, or answers of their own."""

from __future__ import annotations

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment, asked_by
from trimtab.learner import Learner
from trimtab.models.source import locate
from trimtab.schedules.generative import Generative
from trimtab.schedules.weak_few_shot import WeakFewShot


def check_answers(experiment: Experiment, has: str) -> None:
    """Raise ExperimentError where something reads one text, or has one row of features, an item.

    `has` says what an item has instead.
    """
    of_kind = f"an item of a task of kind {experiment.task.kind} has {has}"
    for number, one in enumerate(experiment.weak):
        if not isinstance(one, Learner) and asked_by(one):
            raise ExperimentError(
                f"weak.{number}: {one.name} asks a model about one text, and {of_kind}; name a model that learns from "
                "the supervisor split"
            )
    for number, method in enumerate(experiment.methods):
        if isinstance(method.schedule, WeakFewShot | Generative):
            raise ExperimentError(
                f"methods.{number}: the schedule {method.schedule.name} reads one text an item, and {of_kind}; take "
                "another schedule"
            )
    for place, spec in experiment.models():
        if locate(spec).kind == "features":
            raise ExperimentError(f"{place}: {spec.model} has one row of features an item, and {of_kind}; name a model")
