"""From weak labels to a student's predictions: label steps, then the schedule, then the fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trimtab.errors import ExperimentError
from trimtab.experiment import Supervisor
from trimtab.learner import Learner
from trimtab.methods import Method
from trimtab.plan.kinds import STREAMED
from trimtab.plan.seed import Fitted, Seed
from trimtab.plan.steps import stepped
from trimtab.plan.supervisors import weak_labels
from trimtab.schedules.chain import Chain
from trimtab.schedules.strong_to_strong import StrongToStrong
from trimtab.schedules.weak_few_shot import WeakFewShot
from trimtab.stages.embed import model_identity
from trimtab.stages.stage import Stage
from trimtab.stages.supervisors import PredictPrompted


@dataclass(frozen=True)
class Taught:
    """A student of a method, and what it was told in the end."""

    fitted: Fitted
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
            f"methods: the schedule {type(schedule).__name__} relabels items in memory, which a streamed task does "
            "not; use the task `file` for data that fit"
        )
    if isinstance(schedule, WeakFewShot):
        asked = PredictPrompted(seed.data, seed.split, student.spec, schedule.shots, seed.seed, ("test",), told)
        return Taught(Fitted(asked), told)
    links, folds = _links(schedule, student)
    for link in links:
        told = given = seed.cross_fitted(link, method.objective, told, given, "transfer", folds)
    return Taught(seed.fitted(student, method.objective, told, given), told)


def _links(schedule: object, student: Learner) -> tuple[tuple[Learner, ...], int]:
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
        return schedule.through, schedule.folds
    return (), 0


def chain_of(method: Method, student: str, name: Callable[[Learner], str]) -> tuple[str, ...]:
    """Return what the models between supervisor and student are called."""
    if isinstance(method.schedule, StrongToStrong):
        return (student,) * method.schedule.rounds
    return tuple(name(one) for one in method.schedule.through) if isinstance(method.schedule, Chain) else ()
