"""Overlap density: planted shares in orthogonal directions, what changes nothing, and what has no number."""

from __future__ import annotations

from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file
from scipy.stats import norm
from tiny_study import study

from trimtab.comparison.overlap import overlaps_json
from trimtab.comparison.row import Row
from trimtab.diagnostics.overlap import ALIKE, EQUALLY_SURE, Overlap, overlap_density, parted
from trimtab.experiment import parse
from trimtab.plan import plan
from trimtab.study import run
from trimtab.supervise.overlap_density import change_point
from trimtab.types import Labels


def planted(easy: int, overlap: int, hard: int, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return activations and weak labels in shuffled order, half of each kind of each class.

    What the supervisor knows points along one axis, what only the student can use along another; overlapping items
    hold both. Cosines with hard items: 0 for easy ones, 1 / sqrt 2 for overlapping ones.
    """
    rng = np.random.default_rng(seed)
    kind = np.repeat(["easy", "overlap", "hard"], [easy, overlap, hard])
    side = np.where(np.arange(len(kind)) % 2, 1.0, -1.0)
    states = np.zeros((len(kind), 6))
    states[:, 1] = np.where(kind == "hard", 0, side)
    states[:, 4] = np.where(kind == "easy", 0, side)
    states += noise * rng.normal(size=states.shape)
    sure = np.where(kind == "hard", 0.02, 0.9) + 0.05 * rng.random(len(kind))
    positive = (1 + side * sure) / 2
    order = rng.permutation(len(kind))
    return states[order], np.stack([1 - positive, positive], 1)[order]


@pytest.mark.parametrize("counts", [(500, 300, 200), (100, 600, 300), (700, 20, 280), (20, 900, 80)])
def test_planted_shares_are_found_exactly(counts: tuple[int, int, int]) -> None:
    easy, overlap, hard = (count / 1000 for count in counts)
    found = overlap_density(*planted(*counts))
    assert isinstance(found, Overlap)
    assert (found.hard, found.overlap, found.easy) == (hard, overlap, easy)
    assert found.likeness_parted == pytest.approx(1)  # two values, 0 and 1 / sqrt 2
    assert found.certainty_parted > 0.98


def test_a_change_point_of_one_kind_parts_less() -> None:
    """Even values: halves whose means lie 1/2 apart, (1/4)^2 / (1/12). Normal ones: means at +- sqrt(2 / pi)."""
    even, normal = np.arange(2000.0), norm.ppf((np.arange(2000) + 0.5) / 2000)
    assert parted(even, change_point(even)) == pytest.approx(3 / 4, abs=1e-3)
    assert parted(normal, change_point(normal)) == pytest.approx(2 / np.pi, abs=2e-3)


def test_shares_are_found_through_noise() -> None:
    found = overlap_density(*planted(500, 300, 200, noise=0.15))
    assert isinstance(found, Overlap)
    assert (found.hard, found.overlap, found.easy) == pytest.approx((0.2, 0.3, 0.5), abs=0.03)


def test_scale_rotation_and_order_change_nothing() -> None:
    states, weak = planted(400, 350, 250, noise=0.1)
    wanted = overlap_density(states, weak)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    order = np.random.default_rng(2).permutation(1000)
    for other in ((states @ turn * 30 - 7, weak), (states[order], weak[order]), (states, weak[:, ::-1])):
        found = overlap_density(*other)
        assert isinstance(found, Overlap) and isinstance(wanted, Overlap)
        assert astuple(found) == pytest.approx(astuple(wanted))


def test_what_has_no_overlap_says_why() -> None:
    states, weak = planted(500, 300, 200)
    assert overlap_density(states, np.tile([0.1, 0.9], (1000, 1))) == EQUALLY_SURE
    assert overlap_density(states, np.eye(2)[weak.argmax(1)]) == EQUALLY_SURE
    assert overlap_density(*planted(800, 0, 200)) == ALIKE


def row(weak: str, strong: str, positions: tuple[int, ...], self_pair: bool = False) -> Row:
    nothing = ((),) * 3
    return Row("k", weak, strong, "naive", "none", None, self_pair, (), "plain", *nothing, positions, *((),) * 4)


def test_the_interval_is_a_t_interval_over_seeds() -> None:
    """Of 30, 33 and 36 %: mean 33 %, deviation 3 %, t with 2 degrees of freedom 4.303."""
    cases = [planted(700 - count, count, 300, seed=count) for count in (300, 330, 360)]
    labels = [Labels(tuple(map(str, range(1000))), weak, np.ones(1000)) for _, weak in cases]
    given = iter([states for states, _ in cases])
    (found,) = overlaps_json([row("w0", "s0", (0, 1, 2))], labels, lambda ids: next(given))
    assert (found["weak"], found["strong"]) == ("w0", "s0")
    assert found["overlap"]["mean"] == pytest.approx(0.33)
    half = 4.303 * 0.03 / np.sqrt(3)
    assert (found["overlap"]["low"], found["overlap"]["high"]) == pytest.approx((0.33 - half, 0.33 + half), abs=1e-4)
    assert found["hard"]["mean"] == pytest.approx(0.3) and found["hard"]["low"] is None
    assert "same in all seeds" in found["hard"]["reason"]


def test_a_seed_without_a_number_leaves_the_pair_without_and_a_model_has_none_with_itself() -> None:
    states, weak = planted(500, 300, 200)
    ids, unsure = tuple(map(str, range(1000))), np.full((1000, 2), 0.5)
    labels = [Labels(ids, one, np.ones(1000)) for one in (weak, unsure)]
    rows = [row("w0", "s0", (0, 1)), row("w1", "s0", (0, 1), self_pair=True)]
    (found,) = overlaps_json(rows, labels, lambda ids: states)
    assert found["overlap"]["mean"] is None and found["overlap"]["reason"] == EQUALLY_SURE


def test_a_study_measures_its_pairs_on_stored_labels_and_activations(tmp_path: Path) -> None:
    values = study(tmp_path, (0, 1), methods=["naive"], controls=False)
    results = run(parse(values, tmp_path), store=tmp_path / "store", runs=tmp_path / "runs")
    (found,) = results.data["overlap_density"]
    stages = plan(parse(values, tmp_path)).stages
    (data,) = [one for one in stages if one.kind == "data"]
    embed = next(one for one in stages if one.kind == "embed" and "strong" in one.title)
    folder = tmp_path / "store"
    ids = pq.read_table(folder / "data" / data.digest / "items.parquet")["id"].to_pylist()
    states = load_file(folder / "embed" / embed.digest / "activations.safetensors")["activations"]
    shares = []
    for entry in results.row("naive", "accuracy")["per_seed"]:
        table = pq.read_table(folder / "label" / entry["labels"]["weak_labels"] / "labels.parquet").to_pydict()
        weak = np.stack([table["p0"], table["p1"]], 1)
        one = overlap_density(states[[ids.index(name) for name in table["id"]]], weak)
        assert isinstance(one, Overlap)
        shares.append(one)
    for field in fields(Overlap):
        wanted = np.mean([getattr(one, field.name) for one in shares])
        assert found[field.name]["mean"] == pytest.approx(wanted)
    assert "Overlap density" in (tmp_path / "runs" / "tiny" / "report.html").read_text("utf-8")
