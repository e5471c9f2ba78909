"""Trust function: a small network that reads off the supervisor's own hidden state whether its label is right.

    t(h_i) = P(argmax q_i = y_i | h_i),    learnt on the supervisor split from cross-fitted answers;
    keep item i iff t(h_i) is among the largest share (keep)

Trust functions 2026  https://arxiv.org/abs/2606.01000
Differs from the paper, whose own text was not at hand: one hidden layer on the standardised activations that the
supervisor's probe reads and its own probabilities, with a penalty of 10 on its squared weights.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from trimtab.errors import FitError
from trimtab.supervise.filtering import counting, kept_only, rounded_up
from trimtab.types import Array, Evidence, Judged, Labels, Need, Truth

LEAST = 10
"""Fewest right and wrong answers of the supervisor to learn from."""


def trust(
    judged: Judged,
    states: Float[Array, "items hidden"],
    probabilities: Float[Array, "items classes"],
    hidden: int,
    seed: int,
) -> Float[Array, "items"]:
    """Return the probability that each label's top class is right.

    Raises FitError where the supervisor is hardly ever wrong, or right, on its own split.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    right = judged.probabilities.argmax(1) == judged.gold
    if min(right.sum(), (~right).sum()) < LEAST:
        raise FitError(
            f"trust: on its own split the supervisor is right {right.sum()} times and wrong {(~right).sum()} times; at "
            f"least {LEAST} of each are needed to learn which are which"
        )
    scale = StandardScaler().fit(_read(judged.states, judged.probabilities))
    # stopping early by a tenth of a split of some hundreds stops at once, at what the majority is
    network = MLPClassifier((hidden,), solver="lbfgs", alpha=10, random_state=seed)
    with threadpool_limits(1), warnings.catch_warnings():  # the bits of a sum depend on the number of threads
        # 200 steps without an end are as good a stop as another
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(scale.transform(_read(judged.states, judged.probabilities)), right)
        found = network.predict_proba(scale.transform(_read(states, probabilities)))
    return np.asarray(found)[:, 1]


def _read(states: Float[Array, "items hidden"], probabilities: Float[Array, "items classes"]) -> Array:
    return np.concatenate([states.astype(np.float64), np.log(np.maximum(probabilities, 1e-12))], 1)


@dataclass(frozen=True)
class Trust:
    """Keep the items whose label the supervisor's hidden state speaks for."""

    keep: float = 0.5
    """Share of the items that still count to keep, in (0, 1], rounded up; 0.5 is our choice."""
    hidden: int = 64
    """Width of the network's hidden layer, at least 1; our choice."""

    truth: ClassVar[Truth] = "supervisor"
    needs: ClassVar[tuple[Need, ...]] = ("supervisor_states", "judged", "seed")

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must lie in (0, 1], found {self.keep}")
        if self.hidden < 1:
            raise ValueError(f"hidden must be at least 1, found {self.hidden}")

    def __call__(self, labels: Labels, evidence: Evidence) -> Labels:
        """Return the labels with weight 0 where there is little trust.

        Raises FitError where the supervisor split holds hardly any wrong answer, or right one.
        """
        assert evidence.supervisor_states is not None
        assert evidence.judged is not None
        present = counting(labels, "trust")
        trusted = trust(
            evidence.judged,
            evidence.supervisor_states[present],
            labels.probabilities[present],
            self.hidden,
            evidence.seed,
        )
        order = np.argsort(-trusted, kind="stable")
        return kept_only(labels, present[order[: rounded_up(self.keep, len(present))]])
