"""Chunk-level search: identities, invariances and hand-made cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from decode_models import PROMPTS, letters, log_probability, tiny

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import ChunkBeam, Indifferent, best_of_n, sample
from trimtab.decode.deal import Deal
from trimtab.decode.draws import uniforms
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.log_ratio import LogRatio
from trimtab.decode.scorers.scorer import TextScorer
from trimtab.decode.search import ChunkSearch, Scored, search
from trimtab.errors import ScoreError, UsageError

BASE, TUNED, UNTUNED = tiny(0), tiny(1), tiny(2)
PAIR = LogRatio(TUNED, UNTUNED, BASE, "plain")


def run(
    method: ChunkBeam | Deal, scorer: object = PAIR, prompts: Sequence[Prompt] = PROMPTS, base: LanguageModel = BASE,
    seed: int = 0,
) -> tuple[list[Scored], Compute]:  # fmt: skip
    compute = Compute()
    return method(LocalBase(base), scorer, prompts, seed, compute), compute  # pyright: ignore[reportArgumentType]


def length(_: Sequence[str], answers: Sequence[str]) -> list[float]:
    return [float(len(one)) for one in answers]


@pytest.mark.parametrize("finished", ["compete", "pool"])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_batch_of_prompts_is_as_many_batches_of_one(finished: str, family: str) -> None:
    base, pair = tiny(0, family), LogRatio(tiny(1, family), tiny(2, family), tiny(0, family), "plain")
    method = ChunkBeam(2, 3, 3, finished, max_new_tokens=12)  # pyright: ignore[reportArgumentType]
    together, _ = run(method, pair, base=base)
    for prompt, found in zip(PROMPTS, together, strict=True):
        (alone,), _ = run(method, pair, [prompt], base)
        assert alone.answer == found.answer
        assert alone.score == pytest.approx(found.score, abs=1e-4)


def test_the_side_of_padding_changes_nothing() -> None:
    left = [tiny(seed, padding_side="left") for seed in range(3)]
    method = ChunkBeam(2, 2, 4, max_new_tokens=12)
    found, _ = run(method, LogRatio(left[1], left[2], left[0], "plain"), base=left[0])
    assert [one.answer for one in found] == [one.answer for one in run(method)[0]]


def test_kept_scores_are_those_of_whole_texts_and_an_end_counts_only_where_it_is() -> None:
    base, method = tiny(9), ChunkSearch(4, 4, 4, max_new_tokens=40)
    found = search(LocalBase(base), LogRatio(TUNED, UNTUNED, base, "plain"), PROMPTS, method, Sampling(), 0, Compute())
    ended = set()
    for prompt, answers in zip(PROMPTS, found, strict=True):
        ids = base.prompt_ids(prompt.text, "plain")
        for one in answers:
            tokens = list(one.answer.ids or ())
            ended.add(one.answer.ended)
            assert one.answer.ended == (tokens[-1] in BASE.end_ids)
            assert len(tokens) <= 40
            wanted = log_probability(TUNED, ids, tokens) - log_probability(UNTUNED, ids, tokens)
            assert one.score == pytest.approx(wanted, abs=1e-4)
    assert ended == {True, False}


def test_equal_guides_score_nothing() -> None:
    found, _ = run(ChunkBeam(2, 2, 3, max_new_tokens=9), LogRatio(TUNED, TUNED, BASE, "plain"))
    assert [one.score for one in found] == [0.0] * len(PROMPTS)


def test_best_of_n_is_the_best_of_n_samples_with_the_same_draws() -> None:
    best, _ = run(best_of_n(5, max_new_tokens=10))
    whole = search(LocalBase(BASE), PAIR, PROMPTS, ChunkSearch(5, 1, None, max_new_tokens=10), Sampling(), 0, Compute())
    for prompt, found, answers in zip(PROMPTS, best, whole, strict=True):
        singles = [one_sample(prompt, number, 10) for number in range(5)]
        assert sorted(list(one.answer.ids or ()) for one in answers) == sorted(singles)
        prompt_ids = BASE.prompt_ids(prompt.text, "plain")
        values = [
            log_probability(TUNED, prompt_ids, ids) - log_probability(UNTUNED, prompt_ids, ids) for ids in singles
        ]
        assert found.answer.ids == tuple(singles[int(np.argmax(values))])
        assert found.score == pytest.approx(max(values), abs=1e-4)


def one_sample(prompt: Prompt, number: int, tokens: int) -> list[int]:
    """Write one answer with the uncut model, one token at a time, by inverting its distribution function."""
    import torch

    ids, answer = BASE.prompt_ids(prompt.text, "plain"), []
    for value in uniforms(0, prompt.id, number, tokens):
        with torch.no_grad():
            p = BASE.model(torch.tensor([ids + answer])).logits[0, -1].double().softmax(-1)
        answer.append(int((p.cumsum(-1) <= value).sum()))
        if answer[-1] in BASE.end_ids:
            break
    return answer


def test_plain_sampling_is_best_of_one_and_needs_no_guide() -> None:
    found, compute = run(sample(max_new_tokens=10), Indifferent())
    assert [list(one.answer.ids or ()) for one in found] == [one_sample(prompt, 0, 10) for prompt in PROMPTS]
    assert set(compute.tokens) == {"base"}
    assert [one.answer for one in run(best_of_n(1, 10))[0]] == [one.answer for one in found]


def test_one_round_as_long_as_the_answer_is_a_whole_answer() -> None:
    assert run(ChunkBeam(2, 2, 10, max_new_tokens=10))[0] == run(ChunkBeam(2, 2, None, max_new_tokens=10))[0]


def test_another_seed_gives_other_answers_and_the_same_seed_the_same() -> None:
    method = ChunkBeam(2, 2, 3, max_new_tokens=9)
    first, again, other = run(method)[0], run(method)[0], run(method, seed=1)[0]
    assert first == again
    assert [one.answer for one in first] != [one.answer for one in other]


def test_a_guide_with_another_vocabulary_reads_the_text() -> None:
    tuned, untuned = letters(3), letters(4)
    pair = LogRatio(tuned, untuned, BASE, "plain")
    assert not pair.shares_tokens
    found = search(LocalBase(BASE), pair, PROMPTS, ChunkSearch(2, 2, 3, max_new_tokens=9), Sampling(), 0, Compute())
    for prompt, answers in zip(PROMPTS, found, strict=True):
        for one in answers:
            ids = tuned.tokenizer(prompt.text)["input_ids"]
            tokens = tuned.tokenizer(one.answer.text)["input_ids"] + ([tuned.end_id] if one.answer.ended else [])
            wanted = log_probability(tuned, ids, tokens) - log_probability(untuned, ids, tokens)
            assert one.score == pytest.approx(wanted, abs=2e-4)


def test_only_new_tokens_run() -> None:
    method = ChunkBeam(1, 1, 2, max_new_tokens=8)
    (found,), compute = run(method, prompts=PROMPTS[:1])
    tokens = len(found.answer.ids or ())
    prompt = len(BASE.prompt_ids(PROMPTS[0].text, "plain"))
    # the last token is never run: by the base model nobody asks what follows, by a guide its own logits are not needed
    assert compute.tokens == {"base": prompt + tokens - 1, "guide": 2 * (prompt + tokens - 1)}


def test_what_children_share_runs_once() -> None:
    """CBS(1, 3, 2): of each of 4 rounds one token of the parent and the first of two of its 3 children are run."""
    (found,), compute = run(ChunkBeam(1, 3, 2, max_new_tokens=8), prompts=PROMPTS[:1])
    assert len(found.answer.ids or ()) == 8
    prompt = len(BASE.prompt_ids(PROMPTS[0].text, "plain"))
    tokens = prompt - 1 + 4 * (1 + 3)
    assert compute.tokens == {"base": tokens, "guide": 2 * tokens}


def test_a_look_ahead_is_scored_and_dropped() -> None:
    seen: list[list[str]] = []

    def note(prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        seen.append(list(answers))
        return length(prompts, answers)

    found, _ = run(Deal(1, 2, 3, look_ahead=4, max_new_tokens=9), TextScorer(note), PROMPTS[1:2])
    chunked, _ = run(Deal(1, 2, 3, look_ahead=0, max_new_tokens=9), TextScorer(length), PROMPTS[1:2])
    assert len(found[0].answer.ids or ()) <= 9
    words = [max(len(text.split()) for text in texts) for texts in seen]
    assert words[0] > 3  # three written, the rest looked at
    beam, _ = run(ChunkBeam(1, 2, 3, max_new_tokens=9), TextScorer(length), PROMPTS[1:2])
    assert chunked == beam


class Scripted:
    """A base model that writes what it is told: by sample, chunks of text, None where the answer ends."""

    def __init__(self, script: dict[tuple[str, int], tuple[str, bool]]) -> None:
        self.script = script

    def begin(self, prompts: Sequence[Prompt], *_: object) -> Scripted:
        self.rows = [Answer(ids=None) for _ in prompts]
        return self

    def extend(self, parents: Sequence[int], samples: Sequence[int], tokens: int) -> list[Answer]:
        self.children = []
        for parent, number in zip(parents, samples, strict=True):
            text, ended = self.script[self.rows[parent].text, number]
            self.children.append(Answer(self.rows[parent].text + text, None, ended))
        return self.children

    def look_ahead(self, tokens: int) -> list[Answer]:
        raise AssertionError("nobody looks ahead")

    def keep(self, children: Sequence[int]) -> None:
        self.rows = [self.children[child] for child in children]
        assert not any(row.ended for row in self.rows)


def value(_: Sequence[str], answers: Sequence[str]) -> list[float]:
    """Score texts of digits by their sum."""
    return [float(sum(map(int, one))) for one in answers]


SCRIPT = {
    ("", 0): ("5", True), ("", 1): ("3", False), ("", 2): ("4", False), ("", 3): ("1", False),
    ("4", 0): ("0", False), ("4", 1): ("2", False), ("3", 0): ("9", True), ("3", 1): ("0", False),
    ("4", 2): ("1", False), ("4", 3): ("1", False), ("3", 2): ("9", True), ("3", 3): ("7", False),
    ("42", 0): ("1", False), ("42", 1): ("0", True), ("37", 0): ("1", False), ("37", 1): ("0", False),
    ("37", 2): ("0", True), ("37", 3): ("4", True), ("42", 2): ("9", False), ("42", 3): ("0", True),
}  # fmt: skip


def test_a_finished_answer_holds_its_place_by_score() -> None:
    """W = K = 2. Round 1 keeps 5 (ended) and 4; round 2: 40, 42 against 5: keeps 42 (6) and 5; round 3: 421, 420."""
    base, prompt = Scripted(SCRIPT), [Prompt("p", "")]
    settings = ChunkSearch(2, 2, 1, "compete", max_new_tokens=3)
    (found,) = search(base, TextScorer(value), prompt, settings, Sampling(), 0, Compute())
    assert [(one.answer.text, one.score) for one in found] == [("421", 7.0), ("420", 6.0)]


def test_a_pool_of_finished_answers_leaves_its_places_to_others() -> None:
    """Round 1 keeps 4 and 3 alive, 5 in the pool; round 2: 42 and 37 alive (39 ended); round 3: 429 beats 374."""
    base, prompt = Scripted(SCRIPT), [Prompt("p", "")]
    settings = ChunkSearch(2, 2, 1, "pool", max_new_tokens=3)
    (found,) = search(base, TextScorer(value), prompt, settings, Sampling(), 0, Compute())
    assert [(one.answer.text, one.score) for one in found] == [("429", 15.0), ("39", 12.0)]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"width": 0}, "width is 0"),
        ({"samples": 0}, "samples is 0"),
        ({"chunk": 40}, "chunk is 40"),
        ({"chunk": 0}, "chunk"),
        ({"finished": "leave"}, "finished"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        ChunkBeam(**settings)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (
            lambda prompts, answers: [float("nan")] * len(answers),
            "gave nan for an answer to prompt p0; wanted",
        ),
        (lambda prompts, answers: [1.0], r"gave shape \(1,\) for 8 answers"),
        (lambda prompts, answers: ["good"] * len(answers), "wanted one number per answer"),
        (lambda prompts, answers: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_scorer_that_fails_is_named(function: object, wrong: str) -> None:
    with pytest.raises(ScoreError, match=wrong):
        run(ChunkBeam(1, 2, 3, max_new_tokens=6), TextScorer(function, "mine"))  # pyright: ignore[reportArgumentType]


def test_prompts_that_leave_no_room_and_empty_ones_without_a_beginning_are_refused() -> None:
    with pytest.raises(UsageError, match=r"prompt p1 has 6 tokens and 60 may follow, but llama0 reads 64"):
        run(best_of_n(1, 60), Indifferent(), PROMPTS[1:2])
    with pytest.raises(UsageError, match=r"prompt '' has no token for letters0"):
        run(best_of_n(1, 4), Indifferent(), [Prompt("p", "")], letters(0))
    found, _ = run(best_of_n(1, 4), Indifferent(), [Prompt("p", "")])  # this one has a token that begins a text
    assert found[0].answer.ids


def test_a_chat_needs_a_template() -> None:
    with pytest.raises(UsageError, match="llama0 has no chat template"):
        LocalBase(BASE, "chat").begin(PROMPTS, Sampling(), 0, 4, Compute())


def test_plain_texts_and_a_loaded_model_are_enough() -> None:
    import trimtab as tt

    base, guide = tiny(0), tt.decode.LogRatio(tiny(1), tiny(2), tiny(0))
    method = tt.decode.ChunkBeam(width=2, samples=2, chunk=2, max_new_tokens=4)
    short = method(base, guide, ["the film was", "a movie"])
    told = [Prompt("0", "the film was"), Prompt("1", "a movie")]
    assert short == method(LocalBase(base), guide, told, 0, Compute())
    assert set(dir(tt.decode)) == set(tt.decode.__all__)
    assert all(getattr(tt.decode, name) for name in tt.decode.__all__)
    with pytest.raises(AttributeError, match="no attribute 'beam'"):
        _ = tt.decode.beam
