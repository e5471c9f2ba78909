"""The conditional logit: its optimum by scipy, its slopes, and what may change nothing."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from trimtab.errors import FitError
from trimtab.fit.bulk import Problem
from trimtab.fit.choice_design import make_choice_design
from trimtab.fit.choice_features import ChoiceFeatures
from trimtab.fit.choice_probe import SLOTS, fit_choices
from trimtab.fit.choice_select import select_choices
from trimtab.fit.choice_slopes import ChoiceSlopes
from trimtab.fit.probe import fit_probe
from trimtab.fit.probe_settings import Probe
from trimtab.fit.select import Question
from trimtab.objectives.adapt_conf import AdaptConf
from trimtab.objectives.entropy import Entropy
from trimtab.objectives.forward_kl import ForwardKL
from trimtab.objectives.jeffreys import Jeffreys
from trimtab.objectives.jensen_shannon import JensenShannon
from trimtab.objectives.naive import Naive
from trimtab.objectives.pearson_chi_squared import PearsonChiSquared
from trimtab.objectives.product import Product
from trimtab.objectives.reverse_cross_entropy import ReverseCrossEntropy
from trimtab.objectives.reverse_kl import ReverseKL
from trimtab.objectives.squared_hellinger import SquaredHellinger
from trimtab.objectives.symmetric import Symmetric
from trimtab.objectives.total_variation import TotalVariation
from trimtab.types import Context

EXACT = Probe(tolerance=1e-10, max_steps=50_000)
WIDEST = 6


def data(items: int = 40, hidden: int = 5, fewest: int = 2, most: int = WIDEST, seed: int = 0) -> tuple[Any, ...]:
    """Return ragged features, soft labels with 0 beyond each item's last choice, and weights."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(fewest, most + 1, items)
    counts[0] = most
    values = (rng.normal(size=(counts.sum(), hidden)) * [1, 5, 0.1, 2, 1][:hidden] + 3).astype(np.float32)
    labels = np.zeros((items, most))
    for item, count in enumerate(counts):
        labels[item, :count] = rng.dirichlet(np.ones(count))
    starts = np.concatenate([[0], np.cumsum(counts)])
    return ChoiceFeatures(values, starts), labels, rng.uniform(0.2, 2, items)


def of_item(seen: ChoiceFeatures, item: int) -> np.ndarray:
    return seen.values[seen.starts[item] : seen.starts[item + 1]].astype(np.float64)


def scale_by_pairs(seen: ChoiceFeatures, weights: np.ndarray) -> np.ndarray:
    """The root mean square difference of two choices of one item, pair by pair."""
    total = 0.0
    for item, weight in enumerate(weights / weights.sum()):
        x = of_item(seen, item)
        total = total + weight * np.mean([(x[a] - x[b]) ** 2 for a, b in permutations(range(len(x)), 2)], axis=0)
    return np.sqrt(total)


def restated(seen: ChoiceFeatures, labels: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
    """The optimum of the formula by scipy, written item by item; returns each item's probabilities."""
    scale, shares = scale_by_pairs(seen, weights), weights / weights.sum()

    def value(w: np.ndarray) -> tuple[float, np.ndarray]:
        loss, slope = strength / 4 * w @ w, strength / 2 * w
        for item, share in enumerate(shares):
            x = of_item(seen, item) / scale
            z = x @ w
            log_p = z - z.max() - np.log(np.exp(z - z.max()).sum())
            q = labels[item, : len(x)]
            loss -= share * q @ log_p
            slope = slope + share * x.T @ (np.exp(log_p) - q)
        return loss, slope

    w = minimize(value, np.zeros(len(scale)), jac=True, method="L-BFGS-B", options={"gtol": 1e-12, "ftol": 1e-16,
                                                                                  "maxiter": 5000}).x  # fmt: skip
    found = np.zeros_like(labels)
    for item in range(len(labels)):
        z = of_item(seen, item) / scale @ w
        found[item, : len(z)] = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    return found


def fitted(seen: ChoiceFeatures, labels: Any, weights: Any, objective: Any = None, strength: float = 0.1) -> Any:
    problem = Problem(np.arange(len(labels)), labels, weights, objective or Naive(), strength, EXACT)
    (found,) = fit_choices(seen, [problem])
    if isinstance(found, Exception):
        raise found
    return found


@pytest.mark.parametrize("strength", [0.003, 0.1, 3.0])
def test_the_fit_is_the_minimum_that_scipy_finds(strength: float) -> None:
    seen, labels, weights = data()
    found = fitted(seen, labels, weights, strength=strength)
    assert found.converged
    probabilities = found.head.probabilities(seen, np.arange(len(labels)), WIDEST)
    np.testing.assert_allclose(probabilities, restated(seen, labels, weights, strength), atol=1e-6)
    np.testing.assert_allclose(found.head.scale, scale_by_pairs(seen, weights), rtol=1e-9)
    nats = -(labels * np.log(np.maximum(probabilities, 1e-300))).sum(1) @ weights / weights.sum()
    assert found.loss == pytest.approx(nats, abs=1e-9)


def test_absent_choices_have_exactly_no_probability() -> None:
    seen, labels, weights = data()
    found = fitted(seen, labels, weights).head.probabilities(seen, np.arange(len(labels)), WIDEST)
    absent = np.arange(WIDEST) >= seen.counts[:, None]
    assert absent.any()
    assert (found[absent] == 0).all()
    assert (found[~absent] > 0).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)


