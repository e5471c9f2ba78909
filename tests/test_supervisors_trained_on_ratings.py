"""A weak model taught by people: it learns their ratings of the supervisor split, never the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_study_supervisors import Done, finish, movies, needs_vader

from trimtab.errors import ExperimentError
from trimtab.experiment import parse
from trimtab.plan import plan
from trimtab.stages.label import LabelGold, LabelModel
from trimtab.stages.stage import Stage, order
from trimtab.stages.supervisors import PredictRatings
from trimtab.stages.tables import read_labels, read_predictions, read_table
from trimtab.stages.train import TrainProbe
from trimtab.supervisors.trained_on_ratings import TrainedOnRatings

pytestmark = needs_vader


def taught(folder: Path, crowd: int) -> dict[str, object]:
    values = movies(folder, held=5, seeds=(0,))
    weak = values["strong"][0] | {"fit": {"kind": "probe", "strengths": [0.1, 1.0], "steps": 20}}
    return values | {"weak": [{"trained_on_ratings": {"model": weak, "crowd": crowd}}], "controls": False}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("taught")
    return finish(taught(folder, 3), folder)


def behind(stage: Stage) -> set[str]:
    return {one.digest for one in order((stage,))}


def test_the_model_learns_what_people_said_of_the_supervisor_split(done: Done) -> None:
    labels = done.stage(LabelModel, part="supervisor")
    told = read_labels(done.at(labels))
    said = read_predictions(done.at(done.stage(PredictRatings)))
    membership = read_table(done.at(done.planned.compare.splits[0]) / "membership.parquet").to_pydict()
    members = zip(membership["id"], membership["split"], strict=True)
    assert set(told.ids) == {one for one, split in members if split == "supervisor"} == set(said.ids)
    assert np.array_equal(told.probabilities, said.probabilities)
    assert set(np.round(told.probabilities[:, 1] * 6).tolist()) <= set(range(7))  # three votes, some of them halves
    assert told.truth == "none"


def test_nothing_of_it_rests_on_the_truth_of_the_supervisor_split(done: Done) -> None:
    gold = [one.digest for one in done.planned.stages if isinstance(one, LabelGold) and one.part == "supervisor"]
    fits = [one for one in done.planned.stages if isinstance(one, TrainProbe)]
    assert fits and not any(digest in behind(fit) for fit in fits for digest in gold)


def test_its_row_names_model_and_supervisor(done: Done) -> None:
    assert done.results.data["models"]["w0"]["fit"] == "trained_on_ratings"
    (row,) = done.rows(0)
    assert row["truth"] == "none" and 0 < row["weak_score"]["mean"] <= 1


def test_more_people_than_ratings_are_held_back(tmp_path: Path) -> None:
    message = "weak: trained_on_ratings draws 6 ratings per item and the task holds 5 back for it"
    with pytest.raises(ExperimentError, match=message):
        plan(parse(taught(tmp_path, 6), tmp_path))


def test_a_crowd_of_nobody() -> None:
    with pytest.raises(ValueError, match="crowd must be at least 1, found 0"):
        TrainedOnRatings("a model", crowd=0)  # type: ignore[arg-type]
