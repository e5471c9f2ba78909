"""Steered logits: identities with other methods, hand-made values, refusals."""

from __future__ import annotations

import math

import pytest
import torch
from decode_models import PROMPTS, letters, tiny

from trimtab.decode.answer import Compute
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import Indifferent, best_of_n
from trimtab.decode.contrastive import contrastive
from trimtab.decode.emulated import emulated
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.log_ratio import LogRatio
from trimtab.decode.scorers.scorer import TextScorer
from trimtab.decode.steered import ContrastiveBase, EmulatedBase, RewardGuidedBase
from trimtab.errors import UsageError

BASE, TUNED, UNTUNED = tiny(0), tiny(1), tiny(2)


def answers(base: LocalBase, sampling: Sampling | None = None) -> list[tuple[int, ...] | None]:
    method = best_of_n(1, 10, sampling)
    return [one.answer.ids for one in method(base, Indifferent(), PROMPTS, 0, Compute())]


def logs(*probabilities: float) -> torch.Tensor:
    return torch.log(torch.tensor([probabilities]))


def test_emulated_fine_tuning_by_hand() -> None:
    # b = (1/2, 1/2), t / u = (4, 1/4)^(1/2) = (2, 1/2):  (1, 1/4) normalised
    found = emulated(logs(0.5, 0.5), [(logs(0.8, 0.2), logs(0.5, 0.5))], [0.5])
    assert found.exp()[0].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_contrastive_decoding_by_hand() -> None:
    strong, amateur = logs(0.6, 0.3, 0.1), logs(0.6, 0.2, 0.2)
    # s^2 / a = (0.6, 0.45, 0.05); alpha = 0.4 leaves what has 0.24 or more
    assert contrastive(strong, amateur, 0.0, 1.0).exp()[0].tolist() == pytest.approx([6 / 11, 4.5 / 11, 0.5 / 11])
    assert contrastive(strong, amateur, 0.4, 1.0).exp()[0].tolist() == pytest.approx([4 / 7, 3 / 7, 0])


def test_no_weight_is_the_base_model() -> None:
    plain = answers(LocalBase(BASE))
    assert answers(EmulatedBase(BASE, [(TUNED, UNTUNED)], [0.0])) == plain
    assert answers(ContrastiveBase(BASE, UNTUNED, alpha=0.0, beta=0.0)) == plain
    pair = LogRatio(TUNED, UNTUNED, BASE, "plain")
    assert answers(RewardGuidedBase(BASE, pair, candidates=10**6, weight=0.0)) == plain


def test_with_the_base_as_untuned_guide_it_is_the_tuned_guide() -> None:
    assert answers(EmulatedBase(UNTUNED, [(TUNED, UNTUNED)], [1.0])) == answers(LocalBase(TUNED))


def test_weights_of_several_guides_add_up() -> None:
    halves = EmulatedBase(BASE, [(TUNED, UNTUNED), (TUNED, UNTUNED)], [0.25, 0.75])
    assert answers(halves) == answers(EmulatedBase(BASE, [(TUNED, UNTUNED)], [1.0]))


def test_truncation_acts_on_the_mixture() -> None:
    """With top-k 1 the likeliest token of the mixture is drawn, not one that the base model alone would have left."""
    greedy = answers(EmulatedBase(BASE, [(TUNED, UNTUNED)], [2.0]), Sampling(temperature=0))
    assert answers(EmulatedBase(BASE, [(TUNED, UNTUNED)], [2.0]), Sampling(top_k=1)) == greedy
    assert greedy != answers(LocalBase(BASE), Sampling(temperature=0))


def test_reward_guided_decoding_weighs_candidates_by_the_text_they_make() -> None:
    """A reward of 50 for every 'good' makes it the token that is written wherever it is a candidate."""
    reward = TextScorer(lambda prompts, texts: [50.0 * text.split().count("good") for text in texts], "good")
    every = answers(RewardGuidedBase(BASE, reward, candidates=10**6))
    good = BASE.tokenizer.convert_tokens_to_ids("good")
    assert every == [(good,) * 10] * len(PROMPTS)
    few = answers(RewardGuidedBase(BASE, reward, candidates=1))
    assert few == answers(LocalBase(BASE), Sampling(temperature=0))


def test_reward_guided_decoding_with_a_guide_pair_is_emulated_fine_tuning() -> None:
    """The log-ratio of [y, v] is log t(v) - log u(v) and a constant of the row: over all tokens the same law."""
    pair = LogRatio(TUNED, UNTUNED, BASE, "plain")
    guided = answers(RewardGuidedBase(BASE, pair, candidates=10**6, weight=0.7))
    assert guided == answers(EmulatedBase(BASE, [(TUNED, UNTUNED)], [0.7]))


def test_candidates_of_a_row_cost_the_guides_one_token() -> None:
    compute, base = Compute(), RewardGuidedBase(BASE, LogRatio(TUNED, UNTUNED, BASE, "plain"), candidates=5)
    found = best_of_n(1, 10)(base, Indifferent(), PROMPTS, 0, compute)
    prompts = [len(BASE.prompt_ids(one.text, "plain")) for one in PROMPTS]
    tokens = sum(prompts) + sum(len(one.answer.ids or ()) - 1 for one in found)
    assert compute.tokens == {"base": tokens, "guide": 2 * tokens}


def test_guides_of_another_vocabulary_are_refused() -> None:
    other = letters(0)
    with pytest.raises(UsageError, match="letters0 and llama0 have different token ids"):
        answers(EmulatedBase(BASE, [(other, other)], [1.0]))
    with pytest.raises(UsageError, match="different token ids"):
        answers(ContrastiveBase(BASE, other))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="2 weights were given for 1 guide pairs"):
        EmulatedBase(BASE, [(TUNED, UNTUNED)], [1.0, 2.0])
    with pytest.raises(UsageError, match="alpha is 2"):
        ContrastiveBase(BASE, UNTUNED, alpha=2)
    with pytest.raises(UsageError, match="candidates is 0"):
        RewardGuidedBase(BASE, Indifferent(), candidates=0)
    assert math.isinf(-contrastive(logs(0.9, 0.1), logs(0.5, 0.5), 0.5, 1.0)[0, 1].item())
