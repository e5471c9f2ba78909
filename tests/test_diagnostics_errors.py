"""Error inheritance: tables with known shares, models with known relations, intervals of known width."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.diagnostics.errors import errors_json, inherited, joint_errors, kappa, new, phi
from trimtab.diagnostics.per_item import Means, means
from trimtab.metrics.intervals import Resample, resample


def answers(right: np.ndarray, gold: np.ndarray, classes: int = 3) -> np.ndarray:
    """Return probabilities whose top class is the true one where `right`, else the next."""
    return np.eye(classes)[np.where(right, gold, (gold + 1) % classes)] * 0.8 + 0.2 / classes


def table(a: int, b: int, c: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return student, supervisor and gold with so many items in each case."""
    student = np.repeat([True, True, False, False], [a, b, c, d])
    weak = np.repeat([True, False, True, False], [a, b, c, d])
    gold = np.arange(len(student)) % 3
    return answers(student, gold), answers(weak, gold), gold


def found(tables: list[tuple[np.ndarray, np.ndarray, np.ndarray]], draws: int = 500) -> tuple[Means, Resample]:
    drawn = resample(None, len(tables[0][2]), len(tables), draws)
    return means(np.stack([joint_errors(*one) for one in tables]), drawn), drawn


def test_a_table_by_hand() -> None:
    shares = joint_errors(*table(50, 20, 10, 20)).mean(0)
    np.testing.assert_allclose(shares, [0.5, 0.2, 0.1, 0.2])
    assert inherited(shares) == pytest.approx(20 / 40)
    assert new(shares) == pytest.approx(10 / 60)
    assert phi(shares) == pytest.approx((50 * 20 - 20 * 10) / np.sqrt(70 * 30 * 60 * 40))
    chance = 0.7 * 0.6 + 0.3 * 0.4
    assert kappa(shares) == pytest.approx((0.7 - chance) / (1 - chance))


def test_phi_and_kappa_are_those_of_numpy_and_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score

    student, weak, gold = table(31, 17, 8, 44)
    wrong, weak_wrong = (one.argmax(1) != gold for one in (student, weak))
    shares = joint_errors(student, weak, gold).mean(0)
    assert phi(shares) == pytest.approx(np.corrcoef(wrong, weak_wrong)[0, 1])
    assert kappa(shares) == pytest.approx(cohen_kappa_score(wrong, weak_wrong))


def test_a_copy_inherits_everything() -> None:
    _, weak, gold = table(30, 10, 10, 50)
    shares = joint_errors(weak, weak, gold).mean(0)
    assert (inherited(shares), new(shares), phi(shares), kappa(shares)) == (1, 0, pytest.approx(1), pytest.approx(1))


def test_independent_errors_are_not_correlated() -> None:
    # 0.7 x 0.6 of 1,000 items: exactly independent
    shares = joint_errors(*table(420, 280, 180, 120)).mean(0)
    assert phi(shares) == pytest.approx(0, abs=1e-12) and kappa(shares) == pytest.approx(0, abs=1e-12)
    assert inherited(shares) == pytest.approx(0.3) and new(shares) == pytest.approx(0.3)


def test_the_interval_of_inherited_errors_is_that_of_a_share() -> None:
    shares, drawn = found([table(1000, 400, 200, 400)], 2000)
    interval = errors_json(shares, None, drawn)["inherited"]
    half = 1.96 * np.sqrt(0.25 / 800)  # of 800 errors, given their number
    assert interval["mean"] == pytest.approx(0.5)
    assert interval["high"] - interval["low"] == pytest.approx(2 * half, rel=0.08)


def test_the_planted_correlation_beside_the_control_is_found() -> None:
    """A student that copies every third error of its supervisor's, and a control whose errors owe nothing to it."""
    generator = np.random.default_rng(0)
    gold = generator.integers(3, size=6000)
    tables, controls = [], []
    for _ in range(3):
        weak = generator.random(6000) < 0.75
        own = generator.random(6000) < 0.85
        copies = generator.random(6000) < 1 / 3
        tables.append((answers(np.where(copies, weak, own), gold), answers(weak, gold), gold))
        controls.append((answers(own, gold), answers(weak, gold), gold))
    # P(wrong | weak wrong) = 1/3 + 2/3 x 0.15; of the control 0.15
    (mine, drawn), (theirs, _) = found(tables), found(controls)
    said = errors_json(mine, theirs, drawn)
    assert said["inherited"]["low"] < 1 / 3 + 0.1 < said["inherited"]["high"]
    assert said["new"]["low"] < 0.1 < said["new"]["high"]
    wrong = 0.25 / 3 + 0.15 * 2 / 3
    true_phi = 0.25 * 0.75 / 3 / np.sqrt(0.25 * 0.75 * wrong * (1 - wrong))
    assert said["phi"]["low"] < true_phi < said["phi"]["high"]
    assert said["phi_against_flipped"]["low"] < true_phi < said["phi_against_flipped"]["high"]
    assert said["phi_against_flipped"]["low"] > 0


@pytest.mark.parametrize("case, undefined", [((50, 0, 50, 0), "inherited"), ((0, 50, 0, 50), "new")])
def test_what_cannot_be_divided_says_why(case: tuple[int, int, int, int], undefined: str) -> None:
    said = errors_json(*_with(case))
    assert said[undefined]["mean"] is None and "supervisor is" in said[undefined]["reason"]
    for name in ("phi", "kappa"):
        assert said[name]["mean"] is None and "right on every test item" in said[name]["reason"]


def _with(case: tuple[int, int, int, int]) -> tuple[Means, None, Resample]:
    shares, drawn = found([table(*case)])
    return shares, None, drawn
