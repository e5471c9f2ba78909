"""Reward-guided top-k (ARGS): each step weighs the likeliest tokens by the reward of the text they would make.

    p(v)  proportional to  exp(log p_base(v | x, y_<t) + w r(x, [y_<t, v]))    over the k likeliest tokens v

Temperature, top-k and top-p act on p; temperature 0 is the paper's greedy form. A token that ends the answer is
scored as an end. With w = 0 and k the whole vocabulary it is the base model.

Khanov et al. 2024, algorithm 1  https://arxiv.org/abs/2402.01694

Differs from deeplearning-wisc/args: answers can end; log-probabilities in the place of raw logits, which differ by a
constant a row; batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.decode.answer import Answer
from trimtab.decode.scorers.scorer import Scoring
from trimtab.decode.sequences import Sequences
from trimtab.errors import UsageError


class RewardGuided:
    """Rows of a base model with the scores of what each may say next."""

    def __init__(self, rows: Sequences, scoring: Scoring, candidates: int, weight: float) -> None:
        self._rows, self._scoring, self._weight = rows, scoring, weight
        self._candidates = candidates
        self._answers: list[tuple[int, ...]] = [() for _ in range(len(rows))]
        self._scored: list[int] | None = None
        """Which of the answers that were scored last each row is; None while rows are the scoring's own."""
        self._offered: Tensor | None = None
        self._places: list[list[int]] = []
        self._mixed: Tensor | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def logits(self) -> Float[Tensor, "rows vocabulary"]:
        """Return the weighed log-probabilities; all but the candidates have minus infinity."""
        if self._mixed is None:
            known = self._rows.logits().float().log_softmax(-1)
            values, self._offered = known.topk(min(self._candidates, known.shape[-1]), dim=-1)
            scores = self._score(self._offered.tolist()).to(values.device)
            self._mixed = torch.full_like(known, -math.inf).scatter_(-1, self._offered, values + self._weight * scores)
        return self._mixed

    def append(self, tokens: Int[Tensor, "rows"]) -> None:
        """Take these of the candidates as the next tokens."""
        assert self._offered is not None, "logits() must be asked for before a token is appended"
        offered = self._offered.tolist()
        found = tokens.tolist()
        self._scored = [
            places[row.index(token)] for places, row, token in zip(self._places, offered, found, strict=True)
        ]
        self._answers = [(*answer, token) for answer, token in zip(self._answers, found, strict=True)]
        self._rows.append(tokens)
        self._mixed = self._offered = None

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        self._rows.select(rows)
        self._answers = [self._answers[row] for row in rows]
        if self._scored is not None:
            self._scored = [self._scored[row] for row in rows]
        if self._mixed is not None and self._offered is not None:
            places = torch.tensor(list(rows), device=self._mixed.device)
            self._mixed, self._offered = self._mixed[places], self._offered[places]
            self._places = [self._places[row] for row in rows]

    def fork(self, rows: Sequence[int]) -> RewardGuided:
        """Refuse: a scoring keeps one set of rows."""
        raise UsageError("reward-guided decoding cannot look ahead; use deal with the base model alone")

    def _score(self, offered: Sequence[Sequence[int]]) -> Float[Tensor, "rows candidates"]:
        if self._scored is not None:
            self._scoring.keep(self._scored)
        parents = [row for row in range(len(offered)) for _ in offered[row]]
        answers = [
            self._answer((*answer, token)) for answer, row in zip(self._answers, offered, strict=True) for token in row
        ]
        scores = torch.from_numpy(self._scoring.score(parents, answers)).float()
        width = len(offered[0]) if offered else 0
        self._places = [list(range(row * width, (row + 1) * width)) for row in range(len(offered))]
        return scores.view(len(offered), width)

    def _answer(self, ids: tuple[int, ...]) -> Answer:
        model = self._rows.model
        return Answer(model.answer_text(list(ids)), ids, ids[-1] in model.end_ids)
