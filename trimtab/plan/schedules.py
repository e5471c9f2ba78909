"""From weak labels to a student's predictions: label steps, then the schedule, then the fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trimtab.errors import ExperimentError
from trimtab.experiment import Supervisor
from trimtab.fit.probe_settings import Probe
from trimtab.learner import Learner
from trimtab.methods import Method
from trimtab.objectives.naive import Naive
from trimtab.plan.by_level import easy_taught
from trimtab.plan.conflicts import in_conflict
from trimtab.plan.kinds import STREAMED
from trimtab.plan.seed import Predictor, Seed, Start
from trimtab.plan.steps import stepped
from trimtab.plan.supervisors import weak_labels
from trimtab.schedules.chain import Chain
from trimtab.schedules.early_stopping import EarlyStopping
from trimtab.schedules.easy_truth import EasyTruth
from trimtab.schedules.generative import Generative
from trimtab.schedules.head_then_body import HeadThenBody
from trimtab.schedules.schedule import Schedule
from trimtab.schedules.strong_to_strong import StrongToStrong
from trimtab.schedules.weak_few_shot import WeakFewShot
from trimtab.stages.cross_fit import LabelWithout
from trimtab.stages.embed import model_identity
from trimtab.stages.generative import TrainGenerative
from trimtab.stages.stage import Stage
from trimtab.stages.stopping import PredictBest
from trimtab.stages.supervisors import PredictPrompted
from trimtab.types import ModelSpec, Objective

MOST_EPOCHS = 100
"""More are taken for the steps of a probe."""


@dataclass(frozen=True)
class Taught:
    """A student of a method, and what it was told of the transfer split in the end."""

    student: Predictor
    told: Stage


def same(one: Supervisor, other: Supervisor) -> bool:
    """Say whether two learners are the same model read and fitted in the same way, whatever it is called."""
    if not isinstance(one, Learner) or not isinstance(other, Learner):
        return False
    return one.fit == other.fit and model_identity(one.spec) == model_identity(other.spec)


def taught(seed: Seed, supervisor: Supervisor, student: Learner, method: Method) -> Taught:
    """A student that has learnt from a supervisor by a method.

    Raises ExperimentError where the method does not suit supervisor, student or task.
    """
    given = weak_labels(seed, supervisor)
    told = stepped(seed, supervisor, student, given, method.labels)
    schedule = method.schedule
    if schedule is not None and seed.kinds is STREAMED:
        raise ExperimentError(
            f"methods: the schedule {schedule.name} holds items in memory, which a streamed task does not; use the "
            "task `file` for data that fit"
        )
    if isinstance(schedule, WeakFewShot):
        if method.objective != Naive():
            raise ExperimentError(
                f"methods: the schedule {schedule.name} trains nothing, so that the objective of {method.name} would "
                "do nothing; leave it out"
            )
        asked = PredictPrompted(seed.data, seed.split, student.spec, schedule.shots, seed.seed, seed.tested, told)
        return Taught(Predictor(asked), told)
    if isinstance(schedule, EasyTruth):
        return Taught(*easy_taught(seed, student, method))
    links, folds = _links(schedule, supervisor, student)
    for link in links:
        told = given = seed.cross_fitted(link, method.objective, told, given, "transfer", folds)

    def learn(labels: Stage, parts: tuple[str, ...] = ()) -> Predictor:
        return _learnt(seed, student, method.objective, labels, given, schedule, parts)

    conflict = in_conflict(seed, method.conflict, told, learn)
    return Taught(learn(conflict.learnt), conflict.told)


def ceiling(seed: Seed, student: Learner, schedule: Schedule | None) -> Predictor:
    """The student on ground truth, by the same schedule where that changes how a model learns."""
    gold = seed.gold("transfer")
    own = schedule if schedule is not None and schedule.own_ceiling else None
    return _learnt(seed, student, Naive(), gold, gold, own)


def _learnt(
    seed: Seed,
    student: Learner,
    objective: Objective,
    told: Stage,
    given: Stage,
    schedule: Schedule | None,
    parts: tuple[str, ...] = (),
) -> Predictor:
    """The student's fit, with what a schedule changes about it."""
    if isinstance(schedule, EarlyStopping):
        return _stopped(seed, student, objective, told, given, schedule)
    if isinstance(schedule, HeadThenBody):
        if isinstance(student.fit, Probe):
            raise ExperimentError(
                "methods: head_then_body tunes the body after the head, and a probe has no body to tune; set "
                f"`fit: tune` for {student.spec.model}"
            )
        head = seed.probe(student.spec, Probe(), objective, told, given)
        return seed.fitted(student, objective, told, given, parts, Start(head=head))
    if isinstance(schedule, Generative):
        weights = TrainGenerative(seed.data, student.spec, schedule)
        return seed.fitted(student, objective, told, given, parts, Start(weights=weights))
    return seed.fitted(student, objective, told, given, parts)


def _stopped(
    seed: Seed, student: Learner, objective: Objective, told: Stage, given: Stage, schedule: EarlyStopping
) -> Predictor:
    """The best of fits of several lengths, by items that none of them learns."""
    learnt = LabelWithout(told, seed.data, schedule.folds, 0, seed.seed)
    found = [
        seed.fitted(_of_length(student, length), objective, learnt, given, seed.labelled).predictions
        for length in schedule.lengths
    ]
    judge = seed.gold("transfer") if schedule.oracle else told
    return Predictor(PredictBest(tuple(found), schedule.lengths, told, learnt, judge, seed.tested))


def _of_length(student: Learner, length: int) -> Learner:
    fit = student.fit
    if isinstance(fit, Probe):  # a schedule has two steps at the least
        return replace(student, fit=replace(fit, steps=max(2, length), max_steps=length))
    if length > MOST_EPOCHS:
        raise ExperimentError(
            f"methods: early_stopping of {student.spec.model} has the length {length}, and lengths of a tuned model "
            f"are epochs: wanted at most {MOST_EPOCHS}, for example [1, 2, 3]"
        )
    return replace(student, fit=replace(fit, epochs=length))


def _links(schedule: object, supervisor: Supervisor, student: Learner) -> tuple[tuple[Learner, ...], int]:
    """The models that hand the labels on before the student, and the folds in which they do."""
    if isinstance(schedule, StrongToStrong):
        return (student,) * schedule.rounds, schedule.folds
    if isinstance(schedule, Chain):
        for link in schedule.through:
            if same(link, student):
                raise ExperimentError(
                    f"methods: the chain goes through {link.spec.model}, which is the student itself, read and fitted "
                    "alike; take it out, or use strong_to_strong for a student that relabels for itself"
                )
            if same(link, supervisor):
                raise ExperimentError(
                    f"methods: the chain goes through {link.spec.model}, which is the supervisor itself, read and "
                    "fitted alike; take it out, or give it another layer or fit"
                )
        return schedule.through, schedule.folds
    return (), 0


def chain_of(method: Method, student: str) -> tuple[str, ...]:
    """Return what the models between supervisor and student are called."""
    if isinstance(method.schedule, StrongToStrong):
        return (student,) * method.schedule.rounds
    return tuple(_called(one.spec) for one in method.schedule.through) if isinstance(method.schedule, Chain) else ()


def _called(spec: ModelSpec) -> str:
    return spec.model if spec.layer is None else f"{spec.model}, layer {spec.layer}"
