"""A supervisor or a student that stands twice in an experiment is refused before anything runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_study import study

from trimtab.errors import ExperimentError
from trimtab.experiment import parse
from trimtab.plan import plan


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return study(tmp_path_factory.mktemp("twice"), (0,))


@pytest.mark.parametrize("side", ["weak", "strong"])
def test_the_same_entry_twice(values: dict[str, Any], side: str, tmp_path: Path) -> None:
    (one,) = values[side]
    other = one | {"layer": 1}
    message = (
        rf"{side}\.2: .*{side} is the same as {side}\.0, .* read and fitted alike.* take one out, or give it another"
    )
    with pytest.raises(ExperimentError, match=message):
        plan(parse(values | {side: [one, other, dict(one)]}, tmp_path))


def test_the_same_weights_by_another_path(values: dict[str, Any], tmp_path: Path) -> None:
    (one,) = values["weak"]
    shutil.copytree(one["model"], tmp_path / "copy")
    with pytest.raises(ExperimentError, match=r"weak\.1: .*copy is the same as weak\.0"):
        plan(parse(values | {"weak": [one, one | {"model": str(tmp_path / "copy")}]}, tmp_path))


@pytest.mark.parametrize("supervisor", ["annotator", {"human_ratings": {"crowd": 2}}])
def test_a_supervisor_that_is_no_model(values: dict[str, Any], supervisor: Any, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"weak\.1: (annotator|human_ratings) is the same as weak\.0"):
        plan(parse(values | {"weak": [supervisor, supervisor]}, tmp_path))


@pytest.mark.parametrize(
    "change", [{"layer": 1}, {"max_tokens": 4}, {"fit": {"kind": "probe", "select": "per_method"}}], ids=str
)
def test_another_layer_setting_or_fit_is_another_entry(
    values: dict[str, Any], change: dict[str, Any], tmp_path: Path
) -> None:
    (one,) = values["weak"]
    rows = plan(parse(values | {"weak": [one, one | change], "methods": ["naive"]}, tmp_path)).compare.rows
    assert {row.weak for row in rows if row.method == "naive"} == {"w0", "w1"}


def test_two_settings_of_one_supervisor_are_two(values: dict[str, Any], tmp_path: Path) -> None:
    crowds = [{"annotator": {"confusion": [[right, 1 - right], [1 - right, right]]}} for right in (0.7, 0.9)]
    assert plan(parse(values | {"weak": crowds}, tmp_path)).compare.learners[1][0] == "w1"


def test_a_model_may_be_its_own_supervisor(values: dict[str, Any], tmp_path: Path) -> None:
    """One name on both sides is a pair of its own, which the results mark."""
    rows = plan(parse(values | {"weak": values["strong"], "methods": ["naive"]}, tmp_path)).compare.rows
    assert next(row for row in rows if row.method == "naive").self_pair


@pytest.mark.parametrize("ensemble", ["mean_ensemble", "dirichlet_ensemble"])
def test_the_same_member_of_an_ensemble_twice(values: dict[str, Any], ensemble: str, tmp_path: Path) -> None:
    (one,) = values["weak"]
    member = {"model": one["model"]}
    told = [member, member | {"layer": 1}, dict(member)]
    with pytest.raises(ExperimentError, match=r"weak\.0\.members\.2: .* the ensemble would hear it twice"):
        plan(parse(values | {"weak": [{ensemble: {"members": told}}]}, tmp_path))
    assert plan(parse(values | {"weak": [{ensemble: {"members": told[:2]}}]}, tmp_path)).stages
