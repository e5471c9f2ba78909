"""What a model is given to read: texts, or the stored hidden states of their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Int
from torch import Tensor

from trimtab.errors import FitError
from trimtab.fit.answers import Answers
from trimtab.models.batches import pad
from trimtab.models.load import Backbone
from trimtab.models.prefix_states import StoredStates
from trimtab.models.text import Encoded, encode, template_of
from trimtab.types import ModelSpec


@dataclass(frozen=True)
class Reading:
    """A model and the texts that it reads."""

    spec: ModelSpec
    texts: Sequence[str]
    prompt: str
    """The task's way to ask a causal model; holds `{text}` once."""
    states: StoredStates | None = None
    """What the layers below those that are trained make of each text, in the order of the texts; none runs them."""
    answers: Answers | None = None
    """Whose answers the texts are; none where each text is an item."""

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.texts) if self.answers is None else len(self.answers.counts)

    def chosen(self, items: Sequence[int]) -> Reading:
        """Return the reading of some of the items."""
        texts = items if self.answers is None else self.answers.texts_of(items)
        states = self.states.chosen(texts) if self.states is not None else None
        answers = self.answers.chosen(items) if self.answers is not None else None
        return Reading(self.spec, [self.texts[text] for text in texts], self.prompt, states, answers)


@dataclass(frozen=True)
class Inputs:
    """Tokens of each text, and the batches that a student takes."""

    encoded: Encoded
    states: StoredStates | None
    pad_id: int
    pads_left: bool
    answers: Answers | None = None

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each text."""
        return [len(tokens) for tokens in self.encoded.ids]

    @cached_property
    def longest(self) -> list[int]:
        """Tokens of the longest text of each item."""
        return self.lengths if self.answers is None else [max(its) for its in self._by_item(self.answers)]

    @cached_property
    def tokens(self) -> list[int]:
        """Tokens of all texts of each item."""
        return self.lengths if self.answers is None else [sum(its) for its in self._by_item(self.answers)]

    def _by_item(self, answers: Answers) -> list[list[int]]:
        return [[self.lengths[text] for text in answers.texts_of([item])] for item in range(len(answers.counts))]

    def of_items(self, items: Sequence[int]) -> dict[str, Int[Tensor, "texts tokens"]]:
        """Return the named arguments of `Student` for all texts of some items, item by item."""
        return self.batch(items if self.answers is None else self.answers.texts_of(items))

    def batch(self, texts: Sequence[int]) -> dict[str, Int[Tensor, "texts tokens"]]:
        """Return the named arguments of `Student` for some texts, filled up to the longest."""
        ids, mask = pad([self.encoded.ids[text] for text in texts], self.pad_id, self.pads_left)
        named = {"input_ids": ids, "attention_mask": mask}
        return named if self.states is None else named | {"states": self.states.padded(texts, self.pads_left)}


def inputs_of(reading: Reading, backbone: Backbone) -> Inputs:
    """Return the tokens of a reading's texts.

    Raises FitError where stored states are not those of these texts.
    """
    spec = reading.spec
    template = template_of(spec, reading.prompt, backbone.causal)
    encoded = encode(backbone.tokenizer, reading.texts, template, min(spec.max_tokens, backbone.context), spec.cut)
    inputs = Inputs(encoded, reading.states, backbone.pad_id, backbone.pads_left, reading.answers)
    if reading.states is not None and reading.states.lengths() != inputs.lengths:
        raise FitError("the stored hidden states belong to other texts; delete their artifact and run again")
    return inputs
