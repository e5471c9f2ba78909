"""QAlign: a Markov chain over answers whose law is the model's own, tilted by a reward.

    target  pi(y | x)  proportional to  p(y | x) exp(r(x, y) / beta)
    step    choose i uniformly from 0 .. |y| - 1, keep y_<i, let the model write the rest: y'
    accept  with probability  min(1, exp((r(y') - r(y)) / beta) |y| / |y'|)

|y| counts the token that ends the answer. p is the law of the sampler that is used: top-k, top-p and greedy sampling
change it, and are refused unless they are declared part of it. An answer that ran out of room has the length of that
room, and p is then the law of answers cut there. The proposal's own probabilities cancel but for the choice of i:
that is the |y| / |y'|.

Faria et al. 2025, equations 5 to 7  https://arxiv.org/abs/2504.03790

Differs from goncalorafaria/qalign: no clamp of the log-ratio; the ratio of rewards alone, never a mean token
probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from trimtab.decode.answer import Answer, Compute, Prompt, as_prompts
from trimtab.decode.base import Base, LocalBase, as_base
from trimtab.decode.draws import table, uniforms
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.scorer import Scorer
from trimtab.decode.search import Scored
from trimtab.decode.sequences import Sequences
from trimtab.decode.write import write
from trimtab.errors import UsageError


def acceptance(reward: float, proposed: float, length: int, proposed_length: int, beta: float) -> float:
    """Return the probability of accepting a proposal; lengths in tokens, ends included.

    >>> acceptance(0.0, 0.0, 4, 8, beta=1.0)
    0.5
    """
    return math.exp(min(0.0, (proposed - reward) / beta + math.log(length / proposed_length)))


@dataclass(frozen=True)
class QAlign:
    """A Markov chain per prompt. Raises UsageError for a value out of range."""

    steps: int = 64
    """Proposals per chain."""
    beta: float = 1.0
    """Temperature of the reward; smaller follows it more."""
    max_new_tokens: int = 32
    """Longest answer in tokens."""
    sampling: Sampling = field(default_factory=Sampling)
    """How tokens are drawn: the law that is tilted."""
    truncated_law: bool = False
    """Declares that the law to be tilted is the truncated one (top-k, top-p)."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.max_new_tokens < 1 or not self.beta > 0:
            raise UsageError(
                f"steps is {self.steps}, max_new_tokens {self.max_new_tokens} and beta {self.beta}; wanted 1 or more, "
                "1 or more, and more than 0"
            )
        if self.sampling.temperature == 0:
            raise UsageError("qalign needs sampling; found temperature 0, under which every proposal is the same")
        if self.sampling.truncates and not self.truncated_law:
            raise UsageError(
                "top_k and top_p change the law that qalign tilts; leave them out, or set `truncated_law: true` to "
                "tilt the truncated law"
            )

    def chains(
        self, base: Base, scorer: Scorer, prompts: Sequence[Prompt], seed: int, compute: Compute
    ) -> list[list[Scored]]:
        """Return the states of each prompt's chain, the first answer before any step included (steps + 1 of them).

        Raises UsageError for a base model in another place: behind text the tokens, their number |y| and the law of
        an ending after a given token are not known.
        """
        if type(base) is not LocalBase:  # a steered one is another law, whose rows are not those of its model
            raise UsageError(
                f"qalign needs a base model's own tokens and the law of what follows each of them; found "
                f"{type(base).__name__}, wanted a model in this process that nothing steers, or a method that scores "
                "text (chunk_beam, best_of_n, deal)"
            )
        chain = _Chains(base, scorer, prompts, self, seed, compute)
        for step in range(self.steps):
            chain.step(step)
        return chain.visited

    def __call__(
        self, base: Base | LanguageModel, scorer: Scorer, prompts: Sequence[Prompt | str], seed: int = 0,
        compute: Compute | None = None,
    ) -> list[Scored]:  # fmt: skip
        """Return the last state of each chain: one draw from the tilted law, up to the chain's convergence."""
        writer = as_base(base)
        return [chain[-1] for chain in self.chains(writer, scorer, as_prompts(prompts), seed, compute or Compute())]


