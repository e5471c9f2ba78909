"""A base model in vLLM, in this process: its answers are tokens, and go on exactly where they stopped.

vLLM keeps what it has read of common beginnings (prefix caching), so that a chunk costs little more than its own
tokens. Its random numbers are its own: answers are not those of `LocalBase`. A model that `vllm serve` has loaded is
reached through `api/base.py` instead.

https://docs.vllm.ai/en/latest/api/vllm/#vllm.LLM
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.base import check_room
from trimtab.decode.engine import Ask, EngineGrowth
from trimtab.decode.language_model import LanguageModel, end_ids
from trimtab.decode.sampling import Sampling
from trimtab.errors import ModelError, UsageError
from trimtab.models.load import context_of, is_causal, load_config, load_generation, load_tokenizer, padding_id
from trimtab.models.source import hub_commit, locate
from trimtab.types import ModelSpec

_OURS = ("model", "tokenizer", "revision", "load_format", "trust_remote_code", "enable_prefix_caching")


class VllmBase:
    """A causal model in vLLM. `model` holds its tokenizer, and the engine in the place of the weights."""

    empty = Answer()

    def __init__(
        self,
        spec: ModelSpec,
        form: str = "plain",
        per_request: int = 1,
        parameters: int | None = None,
        engine: Mapping[str, Any] | None = None,
    ) -> None:
        """At most `per_request` continuations of one beginning share a request and a seed. `engine` are further
        arguments of `vllm.LLM`, such as gpu_memory_utilization or max_model_len.

        Raises UsageError where vLLM is not installed or an argument cannot be set here; ModelError where it cannot
        load the model.
        """
        engine = dict(engine or {})
        taken = [name for name in engine if name in _OURS]
        if taken:
            raise UsageError(f"vLLM's {taken[0]} is set by the model's name and spec; leave it out")
        if per_request < 1:
            raise UsageError(f"per_request is {per_request}; wanted 1 or more")
        try:
            import vllm  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise UsageError(
                f'vLLM cannot be imported ({error}); install it with: pip install "trimtab[vllm]"'
            ) from None
        self.form, self._per_request, self._parameters = form, per_request, parameters
        self._sampling_params = vllm.SamplingParams
        self.model = _loaded(vllm.LLM, spec, engine)

    def begin(
        self, prompts: Sequence[Prompt], sampling: Sampling, seed: int, room: int, compute: Compute
    ) -> EngineGrowth:
        """Return empty answers. Raises UsageError where prompt and answer are longer than the context."""
        for prompt in prompts:
            check_room(self.model, prompt, len(self.model.prompt_ids(prompt.text, self.form)), room)
        return EngineGrowth(self, prompts, sampling, seed, room, compute, self._per_request)

    def go_on(self, asks: Sequence[Ask], compute: Compute) -> list[list[Answer]]:
        """Write all continuations in one call. Raises ModelError where vLLM breaks one off."""
        begun = [self.model.prompt_ids(ask.prompt.text, self.form) + list(ask.answer.ids or ()) for ask in asks]
        outputs = self.model.model.generate(
            [{"prompt_token_ids": ids} for ids in begun], [self._params(ask) for ask in asks], use_tqdm=False
        )
        for ids, output in zip(begun, outputs, strict=True):
            run = len(ids) - (output.num_cached_tokens or 0) + sum(len(one.token_ids) for one in output.outputs)
            compute.add("base", run, self._parameters)
        return [
            [self._longer(ask, one) for one in sorted(output.outputs, key=lambda one: one.index)]
            for ask, output in zip(asks, outputs, strict=True)
        ]

    def _params(self, ask: Ask) -> Any:
        sampling = ask.sampling
        return self._sampling_params(
            n=ask.count,
            seed=ask.seed,
            max_tokens=ask.tokens,
            temperature=sampling.temperature,
            top_k=-1 if sampling.top_k is None else sampling.top_k,  # vLLM's word for all
            top_p=1.0 if sampling.top_p is None else sampling.top_p,
            detokenize=False,
        )

    def _longer(self, ask: Ask, output: Any) -> Answer:
        if output.finish_reason not in ("stop", "length"):
            raise ModelError(
                f"vLLM broke off an answer to prompt {ask.prompt.id} ({output.finish_reason}); see its log"
            )
        ended, ids = output.finish_reason == "stop", (*(ask.answer.ids or ()), *output.token_ids)
        if ended and (not ids or ids[-1] not in self.model.end_ids):
            ids = (*ids, self.model.end_id)
        return Answer(self.model.answer_text(list(ids)), ids, ended)


def _loaded(kind: Any, spec: ModelSpec, engine: Mapping[str, Any]) -> LanguageModel:
    source = locate(spec)
    if source.kind in ("gguf", "features"):
        raise ModelError(f"{spec.model} is a {source.kind} file; vLLM is given a folder, an asset or a hub id here")
    trusted = spec.trust_remote_code
    config, tokenizer = load_config(source, trusted), load_tokenizer(source, trusted)
    if not is_causal(config):
        raise ModelError(f"{spec.model} is an encoder, which writes nothing; wanted a causal language model")
    context = min(context_of(config, tokenizer), int(engine.get("max_model_len") or 10**9))
    llm = kind(
        model=source.place,
        revision=hub_commit(source) if source.kind == "hub" else None,
        load_format="safetensors",  # the other formats may hold pickles
        trust_remote_code=trusted,
        enable_prefix_caching=True,
        **engine,
    )
    ends = end_ids(load_generation(source), tokenizer)
    name = spec.model.rstrip("/").rsplit("/", 1)[-1]
    return LanguageModel(llm, tokenizer, context, padding_id(tokenizer, config), ends, name)
