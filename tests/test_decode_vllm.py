"""A base model in vLLM, of which a stand-in with the same names takes the place: what is asked of it, and what is made
of its answers. vLLM itself does not run here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from api_server import Draws, continuation
from decode_models import PROMPTS, TEXTS, tiny
from tiny_models import tiny_causal, tiny_encoder

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.base import LocalBase
from trimtab.decode.chunk_beam import ChunkBeam, Indifferent, best_of_n, sample
from trimtab.decode.deal import Deal
from trimtab.decode.generate import Request, generate
from trimtab.decode.language_model import LanguageModel, language_model
from trimtab.decode.qalign import QAlign
from trimtab.decode.sampling import Sampling
from trimtab.decode.scorers.log_ratio import LogRatio
from trimtab.decode.vllm_base import VllmBase
from trimtab.errors import ModelError, UsageError
from trimtab.types import ModelSpec

TOKENS_KEPT = 2


def spec_of(folder: Path | str) -> ModelSpec:
    return ModelSpec(str(folder), precision="fp32")


@dataclass(frozen=True)
class SamplingParams:
    """vLLM's, as far as it is used; any other name is an error, and so is a greedy request for several answers."""

    n: int
    seed: int
    max_tokens: int
    temperature: float
    top_k: int
    top_p: float
    detokenize: bool

    def __post_init__(self) -> None:
        assert self.n >= 1 and self.max_tokens >= 1 and 0 <= self.temperature <= 2
        assert self.top_k == -1 or self.top_k >= 1
        assert 0 < self.top_p <= 1
        assert self.temperature > 0 or self.n == 1


@dataclass(frozen=True)
class CompletionOutput:
    index: int
    text: str
    token_ids: Sequence[int]
    finish_reason: str | None


@dataclass(frozen=True)
class RequestOutput:
    outputs: list[CompletionOutput]
    num_cached_tokens: int | None


@dataclass
class LLM:
    """vLLM's, with a tiny model in the place of the engine."""

    model: str
    revision: str | None
    load_format: str
    trust_remote_code: bool
    enable_prefix_caching: bool
    max_model_len: int | None = None
    gpu_memory_utilization: float = 0.9
    calls: list[list[SamplingParams]] = field(default_factory=list)

    reason: ClassVar[str | None] = None
    """Why answers end, in the place of the true reason."""
    keeps_ends: ClassVar[bool] = True
    """Whether the token that ends an answer is among its tokens."""

    def __post_init__(self) -> None:
        self.weights = language_model(spec_of(self.model))
        self.draws = Draws([*PROMPTS, *(Prompt(str(i), text) for i, text in enumerate(TEXTS))], 8, 12)

    def generate(
        self, prompts: Sequence[dict[str, list[int]]], sampling_params: Sequence[SamplingParams], *, use_tqdm: bool
    ) -> list[RequestOutput]:
        assert not use_tqdm
        self.calls.append(list(sampling_params))
        found = []
        for prompt, params in zip(prompts, sampling_params, strict=True):
            assert list(prompt) == ["prompt_token_ids"]
            outputs = [self._output(prompt["prompt_token_ids"], params, child) for child in range(params.n)]
            found.append(RequestOutput(outputs[::-1], TOKENS_KEPT))
        return found

    def _output(self, ids: list[int], params: SamplingParams, child: int) -> CompletionOutput:
        sampling = Sampling(params.temperature, None if params.top_k == -1 else params.top_k, params.top_p)
        tokens = continuation(self.weights, self.draws, ids, sampling, params.seed, child, params.max_tokens)
        ended = tokens[-1] in self.weights.end_ids
        if ended and not self.keeps_ends:
            tokens = tokens[:-1]
        return CompletionOutput(child, "", tuple(tokens), self.reason or ("stop" if ended else "length"))


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, SamplingParams  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "vllm", module)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal(tmp_path_factory.mktemp("base"), seed=9)


def engine(base: VllmBase) -> LLM:
    found = base.model.model
    assert isinstance(found, LLM)
    return found


