"""Schedules and supervisors that have a text continued, and the models that can."""

from __future__ import annotations

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment, asked_by
from trimtab.learner import Learner
from trimtab.models.kind import has_language_head
from trimtab.schedules.generative import Generative
from trimtab.schedules.weak_few_shot import WeakFewShot


def check_language_heads(experiment: Experiment) -> None:
    """Raise ExperimentError where a supervisor or a schedule needs a model that can continue a text, and its model or a
    student cannot.
    """
    for number, one in enumerate(experiment.weak):
        for spec in asked_by(one):
            if not isinstance(one, Learner) and not has_language_head(spec):
                raise ExperimentError(
                    f"weak.{number}.{one.name}.model: {one.name} asks a model what it would answer, and {spec.model} "
                    "comes without a language head; take a causal model, or another supervisor"
                )
    for place, method in enumerate(experiment.methods):
        if not isinstance(method.schedule, Generative | WeakFewShot):
            continue
        for number, one in enumerate(experiment.strong):
            if not has_language_head(one.spec):
                raise ExperimentError(
                    f"methods.{place}.schedule: {method.schedule.name} needs a model that continues texts, and "
                    f"strong.{number}, {one.spec.model}, comes without a language head; take a causal model, or "
                    "another schedule"
                )
