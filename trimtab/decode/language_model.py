"""A causal model that continues and reads texts, with its tokenizer: what decoding needs of a local model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch

from trimtab.errors import ModelError, UsageError
from trimtab.models.load import context_of, is_causal, load_config, load_tokenizer, load_weights, padding_id
from trimtab.models.precision import resolved_precision
from trimtab.models.source import Source, fingerprint, locate
from trimtab.types import ModelSpec

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A causal model with its head over the vocabulary. Nobody may change its weights."""

    model: Any
    tokenizer: Any
    context: int
    """Longest text in tokens, prompt and answer together."""
    pad_id: int
    end_ids: frozenset[int]
    """Tokens that end an answer, from the generation settings or the tokenizer."""
    name: str

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.model.device

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return int(self.model.config.get_text_config().num_hidden_layers)

    @property
    def vocabulary(self) -> int:
        """Number of logits."""
        return int(self.model.config.get_text_config().vocab_size)

    @cached_property
    def parameters(self) -> int:
        """Weights that a token is multiplied with: all but the table of input embeddings (counted once if it is also
        the output head)."""
        table = self.model.get_input_embeddings().weight
        total = sum(one.numel() for one in self.model.parameters())
        return total if table is self.model.get_output_embeddings().weight else total - table.numel()

    @property
    def body_parameters(self) -> int:
        """Weights without the tables of input and output embeddings."""
        tables = {id(one.weight): one.weight.numel() for one in self._tables()}
        return sum(one.numel() for one in self.model.parameters()) - sum(tables.values())

    def _tables(self) -> tuple[Any, Any]:
        return self.model.get_input_embeddings(), self.model.get_output_embeddings()

    def prompt_ids(self, prompt: str, form: str) -> list[int]:
        """Return the tokens of a prompt: as plain text, or as a user's turn in the tokenizer's own chat template.

        Raises UsageError for an empty prompt and where the template is missing.
        """
        if form == "chat":
            return self._chat_ids(prompt)
        ids = list(self.tokenizer(prompt)["input_ids"])
        # a template or a tokenizer of encoders may close the text, which an answer must not follow
        while ids and ids[-1] in self.end_ids and not prompt.endswith(self.tokenizer.decode(ids[-1])):
            ids.pop()
        if not ids and self.tokenizer.bos_token_id is not None:
            ids = [self.tokenizer.bos_token_id]
        if not ids:
            raise UsageError(f"the prompt {prompt!r} has no token for {self.name}; wanted some text")
        return ids

    def joined_ids(self, prompt: str, answer: str, form: str) -> tuple[list[int], int]:
        """Return the tokens of prompt and answer as one text, and how many lie wholly in the prompt (at least 1).

        Raises UsageError where the tokenizer cannot say which characters a token stands for.
        """
        begun = self.prompt_ids(prompt, form)
        if not answer:
            return begun, len(begun)
        text = self._chat_text(prompt) if form == "chat" else prompt
        if not self.tokenizer.is_fast:
            raise UsageError(f"{self.name} has a tokenizer without offsets; wanted a fast one (tokenizer.json)")
        found = self.tokenizer(text + answer, add_special_tokens=form != "chat", return_offsets_mapping=True)
        ids, ends = list(found["input_ids"]), [end for _, end in found["offset_mapping"]]
        while len(ids) > 1 and ids[-1] in self.end_ids and ends[-1] == 0:  # closed by the tokenizer, not by the text
            ids, ends = ids[:-1], ends[:-1]
        inside = next((place for place, end in enumerate(ends) if end > len(text)), len(ends))
        return ids, max(inside, 1)

    @property
    def end_id(self) -> int:
        """The token that is read where an answer has ended. Raises UsageError where the tokenizer has none."""
        if self.tokenizer.eos_token_id is None:
            raise UsageError(f"{self.name} has a tokenizer without a token that ends a text (eos_token)")
        return int(self.tokenizer.eos_token_id)

    def _chat_ids(self, prompt: str) -> list[int]:
        return list(self.tokenizer(self._chat_text(prompt), add_special_tokens=False)["input_ids"])

    def _chat_text(self, prompt: str) -> str:
        if not self.tokenizer.chat_template:
            raise UsageError(
                f"{self.name} has no chat template in its tokenizer; use `format: plain`, or a model with a template"
            )
        turn = [{"role": "user", "content": prompt}]
        return self.tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)

    def answer_text(self, ids: list[int]) -> str:
        """Return the text of an answer's tokens, without those that end it."""
        return self.tokenizer.decode(
            [one for one in ids if one not in self.end_ids],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )


def same_vocabulary(first: LanguageModel, second: LanguageModel) -> bool:
    """Say whether every token id means the same to both models."""
    return first.tokenizer is second.tokenizer or (
        first.tokenizer.get_vocab() == second.tokenizer.get_vocab() and first.end_ids == second.end_ids
    )


def language_model(spec: ModelSpec | str) -> LanguageModel:
    """Return the causal model of a spec, or of a name, kept while others are used beside it.

    Raises ModelError where it cannot be loaded or is no causal language model.
    """
    if isinstance(spec, str):
        spec = ModelSpec(spec)
    return _kept(locate(spec), fingerprint(spec), resolved_precision(spec), spec.trust_remote_code, spec.model)


@lru_cache(maxsize=4)
def _kept(source: Source, digest: str, precision: str, trusted: bool, name: str) -> LanguageModel:
    from transformers import AutoModelForCausalLM

    config = load_config(source, trusted)
    if not is_causal(config):
        raise ModelError(f"{name} is an encoder, which writes nothing; wanted a causal language model")
    model = load_weights(AutoModelForCausalLM, source, config, _DTYPES[precision], trusted)
    return of_parts(model, load_tokenizer(source, trusted), name.rstrip("/").rsplit("/", 1)[-1])


def of_parts(model: Any, tokenizer: Any, name: str) -> LanguageModel:
    """Return a causal model that is in memory already."""
    config = model.config
    ends = end_ids(getattr(model, "generation_config", None), tokenizer)
    return LanguageModel(
        model.eval(), tokenizer, context_of(config, tokenizer), padding_id(tokenizer, config), ends, name
    )


def end_ids(generation: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end an answer, from a model's generation settings, or None, and its tokenizer."""
    ends = getattr(generation, "eos_token_id", None)
    ends = ends if ends is not None else tokenizer.eos_token_id
    found = frozenset(int(one) for one in ([] if ends is None else ends if isinstance(ends, list) else [ends]))
    return found if tokenizer.eos_token_id is None else found | {int(tokenizer.eos_token_id)}