def test_permuting_choices_permutes_probabilities() -> None:
    seen, labels, weights = data()
    rng = np.random.default_rng(5)
    orders = [rng.permutation(count) for count in seen.counts]
    values = np.concatenate([of_item(seen, item)[order] for item, order in enumerate(orders)]).astype(np.float32)
    turned = labels.copy()
    for item, order in enumerate(orders):
        turned[item, : len(order)] = labels[item, order]
    everyone = np.arange(len(labels))
    plain = fitted(seen, labels, weights).head.probabilities(seen, everyone, WIDEST)
    other = ChoiceFeatures(values, seen.starts)
    found = fitted(other, turned, weights).head.probabilities(other, everyone, WIDEST)
    for item, order in enumerate(orders):
        np.testing.assert_allclose(found[item, : len(order)], plain[item, order], atol=1e-8)


def test_what_all_choices_of_an_item_share_changes_nothing() -> None:
    seen, labels, weights = data()
    shared = np.random.default_rng(6).normal(size=(len(labels), seen.values.shape[1]))
    moved = ChoiceFeatures(seen.values + np.repeat(shared, seen.counts, axis=0), seen.starts)
    everyone = np.arange(len(labels))
    one, other = (fitted(x, labels, weights).head.probabilities(x, everyone, WIDEST) for x in (seen, moved))
    np.testing.assert_allclose(one, other, atol=1e-5)  # activations are float32


@pytest.mark.parametrize("strength", [0.01, 1.0])
@pytest.mark.parametrize("objective", [Naive(), Entropy(), Product()])
def test_two_choices_are_the_probe_on_their_difference(strength: float, objective: Any) -> None:
    """A pair in both orders, as `stages/pairs.py` has it, at the same penalty."""
    seen, labels, weights = data(fewest=2, most=2)
    difference = seen.values[1::2] - seen.values[::2]
    both = np.concatenate([difference, -difference])
    told, twice = np.concatenate([labels, labels[:, ::-1]]), np.concatenate([weights, weights])
    pair = fit_probe(both, told, twice, objective, strength, EXACT).head.probabilities(difference)
    choice = fitted(seen, labels, weights, objective, strength).head.probabilities(seen, np.arange(len(labels)), 2)
    np.testing.assert_allclose(choice, pair, atol=1e-6)


EXAMPLE_WISE = [ForwardKL(), ReverseKL(), ReverseCrossEntropy(), Symmetric(), JensenShannon(), Jeffreys(),
                SquaredHellinger(), PearsonChiSquared(), TotalVariation(), Entropy(), Product(), AdaptConf(),
                Naive()]  # fmt: skip


@pytest.mark.parametrize("objective", EXAMPLE_WISE, ids=lambda one: type(one).__name__)
def test_slopes_on_ragged_items_are_those_of_each_item_by_itself(objective: Any) -> None:
    """As if every item were a task of its own with as many classes: no trace of other items' choices."""
    seen, labels, weights = data(items=12)
    made = make_choice_design(seen, np.arange(12), weights)
    rows = made.design.items
    slopes = ChoiceSlopes(SLOTS, made.spans, len(made.design.features))
    slopes.place(3, made.flat(labels), objective)
    logits = torch.zeros(SLOTS, 1, len(made.design.features), dtype=torch.float64)
    logits[3, 0, :rows] = torch.from_numpy(np.random.default_rng(1).normal(size=rows))
    found = slopes(logits, [0.7] * SLOTS)
    assert not slopes.errors
    assert (found[[0, 1, 2, 4], 0, :rows].abs() < 1e-12).all(), "an empty slot must not move"
    for span in made.spans:
        for place, item in enumerate(span.positions):
            inside = slice(span.first + place * span.count, span.first + (place + 1) * span.count)
            seen_logits = logits[3, 0, inside].clone().unsqueeze(0).requires_grad_()
            told = torch.from_numpy(labels[item, : span.count]).unsqueeze(0)
            (slope,) = torch.autograd.grad(objective(seen_logits, told, Context(0.7)).sum(), seen_logits)
            torch.testing.assert_close(found[3, 0, inside], slope.squeeze(0))


