"""A split by level: what it cannot be combined with, and the student that learns easy truth."""

from __future__ import annotations

from trimtab.errors import ExperimentError
from trimtab.experiment import Experiment
from trimtab.learner import Learner
from trimtab.methods import Method
from trimtab.plan.seed import Predictor, Seed
from trimtab.stages.stage import Stage
from trimtab.tasks.streamed.batch import StreamedTask


def check_by_level(experiment: Experiment) -> None:
    """Raise ExperimentError where the items are streamed, or have several answers."""
    task = experiment.task
    streamed, listwise = isinstance(task, StreamedTask), getattr(task, "listwise", False)
    if streamed or listwise or getattr(task, "paired", False):
        answers = "answers of its own" if listwise else "two answers"
        what = "is read as a stream, without numbers of its items" if streamed else f"has {answers} an item"
        raise ExperimentError(
            f"split.by: a task of kind {task.kind} {what}, and cannot be split by level; use the task `file`"
        )


def easy_taught(seed: Seed, student: Learner, method: Method) -> tuple[Predictor, Stage]:
    """A student that has learnt easy truth, and that truth; its penalty is chosen on the easy items too.

    Raises ExperimentError where supervisor items are not the easy ones, or the method has label steps.
    """
    if not seed.by_level:
        raise ExperimentError(
            f"methods: {method.name} learns the truth of the supervisor split, which is of the test split's kind here; "
            "set `split: {by: level, hard_from: ...}`, or take another schedule"
        )
    if method.labels:
        raise ExperimentError(
            f"methods: {method.name} has label steps, and the schedule easy_truth reads no weak labels; leave them out"
        )
    gold = seed.gold("supervisor")
    return seed.fitted(student, method.objective, gold, gold), gold
