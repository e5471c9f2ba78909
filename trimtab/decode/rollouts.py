"""Whole answers of a base model with their final rewards: what a value function learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.base import Base
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.scorer import Scorer
from trimtab.decode.search import ChunkSearch, search
from trimtab.errors import UsageError


@dataclass(frozen=True)
class Rollout:
    """An answer that was written to its end, or to the end of its room."""

    prompt: Prompt
    answer: Answer
    reward: float
    """Of the whole answer."""


def rollouts(
    base: Base,
    reward: Scorer,
    prompts: Sequence[Prompt],
    samples: int,
    max_new_tokens: int = 32,
    sampling: Sampling | None = None,
    seed: int = 0,
    compute: Compute | None = None,
) -> list[Rollout]:
    """Return so many independent answers per prompt with their rewards, prompt by prompt, the best first.

    Sample numbers name the random streams, as in a search: with its prompts and its seed these are best-of-N's answers.
    """
    settings = ChunkSearch(samples, 1, None, max_new_tokens=max_new_tokens)
    found = search(base, reward, prompts, settings, sampling or Sampling(), seed, compute or Compute())
    pairs = zip(prompts, found, strict=True)
    return [Rollout(prompt, one.answer, one.score) for prompt, answers in pairs for one in answers]


def beginnings(rollout: Rollout, base: LanguageModel, chunk: int) -> list[Answer]:
    """Return an answer as it was after every `chunk` tokens, and whole.

    Raises UsageError where its tokens are not known.
    """
    ids = rollout.answer.ids
    if ids is None:
        raise UsageError(
            f"an answer to prompt {rollout.prompt.id} has no tokens, because its base model is reached by text; wanted "
            "rollouts of a local model"
        )
    cuts = range(chunk, len(ids), chunk)
    return [*(Answer(base.answer_text(list(ids[:cut])), ids[:cut]) for cut in cuts), rollout.answer]
