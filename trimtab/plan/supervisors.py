"""Who gives weak labels, and from which stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.digest import settings_of
from trimtab.errors import ExperimentError
from trimtab.experiment import Supervisor
from trimtab.learner import Learner
from trimtab.objectives.naive import Naive
from trimtab.plan.kinds import STREAMED
from trimtab.plan.seed import Predictor, Seed
from trimtab.stages.elicit import EmbedAnswered, PredictCoherent, PredictConsistent
from trimtab.stages.label import LabelModel
from trimtab.stages.predict import PredictZeroShot
from trimtab.stages.stage import Stage
from trimtab.stages.supervisors import (
    LabelBoosted,
    LabelResampled,
    PredictAnnotator,
    PredictEnsemble,
    PredictPrompted,
    PredictRatings,
    PredictSelected,
)
from trimtab.supervisors.adaboost import AdaBoost
from trimtab.supervisors.annotator import Annotator
from trimtab.supervisors.bagging import Bagging
from trimtab.supervisors.ccs import ContrastConsistent
from trimtab.supervisors.dirichlet_ensemble import DirichletEnsemble
from trimtab.supervisors.human_ratings import HumanRatings
from trimtab.supervisors.icm import InternalCoherence
from trimtab.supervisors.mean_ensemble import MeanEnsemble
from trimtab.supervisors.prompted import Prompted
from trimtab.supervisors.supervisor import NamedSupervisor
from trimtab.supervisors.trained_on_ratings import TrainedOnRatings
from trimtab.types import ModelSpec


@dataclass(frozen=True)
class Known:
    """What the plan knows of one kind of supervisor."""

    says: Callable[[Seed, Any], Stage]
    """Makes what it says of transfer and test items."""
    two_classes: bool = False
    """Whether it tells two classes apart, and no more."""
    choices: bool = False
    """Whether it can speak of items that have answers of their own."""


def supervised(seed: Seed, supervisor: Supervisor) -> Predictor:
    """What a supervisor says of transfer and test items.

    Raises ExperimentError where a streamed task has another supervisor than a model.
    """
    if isinstance(supervisor, Learner):
        gold = seed.gold("supervisor")
        return seed.fitted(supervisor, Naive(), gold, gold, seed.labelled)
    if seed.kinds is STREAMED:
        raise ExperimentError(
            f"weak: {type(supervisor).__name__} holds its labels in memory, which a streamed task does not; take a "
            "model with a probe, or the task `file` for data that fit"
        )
    return Predictor(KNOWN[type(supervisor)].says(seed, supervisor))


def weak_labels(seed: Seed, supervisor: Supervisor) -> Stage:
    """What a supervisor says of the transfer split."""
    truth = "none" if isinstance(supervisor, Learner) else supervisor.truth
    return seed.kinds.weak(supervised(seed, supervisor).predictions, truth)


def member_labels(seed: Seed, supervisor: Supervisor, step: str) -> tuple[Stage, ...]:
    """What each member of an ensemble says of the transfer split.

    Raises ExperimentError where the supervisor is no ensemble.
    """
    if not isinstance(supervisor, MeanEnsemble | DirichletEnsemble):
        raise ExperimentError(
            f"methods: the label step {step} chooses among the members of an ensemble; take mean_ensemble or "
            "dirichlet_ensemble as supervisor"
        )
    return tuple(LabelModel(supervised(seed, one).predictions) for one in supervisor.members)


def _ratings(seed: Seed, supervisor: HumanRatings | TrainedOnRatings, parts: tuple[str, ...] = ()) -> Stage:
    held = settings_of(seed.experiment.task).get("held_ratings", supervisor.crowd)  # another task may hold them unasked
    if held < supervisor.crowd:
        raise ExperimentError(
            f"weak: {supervisor.name} draws {supervisor.crowd} ratings per item and the task holds {held} back for it; "
            f"set `held_ratings: {supervisor.crowd}` under task"
        )
    return PredictRatings(seed.data, seed.split, supervisor.crowd, seed.seed, parts or seed.labelled)


def _trained_on_ratings(seed: Seed, supervisor: TrainedOnRatings) -> Stage:
    told = LabelModel(_ratings(seed, supervisor, ("supervisor",)), part="supervisor")
    return seed.fitted(supervisor.model, Naive(), told, told, seed.labelled).predictions


def _annotator(seed: Seed, supervisor: Annotator) -> Stage:
    return PredictAnnotator(seed.data, seed.split, supervisor.confusion, seed.seed, seed.labelled)


def _prompted(seed: Seed, supervisor: Prompted) -> Stage:
    if not supervisor.shots:
        return _asked(seed, supervisor.model)
    told = seed.gold("supervisor")
    return PredictPrompted(seed.data, seed.split, supervisor.model, supervisor.shots, seed.seed, seed.labelled, told)


def _asked(seed: Seed, spec: ModelSpec) -> Stage:
    """A model's own answers; all items are asked about once, for all seeds."""
    # the last state of the last token is what the language head reads
    states = seed.embed(spec) if spec.layer is None and spec.pooling != "mean" else None
    return PredictSelected(seed.split, PredictZeroShot(seed.data, spec, states, everything=True), seed.labelled)


