"""What a task of choices cannot be combined with: whatever takes a place for a class, or reads one row an item."""

from __future__ import annotations

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment
from trimtab.learner import Learner
from trimtab.metrics import OF_CHOICES
from trimtab.objectives.example_wise import ExampleWise
from trimtab.objectives.naive import Naive
from trimtab.plan.answers import check_answers
from trimtab.plan.supervisors import KNOWN
from trimtab.supervise.certainty_weights import CertaintyWeights
from trimtab.supervise.prior_correction import PriorCorrection
from trimtab.supervise.rebalance import Rebalance
from trimtab.types import InformedStep, LabelStep

OF_CLASSES = (CertaintyWeights, PriorCorrection, Rebalance)
"""Label steps that count classes, or know how many there are."""
STATES = {"student_states", "supervisor_states", "judged"}
"""Evidence that has one row of activations an item."""
CHOOSERS = " or ".join(kind.name for kind, one in KNOWN.items() if one.choices)
"""Supervisors that can speak of such items."""
OWN = "answers of its own"


def check_choices(experiment: Experiment) -> None:
    """Raise ExperimentError for the first supervisor, method, model or metric that does not suit a task of choices."""
    kind = experiment.task.kind
    check_answers(experiment, OWN)
    for number, one in enumerate(experiment.weak):
        if not isinstance(one, Learner) and not KNOWN[type(one)].choices:
            raise ExperimentError(
                f"weak.{number}: {one.name} takes the places of answers for classes, and every item of a task of kind "
                f"{kind} has {OWN}; name a model, {CHOOSERS}"
            )
    for number, method in enumerate(experiment.methods):
        place = f"methods.{number}"
        _check_objective(place, method.objective, kind)
        for step in method.labels:
            _check_step(place, step, kind)
    for number, name in enumerate(experiment.metrics):
        if name not in OF_CHOICES:
            raise ExperimentError(
                f"metrics.{number}: {name} compares classes, and of a task of kind {kind} the places of answers are "
                f"none; wanted some of {', '.join(OF_CHOICES)}"
            )


def _check_objective(place: str, objective: object, kind: str) -> None:
    """Raise ExperimentError for an objective that needs to know of other examples, such as the balance of classes."""
    alone = isinstance(objective, Naive | ExampleWise)
    if not alone or type(objective).statistics not in (Naive.statistics, ExampleWise.statistics):
        raise ExperimentError(
            f"{place}: the objective {type(objective).__name__} computes statistics over all items as if they had the "
            f"same classes, and every item of a task of kind {kind} has {OWN}; take one in which each "
            "example stands alone, such as naive, entropy, product or reverse_kl"
        )


def _check_step(place: str, step: LabelStep | InformedStep, kind: str) -> None:
    reads = sorted(STATES & set(step.needs)) if isinstance(step, InformedStep) else []
    if reads or isinstance(step, OF_CLASSES):
        what = f"needs {' and '.join(reads)}, one row an item" if reads else "counts classes"
        raise ExperimentError(
            f"{place}: the label step {type(step).__name__} {what}, and every item of a task of kind {kind} has "
            f"{OWN}; take another step, such as confident or temperature"
        )
