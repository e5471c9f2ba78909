"""Stages that are solved together write what they write alone, and fail alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from trimtab.errors import FitError
from trimtab.fit.probe_settings import Probe
from trimtab.objectives.confidence import Confidence
from trimtab.objectives.naive import Naive
from trimtab.stages.stage import Stage
from trimtab.stages.tables import write_labels
from trimtab.stages.train import Select, TrainProbe
from trimtab.types import Labels, silent

FIT = Probe(strengths=(0.03, 0.3, 3.0), steps=40)
ITEMS = 120


@dataclass(frozen=True)
class Given(Stage):
    """Stands where a finished stage stands."""

    name: str
    kind = "given"

    def run(self, inputs, out, work, progress):
        raise AssertionError("not to be run")


DATA, ACTIVATIONS = Given("data"), Given("activations")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Return the folders of a data set and of its activations."""
    rng = np.random.default_rng(0)
    found = {name: tmp_path / name for name in ("data", "activations")}
    for folder in found.values():
        folder.mkdir()
    ids = [f"item {i}" for i in range(ITEMS)]
    pd.DataFrame({"id": ids, "related": np.arange(ITEMS)}).to_parquet(found["data"] / "items.parquet")
    x = rng.normal(size=(ITEMS, 12)).astype(np.float32)
    save_file({"activations": x}, found["activations"] / "activations.safetensors")
    return found


def told(folder: Path, seed: int, dropped: bool = False) -> Path:
    """Write labels of 90 items in an order of their own."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    chosen = rng.permutation(ITEMS)[:90]
    weights = np.zeros(90) if dropped else np.ones(90)
    write_labels(folder, Labels(tuple(f"item {i}" for i in chosen), rng.dirichlet([1, 1], 90), weights))
    return folder


def selected(folder: Path, strength: float) -> Path:
    folder.mkdir()
    (folder / "selection.json").write_text(
        json.dumps(
            {"strength": strength, "at_edge": False, "candidates": [{"strength": strength, "held_out_nats": 0.5}]}
        )
    )
    return folder


def alone(stage, inputs, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    stage.run(inputs, folder, folder, silent)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def together(stages, inputs, folder: Path) -> list[dict[str, bytes] | Exception]:
    found: list[dict[str, bytes] | Exception] = []
    for i, solution in enumerate(type(stages[0]).solve(stages, inputs)):
        out = folder / f"together{i}"
        out.mkdir()
        if isinstance(solution, Exception):
            found.append(solution)
            continue
        stages[i].keep(solution, out)
        found.append({path.name: path.read_bytes() for path in out.iterdir()})
    return found


@pytest.mark.parametrize("objective", [Naive(), Confidence()], ids=["naive", "confidence"])
def test_selections_together_are_those_alone(tmp_path, folders, objective):
    stages = [Select(DATA, ACTIVATIONS, Given(f"labels {i}"), objective, FIT, seed=i) for i in range(4)]
    inputs = [folders | {"labels": told(tmp_path / f"labels{i}", i, dropped=i == 2)} for i in range(4)]
    assert len({stage.bulk_key for stage in stages}) == 1
    found = together(stages, inputs, tmp_path)
    assert isinstance(found[2], FitError)
    with pytest.raises(FitError, match=r"no item with a positive weight|groups of items"):
        alone(stages[2], inputs[2], tmp_path / "alone2")
    for i in (0, 1, 3):
        assert found[i] == alone(stages[i], inputs[i], tmp_path / f"alone{i}")


def test_heads_together_are_those_alone(tmp_path, folders):
    objectives = [Naive(), Confidence(0.25), Naive(), Confidence(0.75), Naive()]
    stages = [
        TrainProbe(DATA, ACTIVATIONS, Given(f"labels {i}"), Given(f"selection {i}"), one, FIT)
        for i, one in enumerate(objectives)
    ]
    inputs = [
        folders
        | {
            "labels": told(tmp_path / f"labels{i}", seed=i % 2, dropped=i == 4),
            "selection": selected(tmp_path / f"selection{i}", FIT.strengths[i % 3]),
        }
        for i in range(5)
    ]
    (inputs[2]["selection"] / "selection.json").unlink()
    found = together(stages, inputs, tmp_path)
    assert isinstance(found[2], FileNotFoundError)
    assert isinstance(found[4], FitError)
    for i in (0, 1, 3):
        assert found[i] == alone(stages[i], inputs[i], tmp_path / f"alone{i}")
        assert json.loads(found[i]["fit.json"])["items"] == 90


def test_only_stages_on_the_same_activations_are_solved_together():
    one = Select(DATA, ACTIVATIONS, Given("labels"), Naive(), FIT, seed=0)
    other = replace(one, activations=Given("other activations"))
    head = TrainProbe(DATA, ACTIVATIONS, Given("labels"), one, Naive(), FIT)
    assert len({one.bulk_key, other.bulk_key, head.bulk_key}) == 3
    assert replace(one, seed=1, labels=Given("other labels"), objective=Confidence()).bulk_key == one.bulk_key
