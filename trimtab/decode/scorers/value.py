"""A value function: what reward an answer that begins like this may expect, read from a causal model's hidden state.

    s(x, y_<=t) = V(x, y_<=t) = w'z(h(x, y_<=t)) + b,     h = the state of the last token, z standardises

h is that of the base model itself or of another causal model, after its last block. With V in the place of the
log-ratio, CBS(1, K, L) is blockwise controlled decoding: Mudgal et al. 2023, https://arxiv.org/abs/2310.17022
(`decode/value.py` says how V is learnt and what is not known of the paper). Keys and values of what was read are kept:
only new tokens run. An empty answer has the value of the prompt; an answer that has ended is read with the token that
ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.answer_ids import AnswerIds
from trimtab.decode.fitted_files import read_fitted, write_fitted
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.last_states import LastStates
from trimtab.decode.scorers.scorer import Scoring, checked
from trimtab.errors import FitError
from trimtab.fit.ridge import Ridge
from trimtab.metrics.intervals import Interval
from trimtab.types import Array

_KNOWN_IDS = (1, 2, 3, 4, 5, 4, 3, 2)
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
"""Largest difference between two runs of one model, as a share of the largest hidden value."""


@dataclass(frozen=True)
class ValueFit:
    """How a value function was fitted, and how good it is on prompts that it has not seen."""

    r_squared: Interval
    """Share of the variance of the final reward that V explains, over all chunk ends of the held-out prompts."""
    strength: float
    """The penalty that cross-validation over prompts chose."""
    at_edge: bool
    """Whether that is the smallest or largest candidate."""
    prompts: int
    """Prompts that V was fitted to."""
    held_out_prompts: int
    """Prompts that r_squared is measured on."""
    points: int
    """Beginnings of answers that V was fitted to."""


class Value:
    """The expected reward of an answer's beginning, in the unit of the reward that it was fitted to."""

    name = "value"

    def __init__(self, ids: AnswerIds, head: Ridge, fit: ValueFit) -> None:
        self.ids, self.head, self.fit = ids, head, fit

    def begin(self, prompts: Sequence[Prompt], compute: Compute) -> Scoring:
        """Return the scoring of empty answers; tokens are counted under "reward"."""
        return _Valuing(self, prompts, compute)

    def save(self, folder: Path) -> None:
        """Write the head as safetensors and the rest as JSON; the model's weights stay where they are."""
        arrays = {"weight": self.head.weight, "mean": self.head.mean, "scale": self.head.scale}
        facts = {"model": self.ids.model.name, "form": self.ids.form, "bias": self.head.bias, "fit": asdict(self.fit)}
        write_fitted(folder, self.name, {**arrays, "known": _known_state(self.ids.model)}, facts)


def load_value(folder: Path, model: LanguageModel, base: LanguageModel | None) -> Value:
    """Return a value function that was saved and reads this model's states.

    Raises FitError where the folder holds none, or it was fitted on the states of another model.
    """
    arrays, facts = read_fitted(folder, Value.name)
    known, here = arrays["known"], _known_state(model)
    share = _TOLERANCE[model.model.dtype]
    if known.shape != here.shape or abs(known - here).max() > share * abs(known).max():
        raise FitError(
            f"the value function in {folder} was fitted on the hidden states of {facts['model']}, which differ from "
            f"those of {model.name}; load the model that it was fitted on, or fit again"
        )
    head = Ridge(arrays["weight"], facts["bias"], arrays["mean"], arrays["scale"])
    fit = ValueFit(**{**facts["fit"], "r_squared": Interval(**facts["fit"]["r_squared"])})
    return Value(AnswerIds(model, base, facts["form"]), head, fit)


def _known_state(model: LanguageModel) -> Float[Array, "1 hidden"]:
    """Return the state of a few tokens by which a model is known again."""
    vocabulary = model.model.config.get_text_config().vocab_size
    text = [token % vocabulary for token in _KNOWN_IDS]
    return LastStates(model, 1, Compute(), "reward").follow([text]).cpu().numpy()


class _Valuing:
    def __init__(self, value: Value, prompts: Sequence[Prompt], compute: Compute) -> None:
        self._value = value
        self._rows = [(prompt, value.ids.of_prompt(prompt)) for prompt in prompts]
        self._children = list(self._rows)
        self._states = LastStates(value.ids.model, len(prompts), compute, "reward")

    def score(self, parents: Sequence[int], answers: Sequence[Answer]) -> Float[Array, "answers"]:
        self._children = [self._rows[parent] for parent in parents]
        texts = [self._value.ids.of_answer(*row, answer) for row, answer in zip(self._children, answers, strict=True)]
        self._states.select(parents)
        states = self._states.follow(texts) if texts else torch.zeros(0, len(self._value.head.weight))
        values = self._value.head.predict(states.cpu().numpy())
        return checked(Value.name, values, [prompt for prompt, _ in self._children])

    def keep(self, children: Sequence[int]) -> None:
        self._rows = [self._children[child] for child in children]
        self._states.select(children)