def test_the_slope_is_that_of_the_loss() -> None:
    """Central differences of the naive loss in the logits."""
    seen, labels, weights = data(items=6)
    made = make_choice_design(seen, np.arange(6), weights)
    flat, rows = made.flat(labels), made.design.items
    z = np.random.default_rng(2).normal(size=rows)
    slopes = ChoiceSlopes(1, made.spans, len(made.design.features))
    slopes.place(0, flat, Naive())
    logits = torch.zeros(1, 1, len(made.design.features), dtype=torch.float64)
    logits[0, 0, :rows] = torch.from_numpy(z)
    found = slopes(logits, [0.0])[0, 0, :rows].numpy()

    def loss(z: np.ndarray) -> float:
        total = 0.0
        for span in made.spans:
            for place, item in enumerate(span.positions):
                its = z[span.first + place * span.count : span.first + (place + 1) * span.count]
                total -= labels[item, : span.count] @ (its - np.log(np.exp(its).sum()))
        return total

    for row in range(rows):
        step = np.eye(rows)[row] * 1e-6
        assert found[row] == pytest.approx((loss(z + step) - loss(z - step)) / 2e-6, abs=1e-7)


def test_a_fit_has_the_same_bits_whatever_its_companions() -> None:
    seen, labels, weights = data()
    settings = Probe(tolerance=1e-5, steps=50, max_steps=200)
    problems = [
        Problem(np.arange(40), labels, weights, objective, strength, settings)
        for objective in (Naive(), ReverseKL(), Entropy())
        for strength in (0.1, 1.0)
    ]
    together = fit_choices(seen, problems)
    for problem, found in zip(problems, together, strict=True):
        (alone,) = fit_choices(seen, [problem])
        assert not isinstance(found, Exception) and not isinstance(alone, Exception)
        np.testing.assert_array_equal(found.head.weight, alone.head.weight)


def test_items_of_weight_0_are_left_out() -> None:
    seen, labels, weights = data()
    weights[::3] = 0
    kept = np.flatnonzero(weights > 0)
    told = Problem(np.arange(40), labels, weights, Naive(), 0.1, EXACT)
    whole, part = fit_choices(seen, [told, told.of(kept)])
    assert not isinstance(whole, Exception) and not isinstance(part, Exception)
    np.testing.assert_array_equal(whole.head.weight, part.head.weight)


def test_a_gold_answer_that_the_features_tell_is_learnt() -> None:
    seen, _, weights = data(items=300)
    score = [of_item(seen, item) @ [1.0, 0.2, 0, 0, 0] for item in range(300)]
    gold = np.array([one.argmax() for one in score])
    found = fitted(seen, np.eye(WIDEST)[gold], weights, strength=0.01)
    answers = found.head.probabilities(seen, np.arange(300), WIDEST).argmax(1)
    assert (answers == gold).mean() > 0.95


def test_the_penalty_is_chosen_by_the_labels_that_are_given() -> None:
    """Labels that the features tell want a small penalty, labels at random the largest."""
    seen, _, weights = data(items=200)
    rng = np.random.default_rng(3)
    told = np.array([(of_item(seen, item) @ [1.0, 0, 0, 0, 0]).argmax() for item in range(200)])
    guessed = np.array([rng.integers(count) for count in seen.counts])
    settings = Probe(strengths=(0.001, 0.1, 10.0))
    asked = [
        Question(np.arange(200), np.eye(WIDEST)[answers], weights, Naive(), np.arange(200), settings, 0)
        for answers in (told, guessed)
    ]
    clear, random = select_choices(seen, asked)
    assert not isinstance(clear, Exception) and not isinstance(random, Exception)
    assert clear.strength == 0.001
    assert random.strength == 10.0
    assert set(clear.held_out_nats) == {0.001, 0.1, 10.0}
    # as a whole and item by item: held-out log-probabilities are finite and beat guessing
    assert clear.held_out_nats[0.001] < np.average(np.log(seen.counts), weights=weights) / 2


def test_bad_input_is_named() -> None:
    seen, labels, weights = data()
    beyond = labels.copy()
    short = int(seen.counts.argmin())
    beyond[short, WIDEST - 1] = 0.5
    with pytest.raises(FitError, match=r"beyond the \d that the item has"):
        fitted(seen, beyond, weights)
    with pytest.raises(FitError, match="no item with a positive weight"):
        fitted(seen, labels, np.zeros(40))
    with pytest.raises(FitError, match="NaN or infinity"):
        fitted(ChoiceFeatures(np.full_like(seen.values, np.nan), seen.starts), labels, weights)
    same = ChoiceFeatures(np.repeat(seen.values[:40], seen.counts, axis=0), seen.starts)
    with pytest.raises(FitError, match="no two choices of any item have different activations"):
        fitted(same, labels, weights)
