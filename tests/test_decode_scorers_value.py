"""Value functions: kept states, a planted case with its limits, blockwise controlled decoding, files and refusals."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from decode_models import PROMPTS, letters, three_tokens, tiny
from tiny_models import tiny_texts

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import ChunkBeam, Indifferent, best_of_n, sample
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.last_states import LastStates
from trimtab.decode.qalign import QAlign
from trimtab.decode.rollouts import Rollout, beginnings, rollouts
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.program import Program
from trimtab.decode.scorers.value import Value, load_value
from trimtab.decode.search import ChunkSearch, Scored, search
from trimtab.decode.sequences import Sequences
from trimtab.decode.value import fit_value
from trimtab.errors import FitError, UsageError

ROOM, CHUNK = 20, 4
LEARNT = [Prompt(f"p{place}", text) for place, text in enumerate(tiny_texts(60, seed=1, longest=6))]
UNSEEN = [Prompt(f"q{place}", text) for place, text in enumerate(tiny_texts(40, seed=2, longest=6))]
GOOD = Program(lambda prompt, answer, ended: answer.split().count("good"), "good")
SAME = Program(lambda prompt, answer, ended: 0.3, "same")


def planted() -> LanguageModel:
    """Return a random model whose attention is uniform: each state knows what share of the tokens so far is which."""
    model = tiny(0)
    for layer in model.model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.q_proj.weight)
    return model


BASE = planted()


@pytest.fixture(scope="module")
def written() -> list[Rollout]:
    return rollouts(LocalBase(BASE), GOOD, LEARNT, 12, ROOM)


@pytest.fixture(scope="module")
def value(written: list[Rollout]) -> Value:
    return fit_value(written, BASE, chunk=CHUNK)


def uncut(model: LanguageModel, ids: list[int]) -> np.ndarray:
    """Return the state of the last token from one forward pass over the whole text."""
    with torch.no_grad():
        return model.model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][:, -1].numpy()


def mean_reward(found: list[Scored]) -> float:
    return float(np.mean([one.answer.text.split().count("good") for one in found]))


def test_rollouts_are_the_samples_of_their_streams() -> None:
    found = rollouts(LocalBase(BASE), GOOD, LEARNT[:2], 3, 8, seed=5)
    assert [one.prompt.id for one in found] == ["p0"] * 3 + ["p1"] * 3
    assert all(one.reward == one.answer.text.split().count("good") for one in found)
    (plain,) = sample(8)(LocalBase(BASE), Indifferent(), LEARNT[:1], 5, Compute())
    assert plain.answer in [one.answer for one in found[:3]]
    assert len({one.answer.ids for one in found}) > 3


def test_an_answer_is_cut_at_multiples_of_the_chunk_and_seen_whole() -> None:
    whole = Answer("the good film", (4, 11, 6, 3), ended=True)
    found = beginnings(Rollout(LEARNT[0], whole, 1.0), BASE, 2)
    assert [(one.ids, one.ended) for one in found] == [((4, 11), False), ((4, 11, 6, 3), True)]
    assert found[0].text == BASE.answer_text([4, 11])
    assert [len(one.ids or ()) for one in beginnings(Rollout(LEARNT[0], whole, 1.0), BASE, 3)] == [3, 4]
    assert beginnings(Rollout(LEARNT[0], whole, 1.0), BASE, 9) == [whole]


def test_a_value_function_explains_the_reward_on_prompts_that_it_has_not_seen(value: Value) -> None:
    explained = value.fit.r_squared
    assert explained.low is not None and explained.mean is not None
    assert 0 < explained.low < explained.mean < 1
    assert value.fit.prompts + value.fit.held_out_prompts == len(LEARNT)
    assert 9 <= value.fit.held_out_prompts <= 15


def test_a_reward_that_nothing_tells_is_not_explained(written: list[Rollout]) -> None:
    noise = np.random.default_rng([0, 0xD]).normal(size=len(written))
    fit = fit_value([Rollout(one.prompt, one.answer, r) for one, r in zip(written, noise, strict=True)], BASE).fit
    assert fit.r_squared.low is not None and fit.r_squared.mean is not None
    assert fit.r_squared.low < 0 and fit.r_squared.mean < 0.05


def test_blockwise_controlled_decoding_raises_the_reward(value: Value) -> None:
    """A good word an answer more than sampling, on prompts that nothing was learnt from; it beats the best of four."""
    base = LocalBase(BASE)
    guided = ChunkBeam(1, 4, CHUNK, max_new_tokens=ROOM)(base, value, UNSEEN, 0, Compute())
    plain = sample(ROOM)(base, Indifferent(), UNSEEN, 0, Compute())
    best = best_of_n(4, ROOM)(base, GOOD, UNSEEN, 0, Compute())
    assert mean_reward(guided) > mean_reward(plain) + 0.6
    assert mean_reward(guided) > mean_reward(best)


def test_a_constant_reward_gives_a_constant_value_and_changes_nothing() -> None:
    base = LocalBase(BASE)
    flat = fit_value(rollouts(base, SAME, LEARNT[:20], 4, ROOM), BASE, chunk=CHUNK)
    guided = ChunkBeam(1, 4, CHUNK, max_new_tokens=ROOM)(base, flat, UNSEEN, 0, Compute())
    plain = sample(ROOM)(base, Indifferent(), UNSEEN, 0, Compute())
    assert {one.score for one in guided} == {0.3}
    assert [one.answer for one in guided] == [one.answer for one in plain]
    assert flat.fit.r_squared.mean is None
    assert flat.fit.r_squared.reason == "all targets are equal: there is no variance to explain"


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_kept_values_are_those_of_whole_texts(family: str) -> None:
    base = tiny(9, family)
    own = fit_value(rollouts(LocalBase(base), GOOD, LEARNT[:10], 4, ROOM), base, chunk=CHUNK, folds=2)
    ended = set()
    for settings in (ChunkSearch(3, 3, 3, max_new_tokens=ROOM), ChunkSearch(8, 1, 10, max_new_tokens=ROOM)):
        found = search(LocalBase(base), own, PROMPTS, settings, Sampling(), 0, Compute())
        for prompt, answers in zip(PROMPTS, found, strict=True):
            for one in answers:
                ended.add(one.answer.ended)
                ids = base.prompt_ids(prompt.text, "plain") + list(one.answer.ids or ())
                assert one.score == pytest.approx(own.head.predict(uncut(base, ids))[0], abs=1e-4)
    assert ended == {True, False}


def test_a_batch_of_prompts_is_as_many_batches_of_one(value: Value) -> None:
    method, base = ChunkBeam(2, 2, 3, max_new_tokens=9), LocalBase(BASE)
    for prompt, one in zip(PROMPTS, method(base, value, PROMPTS, 0, Compute()), strict=True):
        (alone,) = method(base, value, [prompt], 0, Compute())
        assert alone.answer == one.answer
        assert alone.score == pytest.approx(one.score, abs=1e-5)


def test_only_new_tokens_run(value: Value) -> None:
    compute = Compute()
    (one,) = ChunkBeam(1, 1, 2, max_new_tokens=8)(LocalBase(BASE), value, PROMPTS[:1], 0, compute)
    tokens, prompt = len(one.answer.ids or ()), len(BASE.prompt_ids(PROMPTS[0].text, "plain"))
    assert compute.tokens == {"base": prompt + tokens - 1, "reward": prompt + tokens}  # V reads the last token, too
    assert compute.flops == 2 * (BASE.parameters * (prompt + tokens - 1) + BASE.body_parameters * (prompt + tokens))


def test_states_follow_texts_that_grow_shrink_and_change() -> None:
    for family in ("llama", "gpt2"):
        model, compute = tiny(3, family), Compute()
        states = LastStates(model, 3, compute, "reward")
        for texts, run in (
            ([[5, 6], [7, 8, 9], [4]], 6),
            ([[5, 6, 10], [7, 8, 9], [4, 4, 4, 4]], 4),  # one row has nothing new
            ([[5, 9], [7, 8], [4, 4, 5, 4]], 1 + 1 + 2),  # another token, a beginning, another middle
            ([[5, 9], [7, 8], [4, 4, 5, 4]], 0),
        ):
            before = compute.tokens.get("reward", 0)
            found = states.follow(texts)
            for row, text in enumerate(texts):
                assert found[row].numpy() == pytest.approx(uncut(model, text)[0], abs=1e-4)
            assert compute.tokens["reward"] - before == run
        states.select([2, 0, 2])
        found = states.follow([[4, 4, 5, 4, 6], [5, 9, 9, 9], [4, 4, 5, 4]])
        for row, text in enumerate([[4, 4, 5, 4, 6], [5, 9, 9, 9], [4, 4, 5, 4]]):
            assert found[row].numpy() == pytest.approx(uncut(model, text)[0], abs=1e-4)


def test_a_long_row_beside_one_with_much_that_is_new_stays_within_the_context() -> None:
    """GPT-2 has 64 positions: the filling of a row of 60 tokens must not ask for a 70th."""
    model = tiny(3, "gpt2")
    rows = LastStates(model, 2, Compute(), "reward")
    long, short = [5 + place % 20 for place in range(60)], [4]
    rows.follow([long, short])
    found = rows.follow([[*long, 6], [4, *long[:30]]])
    assert found[0].numpy() == pytest.approx(uncut(model, [*long, 6])[0], abs=1e-4)
    assert found[1].numpy() == pytest.approx(uncut(model, [4, *long[:30]])[0], abs=1e-4)
    read = Sequences(model, [long, short], Compute(), "guide").read([[6], long[:30]])
    assert [len(values) for values in read] == [1, 30]


def test_chains_rewind_it(value: Value) -> None:
    chains = QAlign(5, 1.0, 8).chains(LocalBase(BASE), value, PROMPTS, 0, Compute())
    for prompt, chain in zip(PROMPTS, chains, strict=True):
        for one in chain:
            ids = BASE.prompt_ids(prompt.text, "plain") + list(one.answer.ids or ())
            assert one.score == pytest.approx(value.head.predict(uncut(BASE, ids))[0], abs=1e-4)


def test_an_empty_answer_has_the_value_of_the_prompt(value: Value) -> None:
    found = value.begin(PROMPTS, Compute()).score([0, 1, 2, 3], [Answer()] * 4)
    states = np.concatenate([uncut(BASE, BASE.prompt_ids(one.text, "plain")) for one in PROMPTS])
    assert found == pytest.approx(value.head.predict(states), abs=1e-5)


def test_a_model_with_another_vocabulary_reads_the_text(written: list[Rollout]) -> None:
    other = letters(3)
    own = fit_value(written[:120], BASE, model=other, chunk=CHUNK, folds=2)
    assert not own.ids.shares_tokens
    found = ChunkBeam(2, 2, 3, max_new_tokens=9)(LocalBase(BASE), own, PROMPTS, 0, Compute())
    for prompt, one in zip(PROMPTS, found, strict=True):
        ids = other.tokenizer(prompt.text + one.answer.text)["input_ids"] + ([0] if one.answer.ended else [])
        assert one.score == pytest.approx(own.head.predict(uncut(other, ids))[0], abs=1e-4)


def test_a_saved_value_function_says_the_same_of_the_same_model(value: Value, tmp_path: Path) -> None:
    value.save(tmp_path)
    loaded = load_value(tmp_path, BASE, BASE)
    method = ChunkBeam(2, 2, 3, max_new_tokens=9)
    first, second = (method(LocalBase(BASE), one, PROMPTS, 0, Compute()) for one in (value, loaded))
    assert first == second
    assert loaded.fit == value.fit
    with pytest.raises(FitError, match="was fitted on the hidden states of llama0, which differ from those of llama1"):
        load_value(tmp_path, tiny(1), BASE)
    with pytest.raises(FitError, match="differ from those of three0"):
        load_value(tmp_path, three_tokens(0), BASE)
    with pytest.raises(FitError, match="holds no fitted scorer"):
        load_value(tmp_path / "absent", BASE, BASE)


def test_what_cannot_be_learnt_is_refused(written: list[Rollout]) -> None:
    with pytest.raises(UsageError, match="chunk is 0"):
        fit_value(written, BASE, chunk=0)
    with pytest.raises(UsageError, match=r"held_out 0\.7"):
        fit_value(written, BASE, held_out=0.7)
    with pytest.raises(FitError, match="2 groups of items cannot be put into 5 folds"):
        fit_value(written[:24], BASE)
    with pytest.raises(UsageError, match="prompt p has no tokens, because its base model is reached by text"):
        fit_value([Rollout(Prompt("p", "the"), Answer("film", None), 1.0)], BASE)
    with pytest.raises(FitError, match="wanted one or more finite ones"):
        fit_value([Rollout(one.prompt, one.answer, math.nan) for one in written[:240]], BASE)
