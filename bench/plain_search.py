"""Chunk-level beam search as one would write it from the paper: what `search.py` measures ours against.

For every chunk the base model reads every candidate from its first token on and writes the chunk; both guides read
every candidate from its first token on. Keys and values are kept within one call of writing, as in `generate` of
transformers, and dropped after it. Only logits that are used are made. Several prompts may be given at once, padded on
the left.

The rule of choice, the random numbers and what a number means are Trimtab's, so that the tokens are the same: a
finished answer holds its place by its score; token t of a prompt's sample s is F^-1(u_t) with the numbers of
`draws.uniforms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trimtab.decode.draws import uniforms


@dataclass(frozen=True)
class Candidate:
    """An answer, or its beginning."""

    tokens: tuple[int, ...] = ()
    ended: bool = False
    score: float = 0.0


@dataclass(frozen=True)
class PlainSearch:
    """CBS(W, K, L) with three transformers models of one vocabulary."""

    base: Any
    tuned: Any
    untuned: Any
    end_ids: frozenset[int]
    pad_id: int
    width: int
    samples: int
    chunk: int
    max_new_tokens: int
    seed: int = 0

    def __call__(self, prompts: Sequence[list[int]], names: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the tokens of the best answer to each prompt; `names` are the prompts' random streams."""
        beams = [[Candidate()] for _ in prompts]
        for begun in range(0, self.max_new_tokens, self.chunk):
            steps = min(self.chunk, self.max_new_tokens - begun)
            copies = self.samples if begun else self.samples * self.width
            drafts = [[one for one in beam if not one.ended for _ in range(copies)] for beam in beams]
            owners = [place for place, mine in enumerate(drafts) for _ in mine]
            if not owners:
                break
            streams = [uniforms(self.seed, names[i], s, begun + steps) for i, mine in enumerate(drafts)
                       for s in range(len(mine))]  # fmt: skip
            answers = [one.tokens for mine in drafts for one in mine]
            chunks = self._write([prompts[i] + list(one) for i, one in zip(owners, answers, strict=True)],
                                 np.stack(streams)[:, begun:])  # fmt: skip
            answers = [(*one, *chunk) for one, chunk in zip(answers, chunks, strict=True)]
            texts = [prompts[i] + list(one) for i, one in zip(owners, answers, strict=True)]
            scores = self._likelihood(self.tuned, texts, answers) - self._likelihood(self.untuned, texts, answers)
            beams = [[one for one in beam if one.ended] for beam in beams]
            for place, tokens, score in zip(owners, answers, scores.tolist(), strict=True):
                beams[place].append(Candidate(tokens, tokens[-1] in self.end_ids, score))
            beams = [sorted(beam, key=lambda one: -one.score)[: self.width] for beam in beams]
        return [beam[0].tokens for beam in beams]

    @torch.inference_mode()
    def _write(self, texts: Sequence[list[int]], numbers: np.ndarray) -> list[list[int]]:
        """Read texts and write one chunk behind each; a row that has ended is filled up until all are done."""
        ids, mask = self._padded(texts)
        drawn, ends = torch.from_numpy(numbers), torch.tensor(sorted(self.end_ids))
        ended = torch.zeros(len(texts), dtype=torch.bool)
        kept, columns = None, []
        for step in range(numbers.shape[1]):
            positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            output = self.base(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=kept,
                               use_cache=True, logits_to_keep=1)  # fmt: skip
            tokens = _inverted(output.logits[:, -1], drawn[:, step]).masked_fill(ended, self.pad_id)
            columns.append(tokens.masked_fill(ended, -1))
            ended |= torch.isin(tokens, ends)
            if ended.all():
                break
            kept, ids = output.past_key_values, tokens.unsqueeze(1)
            mask = torch.cat([mask, torch.ones_like(ids)], 1)
        return [[token for token in row if token >= 0] for row in torch.stack(columns, 1).tolist()]

    @torch.inference_mode()
    def _likelihood(self, guide: Any, texts: Sequence[list[int]], answers: Sequence[tuple[int, ...]]) -> Tensor:
        """Return the summed log-probability of each answer, which is the end of its text, in nats."""
        ids, mask = self._padded(texts)
        longest = max(map(len, answers))
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        logits = guide(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False,
                       logits_to_keep=longest + 1).logits[:, :-1]  # fmt: skip
        found = logits.float().log_softmax(-1).gather(-1, ids[:, -longest:].unsqueeze(-1)).squeeze(-1)
        lengths = torch.tensor([len(one) for one in answers]).unsqueeze(1)
        return found.masked_fill(torch.arange(longest, 0, -1) > lengths, 0.0).sum(-1)

    def _padded(self, texts: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        longest = max(map(len, texts))
        ids = [[self.pad_id] * (longest - len(one)) + one for one in texts]
        mask = [[0] * (longest - len(one)) + [1] * len(one) for one in texts]
        return torch.tensor(ids), torch.tensor(mask)


def _inverted(logits: Tensor, numbers: Tensor) -> Tensor:
    """Return the first token up to which the probabilities exceed each row's number."""
    sums = logits.float().softmax(-1).cumsum(-1, dtype=torch.float64)
    return torch.searchsorted(sums, (numbers * sums[:, -1]).unsqueeze(1), right=True).squeeze(1)
