"""The experiment as one frozen value, and the models that it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from trimtab.comparison.controls import USUAL
from trimtab.comparison.learning_curves import LearningCurves
from trimtab.learner import Learner
from trimtab.methods import Method
from trimtab.metrics import METRICS
from trimtab.schedules.chain import Chain
from trimtab.supervisors.supervisor import NamedSupervisor
from trimtab.tasks.splits import SplitSettings
from trimtab.types import ModelSpec

Supervisor = Learner | NamedSupervisor
"""Whoever gives weak labels: a model that learns, or one of `trimtab/supervisors/`."""
_Model = TypeVar("_Model", Learner, ModelSpec)


@dataclass(frozen=True)
class Experiment:
    """A whole weak-to-strong study as one value."""

    name: str
    """Name of the run's folder: A to Z, a to z, 0 to 9, '-', '_' and '.'."""
    task: Any
    """Settings of a task."""
    split: SplitSettings
    """Sizes of the three splits and of the pool."""
    weak: tuple[Supervisor, ...]
    """Weak supervisors; every pair with a strong student is run."""
    strong: tuple[Learner, ...]
    """Strong students."""
    methods: tuple[Method, ...]
    """How the students learn."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Repetitions; each draws its own supervisor and transfer items from the pool."""
    controls: tuple[str, ...] = USUAL
    """Controls that run beside the methods."""
    curves: LearningCurves | None = None
    """Learning curves of every pair; none draws none."""
    metrics: tuple[str, ...] = tuple(METRICS)
    """What is reported, the main one first; without it all metrics, or those that suit a task of choices."""
    second: int | None = None
    """Items of the second goal, for methods with an implicit conflict."""
    cuts: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """Where the parts of the test split by one of the task's numbers are cut; none = terciles."""
    text: str = ""
    """The file it was read from, for the report."""

    def models(self) -> Iterator[tuple[str, ModelSpec]]:
        """Yield every model with its place in the file."""
        for side, entries in (("weak", self.weak), ("strong", self.strong)):
            for place, one in enumerate(entries):
                if not isinstance(one, Learner):
                    yield from ((f"{side}.{place}.{one.name}.model", spec) for spec in asked_by(one))
                for learner in learners_of(one):
                    yield f"{side}.{place}.model", learner.spec
        for place, method in enumerate(self.methods):
            for learner in method.schedule.through if isinstance(method.schedule, Chain) else ():
                yield f"methods.{place}.schedule.chain.through", learner.spec


def learners_of(supervisor: Supervisor) -> tuple[Learner, ...]:
    """The models that are trained for a supervisor."""
    return (supervisor,) if isinstance(supervisor, Learner) else _held(supervisor, Learner)


def asked_by(supervisor: Supervisor) -> tuple[ModelSpec, ...]:
    """The models that a supervisor asks and never trains."""
    return () if isinstance(supervisor, Learner) else _held(supervisor, ModelSpec)


def _held(supervisor: NamedSupervisor, kind: type[_Model]) -> tuple[_Model, ...]:
    """The settings of a type, alone or in a tuple, in the order of the fields."""
    values = (value if isinstance(value, tuple) else (value,) for value in vars(supervisor).values())
    return tuple(one for value in values for one in value if isinstance(one, kind))
