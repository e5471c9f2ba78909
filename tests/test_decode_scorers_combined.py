"""Combined scorers: hand-made sums, identities with their members, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from decode_models import PROMPTS, tiny

from trimtab.decode.answer import Answer, Compute
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import ChunkBeam, Indifferent, best_of_n
from trimtab.decode.scorers.combined import LogicalAnd, WeightedSum, log_sigmoids
from trimtab.decode.scorers.log_ratio import LogRatio
from trimtab.decode.scorers.program import Program
from trimtab.decode.scorers.scorer import Scorer
from trimtab.decode.search import Scored
from trimtab.decode.steered import EmulatedBase, RewardGuidedBase
from trimtab.errors import ScoreError, UsageError

BASE, ONE, TWO, THREE = tiny(0), tiny(1), tiny(2), tiny(3)
FIRST, SECOND = LogRatio(ONE, TWO, BASE, "plain"), LogRatio(THREE, TWO, BASE, "plain")
LENGTH = Program(lambda prompt, answer, ended: float(len(answer)), "length")
PENALTY = Program(lambda prompt, answer, ended: -2.0 * answer.count("a"), "penalty")
ANSWERS = [Answer("aa"), Answer("b"), Answer("")]


def scores(scorer: Scorer) -> list[float]:
    return scorer.begin(PROMPTS[:1], Compute()).score([0, 0, 0], ANSWERS).tolist()


def found(scorer: Scorer, method: ChunkBeam | None = None) -> list[Scored]:
    return (method or ChunkBeam(2, 3, 3, max_new_tokens=12))(LocalBase(BASE), scorer, PROMPTS, 0, Compute())


def test_a_weighted_sum_by_hand() -> None:
    # length 2, 1, 0 and penalty -4, 0, 0
    assert scores(WeightedSum([LENGTH, PENALTY], [3.0, 0.5])) == [4.0, 3.0, 0.0]
    assert scores(WeightedSum([LENGTH, PENALTY], [-1.0, 0.0])) == [-2.0, -1.0, 0.0]


def test_a_logical_and_by_hand() -> None:
    # sigmoid(log 3) = 3/4 and sigmoid(0) = 1/2; a scale of 2 halves the scores
    demands = [Program(lambda p, a, e: math.log(3) * len(a), "three"), Program(lambda p, a, e: 0.0, "none")]
    assert scores(LogicalAnd(demands))[1] == pytest.approx(math.log(3 / 4 * 1 / 2))
    assert scores(LogicalAnd(demands, scale=2.0))[0] == pytest.approx(math.log(3 / 4 * 1 / 2))
    assert scores(LogicalAnd(demands))[2] == pytest.approx(2 * math.log(1 / 2))


def test_a_demand_that_is_missed_decides() -> None:
    met, missed = np.array([50.0, 1.0]), np.array([-3.0, 0.5])
    both = log_sigmoids(np.stack([met, missed]), 1.0)
    assert both[0] < both[1]  # a sum of scores says the opposite
    assert both[0] == pytest.approx(math.log(1 / (1 + math.exp(3))))
    assert log_sigmoids(np.array([[-2000.0], [2000.0]]), 1.0).tolist() == [-2000.0]  # no overflow


def test_a_single_scorer_of_weight_one_is_that_scorer() -> None:
    assert found(WeightedSum([FIRST], [1.0])) == found(FIRST)


def test_the_order_of_scorers_does_not_matter_and_rows_are_kept_in_each() -> None:
    there, back = found(WeightedSum([FIRST, SECOND], [0.3, 0.7])), found(WeightedSum([SECOND, FIRST], [0.7, 0.3]))
    assert [one.answer for one in there] == [one.answer for one in back]
    assert [one.score for one in there] == pytest.approx([one.score for one in back], abs=1e-9)
    assert found(LogicalAnd([FIRST, SECOND], 4.0)) != there


def test_pairs_with_weights_score_as_pairs_with_weights_steer() -> None:
    """Over all tokens, sum_i w_i (log t_i - log u_i) as a reward is emulated fine-tuning by several pairs."""
    method = best_of_n(1, 10)
    summed = RewardGuidedBase(BASE, WeightedSum([FIRST, SECOND], [0.4, -0.8]), candidates=10**6)
    mixed = EmulatedBase(BASE, [(ONE, TWO), (THREE, TWO)], [0.4, -0.8])
    first, second = (method(base, Indifferent(), PROMPTS, 0, Compute()) for base in (summed, mixed))
    assert [one.answer for one in first] == [one.answer for one in second]
    assert [one.answer for one in first] != [one.answer for one in found(Indifferent(), method)]


def test_nothing_has_no_log_ratio() -> None:
    scoring = WeightedSum([FIRST, SECOND], [2.0, 3.0]).begin(PROMPTS, Compute())
    assert scoring.score([0, 1, 2, 3], [Answer()] * 4).tolist() == [0.0] * 4


def test_a_member_that_fails_is_named() -> None:
    broken = Program(lambda prompt, answer, ended: math.nan, "broken")
    with pytest.raises(ScoreError, match="the scorer broken gave nan for an answer to prompt p0"):
        scores(WeightedSum([LENGTH, broken], [1.0, 0.0]))


def test_a_sum_that_is_no_number_is_refused() -> None:
    huge = Program(lambda prompt, answer, ended: 1e308, "huge")
    with (
        np.errstate(over="ignore"),
        pytest.raises(ScoreError, match="the scorer weighted_sum gave inf for an answer to prompt p0"),
    ):
        scores(WeightedSum([huge, huge], [1.0, 1.0]))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match=r"the weights are \[1.0\] for 2 scorers"):
        WeightedSum([LENGTH, PENALTY], [1.0])
    with pytest.raises(UsageError, match=r"the weights are \[nan\] for 1 scorers"):
        WeightedSum([LENGTH], [math.nan])
    with pytest.raises(UsageError, match="weighted_sum has no scorers"):
        WeightedSum([], [])
    with pytest.raises(UsageError, match="scale is 0"):
        LogicalAnd([LENGTH], 0)
