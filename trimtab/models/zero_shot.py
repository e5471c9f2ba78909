"""Class probabilities of a causal model that was never trained on the task.

p(c | text)  ~  prod_t p(word_c,t | prompt(text), word_c,<t)          normalised over the classes
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from trimtab.errors import ModelError, UsageError
from trimtab.models.batches import by_length, pad, token_batches
from trimtab.models.load import context_of, is_causal, load_config, load_tokenizer, load_weights, padding_id
from trimtab.models.logprobs import sequence_log_probabilities
from trimtab.models.precision import resolved_precision
from trimtab.models.shared_prompt import LEAST_TOKENS, SharedPrompt, begun, common_beginning
from trimtab.models.source import locate
from trimtab.models.text import encode, template_of
from trimtab.types import Array, ModelSpec, Progress, silent

_LOGITS_BYTES = 2**28
"""Most memory that the logits of one batch may take: a vocabulary is far wider than a hidden state."""
_CHECKED_TEXTS = 4


class IndistinctNamesError(UsageError):
    """Class names that a tokenizer writes as the same tokens, or as none."""


@dataclass(frozen=True)
class ZeroShot:
    """Class probabilities without training, and what they took."""

    probabilities: Float[Array, "items classes"]
    truncated: int
    """How many texts were cut at the end."""
    tokens: int
    """Tokens of all inputs that went through the model; padding not counted."""


class Asker:
    """A causal model that is asked for the class after a prompt; loaded once for many texts."""

    def __init__(self, spec: ModelSpec, prompt: str, answers: Sequence[str]) -> None:
        """Load the model.

        A space is set before each name unless the template ends in white space; names of several tokens count as
        the sum of their log-probabilities.
        Raises ModelError where the model is not causal; IndistinctNamesError where two classes have the same tokens.
        """
        source = locate(spec)
        config = load_config(source, spec.trust_remote_code)
        if not is_causal(config):
            raise ModelError(f"{spec.model} is an encoder: it cannot continue a prompt; zero-shot needs a causal model")
        self._spec, self._config = spec, config
        self._tokenizer = load_tokenizer(source, spec.trust_remote_code)
        self._template = template_of(spec, prompt, causal=True)
        self._words = _answer_tokens(self._tokenizer, answers, self._template)
        self._limit = min(spec.max_tokens, context_of(config, self._tokenizer) - max(map(len, self._words)))
        self._model = _causal_model(spec, source, config)
        self._pad_id = padding_id(self._tokenizer, config)

    def ask(self, texts: Sequence[str], progress: Progress = silent) -> ZeroShot:
        """Return p(class | text) from the log-probabilities of the class names after the prompt."""
        encoded = encode(self._tokenizer, texts, self._template, self._limit, self._spec.cut)
        words = self._words
        scores = np.zeros((len(texts), len(words)))
        done = tokens = 0
        beginnings = sorted({tuple(word[:-1]) for word in words})
        for beginning in beginnings:
            classes = [index for index, word in enumerate(words) if tuple(word[:-1]) == beginning]
            inputs = [[*ids, *beginning] for ids in encoded.ids]
            asked = [words[index] for index in classes]
            shared = self._shared(inputs, asked)
            tokens += shared.tokens if shared else 0
            own = [ids[shared.tokens :] if shared else ids for ids in inputs]
            for batch in _batches(own, self._spec.batch_tokens, self._config.get_text_config().vocab_size):
                rows = [own[item] for item in batch]
                scores[np.ix_(batch, classes)] = _score(self._model, rows, asked, self._pad_id, shared)
                done, tokens = done + len(rows), tokens + sum(map(len, rows))
                progress(done, len(beginnings) * len(texts), tokens=tokens)
        shifted = np.exp(scores - scores.max(1, keepdims=True))
        return ZeroShot(shifted / shifted.sum(1, keepdims=True), encoded.truncated, tokens)

    def _shared(self, inputs: list[list[int]], words: list[list[int]]) -> SharedPrompt | None:
        """Return what all inputs begin with, run once; none where it is short or where this model gives something else
        with it."""
        if not inputs:
            return None
        count = min(common_beginning(inputs), min(map(len, inputs)) - len(words[0]))
        if count < LEAST_TOKENS:
            return None
        found = begun(self._model.base_model, inputs[0][:count])
        few = inputs[:_CHECKED_TEXTS]
        whole = _score(self._model, few, words, self._pad_id, None)
        cut = _score(self._model, [ids[count:] for ids in few], words, self._pad_id, found)
        return found if np.abs(whole - cut).max() <= _tolerance(self._spec) else None


def zero_shot(
    spec: ModelSpec, texts: Sequence[str], prompt: str, answers: Sequence[str], progress: Progress = silent
) -> ZeroShot:
    """Return p(class | text) of a model that is asked once; raises what `Asker` raises."""
    return Asker(spec, prompt, answers).ask(texts, progress)


def zero_shot_from_states(
    spec: ModelSpec,
    states: Float[Array, "items hidden"],
    texts: Sequence[str],
    prompt: str,
    answers: Sequence[str],
) -> ZeroShot | None:
    """Return the same from stored last hidden states, through the language head alone; none where that is not the same.

    It is the same where every class name is one token and the head is the only thing above the state: a few texts go
    through the whole model and must agree.

    Raises what `zero_shot` raises.
    """
    source = locate(spec)
    config = load_config(source, spec.trust_remote_code)
    tokenizer = load_tokenizer(source, spec.trust_remote_code)
    words = _answer_tokens(tokenizer, answers, template_of(spec, prompt, causal=True))
    if spec.layer is not None or not is_causal(config) or any(len(word) > 1 for word in words):
        return None
    model = _causal_model(spec, source, config)
    with torch.inference_mode():
        head = model.get_output_embeddings()
        rows = torch.from_numpy(states).to(head.weight.device, head.weight.dtype)
        first = [word[0] for word in words]
        bias = None if head.bias is None else head.bias[first]
        logits = torch.nn.functional.linear(rows, head.weight[first], bias)
    probabilities = logits.double().softmax(-1).cpu().numpy()
    checked = zero_shot(spec, texts[:_CHECKED_TEXTS], prompt, answers)
    if np.abs(checked.probabilities - probabilities[:_CHECKED_TEXTS]).max() > _tolerance(spec):
        return None
    return ZeroShot(probabilities, checked.truncated, checked.tokens)


def _tolerance(spec: ModelSpec) -> float:
    """Return how much different orders of summation may change an answer."""
    return 1e-3 if resolved_precision(spec) == "fp32" else 5e-2


def _answer_tokens(tokenizer: Any, answers: Sequence[str], template: str) -> list[list[int]]:
    space = "" if template[-1:].isspace() else " "
    words = [tokenizer(space + answer, add_special_tokens=False)["input_ids"] for answer in answers]
    if not all(words) or len({tuple(word) for word in words}) < len(words):
        raise IndistinctNamesError(
            f"the class names {list(answers)} do not give different, non-empty tokens; rename the classes"
        )
    return words


def _causal_model(spec: ModelSpec, source: Any, config: Any) -> Any:
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if resolved_precision(spec) == "bf16" else torch.float32
    model = load_weights(AutoModelForCausalLM, source, config, dtype, spec.trust_remote_code)
    model.config.use_cache = False
    return model


def _batches(inputs: list[list[int]], batch_tokens: int, vocabulary: int) -> list[list[int]]:
    # in the worst case logits are needed at every position
    budget = min(batch_tokens, max(1, _LOGITS_BYTES // (4 * vocabulary)))
    return token_batches(by_length(inputs), [len(ids) for ids in inputs], budget)


def _score(
    model: Any, rows: list[list[int]], words: list[list[int]], pad_id: int, shared: SharedPrompt | None
) -> Array:
    """Return the log-probability in nats of each word after each row; rows end with all of a word but its last token,
    and begin after what is shared."""
    filled, mask = pad(rows, pad_id, left=False)
    device = next(model.parameters()).device
    shortest, word_tokens = min(map(len, rows)), len(words[0])
    keep = filled.shape[1] - shortest + word_tokens
    limited = "logits_to_keep" in inspect.signature(model.forward).parameters
    extra: dict[str, Any] = {"logits_to_keep": keep} if limited else {}
    if shared is not None:
        extra |= shared.before(mask, device)
    elif not bool(mask.all()):
        extra["attention_mask"] = mask.to(device)
    with torch.inference_mode():
        logits = model(input_ids=filled.to(device), **extra).logits[:, -keep:].cpu()
    scores = np.zeros((len(rows), len(words)))
    for column, word in enumerate(words):
        ids = torch.full((len(rows), filled.shape[1] + 1), pad_id)
        counted = torch.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens) + 1] = torch.tensor([*tokens, word[-1]])
            counted[row, len(tokens) + 1 - word_tokens : len(tokens) + 1] = 1
        window = slice(-(keep + 1), None)
        scores[:, column] = sequence_log_probabilities(logits, ids[:, window], counted[:, window]).numpy()
    return scores
