"""No entry sees ground truth that it has not declared: every objective, label step, schedule and supervisor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fault_data import rated
from fault_study import every_supervisor
from test_study_fair import frozen_split_with_other_truth, prediction_hashes
from tiny_study import study

from trimtab.experiment import Experiment, parse
from trimtab.methods import Method
from trimtab.objectives import OBJECTIVES
from trimtab.objectives.naive import Naive
from trimtab.plan import plan
from trimtab.schedules import SCHEDULES
from trimtab.supervise import LABEL_STEPS
from trimtab.supervise.co_supervision import CoSupervision
from trimtab.supervisors import SUPERVISORS

STEPS: dict[str, dict[str, Any]] = {
    "confident": {"keep": 0.5},
    "temperature": {},
    "prior_correction": {},
    "rebalance": {},
    "certainty_weights": {},
    "trust": {"hidden": 8},
    "noisy_channel": {},
    "graph_smoothing": {"neighbours": 5},
    "topofilter": {"neighbours": 20, "outlier_neighbours": 10},
    "overlap_density": {},
    "ground_truth": {"budget": 20},
}


def every_method(strong: dict[str, Any]) -> list[Any]:
    """Return every objective, label step and schedule that a probe can take."""
    steps = [{"name": name, "labels": [{name: settings}], "objective": "naive"} for name, settings in STEPS.items()]
    schedules: list[Any] = [
        {"schedule": {"chain": {"through": [{**strong, "layer": 1}], "folds": 2}}},
        {"schedule": {"strong_to_strong": {"folds": 2}}},
        {"schedule": {"early_stopping": {"lengths": [5, 40]}}},
        {"name": "early_oracle", "schedule": {"early_stopping": {"lengths": [5, 40], "oracle": True}}},
        {"schedule": {"generative": {}}},
        {"schedule": {"weak_few_shot": {"shots": 2}}},
    ]
    return [*OBJECTIVES, *steps, *schedules]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    folder = tmp_path_factory.mktemp("taught")
    values = study(folder, (0,), controls=False, metrics=["accuracy"])
    values["methods"] = every_method(values["strong"][0])
    return parse(values, folder), folder


@pytest.fixture(scope="module")
def supervised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    folder = tmp_path_factory.mktemp("supervised")
    values = study(folder, (0,), methods=["naive"], controls=False, metrics=["accuracy"])
    weak = every_supervisor(folder, values["weak"][0]["fit"])
    return rated(parse(values | {"weak": weak}, folder)), folder


def test_every_entry_is_tried(taught: tuple[Experiment, Path], supervised: tuple[Experiment, Path]) -> None:
    """head_then_body needs a model that is tuned, and is told what naive is; easy_truth a split by level, which has a
    test of its own."""
    assert set(STEPS) == set(LABEL_STEPS) - {"co_supervision"}  # which needs an ensemble, below
    schedules = {method.schedule.name for method in taught[0].methods if method.schedule}
    assert schedules == set(SCHEDULES) - {"head_then_body", "easy_truth"}
    assert {one.name for one in supervised[0].weak} == set(SUPERVISORS)  # pyright: ignore[reportAttributeAccessIssue]


def moved(experiment: Experiment, folder: Path) -> dict[str, dict[str, bool]]:
    """Return for each row whether its predictions change when the truth of transfer and test items is permuted."""
    before = prediction_hashes(experiment, folder / "store")
    frozen_split_with_other_truth(experiment, folder / "store", folder / "permuted")
    after = prediction_hashes(experiment, folder / "permuted")
    return {row: {role: one != after[row][role] for role, one in roles.items()} for row, roles in before.items()}


def test_no_method_sees_what_it_has_not_declared(taught: tuple[Experiment, Path]) -> None:
    found = moved(*taught)
    levels = {row.method: row.truth for row in plan(taught[0]).compare.rows}
    assert {name for name, truth in levels.items() if truth not in ("none", "supervisor")} == {
        "ground_truth",
        "early_oracle",
    }
    assert levels["trust"] == "supervisor"
    for method, roles in found.items():
        assert not roles["weak"], method
        # an oracle that chooses a length may choose the same one twice
        if method != "early_oracle":
            assert roles["student"] == (method == "ground_truth"), f"{method} declares {levels[method]}"
        assert roles["ceiling"], "the ceiling learns from the transfer truth"


def test_no_supervisor_sees_what_it_has_not_declared(supervised: tuple[Experiment, Path]) -> None:
    experiment, folder = supervised
    found = {}
    for place, weak in enumerate(experiment.weak):
        alone = replace(experiment, weak=(weak,))
        found[weak.name] = moved(alone, folder / str(place))["naive"]  # pyright: ignore[reportAttributeAccessIssue]
    for name, roles in found.items():
        assert roles["weak"] == roles["student"] == (name == "annotator"), name


def test_an_ensemble_whose_members_the_student_chooses_sees_no_truth(supervised: tuple[Experiment, Path]) -> None:
    experiment, folder = supervised
    methods = (Method("co", Naive(), (CoSupervision(),)),)
    roles = moved(replace(experiment, weak=experiment.weak[:1], methods=methods), folder / "co")["co"]
    assert not roles["weak"]
    assert not roles["student"]
