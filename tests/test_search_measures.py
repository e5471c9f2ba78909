"""What a search study measures, against values derived by hand and independent restatements."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from trimtab.comparison.search.equal_compute import best_of_n_at
from trimtab.comparison.search.guide import guide_json, ordered_alike
from trimtab.comparison.search.measured import MeasuredAnswers, ratio_scores
from trimtab.comparison.search.rows import SearchRow, rows_json
from trimtab.comparison.search.sign_flip import FLIPS, sign_flip
from trimtab.metrics.diversity import distinct
from trimtab.metrics.ngram import DISCOUNT, START, NGram
from trimtab.metrics.resample import resample


def answers(gold: np.ndarray, flops: float = 1.0, proxy: np.ndarray | None = None) -> MeasuredAnswers:
    ones = np.ones_like(gold)
    texts = tuple(tuple(f"text {i}" for i in range(gold.shape[1])) for _ in gold)
    return MeasuredAnswers(gold, gold if proxy is None else proxy, -ones, ones, -2 * ones, ones, texts, flops, 1.0)


def row(name: str, on_curve: int | None = None, truth: str = "supervisor") -> SearchRow:
    return SearchRow(name, "cbs", (), "guide", truth, on_curve)


def test_probabilities_of_an_n_gram_model_sum_to_one_whatever_came_before() -> None:
    model = NGram(["the film is good", "the film is very bad", "good film"], 3)
    vocabulary = ["the", "film", "is", "good", "very", "bad", "</s>"]
    for history in product([START, "the", "film", "never seen"], repeat=2):
        total = sum(model.probability(word, history) for word in [*vocabulary, "unknown"])
        assert total == pytest.approx(1)


def test_an_n_gram_model_by_hand() -> None:
    # "a b" and "a c": after "a" two words, each once; of all six words (ends among them) four are different
    model = NGram(["a b", "a c"], 2)
    shared = DISCOUNT * 4 / 6 / 5
    of_b = (1 - DISCOUNT) / 6 + shared
    assert model.probability("b", ["x", "a"]) == pytest.approx((1 - DISCOUNT) / 2 + DISCOUNT * 2 / 2 * of_b)
    assert model.probability("b", ["x"]) == pytest.approx(of_b)  # what came before was never seen
    total, count = model.log_probability("b zzz", "a")
    assert count == 2
    after_b = DISCOUNT * 1 / 1 * shared  # "b" was only followed by an end
    assert total == pytest.approx(math.log(model.probability("b", ["a"])) + math.log(after_b))


def test_an_n_gram_model_prefers_what_it_has_read() -> None:
    model = NGram(["a dull film without an end"] * 3 + ["a great film"])
    assert model.log_probability("dull film", "a")[0] > model.log_probability("film dull", "a")[0]
    with pytest.raises(ValueError, match="at least 1, found 0"):
        NGram(["a"], 0)


def test_distinct_counts_pairs_of_words() -> None:
    assert distinct(["a b a b a b"]) == 2 / 5
    assert distinct(["a b", "a b", "b a"]) == 2 / 3
    assert distinct(["a", ""]) is None


def test_the_sign_flip_test_against_all_flips() -> None:
    differences = np.array([[0.3, -0.1, 0.6, 0.2, 0.4, -0.2, 0.5]])
    sums = [abs((np.array(signs) * differences[0]).sum()) for signs in product([-1, 1], repeat=7)]
    exact = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)
    assert sign_flip(differences, range(7)) == pytest.approx(exact, abs=0.02)
    assert sign_flip(np.zeros((2, 7)), range(7)) == 1
    assert sign_flip(np.ones((1, 40)), range(40)) == 1 / (1 + FLIPS)
    # related prompts flip together: with one group there is nothing to compare with
    assert sign_flip(differences, [0] * 7) == 1
    assert sign_flip(-differences, range(7)) == sign_flip(differences, range(7))


def test_best_of_n_is_read_between_sizes_on_a_logarithmic_scale() -> None:
    curve = {1: answers(np.array([[0.0, 2.0]]), 10.0), 4: answers(np.array([[1.0, 6.0]]), 1000.0)}
    at = best_of_n_at(100.0, curve)  # half way in the logarithm
    assert at.gold is not None
    np.testing.assert_allclose(at.gold, [[0.5, 4.0]])
    assert at.between == (1, 4)
    exact = best_of_n_at(1000.0, curve)
    np.testing.assert_array_equal(exact.gold, curve[4].gold)
    for flops in (9.0, 1001.0):
        beyond = best_of_n_at(flops, curve)
        assert beyond.gold is None
        assert "best-of-N was run from" in str(beyond.reason)
    assert "no best-of-N" in str(best_of_n_at(1.0, {}).reason)


def test_pairs_that_guide_and_reward_order_alike() -> None:
    alike, pairs = ordered_alike(
        np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 2.0]]), np.array([[3.0, 2.0, 1.0], [0.0, 1.0, 1.0]])
    )
    # reversed: none of 3; a tie of the guide counts half, a tie of the reward is no pair
    assert alike.tolist() == [0.0, 1.5]
    assert pairs.tolist() == [3.0, 2.0]


def test_a_guide_passes_where_it_knows_and_not_where_it_guesses() -> None:
    random = np.random.default_rng([0x7E57])
    proxy = random.normal(size=(60, 8))
    knows = guide_json(proxy + random.normal(size=proxy.shape), proxy, range(60))
    guesses = guide_json(random.normal(size=proxy.shape), proxy, range(60))
    assert knows["passes"]
    assert not guesses["passes"]
    wanted = np.corrcoef(proxy.ravel(), (proxy * 2 + 1).ravel())[0, 1]
    assert guide_json(2 * proxy + 1, proxy, range(60))["correlation"]["mean"] == pytest.approx(wanted)
    assert knows["correlation"]["low"] < 1 / math.sqrt(2) < knows["correlation"]["high"]
    assert guide_json(np.zeros((4, 2)), np.ones((4, 2)), range(4))["passes"] is False


def test_a_ratio_of_sums_under_draws_is_that_of_repeated_items() -> None:
    top, bottom = np.array([[-4.0, -9.0, -1.0]]), np.array([[2.0, 3.0, 1.0]])
    drawn = resample(None, 3, 1, draws=50)
    found = ratio_scores(top, bottom, drawn)
    assert found.point.tolist() == [-14 / 6]
    for weights, value in zip(drawn.item_weights, found.draws[:, 0], strict=True):
        repeated = np.repeat(np.arange(3), weights)
        assert value == pytest.approx(top[0, repeated].sum() / bottom[0, repeated].sum())


def test_rows_say_what_sets_a_method_apart() -> None:
    random = np.random.default_rng([0x7E58])
    base = random.normal(size=(2, 80))
    better = base + 1 + 0.1 * random.normal(size=base.shape)
    hacked = answers(base, 5.0, proxy=base + 3)
    measured = {
        "sample": answers(base, 1.0),
        "bo4": answers(base + 0.5, 4.0),
        "cbs": answers(better, 2.0),
        "hack": hacked,
    }
    rows = [row("sample", 1), row("bo4", 4), row("cbs"), row("hack")]
    found = {one["method"]: one for one in rows_json(rows, measured, range(80), resample(None, 80, 2))}
    assert "vs_base" not in found["sample"]
    assert found["cbs"]["vs_base"]["gold"]["mean"] == pytest.approx((better - base).mean())
    assert found["cbs"]["vs_base"]["p_holm"] >= found["cbs"]["vs_base"]["p"]
    assert found["cbs"]["vs_best_of_n"]["between"] == (1, 4)
    assert found["cbs"]["vs_best_of_n"]["gold"]["mean"] == pytest.approx((better - base).mean() - 0.25)
    assert found["hack"]["vs_best_of_n"]["gold"] is None  # dearer than best-of-4
    assert found["hack"]["over_optimisation"]["mean"] == pytest.approx(3)
    assert found["cbs"]["over_optimisation"]["mean"] == pytest.approx(0, abs=1e-9)
    assert "vs_best_of_n" not in found["bo4"]
    assert found["sample"]["base_log_probability"]["mean"] == -1
    assert found["sample"]["distinct"]["low"] is None
    assert found["sample"]["distinct"]["reason"]


def test_without_the_base_model_nothing_is_compared_with_it() -> None:
    found = rows_json([row("cbs")], {"cbs": answers(np.ones((1, 5)))}, range(5), resample(None, 5, 1))
    assert "vs_base" not in found[0]
    assert "no best-of-N" in found[0]["vs_best_of_n"]["reason"]
