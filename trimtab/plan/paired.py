"""What a task of pairs cannot be combined with."""

from __future__ import annotations

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment, asked_by
from trimtab.learner import Learner
from trimtab.models.source import locate
from trimtab.schedules.generative import Generative
from trimtab.schedules.weak_few_shot import WeakFewShot


def check_pairs(experiment: Experiment) -> None:
    """Raise ExperimentError where a model is to be asked about a pair, or where an answer has no text to be read."""
    kind = experiment.task.kind
    for number, one in enumerate(experiment.weak):
        if not isinstance(one, Learner) and asked_by(one):
            raise ExperimentError(
                f"weak.{number}: {one.name} asks a model about one text, and an item of a task of kind {kind} has two "
                "answers; name a model that learns from the supervisor split"
            )
    for number, method in enumerate(experiment.methods):
        if isinstance(method.schedule, WeakFewShot | Generative):
            raise ExperimentError(
                f"methods.{number}: the schedule {method.schedule.name} reads one text an item, and a task of kind "
                f"{kind} has two answers; take another schedule"
            )
    for place, spec in experiment.models():
        if locate(spec).kind == "features":
            raise ExperimentError(
                f"{place}: {spec.model} has one row of features an item, and a task of kind {kind} has two answers; "
                "name a model"
            )
