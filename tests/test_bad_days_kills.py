"""Killed at any moment and run again: every artifact has the bytes of an undisturbed run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fault_study import kill_each, make_all, named, stages_of
from killed_children import run_child
from tiny_models import tiny_causal, tiny_encoder

KILLS = 20
GROUPS = (
    ("Data", "Split", "LabelGold", "LabelModel"),
    ("Select", "TrainProbe", "PredictProbe", "Compare"),
    ("Embed", "PredictTuned"),
    ("TrainTune",),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return str(tiny_encoder(folder / "weak")), str(tiny_causal(folder / "strong"))


@pytest.fixture(scope="module")
def whole(models: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of an undisturbed run."""
    root = tmp_path_factory.mktemp("whole")
    assert run_child(make_all, *models, str(root)) == 0
    return root


def test_every_kind_of_stage_is_killed(models: tuple[str, str]) -> None:
    stages = stages_of(*models)
    assert sorted(named(stages)) == sorted(name for group in GROUPS for name in group)
    assert {stage.kind for stage in stages} == {
        "data",
        "split",
        "embed",
        "label",
        "select",
        "train",
        "predict",
        "compare",
    }


@pytest.mark.parametrize("names", GROUPS, ids=" ".join)
def test_killed_twenty_times_and_run_again(
    names: tuple[str, ...], models: tuple[str, str], whole: Path, tmp_path: Path
) -> None:
    assert run_child(kill_each, names, *models, str(whole), str(tmp_path), KILLS, 1) == 0
    for name in names:
        report = json.loads((tmp_path / name / "report.json").read_text())
        assert report["kills"] == KILLS
        assert report["finished"] >= KILLS // 4
        assert report["signals"].get("-9", 0) >= KILLS // 3