def _consistent(seed: Seed, supervisor: ContrastConsistent) -> Stage:
    negative, positive = (EmbedAnswered(seed.data, supervisor.model, answer=answer) for answer in (0, 1))
    asked = _asked(seed, supervisor.model)
    return PredictConsistent(seed.data, seed.split, negative, positive, asked, supervisor, seed.seed, seed.labelled)


def _coherent(seed: Seed, supervisor: InternalCoherence) -> Stage:
    asked, states = _asked(seed, supervisor.model), seed.embed(supervisor.model)
    return PredictCoherent(seed.data, seed.split, states, asked, supervisor, seed.seed, seed.labelled)


def _mean(seed: Seed, supervisor: MeanEnsemble) -> Stage:
    told = tuple(supervised(seed, one).predictions for one in supervisor.members)
    return PredictEnsemble(told, "mean_ensemble", parts=seed.labelled)


def _dirichlet(seed: Seed, supervisor: DirichletEnsemble) -> Stage:
    told = tuple(supervised(seed, one).predictions for one in supervisor.members)
    return PredictEnsemble(told, "dirichlet_ensemble", supervisor.prior, parts=seed.labelled)


def _bagging(seed: Seed, supervisor: Bagging) -> Stage:
    gold = seed.gold("supervisor")
    samples = [LabelResampled(gold, number, seed.seed) for number in range(supervisor.rounds)]
    told = [seed.fitted(supervisor.model, Naive(), one, gold, seed.labelled).predictions for one in samples]
    return PredictEnsemble(tuple(told), "bagging", parts=seed.labelled)


def _adaboost(seed: Seed, supervisor: AdaBoost) -> Stage:
    gold = labels = seed.gold("supervisor")
    learnt, told = [], []
    for _ in range(supervisor.rounds):
        found = seed.fitted(supervisor.model, Naive(), labels, gold, ("supervisor", *seed.labelled)).predictions
        learnt.append(labels)
        told.append(found)
        labels = LabelBoosted(labels, found)
    return PredictEnsemble(tuple(told), "adaboost", labels=tuple(learnt), parts=seed.labelled)


KNOWN: Mapping[type[NamedSupervisor], Known] = {
    HumanRatings: Known(_ratings, two_classes=True),
    TrainedOnRatings: Known(_trained_on_ratings, two_classes=True),
    Annotator: Known(_annotator),
    Prompted: Known(_prompted),
    ContrastConsistent: Known(_consistent, two_classes=True),
    InternalCoherence: Known(_coherent, two_classes=True),
    MeanEnsemble: Known(_mean, choices=True),
    DirichletEnsemble: Known(_dirichlet),
    Bagging: Known(_bagging, choices=True),
    AdaBoost: Known(_adaboost),
}
"""Every class of `trimtab/supervisors/`; a new one is named here once."""