class _Chains:
    """One chain per prompt, all in step. The rows of `_current` hold each chain's answer."""

    def __init__(
        self, base: LocalBase, scorer: Scorer, prompts: Sequence[Prompt], settings: QAlign, seed: int, compute: Compute
    ) -> None:
        self._base, self._settings, self._prompts, self._seed = base, settings, prompts, seed
        self._begun = base.prompt_ids(prompts, settings.max_new_tokens)
        self._current = Sequences(base.model, self._begun, compute, "base")
        self._scoring = scorer.begin(prompts, compute)
        chunks = self._write(self._current.fork(range(len(prompts))), [0] * len(prompts), 0)
        self.visited = [[one] for one in self._scored([tuple(chunk) for chunk in chunks])]
        self._read_on([0] * len(prompts))

    def step(self, number: int) -> None:
        """Propose another ending to every answer and accept it or not."""
        draws = [uniforms(self._seed, prompt.id, number, 2, purpose="chain").tolist() for prompt in self._prompts]
        answers = [chain[-1] for chain in self.visited]
        lengths = [len(_ids(one.answer)) for one in answers]
        places = [int(place * length) for (place, _), length in zip(draws, lengths, strict=True)]
        before = [list(_ids(one.answer)[:place]) for one, place in zip(answers, places, strict=True)]
        proposal = self._current.fork(range(len(answers)))
        proposal.rewind([begun + kept for begun, kept in zip(self._begun, before, strict=True)])
        chunks = self._write(proposal, places, number + 1)
        proposed = self._scored([(*kept, *chunk) for kept, chunk in zip(before, chunks, strict=True)])
        since = list(lengths)
        for row, (old, new) in enumerate(zip(answers, proposed, strict=True)):
            chance = acceptance(old.score, new.score, lengths[row], len(_ids(new.answer)), self._settings.beta)
            accepted = draws[row][1] < chance
            self.visited[row].append(new if accepted else old)
            since[row] = places[row] if accepted else lengths[row]
        self._read_on(since)

    def _write(self, writer: Sequences, places: Sequence[int], sample: int) -> list[list[int]]:
        """Write each answer from its place on to its end; token t takes number t of its sample's stream."""
        room, sampling = self._settings.max_new_tokens, self._settings.sampling
        longest = room - min(places)
        streams = table(self._seed, [one.id for one in self._prompts], [sample] * len(places), room)
        numbers = np.zeros((len(places), longest))
        for row, place in enumerate(places):
            numbers[row, : room - place] = streams[row, place:]
        limits = [room - place for place in places]
        return write(writer, numbers, sampling, self._base.model.end_ids, limits)[0]

    def _scored(self, ids: Sequence[tuple[int, ...]]) -> list[Scored]:
        model = self._base.model
        answers = [Answer(model.answer_text(list(one)), one, one[-1] in model.end_ids) for one in ids]
        scores = self._scoring.score(range(len(answers)), answers)
        self._scoring.keep(range(len(answers)))  # a row goes on from what it has in common with the next proposal
        return [Scored(answer, float(score)) for answer, score in zip(answers, scores, strict=True)]

    def _read_on(self, places: Sequence[int]) -> None:
        """Let the rows hold each chain's last answer, of which they hold the first `places` tokens."""
        answers = [list(_ids(chain[-1].answer)) for chain in self.visited]
        kept = [begun + one[:place] for begun, one, place in zip(self._begun, answers, places, strict=True)]
        self._current.rewind(kept)
        self._current.take([one[place:] for one, place in zip(answers, places, strict=True)])


def _ids(answer: Answer) -> tuple[int, ...]:
    assert answer.ids is not None
    return answer.ids
