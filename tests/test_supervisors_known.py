"""Every supervisor by its name, its row in the plan and the models that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fault_study import every_supervisor

from trimtab.components import find
from trimtab.experiment import asked_by, learners_of, parse
from trimtab.fit.probe_settings import Probe
from trimtab.learner import Learner
from trimtab.plan.supervisors import KNOWN
from trimtab.supervisors import SUPERVISORS
from trimtab.types import ModelSpec, Truth

TRAINED = {"mean_ensemble": 2, "dirichlet_ensemble": 2, "bagging": 1, "adaboost": 1, "trained_on_ratings": 1}
"""Models that are trained for a supervisor of `every_supervisor`."""
ASKED = {"prompted", "ccs", "icm"}


def test_the_table_and_the_plan_know_the_same_supervisors() -> None:
    found = {name: find(name, "trimtab.supervisors", SUPERVISORS, Path()) for name in SUPERVISORS}
    assert set(found.values()) == set(KNOWN)
    assert {name: vars(cls)["name"] for name, cls in found.items()} == {name: name for name in SUPERVISORS}


def test_the_models_of_every_supervisor_are_found(tmp_path: Path) -> None:
    weak = every_supervisor(tmp_path, {"kind": "probe"})
    task = {"kind": "synthetic", "items": 300, "supervisor": 40, "transfer": 40, "test": 40}
    experiment = parse({"name": "x", "task": task, "weak": weak, "strong": "s", "methods": ["naive"]}, tmp_path)
    trained = {one.name: len(learners_of(one)) for one in experiment.weak if learners_of(one)}  # pyright: ignore
    asked = {one.name: [spec.model for spec in asked_by(one)] for one in experiment.weak if asked_by(one)}  # pyright: ignore
    assert trained == TRAINED
    assert asked == {name: [str(tmp_path / "strong")] for name in ASKED}
    places = [place for place, _ in experiment.models()]
    wanted = [f"weak.{i}.{name}.model" if name in ASKED else f"weak.{i}.model"
              for i, (name,) in enumerate(weak) for _ in range(TRAINED.get(name, name in ASKED))]  # fmt: skip
    assert places == [*wanted, "strong.0.model"]


def test_models_are_found_by_the_types_of_the_settings_alone() -> None:
    @dataclass(frozen=True)
    class Judged:
        """Two models that learn, judged by one that is asked."""

        first: Learner
        judge: ModelSpec
        others: tuple[Learner, ...]
        share: float = 0.5

        truth: ClassVar[Truth] = "none"
        name: ClassVar[str] = "judged"

    one, other = (Learner(ModelSpec(name), Probe()) for name in ("a", "b"))
    made = Judged(one, ModelSpec("c"), (other,))
    assert learners_of(made) == (one, other)
    assert asked_by(made) == (ModelSpec("c"),)
    assert (learners_of(one), asked_by(one)) == ((one,), ())
