"""The hidden states of whole texts in a model that scorers keep beside others: what a classifier reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from jaxtyping import Float
from torch import nn

from trimtab.models.activations import run_texts
from trimtab.models.batches import by_length
from trimtab.models.load import Backbone, own_backbone
from trimtab.models.precision import resolved_precision
from trimtab.models.source import fingerprint
from trimtab.models.text import encode, template_of
from trimtab.types import Array, ModelSpec


@dataclass(frozen=True)
class Read:
    """One vector per text, and what it took."""

    states: Float[Array, "texts hidden"]
    """float32, in the order of the texts."""
    lengths: tuple[int, ...]
    """Tokens of each text as they were run, template and special tokens counted."""
    truncated: int
    """How many texts were cut at the end."""


class TextStates:
    """A pretrained model up to the hidden state of a spec, read with the spec's template (none: the bare text)."""

    def __init__(self, spec: ModelSpec) -> None:
        """Raises ModelError where the model cannot be loaded; UsageError where the template does not fit."""
        self.spec = replace(spec, precision=resolved_precision(spec))
        self.backbone = _kept(self.spec, fingerprint(spec))
        self._template = template_of(spec, "{text}", self.backbone.causal)

    @property
    def limit(self) -> int:
        """Longest text in tokens."""
        return min(self.spec.max_tokens, self.backbone.context)

    @property
    def parameters(self) -> int:
        """Weights that a token is multiplied with: all that run (and norm and pooler, which are small) but the table
        of input embeddings."""
        model, layer = self.backbone.model, self.spec.layer
        total = sum(one.numel() for one in model.parameters()) - model.get_input_embeddings().weight.numel()
        if layer is None:
            return total
        # an early exit leaves one block that is never run
        left = [one for one in model.modules() if isinstance(one, nn.ModuleList) and len(one) == layer + 1]
        return total - sum(one.numel() for one in left[0][layer].parameters()) if left else total

    def __call__(self, texts: Sequence[str]) -> Read:
        """Return the state that the spec reads of each text, in batches by token budget, the longest first."""
        encoded = encode(self.backbone.tokenizer, texts, self._template, self.limit, self.spec.cut)
        order = by_length(encoded.ids)
        found = run_texts(self.spec, self.backbone, [encoded.ids[place] for place in order], None, _silent)
        states = found.copy()
        states[order] = found
        return Read(states, tuple(map(len, encoded.ids)), encoded.truncated)


@lru_cache(maxsize=4)
def _kept(spec: ModelSpec, digest: str) -> Backbone:
    return own_backbone(spec)


def _silent(done: int, tokens: int) -> None:
    """Tell nobody how far a batch of texts is."""
