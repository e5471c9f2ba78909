"""Label steps, each with the evidence that it names and no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment, Supervisor
from trimtab.learner import Learner
from trimtab.objectives.naive import Naive
from trimtab.plan.kinds import STREAMED
from trimtab.plan.seed import Seed
from trimtab.plan.supervisors import member_labels
from trimtab.stages.informed import LabelInformed
from trimtab.stages.stage import Stage
from trimtab.supervise import LABEL_STEPS
from trimtab.supervise.ground_truth import GroundTruth
from trimtab.types import InformedStep, LabelStep, Need

FOLDS = 3
"""Folds of the cross-fits that label steps ask for."""
STATES = {"supervisor_states", "judged"}
"""Needs that a supervisor's activations fill."""


def check_steps(experiment: Experiment) -> None:
    """Raise ExperimentError where a label step would see more truth than it declares, or truth is bought twice."""
    for place, method in enumerate(experiment.methods):
        for number, step in enumerate(method.labels):
            _check_truth(f"methods.{place}.labels.{number}", step)
            for weak in experiment.weak:
                _check_states(f"methods.{place}.labels.{number}", step, weak)
        bought = [number for number, step in enumerate(method.labels) if isinstance(step, GroundTruth)]
        if len(bought) > 1:  # labels do not say which of them were bought, so that a second step may buy them again
            raise ExperimentError(
                f"methods.{place}.labels.{bought[1]}: found a second ground_truth, which may buy what that of "
                f"labels.{bought[0]} has bought, and would be charged for it again; wanted one with the budget of both"
            )


def _check_truth(place: str, step: LabelStep | InformedStep) -> None:
    needs = step.needs if isinstance(step, InformedStep) else ()
    for need, hides, wanted in (
        ("judged", ("none",), "`supervisor`"),
        ("gold", ("none", "supervisor"), "`budget(n)`, n the items it buys at most"),
    ):
        if need in needs and step.truth in hides:
            raise ExperimentError(
                f"{place}: the label step {_called(step)} reads ground truth (`{need}`) and declares the truth "
                f"`{step.truth}`; wanted {wanted}"
            )


def _check_states(place: str, step: LabelStep | InformedStep, supervisor: Supervisor) -> None:
    needs = step.needs if isinstance(step, InformedStep) else ()
    if STATES & set(needs) and not isinstance(supervisor, Learner):
        raise ExperimentError(
            f"{place}: the label step {_called(step)} reads the supervisor's hidden states, and {supervisor.name} has "
            "none; take a single model as supervisor, or another step"
        )


def _called(step: LabelStep | InformedStep) -> str:
    """Return the name by which an experiment file knows a step; of another's, its class."""
    known = f"{type(step).__module__}:{type(step).__name__}"
    return next((name for name, place in LABEL_STEPS.items() if place == known), type(step).__name__)


def stepped(
    seed: Seed, supervisor: Supervisor, student: Learner, labels: Stage, steps: Sequence[LabelStep | InformedStep]
) -> Stage:
    """The labels after a method's steps.

    Raises ExperimentError where a step needs what the supervisor does not have.
    """
    for step in steps:
        informed = isinstance(step, InformedStep)
        labels = _informed(seed, supervisor, student, labels, step) if informed else seed.kinds.stepped(labels, step)
    return labels


def _informed(seed: Seed, supervisor: Supervisor, student: Learner, labels: Stage, step: InformedStep) -> Stage:
    needs, name = step.needs, type(step).__name__
    unknown = sorted(set(needs) - set(get_args(Need)))
    if unknown:
        raise ExperimentError(
            f"methods: the label step {name} needs {', '.join(unknown)}, which no step can be given; wanted some of "
            f"{', '.join(get_args(Need))}"
        )
    if seed.kinds is STREAMED and needs:
        raise ExperimentError(
            f"methods: the label step {name} holds activations in memory, which a streamed task does not; use the task "
            "`file` for data that fit, or a step that needs the labels alone"
        )
    found = {}
    if "student_states" in needs:
        found["student_states"] = seed.embed(student.spec)
    if "student_beliefs" in needs:
        found["student_beliefs"] = seed.cross_fitted(student, Naive(), labels, labels, "transfer", FOLDS)
    if isinstance(supervisor, Learner) and STATES & set(needs):
        found["supervisor_states"] = seed.embed(supervisor.spec)
    if isinstance(supervisor, Learner) and "judged" in needs:
        gold = seed.gold("supervisor")
        found["judged"] = seed.cross_fitted(supervisor, Naive(), gold, gold, "supervisor", FOLDS)
        found["judged_gold"] = gold
    if "members" in needs:
        found["members"] = member_labels(seed, supervisor, name)
    if "gold" in needs:
        found["gold"] = seed.gold("transfer")
    if "seed" in needs:
        found["seed"] = seed.seed
    return LabelInformed(labels, step, seed.data, **found)
