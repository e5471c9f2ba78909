"""What a model is given to read: texts, or the stored hidden states of their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from trimtab.errors import FitError
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

    def chosen(self, items: Sequence[int]) -> Reading:
        """Return the reading of some of the texts."""
        states = self.states.chosen(items) if self.states is not None else None
        return Reading(self.spec, [self.texts[item] for item in items], self.prompt, states)


@dataclass(frozen=True)
class Inputs:
    """Tokens of each text, and the batches that a student takes."""

    encoded: Encoded
    states: StoredStates | None
    pad_id: int
    pads_left: bool

    @property
    def lengths(self) -> list[int]:
        """Tokens of each text."""
        return [len(tokens) for tokens in self.encoded.ids]

    def batch(self, items: Sequence[int]) -> dict[str, Int[Tensor, "items tokens"]]:
        """Return the named arguments of `Student` for some texts, filled up to the longest."""
        ids, mask = pad([self.encoded.ids[item] for item in items], self.pad_id, self.pads_left)
        named = {"input_ids": ids, "attention_mask": mask}
        return named if self.states is None else named | {"states": self.states.padded(items, self.pads_left)}


def inputs_of(reading: Reading, backbone: Backbone) -> Inputs:
    """Return the tokens of a reading's texts.

    Raises FitError where stored states are not those of these texts.
    """
    spec = reading.spec
    template = template_of(spec, reading.prompt, backbone.causal)
    encoded = encode(backbone.tokenizer, reading.texts, template, min(spec.max_tokens, backbone.context))
    inputs = Inputs(encoded, reading.states, backbone.pad_id, backbone.pads_left)
    if reading.states is not None and reading.states.lengths() != inputs.lengths:
        raise FitError("the stored hidden states belong to other texts; delete their artifact and run again")
    return inputs
