"""Trust: what the supervisor's own states say of its labels, and splits that teach nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from planted_labels import SEEDS, gain, labels_of, misled, permuted, random_labels, told
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trimtab.errors import FitError
from trimtab.supervise.trust import Trust, trust
from trimtab.types import Evidence, Judged, Labels

EXAMPLES = [{}, {"keep": 0.2}, {"hidden": 4}]
"""Settings that all differ in what they return, for the contract tests."""
REFUSED = [{"keep": 0.0}, {"keep": 1.01}, {"keep": -0.5}, {"keep": math.nan}, {"hidden": 0}, {"hidden": -3}]
CLASSES_IN_PLACES = True
"""The network's random start is tied to its inputs' places, among them one for each class."""


def judged(items: int = 400, hidden: int = 4, classes: int = 2, seed: int = 0) -> Judged:
    """Return a supervisor that is right where its first activation is above -.7 (three items in four)."""
    rng = np.random.default_rng([seed, items, hidden])
    states, gold = rng.normal(size=(items, hidden)), rng.integers(0, classes, items)
    answers = np.where(states[:, 0] > -0.7, gold, (gold + 1) % classes)
    return Judged(states, 0.5 * np.eye(classes)[answers] + 0.5 / classes, gold)


def evidence(states: np.ndarray, seed: int = 0, classes: int = 2) -> Evidence:
    return Evidence(supervisor_states=states, judged=judged(hidden=states.shape[1], classes=classes), seed=seed)


def case(classes: int = 3, items: int = 60) -> tuple[Labels, Evidence]:
    """Return random labels and evidence for them."""
    labels = random_labels(classes, items)
    return labels, evidence(np.random.default_rng(5).normal(size=(items, 4)), classes=classes)


def test_keeps_the_items_whose_states_speak_for_them_by_hand():
    """The supervisor errs below -.7: of eight equal labels those with a first activation of 2 or 1.5 are kept."""
    first = np.array([2, -2, 1.5, -3, -2.5, 2, 1.5, -2.0])
    states = np.concatenate([first[:, None], np.zeros((8, 3))], 1)
    found = Trust()(labels_of(told(np.ones(8), 0.75)), evidence(states))
    assert found.weights.tolist() == [1, 0, 1, 0, 0, 1, 1, 0]


def test_trust_is_a_probability_that_follows_the_states():
    states = np.zeros((40, 4))
    states[:, 0] = np.linspace(-3, 3, 40)
    found = trust(judged(), states, told(np.ones(40), 0.75), 64, 0)
    assert ((found >= 0) & (found <= 1)).all()
    assert found[states[:, 0] > 0.5].min() > found[states[:, 0] < -1.5].max()


def test_against_a_pipeline_of_scikit_learn():
    labels, given = case()
    own, states = given.judged, given.supervisor_states
    assert own is not None
    assert states is not None
    network = MLPClassifier(hidden_layer_sizes=16, solver="lbfgs", alpha=10, random_state=3)
    model = make_pipeline(StandardScaler(), network)
    answers = np.array([int(np.argmax(row)) for row in own.probabilities])
    model.fit(np.hstack([own.states, np.log(own.probabilities)]), answers == own.gold)
    present = [i for i, weight in enumerate(labels.weights) if weight > 0]
    read = np.hstack([states[present], np.log(labels.probabilities[present])])
    ranked = sorted(zip(-model.predict_proba(read)[:, 1], present, strict=True))
    kept = {i for _, i in ranked[: math.ceil(0.3 * len(present))]}
    found = Trust(keep=0.3, hidden=16)(labels, replace(given, seed=3))
    assert {int(i) for i in np.flatnonzero(found.weights)} == kept
    assert np.array_equal(found.weights[list(kept)], labels.weights[list(kept)])
    assert np.array_equal(found.probabilities, labels.probabilities)


def test_keep_all_changes_nothing():
    labels, given = case()
    assert np.array_equal(Trust(keep=1.0)(labels, given).weights, labels.weights)


@pytest.mark.parametrize(("keep", "kept"), [(0.5, 5), (0.45, 5), (0.1, 1), (0.01, 1), (0.7, 7), (0.999, 10)])
def test_share_is_rounded_up(keep, kept):
    states = np.random.default_rng(0).normal(size=(10, 4))
    labels = labels_of(told(np.ones(10), 0.75))
    assert (Trust(keep=keep)(labels, evidence(states)).weights > 0).sum() == kept


def test_larger_shares_keep_what_smaller_ones_kept():
    labels, given = case()
    kept = [Trust(keep=keep)(labels, given).weights > 0 for keep in (0.2, 0.5, 0.8)]
    assert (kept[0] <= kept[1]).all()
    assert (kept[1] <= kept[2]).all()


def test_scale_and_place_of_the_activations_do_not_matter():
    labels, given = case()
    own = given.judged
    assert own is not None
    assert given.supervisor_states is not None
    moved = replace(
        given,
        supervisor_states=given.supervisor_states * 8 + 2,
        judged=replace(own, states=own.states * 8 + 2),
    )
    assert np.array_equal(Trust()(labels, moved).weights, Trust()(labels, given).weights)


def test_items_of_weight_0_do_not_count():
    labels, given = case()
    assert given.supervisor_states is not None
    present = np.flatnonzero(labels.weights > 0)
    alone = Trust()(permuted(labels, present), replace(given, supervisor_states=given.supervisor_states[present]))
    found = Trust()(labels, given)
    assert np.array_equal(found.weights[present], alone.weights)
    assert (found.weights[labels.weights == 0] == 0).all()


def test_the_order_of_items_does_not_matter():
    labels, given = case()
    assert given.supervisor_states is not None
    order = np.random.default_rng(1).permutation(len(labels.ids))
    turned = replace(given, supervisor_states=given.supervisor_states[order])
    assert np.array_equal(Trust()(permuted(labels, order), turned).weights, Trust()(labels, given).weights[order])


def test_a_split_of_some_hundreds_in_many_directions_is_enough():
    """The supervisor is right on 76 % of all items; of the half kept, on nine in ten and more."""
    states = np.random.default_rng(3).normal(size=(1000, 64))
    kept = Trust()(labels_of(told(np.ones(1000), 0.75)), evidence(states)).weights > 0
    assert (states[kept, 0] > -0.7).mean() > 0.9


@pytest.mark.parametrize("wrong", [0, 1, 9, 391, 400])
def test_a_split_with_few_errors_or_few_hits_is_an_error(wrong):
    labels, given = case(classes=2)
    own = given.judged
    assert own is not None
    answers = np.where(np.arange(400) < wrong, 1 - own.gold, own.gold)
    with pytest.raises(FitError, match=f"right {400 - wrong} times and wrong {wrong} times; at least 10 of each"):
        Trust()(labels, replace(given, judged=replace(own, probabilities=told(answers, 0.8))))


def test_ten_of_each_are_enough():
    labels, given = case(classes=2)
    own = given.judged
    assert own is not None
    answers = np.where(np.arange(20) < 10, 1 - own.gold[:20], own.gold[:20])
    few = Judged(own.states[:20], told(answers, 0.8), own.gold[:20])
    found = Trust()(labels, replace(given, judged=few)).weights
    assert (found > 0).sum() == math.ceil((labels.weights > 0).sum() / 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_helps_where_the_states_tell_right_from_wrong(seed):
    """Half of the labels follow another feature than the truth, all with .8; the supervisor's first activation is
    above 0 where they do not, and its own split shows it."""
    rng = np.random.default_rng(seed)
    planted = misled(seed, honest=0.5, sure=(0.8, 0.8))
    states = rng.normal(size=(len(planted.gold), 5))
    states[:, 0] = np.where(planted.honest, 1, -1) * np.abs(states[:, 0])
    own_states, own_gold = rng.normal(size=(600, 5)), rng.integers(0, 2, 600)
    answers = np.where((own_states[:, 0] > 0) | (rng.random(600) < 0.5), own_gold, 1 - own_gold)
    given = Evidence(supervisor_states=states, judged=Judged(own_states, told(answers, 0.8), own_gold), seed=seed)
    assert gain(planted, Trust()(planted.labels, given)) >= 0.1
