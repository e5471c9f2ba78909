"""A sequence-classification model with one output: what reward models and cost models are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.errors import ModelError, UsageError
from trimtab.models.batches import by_length, pad, token_batches
from trimtab.models.load import context_of, load_config, load_tokenizer, load_weights
from trimtab.models.precision import resolved_precision
from trimtab.models.source import Source, fingerprint, locate
from trimtab.types import Array, ModelSpec

_NO_TOKEN = -1
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class SequenceClassifier:
    """A model that gives one number to a text, with its tokenizer. Nobody may change its weights."""

    model: Any
    tokenizer: Any
    context: int
    """Longest text in tokens."""
    pad_id: int | None
    """The token that the model itself skips at the end of a text; None where its configuration names none."""
    name: str

    @property
    def parameters(self) -> int:
        """Weights that a token is multiplied with: all but the table of input embeddings."""
        table = self.model.get_input_embeddings().weight
        return sum(one.numel() for one in self.model.parameters()) - table.numel()

    def plain_ids(self, prompt: str, answer: str) -> list[int]:
        """Return the tokens of prompt and answer as one text, framed as the tokenizer frames a text.

        Raises UsageError for a text without any token.
        """
        ids = list(self.tokenizer(prompt + answer)["input_ids"])
        if not ids:
            raise UsageError(f"the text {prompt + answer!r} has no token for {self.name}; wanted some text")
        return ids

    def chat_ids(self, prompt: str, answer: str, ended: bool) -> list[int]:
        """Return the tokens of a user's turn and the model's answer in the tokenizer's own chat template.

        Only an answer that has ended is closed as a turn. Raises UsageError where the template is missing.
        """
        if not self.tokenizer.chat_template:
            raise UsageError(
                f"{self.name} has no chat template in its tokenizer; use the plain form, or a model with a template"
            )
        turns = [{"role": "user", "content": prompt}]
        if ended:
            turns.append({"role": "assistant", "content": answer})
            text = self.tokenizer.apply_chat_template(turns, tokenize=False)
        else:
            text = self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False) + answer
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def outputs(self, texts: Sequence[list[int]], batch_tokens: int) -> Float[Array, "texts"]:
        """Return the number of each text; batches have at most so many tokens with padding, the longest text first."""
        found, lengths, order = np.zeros(len(texts)), [len(one) for one in texts], by_length(texts)
        alike = [order]
        if self.pad_id is None:  # this model reads the last column: only texts of one length can go together
            alike = [list(group) for _, group in groupby(order, key=lengths.__getitem__)]
        for batch in (one for places in alike for one in token_batches(places, lengths, batch_tokens)):
            found[batch] = self._run([texts[place] for place in batch]).cpu().numpy()
        return found

    @torch.inference_mode()
    def _run(self, texts: Sequence[list[int]]) -> Float[Tensor, "texts"]:
        ids, mask = pad(texts, self.pad_id or 0, left=False)
        device = self.model.device
        return self.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits[:, 0].float()


def sequence_classifier(spec: ModelSpec) -> SequenceClassifier:
    """Return the sequence-classification model of a spec, kept while others are used beside it.

    Raises ModelError where it cannot be loaded, has no classification head, or more than one output.
    """
    return _kept(locate(spec), fingerprint(spec), resolved_precision(spec), spec.trust_remote_code, spec.model)


@lru_cache(maxsize=4)
def _kept(source: Source, digest: str, precision: str, trusted: bool, name: str) -> SequenceClassifier:
    from transformers import AutoModelForSequenceClassification

    config = load_config(source, trusted)
    _require_one_output(config, name)  # before a head that is not there is looked for
    model = load_weights(AutoModelForSequenceClassification, source, config, _DTYPES[precision], trusted)
    return classifier_of_parts(model, load_tokenizer(source, trusted), name.rstrip("/").rsplit("/", 1)[-1])


def classifier_of_parts(model: Any, tokenizer: Any, name: str) -> SequenceClassifier:
    """Return a sequence-classification model that is in memory already. Raises ModelError unless it has one output."""
    config = model.config
    _require_one_output(config, name)
    text = config.get_text_config()
    pad_id = text.pad_token_id if text.pad_token_id != _NO_TOKEN else None
    if pad_id is None:
        text.pad_token_id = _NO_TOKEN  # without any, transformers refuses batches
    return SequenceClassifier(model.eval(), tokenizer, context_of(config, tokenizer), pad_id, name)


def _require_one_output(config: Any, name: str) -> None:
    if config.num_labels != 1:
        raise ModelError(
            f"{name} has {config.num_labels} outputs; wanted a sequence-classification model with one, the reward"
        )
