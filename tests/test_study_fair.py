"""The study is fair: splits, seeds, what is cached, and that no ground truth leaks."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_study import study

from trimtab.executors.local import run_stages
from trimtab.executors.monitor import Quiet
from trimtab.experiment import Experiment, parse
from trimtab.methods import Method
from trimtab.objectives.naive import Naive
from trimtab.plan import plan
from trimtab.store import Store
from trimtab.study import run
from trimtab.types import Labels, Truth

PLANTED: dict[str, int] = {}
"""What the planted cheater reads: ground truth by id."""


@dataclass(frozen=True)
class Cheater:
    """A label step that claims to see no truth and replaces the weak labels by it."""

    truth: ClassVar[Truth] = "none"

    def __call__(self, labels: Labels) -> Labels:
        return replace(labels, probabilities=np.eye(2)[[PLANTED[one] for one in labels.ids]])


def membership(store: Path) -> dict[tuple[str, ...], set[str]]:
    """Return the members of each split by (split name, artifact)."""
    found = {}
    for path in (store / "split").glob("*/membership.parquet"):
        table = pq.read_table(path).to_pydict()
        for name in ("supervisor", "transfer", "test"):
            pairs = zip(table["id"], table["split"], strict=True)
            found[name, path.parent.name] = {one for one, split in pairs if split == name}
    return found


def test_seeds_redraw_the_pool_and_keep_the_test_items(tmp_path: Path) -> None:
    run(parse(study(tmp_path, (0, 1), methods=["naive"], controls=False), tmp_path), store=tmp_path / "store")
    members = membership(tmp_path / "store")
    for name, differs in (("supervisor", True), ("transfer", True), ("test", False)):
        first, second = (ids for (split, _), ids in members.items() if split == name)
        assert (first != second) == differs, name
    for artifact in {artifact for _, artifact in members}:
        sides = [members[name, artifact] for name in ("supervisor", "transfer", "test")]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 60 + 100 + 80


def test_a_finished_study_is_all_cached_and_equal_to_the_last_digit(tmp_path: Path) -> None:
    experiment = parse(study(tmp_path, (0,)), tmp_path)
    first, second = (run(experiment, store=tmp_path / "store") for _ in range(2))
    assert not any(stage["cached"] for stage in first.data["stages"])
    assert all(stage["cached"] for stage in second.data["stages"])
    assert {**first.data, "stages": None} == {**second.data, "stages": None}


def test_another_student_method_leaves_weak_model_labels_and_activations_alone(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=["naive"])
    run(parse(values, tmp_path), store=tmp_path / "store")
    again = run(parse(values | {"methods": [{"confidence": {"alpha": 0.7}}]}, tmp_path), store=tmp_path / "store")
    made = [stage for stage in again.data["stages"] if not stage["cached"]]
    assert [stage["title"] for stage in made] == ["fit probe, confidence", "predict", "compare 5 rows"]


def test_the_pool_and_the_test_split_do_not_depend_on_the_models(tmp_path: Path) -> None:
    values = study(tmp_path, (0,), methods=["naive"], controls=False)
    other = values | {"weak": values["strong"]}
    digests = [[s.digest for s in plan(parse(v, tmp_path)).stages if s.kind == "split"] for v in (values, other)]
    assert digests[0] == digests[1]


def prediction_hashes(experiment: Experiment, store: Path) -> dict[str, dict[str, str]]:
    """Return sha256 of each role's predictions by row method, after running everything that is missing."""
    opened = Store.open(store)
    planned = plan(experiment)
    run_stages(planned.stages, opened, 1, Quiet())
    compare, found = planned.compare, {}
    for row in compare.rows:
        for role in ("weak", "student", "ceiling"):
            stage = compare.predictions[getattr(row, f"{role}_predictions")[0]]
            data = (opened.folder(stage.kind, stage.digest) / "predictions.parquet").read_bytes()
            found.setdefault(row.method, {})[role] = hashlib.sha256(data).hexdigest()
    return found


def frozen_split_with_other_truth(experiment: Experiment, source: Path, target: Path) -> dict[str, int]:
    """Copy the data, split and activations into a new store and permute the truth of transfer and test items."""
    for stage in plan(experiment).stages:
        if stage.kind in ("data", "split", "embed"):
            shutil.copytree(source / stage.kind / stage.digest, target / stage.kind / stage.digest)
    (gold_path,) = (target / "data").glob("*/gold.parquet")
    (members_path,) = (target / "split").glob("*/membership.parquet")
    gold, members = pq.read_table(gold_path).to_pydict(), pq.read_table(members_path).to_pydict()
    split_of = dict(zip(members["id"], members["split"], strict=True))
    moved = [i for i, one in enumerate(gold["id"]) if split_of.get(one) in ("transfer", "test")]
    values = np.array(gold["gold"])
    values[moved] = np.random.default_rng(5).permutation(values[moved])
    pq.write_table(pa.table({"id": gold["id"], "gold": values}), gold_path)
    return dict(zip(gold["id"], values.tolist(), strict=True))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    folder = tmp_path_factory.mktemp("leak")
    experiment = parse(study(folder, (0,)), folder)
    prediction_hashes(experiment, folder / "store")
    return experiment, folder


def test_permuted_transfer_and_test_truth_changes_no_honest_prediction(honest: tuple[Experiment, Path]) -> None:
    experiment, folder = honest
    before = prediction_hashes(experiment, folder / "store")
    frozen_split_with_other_truth(experiment, folder / "store", folder / "permuted")
    after = prediction_hashes(experiment, folder / "permuted")
    rows = {row.method: row for row in plan(experiment).compare.rows}
    for method, roles in before.items():
        assert after[method]["weak"] == roles["weak"], method
        if rows[method].truth in ("none", "supervisor"):
            assert after[method]["student"] == roles["student"], f"{method} saw ground truth"
        else:
            assert after[method]["student"] != roles["student"], f"{method} is an oracle and must move"
        assert after[method]["ceiling"] != roles["ceiling"], "the ceiling learns from the transfer truth"


def test_the_leak_test_catches_a_planted_cheater(honest: tuple[Experiment, Path]) -> None:
    experiment, folder = honest
    cheating = replace(experiment, methods=(Method("cheat", Naive(), (Cheater(),)),), controls=())
    (gold_path,) = (folder / "store" / "data").glob("*/gold.parquet")
    gold = pq.read_table(gold_path).to_pydict()
    PLANTED.update(zip(gold["id"], gold["gold"], strict=True))
    before = prediction_hashes(cheating, folder / "store")
    PLANTED.update(frozen_split_with_other_truth(cheating, folder / "store", folder / "cheated"))
    after = prediction_hashes(cheating, folder / "cheated")
    assert after["cheat"]["weak"] == before["cheat"]["weak"]
    assert after["cheat"]["student"] != before["cheat"]["student"]
