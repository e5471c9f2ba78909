"""Learn a value function from rollouts of the base model, for blockwise controlled decoding (CD-FUDGE).

    minimise over V   sum over rollouts y of the base, over their chunk ends t    (V(x, y_<=t) - r(x, y))^2  + penalty
    use               CBS(1, K, L) with V as its scorer: of K continuations of L tokens the one of the greatest V

The regression is linear in a frozen model's hidden state, in closed form (`fit/ridge.py`). Prompts are the groups: the
penalty is chosen by cross-validation over them, and R^2 is measured on a fifth of them that no fit has seen. A rollout
gives as many points as it has chunks. An empty answer is no point: V of a prompt alone is an extrapolation.

Mudgal et al. 2023  https://arxiv.org/abs/2310.17022 ; the squared error against the final reward is that of Yang and
Klein 2021 (FUDGE), https://arxiv.org/abs/2104.05218 . The papers' text was not at hand, and no code of the first is
public: every chunk end is a point here, and only V's head is trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from trimtab.decode.answer import Compute
from trimtab.decode.answer_ids import AnswerIds
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.last_states import LastStates
from trimtab.decode.rollouts import Rollout, beginnings
from trimtab.decode.scorers.value import Value, ValueFit
from trimtab.errors import UsageError
from trimtab.fit.folds import fold_of_items
from trimtab.fit.ridge import choose_ridge, fit_ridge
from trimtab.metrics.r_squared import r_squared_interval
from trimtab.metrics.resample import resample
from trimtab.types import Array

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Candidate penalties per standardised feature."""
_ROWS = 64
"""Rollouts that are read side by side."""


def fit_value(
    rollouts: Sequence[Rollout],
    base: LanguageModel,
    *,
    model: LanguageModel | None = None,
    form: str = "plain",
    chunk: int = 5,
    strengths: Sequence[float] = STRENGTHS,
    folds: int = 3,
    held_out: float = 0.2,
    seed: int = 0,
    compute: Compute | None = None,
) -> Value:
    """Return the value function of a base model's rollouts, on the states of the base or of another causal model.

    `chunk` is L, the tokens between the points; `held_out` the share of prompts that R^2 is measured on.

    Raises UsageError for a setting out of range; FitError where there are too few prompts.
    """
    if chunk < 1 or not 0 < held_out <= 0.5:
        raise UsageError(
            f"chunk is {chunk} and held_out {held_out}; wanted 1 token or more, and a share above 0 and at most 0.5"
        )
    ids = AnswerIds(model or base, base, form)
    states, place = _points(rollouts, base, ids, chunk, compute or Compute())
    rewards = np.array([one.reward for one in rollouts])[place]
    prompts = np.unique([one.prompt.id for one in rollouts], return_inverse=True)[1][place]
    outside = fold_of_items(prompts, round(1 / held_out), seed) == 0
    inside = ~outside
    chosen = choose_ridge(states[inside], rewards[inside], prompts[inside], strengths, folds, seed)
    (head,) = fit_ridge(states[inside], rewards[inside], [chosen.strength])
    draws = resample(prompts[outside], int(outside.sum()), 1)
    explained = r_squared_interval(head.predict(states[outside]), rewards[outside], draws)
    counts = len(set(prompts[inside].tolist())), draws.n_groups, int(inside.sum())
    return Value(ids, head, ValueFit(explained, chosen.strength, chosen.at_edge, *counts))


def _points(
    rollouts: Sequence[Rollout], base: LanguageModel, ids: AnswerIds, chunk: int, compute: Compute
) -> tuple[Float[Array, "points hidden"], Int[Array, "points"]]:
    """Return the state at every chunk end, and the place of the rollout that each belongs to."""
    states, places = [], []
    for start in range(0, len(rollouts), _ROWS):
        rows = rollouts[start : start + _ROWS]
        texts = [_texts(one, base, ids, chunk) for one in rows]
        kept = LastStates(ids.model, len(rows), compute, "reward")
        live = list(range(len(rows)))
        for step in range(max(map(len, texts))):
            going = [place for place, row in enumerate(live) if step < len(texts[row])]
            kept.select(going)
            live = [live[place] for place in going]
            states.append(kept.follow([texts[row][step] for row in live]).cpu().numpy())
            places += [start + row for row in live]
    return np.concatenate(states), np.array(places)


def _texts(rollout: Rollout, base: LanguageModel, ids: AnswerIds, chunk: int) -> list[list[int]]:
    begun = ids.of_prompt(rollout.prompt)
    return [ids.of_answer(rollout.prompt, begun, answer) for answer in beginnings(rollout, base, chunk)]