@pytest.mark.parametrize("keeps_ends", [True, False])
@pytest.mark.parametrize(
    ("method", "per_request"),
    [
        (sample(12), 1),
        (best_of_n(4, 12, Sampling(0.8, 20, 0.9)), 3),
        (ChunkBeam(2, 2, 3, max_new_tokens=12), 4),
        (Deal(1, 3, 4, look_ahead=6, max_new_tokens=12), 1),
        (ChunkBeam(2, 2, 4, max_new_tokens=12, sampling=Sampling(temperature=0)), 4),
    ],
)
def test_every_search_gives_the_answers_of_the_same_model_in_this_process(
    method: Any, per_request: int, folder: Path, keeps_ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LLM, "keeps_ends", keeps_ends)
    here, there = language_model(spec_of(folder)), VllmBase(spec_of(folder), per_request=per_request)
    guides = tiny(1), tiny(2)
    pairs = [LogRatio(*guides, base, "plain") for base in (here, there.model)]
    assert pairs[0].shares_tokens and pairs[1].shares_tokens
    wanted = method(LocalBase(here), pairs[0], PROMPTS, 0, Compute())
    found = method(there, pairs[1], PROMPTS, 0, Compute())
    assert [one.answer for one in found] == [one.answer for one in wanted]
    assert [one.score for one in found] == pytest.approx([one.score for one in wanted], abs=1e-4)


def test_what_is_asked_of_vllm(folder: Path) -> None:
    base = VllmBase(spec_of(folder), per_request=2, engine={"gpu_memory_utilization": 0.3, "max_model_len": 40})
    llm = engine(base)
    assert (llm.model, llm.revision, llm.load_format) == (str(folder), None, "safetensors")
    assert llm.enable_prefix_caching and not llm.trust_remote_code
    assert (llm.gpu_memory_utilization, llm.max_model_len, base.model.context) == (0.3, 40, 40)
    assert base.model.end_ids == language_model(spec_of(folder)).end_ids
    best_of_n(3, 5, Sampling(0.5, 7, 0.9))(base, Indifferent(), PROMPTS[:2], 0, Compute())
    (params,) = llm.calls  # all at once
    assert [one.n for one in params] == [2, 1, 2, 1]
    assert {(one.max_tokens, one.temperature, one.top_k, one.top_p) for one in params} == {(5, 0.5, 7, 0.9)}
    assert len({one.seed for one in params}) == 4


def test_tokens_are_counted_without_those_that_vllm_kept(folder: Path) -> None:
    spec, prompt = spec_of(folder), PROMPTS[0]
    for parameters, flops in ((None, 0.0), (10, 20.0)):
        compute, base = Compute(), VllmBase(spec, parameters=parameters)
        (found,) = sample(1)(base, Indifferent(), [prompt], 0, compute)
        run = len(base.model.prompt_ids(prompt.text, "plain")) - TOKENS_KEPT + len(found.answer.ids or ())
        assert compute.tokens == {"base": run}
        assert compute.flops == flops * run
        assert compute.unpriced == ({} if parameters else {"base": run})


def test_generate_reaches_vllm(folder: Path) -> None:
    settings = {"per_request": 2, "gpu_memory_utilization": 0.5}
    request = Request(f"vllm:{folder}", "sample", max_new_tokens=6, base_settings=settings)
    prompts = [Prompt(str(number), text) for number, text in enumerate(TEXTS)]
    here = sample(6)(LocalBase(language_model(spec_of(folder))), Indifferent(), prompts, 0, Compute())
    assert [one.text for one in generate(request, TEXTS)] == [one.answer.text for one in here]


def test_what_vllm_cannot_do_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = VllmBase(spec_of(folder))
    with pytest.raises(UsageError, match="qalign needs a base model's own tokens"):
        QAlign(2)(base, Indifferent(), PROMPTS, 0, Compute())  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match=r"prompt p1 has 6 tokens and 60 may follow, but .* reads 64"):
        sample(60)(base, Indifferent(), PROMPTS[1:2], 0, Compute())
    with pytest.raises(UsageError, match="load_format is set by"):
        VllmBase(spec_of(folder), engine={"load_format": "pt"})
    with pytest.raises(UsageError, match="per_request is 0"):
        VllmBase(spec_of(folder), per_request=0)
    with pytest.raises(ModelError, match="is an encoder, which writes nothing"):
        VllmBase(spec_of(tiny_encoder(tmp_path)))
    monkeypatch.setattr(LLM, "reason", "abort")
    with pytest.raises(ModelError, match=r"broke off an answer to prompt p0 \(abort\)"):
        sample(4)(base, Indifferent(), PROMPTS[:1], 0, Compute())
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UsageError, match=r'pip install "trimtab\[vllm\]"'):
        VllmBase(spec_of(folder))


def test_the_stand_in_refuses_names_that_vllm_does_not_know(folder: Path) -> None:
    with pytest.raises(TypeError, match="no_such_name"):
        VllmBase(spec_of(folder), engine={"no_such_name": 1})
    assert isinstance(VllmBase(spec_of(folder)).model, LanguageModel)
