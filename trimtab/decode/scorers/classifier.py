"""How sure a classifier is that a text is of the wanted kind: the log-odds of a linear probe on hidden states.

    s(x, y) = log p(positive | text) - log p(negative | text) = (w_1 - w_0)' (h(text) - mean) / scale + b_1 - b_0

The text is prompt and answer side by side ("whole"), or the answer alone ("answer"). h is the hidden state that a
`ModelSpec` reads, with its template around the text. As the reward of controlled sentiment: Zhou et al. 2024, section
5.1  https://arxiv.org/abs/2405.19262 , with a fine-tuned classifier in the place of a probe.

An empty answer: "whole" reads the prompt alone; "answer" reads the template around nothing, or, where there is no
template, what the tokenizer makes of an empty text (its special tokens, or one that begins or ends a text).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.fitted_files import read_fitted, write_fitted
from trimtab.decode.scorers.scorer import WholeScorer
from trimtab.decode.text_states import TextStates
from trimtab.errors import ModelError, UsageError
from trimtab.fit.probe import Head, one_thread
from trimtab.metrics.intervals import Interval
from trimtab.models.source import fingerprint
from trimtab.types import Array, ModelSpec

TextPart = Literal["whole", "answer"]
"""What a classifier reads: prompt and answer, or the answer alone."""


@dataclass(frozen=True)
class ClassifierFit:
    """How a classifier was fitted, and how good it is on texts that it has not seen."""

    accuracy: Interval
    """Share of right answers on the held-out texts."""
    strength: float
    """The penalty that cross-validation chose."""
    at_edge: bool
    """Whether that is the smallest or largest candidate."""
    trained: int
    """Texts that the head was fitted to."""
    held_out: int
    """Texts that accuracy is measured on."""
    truncated: int
    """How many of all texts were cut at the end."""


class Classifier(WholeScorer):
    """The log-odds of class 1 against class 0."""

    name = "classifier"

    def __init__(self, states: TextStates, head: Head, read: TextPart, fit: ClassifierFit) -> None:
        """Raises UsageError unless `read` is "whole" or "answer"."""
        if read not in ("whole", "answer"):
            raise UsageError(f'a classifier is asked to read {read!r}; wanted "whole" or "answer"')
        self.states, self.head, self.read, self.fit = states, head, read, fit

    def values(self, prompts: Sequence[Prompt], answers: Sequence[Answer], compute: Compute) -> Sequence[float]:
        """Return the log-odds of each answer in nats; tokens are counted under "reward".

        Raises UsageError where a text is longer than the classifier reads.
        """
        begun = [one.text if self.read == "whole" else "" for one in prompts]
        texts = [prompt + answer.text for prompt, answer in zip(begun, answers, strict=True)]
        found = self.states(texts)
        if found.truncated:
            raise UsageError(
                f"{found.truncated} of {len(texts)} answers to prompts {prompts[0].id} to {prompts[-1].id} are longer "
                f"than the {self.states.limit:,} tokens that the classifier reads, so that their ends would not count; "
                "lower max_new_tokens, shorten the prompt, or raise max_tokens of its model"
            )
        compute.add("reward", sum(found.lengths), self.states.parameters)
        return log_odds(self.head, found.states).tolist()

    def save(self, folder: Path) -> None:
        """Write the head as safetensors and the rest as JSON; the model's weights stay where they are."""
        spec = self.states.spec
        facts = {"spec": asdict(spec), "model": fingerprint(spec), "read": self.read, "fit": asdict(self.fit)}
        write_fitted(folder, self.name, {name: getattr(self.head, name) for name in _ARRAYS}, facts)


_ARRAYS = ("weight", "bias", "mean", "scale")


def load_classifier(folder: Path) -> Classifier:
    """Return a classifier that was saved.

    Raises FitError where the folder holds none; ModelError where its model is gone, or has other weights by now.
    """
    arrays, facts = read_fitted(folder, Classifier.name)
    spec = ModelSpec(**facts["spec"])
    if fingerprint(spec) != facts["model"]:
        raise ModelError(f"the classifier in {folder} was fitted on other weights than {spec.model} has now; fit again")
    return Classifier(TextStates(spec), Head(**arrays), facts["read"], _fit(facts["fit"]))


def _fit(facts: Mapping[str, Any]) -> ClassifierFit:
    return ClassifierFit(**{**facts, "accuracy": Interval(**facts["accuracy"])})


def log_odds(head: Head, states: Float[Array, "texts hidden"]) -> Float[Array, "texts"]:
    """Return log p(class 1) - log p(class 0) in nats from hidden states, in float64.

    >>> import numpy as np
    >>> head = Head(np.array([[0.0, 2.0]]), np.array([0.5, 1.0]), np.array([1.0]), np.array([4.0]))
    >>> log_odds(head, np.array([[3.0]])).tolist()
    [1.5]
    """
    with one_thread():
        features = (torch.from_numpy(states).double() - torch.from_numpy(head.mean)) / torch.from_numpy(head.scale)
        weight, bias = torch.from_numpy(head.weight), torch.from_numpy(head.bias)
        return (features @ (weight[:, 1] - weight[:, 0]) + (bias[1] - bias[0])).numpy()
