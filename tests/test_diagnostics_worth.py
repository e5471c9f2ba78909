"""What weak labels are worth: crossings by hand, bounds outside of what was measured, intervals that hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from trimtab.diagnostics.worth import Worth, along, reach, worth
from trimtab.metrics import METRICS
from trimtab.metrics.intervals import Resample, Scores, resample, score

SIZES = (100, 200, 400)


def right(share: float, items: int, seeds: int, generator: np.random.Generator | None = None) -> np.ndarray:
    """Return which answers are right: exactly a share of them, or each with that probability."""
    if generator is None:
        return np.tile(np.arange(items) < round(share * items), (seeds, 1))
    return generator.random((seeds, items)) < share


def scored(answers: np.ndarray, drawn: Resample, metric: str = "accuracy") -> Scores:
    """Return the scores of models that are right as said on items of class 1."""
    probabilities = np.stack([1 - answers, answers], -1).astype(float)
    return score(METRICS[metric], probabilities, np.ones(answers.shape[1], int), drawn)


def found(shares: tuple[float, ...], weak: float, items: int = 1000, seeds: int = 5, **changes: object) -> Worth:
    drawn = resample(None, items, seeds, 300)
    truth = [scored(right(share, items, seeds), drawn) for share in shares]
    return worth(SIZES, truth, scored(right(weak, items, seeds), drawn), drawn, **changes)  # pyright: ignore


@pytest.mark.parametrize(
    ("shares", "weak", "wanted"),
    [
        ((0.6, 0.7, 0.8), 0.75, 200 * 2**0.5),
        ((0.6, 0.7, 0.8), 0.65, 100 * 2**0.5),
        ((0.6, 0.7, 0.8), 0.7, 200),
        ((0.6, 0.7, 0.8), 0.6, 100),
        ((0.6, 0.7, 0.8), 0.8, 400),
        ((0.5, 0.9, 0.9), 0.6, 100 * 2**0.25),
        # a curve that falls reaches the score first where it still rises
        ((0.6, 0.8, 0.7), 0.75, 100 * 2**0.75),
    ],
)
def test_crossings_by_hand(shares: tuple[float, ...], weak: float, wanted: float) -> None:
    said = found(shares, weak)
    assert said.value == pytest.approx(wanted) and said.status == "ok"
    assert said.low is None or said.low <= said.value
    assert said.high is None or said.high >= said.value


def test_what_lies_outside_of_the_sizes_is_bounded_and_not_guessed() -> None:
    fewer, more = found((0.6, 0.7, 0.8), 0.4), found((0.6, 0.7, 0.8), 0.95)
    assert (fewer.value, fewer.low, fewer.high, fewer.status) == (None, None, 100, "fewer")
    assert (more.value, more.low, more.high, more.status) == (None, 400, None, "more")
    assert "Fewer than 100" in str(fewer.reason) and "More than 400" in str(more.reason)


def test_ends_that_cannot_be_told_are_open() -> None:
    low, high = found((0.6, 0.7, 0.8), 0.601), found((0.6, 0.7, 0.8), 0.799)
    assert low.low is None and low.high is not None and "open below: on 100" in str(low.reason)
    assert high.high is None and high.low is not None and "open above: on 400" in str(high.reason)


def test_of_an_error_the_lower_is_the_better() -> None:
    drawn = resample(None, 1000, 5, 300)
    truth = [scored(right(share, 1000, 5), drawn, "brier") for share in (0.6, 0.7, 0.8)]
    weak = scored(right(0.75, 1000, 5), drawn, "brier")
    said = worth(SIZES, truth, weak, drawn, higher_is_better=False)
    assert said == found((0.6, 0.7, 0.8), 0.75)


def test_one_size_says_on_which_side_of_it_the_worth_lies() -> None:
    drawn = resample(None, 1000, 5, 300)
    ceiling, weak = (scored(right(share, 1000, 5), drawn) for share in (0.8, 0.7))
    assert worth((400,), [ceiling], weak, drawn).status == "fewer"
    assert worth((400,), [weak], ceiling, drawn).status == "more"
    assert worth((400,), [weak], weak, drawn).value == pytest.approx(400)


def test_a_metric_without_value_is_undefined() -> None:
    drawn = resample(None, 50, 5, 100)
    nothing = Scores(np.full(5, np.nan), np.full((100, 5), np.nan), (0.0, 1.0))
    said = worth((10, 20), [nothing, nothing], nothing, drawn)
    assert (said.value, said.status) == (None, "undefined") and "undefined" in str(said.reason)


def test_reach_by_hand() -> None:
    places = np.array([0.0, 1.0, 3.0])
    assert reach(places, np.array([-1.0, -1.0, -0.1])) is None
    assert reach(places, np.array([0.5, -1.0, 2.0])) == 0
    assert reach(places, np.array([-1.0, 1.0, -5.0])) == 0.5
    assert reach(places[::-1], np.array([-1.0, 3.0, 9.0])) == 2.5


def test_places_between_two_sizes_are_straight_lines() -> None:
    one, other = (Scores(np.array([end]), np.array([[end]]), (0.0, 1.0)) for end in (0.2, 0.6))
    steps = along([one, other])
    np.testing.assert_allclose([step.point[0] for step in steps], np.linspace(0.2, 0.6, 17))
    assert {step.bounds for step in steps} == {(0.0, 1.0)}


@pytest.mark.parametrize("seeds", [1, 5])
def test_the_interval_is_that_of_the_difference_over_the_slope(seeds: int) -> None:
    """Independent models, half way between two sizes: Var = (.65 x .35 + .75 x .25) / 4 + .7 x .3, over items and
    seeds; the curve climbs .1 per factor of 2."""
    generator, items = np.random.default_rng(0), 20000
    drawn = resample(None, items, seeds, 1000)
    truth = [scored(right(share, items, seeds, generator), drawn) for share in (0.5, 0.65, 0.75, 0.85)]
    said = worth((50, 100, 200, 400), truth, scored(right(0.7, items, seeds, generator), drawn), drawn)
    assert said.low is not None and said.high is not None
    half = 1.96 * np.sqrt(((0.65 * 0.35 + 0.75 * 0.25) / 4 + 0.7 * 0.3) / items / seeds)
    width = np.log2(said.high / said.low)
    # between seeds there is a t interval over what little they differ by
    assert 0.85 < width / (2 * half / 0.1) < (1.15 if seeds == 1 else 2)
    assert said.low < 100 * 2**0.5 < said.high


def test_the_interval_holds_the_true_worth_as_often_as_it_says() -> None:
    """Items differ in how hard they are, seeds in how good they are; worth is 200 sqrt(2) by construction."""
    drawn, generator = resample(None, 300, 5, 300), np.random.default_rng(1)
    held = []
    shares = np.array([0.5, 0.65, 0.8, 0.725])[:, None, None]
    for _ in range(250):
        hard, own = generator.normal(size=300), generator.normal(size=(4, 5, 300))
        skill = norm.ppf(shares + generator.normal(0, 0.02, (4, 5, 1)))
        *truth, weak = [scored(one, drawn) for one in np.sqrt(0.7) * own + np.sqrt(0.3) * hard < skill]
        said = worth(SIZES, truth, weak, drawn)
        below = said.low is None or said.low <= 200 * 2**0.5
        held.append(below and (said.high is None or said.high >= 200 * 2**0.5))
    assert 0.91 <= np.mean(held) <= 0.995


def test_json_holds_the_same_in_the_same_order_with_a_value_and_without() -> None:
    said, nothing = found((0.6, 0.7, 0.8), 0.75).to_json(), found((0.6, 0.7, 0.8), 0.95).to_json()
    assert list(said) == list(nothing) == ["value", "low", "high", "status", "reason", "level", "method"]
    assert (said["level"], said["method"], nothing["value"]) == (0.95, "crossed", None)
