"""AdaBoost: voices and weights by hand, members without a voice, and an interval that no stump can see alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from trimtab.supervisors.adaboost import LEAST_ERROR, AdaBoost, boosted, member_voice, voted
from trimtab.supervisors.mean_ensemble import mean_of_members


def test_voice_by_hand():
    """One of four items of equal weight is wrong: log(0.75 / 0.25) = log 3; with three classes log 2 comes on top."""
    wrong = np.array([True, False, False, False])
    assert member_voice(wrong, np.ones(4), 2) == pytest.approx(math.log(3))
    assert member_voice(wrong, np.ones(4), 3) == pytest.approx(math.log(6))


def test_weights_by_hand():
    """The wrong one of four weighs 3 times as much: 3, 1, 1, 1, and with mean 1 instead of 1.5 that is 2, 2/3, 2/3,
    2/3. The member's weighted error is now 2 / 4 = 1/2: it has nothing left to say."""
    wrong = np.array([True, False, False, False])
    after = boosted(wrong, np.ones(4), 2)
    assert after == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])
    assert after @ wrong / after.sum() == pytest.approx(0.5)


def test_vote_by_hand():
    """Voices 3 and 1 on 0.8 and 0.4 of class 0: (2.4 + 0.4) / 4 = 0.7."""
    told = np.array([[[0.8, 0.2]], [[0.4, 0.6]]])
    assert voted(told, np.array([3.0, 1.0])) == pytest.approx(np.array([[0.7, 0.3]]))


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_against_an_independent_restatement(classes):
    generator = np.random.default_rng(classes)
    gold, answers = generator.integers(classes, size=(2, 200))
    answers = np.where(generator.random(200) < 0.5, gold, answers)
    weights = generator.random(200) + 0.1
    error = sum(w for w, a, y in zip(weights, answers, gold, strict=True) if a != y) / sum(weights)
    voice = math.log((1 - error) / error) + math.log(classes - 1)
    raised = [w * math.exp(voice) if a != y else w for w, a, y in zip(weights, answers, gold, strict=True)]
    assert member_voice(answers != gold, weights, classes) == pytest.approx(voice)
    assert boosted(answers != gold, weights, classes) == pytest.approx(np.array(raised) / np.mean(raised))


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_after_reweighting_the_member_is_at_chance(classes):
    """For two classes the weighted error of the member just used is 1/2, for C classes 1 - 1/C."""
    generator = np.random.default_rng(0)
    wrong, weights = generator.random(300) < 0.3, generator.random(300) + 0.2
    after = boosted(wrong, weights, classes)
    assert after.mean() == pytest.approx(1)
    assert after @ wrong / after.sum() == pytest.approx(1 - 1 / classes)
    assert member_voice(wrong, after, classes) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("classes", "wrong"), [(2, 2), (2, 3), (2, 4), (4, 3), (4, 4)])
def test_a_member_no_better_than_chance_has_no_voice_and_weights_begin_again(classes, wrong):
    """Of four items as many are wrong as a guess gets wrong, or more, up to all."""
    marked = np.arange(4) < wrong
    assert member_voice(marked, np.ones(4), classes) == 0
    assert boosted(marked, np.array([1.0, 1.0, 1.0, 1.0]), classes).tolist() == [1, 1, 1, 1]
    heavy = np.array([2.5, 0.5, 0.5, 0.5])
    if member_voice(marked, heavy, classes) == 0:
        assert boosted(marked, heavy, classes).tolist() == [1, 1, 1, 1]


def test_a_member_without_an_error_has_the_largest_voice_and_changes_no_weight():
    right, weights = np.zeros(4, bool), np.array([0.5, 1.5, 1.0, 1.0])
    assert member_voice(right, weights, 2) == pytest.approx(math.log((1 - LEAST_ERROR) / LEAST_ERROR))
    assert boosted(right, weights, 2) == pytest.approx(weights)


def test_equal_voices_and_no_voices_give_the_mean():
    told = np.random.default_rng(0).dirichlet(np.ones(3), (4, 20))
    for voices in (np.full(4, 0.7), np.zeros(4)):
        assert voted(told, voices) == pytest.approx(mean_of_members(told), abs=1e-15)


def test_a_single_voice_is_the_member_and_scale_does_not_count():
    told = np.random.default_rng(1).dirichlet(np.ones(3), (3, 20))
    assert voted(told, np.array([0.0, 2.0, 0.0])) == pytest.approx(told[1])
    voices = np.array([0.3, 1.2, 0.5])
    assert voted(told, voices) == pytest.approx(voted(told, 10 * voices))
    assert voted(told, voices).sum(1) == pytest.approx(1)


def test_an_interval_that_no_member_sees_alone():
    """Class 1 lies between -0.5 and 0.4: a stump finds one end, ten of them both. On fresh items they are right at
    least 0.15 more often together than the best alone."""
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (2400, 1))
    gold = ((x[:, 0] > -0.5) & (x[:, 0] < 0.4)).astype(int)
    weights, voices, told = np.ones(400), [], []
    for _ in range(10):
        stump = DecisionTreeClassifier(max_depth=1, random_state=0).fit(x[:400], gold[:400], weights)
        wrong = stump.predict(x[:400]) != gold[:400]
        voices.append(member_voice(wrong, weights, 2))
        weights = boosted(wrong, weights, 2)
        told.append(stump.predict_proba(x[400:]))
    best = max((one.argmax(1) == gold[400:]).mean() for one in told)
    found = voted(np.stack(told), np.array(voices)).argmax(1)
    assert min(voices) > 0.5
    assert (found == gold[400:]).mean() > best + 0.15


@pytest.mark.parametrize("rounds", [1, 0, -3])
def test_fewer_than_two_rounds_are_refused(rounds):
    with pytest.raises(ValueError, match=f"rounds must be at least 2, found {rounds}"):
        AdaBoost("a model", rounds=rounds)


def test_sees_no_truth():
    assert AdaBoost.truth == "none"
