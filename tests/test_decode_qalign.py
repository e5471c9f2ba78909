"""QAlign: on a space that can be listed the chain's law is the tilted one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import product

import pytest
import torch
from decode_models import PROMPTS, three_tokens, tiny

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import Indifferent
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.qalign import QAlign, acceptance
from trimtab.decode.sampling import Sampling, probabilities
from trimtab.decode.scorers.scorer import TextScorer
from trimtab.decode.steered import EmulatedBase
from trimtab.errors import UsageError

ROOM = 3
BASE_THREE = three_tokens(0)


def reward(_: Sequence[str], answers: Sequence[str]) -> list[float]:
    return [1.5 * one.split().count("b") - 0.5 * one.split().count("a") for one in answers]


def law(model: LanguageModel, sampling: Sampling, beta: float) -> dict[tuple[int, ...], float]:
    """Return the tilted law over all answers of at most three tokens, from the uncut model."""
    prompt, found = model.prompt_ids("a", "plain"), {}
    for ids in product(range(3), repeat=ROOM):
        answer = ids[: ids.index(0) + 1] if 0 in ids else ids
        if answer not in found:
            found[answer] = probability(model, prompt, answer, sampling)
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-5)
    texts = {answer: " ".join("ab"[one - 1] for one in answer if one) for answer in found}
    tilted = {one: p * math.exp(reward([""], [texts[one]])[0] / beta) for one, p in found.items()}
    return {one: value / sum(tilted.values()) for one, value in tilted.items()}


def probability(model: LanguageModel, prompt: list[int], answer: Sequence[int], sampling: Sampling) -> float:
    total = 1.0
    for place, token in enumerate(answer):
        with torch.no_grad():
            logits = model.model(torch.tensor([prompt + list(answer[:place])])).logits[:, -1]
        total *= probabilities(logits, sampling)[0, token].item()
    return total


@pytest.mark.parametrize(
    ("sampling", "declared"), [(Sampling(), False), (Sampling(temperature=1.5), False), (Sampling(top_k=2), True)]
)
def test_the_chain_has_the_tilted_law_truncation_included(sampling: Sampling, declared: bool) -> None:
    beta, chains, steps = 0.8, 250, 120
    prompts = [Prompt(f"p{number}", "a") for number in range(chains)]
    method = QAlign(steps, beta, ROOM, sampling, declared)
    states = method.chains(LocalBase(BASE_THREE), TextScorer(reward), prompts, 0, Compute())
    counts = Counter(
        one.answer.ids for chain in states for one in chain[60:]
    )  # the model's own law is far: it takes a while
    total = counts.total()
    wanted = law(BASE_THREE, sampling, beta)
    distance = sum(abs(counts[one] / total - wanted.get(one, 0.0)) for one in {*counts, *wanted}) / 2
    assert distance < 0.03
    # the base model's own law is not the tilted one: the test can fail
    plain = law(BASE_THREE, sampling, 1e9)
    assert sum(abs(plain[one] - wanted[one]) for one in wanted) / 2 > 0.2


def test_the_tilted_law_is_left_as_it_is_by_one_step() -> None:
    """pi T = pi for the transition matrix T(y, y') = sum_i 1/|y| p(y'_>=i | y'_<i) accept(y, y'), y'_<i = y_<i."""
    wanted, plain, beta = law(BASE_THREE, Sampling(), 0.8), law(BASE_THREE, Sampling(), 1e9), 0.8
    after = dict.fromkeys(wanted, 0.0)
    for y, mass in wanted.items():
        left = mass
        for place, new in product(range(len(y)), wanted):
            if new[:place] != y[:place] or len(new) <= place:
                continue
            begun = sum(plain[one] for one in plain if one[:place] == y[:place])
            chance = acceptance(value_of(y), value_of(new), len(y), len(new), beta)
            moved = mass / len(y) * plain[new] / begun * chance
            after[new] += moved
            left -= moved
        after[y] += left
    assert max(abs(after[one] - wanted[one]) for one in wanted) < 1e-6


def value_of(answer: tuple[int, ...]) -> float:
    return reward([""], [" ".join("ab"[one - 1] for one in answer if one)])[0]


def test_a_constant_reward_leaves_the_models_own_law() -> None:
    prompts = [Prompt(f"p{number}", "a") for number in range(400)]
    flat = TextScorer(lambda texts, answers: [2.0] * len(answers), "flat")
    states = QAlign(20, 1.0, ROOM).chains(LocalBase(BASE_THREE), flat, prompts, 1, Compute())
    counts = Counter(one.answer.ids for chain in states for one in chain)
    wanted = law(BASE_THREE, Sampling(), 1e9)
    assert sum(abs(counts[one] / counts.total() - wanted[one]) for one in wanted) / 2 < 0.03


def test_acceptance_by_hand() -> None:
    assert acceptance(1.0, 1.0, 5, 5, 1.0) == 1.0
    assert acceptance(1.0, 0.0, 5, 5, 0.5) == pytest.approx(math.exp(-2))
    assert acceptance(0.0, math.log(2), 3, 12, 1.0) == pytest.approx(0.5)
    assert acceptance(0.0, 1000.0, 1, 9, 1.0) == 1.0


def test_a_batch_of_chains_is_as_many_chains_alone() -> None:
    base, method = LocalBase(tiny(0)), QAlign(6, 1.0, 8)
    words = TextScorer(lambda prompts, answers: [float(len(one.split())) for one in answers], "words")
    together = method.chains(base, words, PROMPTS, 0, Compute())
    for prompt, chain in zip(PROMPTS, together, strict=True):
        (alone,) = method.chains(base, words, [prompt], 0, Compute())
        assert [one.answer for one in alone] == [one.answer for one in chain]
    assert all(len(chain) == 7 for chain in together)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"sampling": Sampling(top_k=5)}, "truncated_law"),
        ({"sampling": Sampling(temperature=0)}, "temperature 0"),
        ({"beta": 0.0}, "beta 0"),
        ({"steps": 0}, "steps is 0"),
    ],
)
def test_settings_that_make_no_chain_are_refused(settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        QAlign(**settings)  # pyright: ignore[reportArgumentType]


def test_a_steered_base_is_refused() -> None:
    base = tiny(0)
    steered = EmulatedBase(base, [(tiny(1), tiny(2))], [1.0])
    with pytest.raises(UsageError, match="found EmulatedBase, wanted a model in this process that nothing steers"):
        QAlign(steps=1)(steered, Indifferent(), PROMPTS, 0, Compute())
