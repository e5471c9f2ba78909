"""The implicit value of a guide pair: how much more likely a text is after tuning than before.

    s(x, y) = sum_t log pi_tuned(y_t | x, y_<t)  -  sum_t log pi_untuned(y_t | x, y_<t)

summed over the answer's tokens, not averaged, in float32; the token that ends an answer counts only where the base
model really ended it. Zhou et al. 2024, Weak-to-Strong Search, equation 7  https://arxiv.org/abs/2405.19262

Differs from ZHZisZZ/weak-to-strong-search: what both guides have read is kept, so that only new tokens run; an
answer that ran out of room is not scored as ended; a guide whose tokens are the base model's reads those tokens
themselves, another one reads the text, split into prompt and answer by character offsets.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.language_model import LanguageModel, same_vocabulary
from trimtab.decode.scorers.reader import Reader, TextReader, TokenReader
from trimtab.decode.scorers.scorer import Scoring, checked
from trimtab.types import Array


class LogRatio:
    """The summed log-ratio of two models of one vocabulary."""

    name = "log_ratio"

    def __init__(
        self, tuned: LanguageModel, untuned: LanguageModel, base: LanguageModel | None, form: str = "plain"
    ) -> None:
        """`base` writes the answers, or is None where it is reached by text only; `form` is "plain" or "chat"."""
        self.tuned, self.untuned, self.form = tuned, untuned, form
        self.shares_tokens = base is not None and all(same_vocabulary(base, one) for one in (tuned, untuned))

    def begin(self, prompts: Sequence[Prompt], compute: Compute) -> Scoring:
        """Return the scoring of empty answers."""
        kind = TokenReader if self.shares_tokens else TextReader
        readers = [kind(model, prompts, self.form, compute) for model in (self.tuned, self.untuned)]
        return _Ratio(readers[0], readers[1], prompts)


class _Ratio:
    def __init__(self, tuned: Reader, untuned: Reader, prompts: Sequence[Prompt]) -> None:
        self._tuned, self._untuned = tuned, untuned
        self._rows, self._children = list(prompts), list(prompts)

    def score(self, parents: Sequence[int], answers: Sequence[Answer]) -> Float[Array, "answers"]:
        self._children = [self._rows[parent] for parent in parents]
        values = log_ratio(self._tuned.read(parents, answers), self._untuned.read(parents, answers))
        return checked(LogRatio.name, values, self._children)

    def keep(self, children: Sequence[int]) -> None:
        self._rows = [self._children[child] for child in children]
        self._tuned.keep(children)
        self._untuned.keep(children)


def log_ratio(tuned: Float[Array, "answers"], untuned: Float[Array, "answers"]) -> Float[Array, "answers"]:
    """Return s(x, y) in nats from each answer's summed log-probabilities under the two guides.

    >>> import numpy as np
    >>> log_ratio(np.array([-3.0]), np.array([-3.5])).tolist()
    [0.5]
    """
    return tuned - untuned
