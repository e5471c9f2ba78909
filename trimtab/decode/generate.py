"""Answer prompts by a named decode-time method: what `trimtab generate` calls. Guides are always local."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.reach import Place
from trimtab.errors import UsageError, did_you_mean
from trimtab.types import ModelSpec

if TYPE_CHECKING:
    from trimtab.decode.base import Base
    from trimtab.decode.language_model import LanguageModel
    from trimtab.decode.sampling import Sampling
    from trimtab.decode.search import Scored


@dataclass(frozen=True)
class Request:
    """Which model answers by which method. Settings that a method does not know are refused."""

    base: str
    """Asset, folder, GGUF file or hub id of the frozen model, "vllm:" before it for vLLM, or the URL of an API."""
    method: str = "sample"
    """One of `METHODS`."""
    guide: str | None = None
    """TUNED:UNTUNED, a guide pair; of `contrastive` the amateur alone."""
    form: str = "plain"
    """How a prompt is put: "plain" text, or "chat" in each tokenizer's own template; for guides alone where the base
    is behind a URL, whose `kind` it then has."""
    seed: int = 0
    """Names the random streams."""
    max_new_tokens: int = 32
    """Longest answer in tokens."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """temperature, top_k, top_p."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the method; what is absent has the method's default."""
    model: str | None = None
    """The server's name of the model, where the base is behind a URL."""
    base_settings: Mapping[str, Any] = field(default_factory=dict)
    """Of a base behind a URL (`api/settings.py`) or in vLLM."""


@dataclass(frozen=True)
class Generated:
    """An answer with its score, None where the method has none, and what all answers of the call cost together, as
    `Compute` counts it."""

    text: str
    ended: bool
    score: float | None
    tokens: Mapping[str, int]
    flops: float
    unpriced: Mapping[str, int] = field(default_factory=dict)
    uncounted: int = 0


@dataclass(frozen=True)
class _Method:
    settings: tuple[str, ...]
    guide: str
    """"pair", "amateur" or "none"."""
    answer: Callable[[_Loaded, Sequence[Prompt]], Sequence[Scored]]
    needs: str | None = None
    """What it needs of the base model beside text: "logits", "tokens" or nothing."""


@dataclass(frozen=True)
class _Loaded:
    """A request with its models."""

    request: Request
    writer: Base
    base: LanguageModel | None
    """The model whose tokens the writer's answers hold; None where they are text. Here in this process, where the
    method needs more."""
    guides: tuple[LanguageModel, ...]
    sampling: Sampling
    compute: Compute

    def search(self, method: Any, base: Any, scorer: Any, prompts: Sequence[Prompt]) -> Sequence[Scored]:
        """Answer by a search over a base."""
        return method(base, scorer, prompts, self.request.seed, self.compute)

    @property
    def common(self) -> dict[str, Any]:
        """Settings that all searches share."""
        return {"max_new_tokens": self.request.max_new_tokens, "sampling": self.sampling}


def generate(request: Request, texts: Sequence[str]) -> list[Generated]:
    """Return one answer per prompt.

    Raises UsageError for what cannot be asked; ModelError where a model cannot be loaded; ApiError where a server
    fails.
    """
    from trimtab.decode.language_model import language_model
    from trimtab.decode.sampling import Sampling

    place = Place(request.base, request.model, request.base_settings)
    method = _checked(request, place)
    sampling = Sampling(**request.sampling)
    names = [] if request.guide is None else request.guide.split(":")
    writer, base = place.reach(request.form)
    guides = tuple(language_model(ModelSpec(name)) for name in names)
    loaded = _Loaded(request, writer, base, guides, sampling, Compute())
    prompts = [Prompt(str(number), text) for number, text in enumerate(texts)]
    found = method.answer(loaded, prompts)
    scored = request.method not in _UNSCORED
    cost = loaded.compute
    costs = (cost.tokens, cost.flops, cost.unpriced, cost.uncounted)
    return [Generated(one.answer.text, one.answer.ended, one.score if scored else None, *costs) for one in found]


def _checked(request: Request, place: Place) -> _Method:
    """Return the method of a request. Raises UsageError where name, settings, guide or the base's place do not fit."""
    if request.method not in METHODS:
        raise UsageError(f"no decode-time method is called {request.method!r}.{did_you_mean(request.method, METHODS)}")
    if request.form not in ("plain", "chat"):
        raise UsageError(f'format is {request.form!r}; wanted "plain" or "chat"')
    method = METHODS[request.method]
    place.require(request.method, method.needs, [name for name, one in METHODS.items() if one.needs is None])
    unknown = [name for name in request.settings if name not in method.settings]
    if unknown:
        raise UsageError(
            f"{request.method} has no setting {unknown[0]}; it has {', '.join(method.settings) or 'none of its own'}"
        )
    parts = 0 if request.guide is None else len([name for name in request.guide.split(":") if name])
    wanted = {"pair": 2, "amateur": 1, "none": 0}[method.guide]
    if parts != wanted:
        told = {2: "a guide pair, TUNED:UNTUNED", 1: "one model, the amateur", 0: "no guide"}[wanted]
        raise UsageError(f"{request.method} wants {told}; found {request.guide or 'none'}")
    return method


def _sample(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    return _write(loaded, loaded.writer, prompts)


def _write(loaded: _Loaded, base: Any, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    """Write one answer per prompt from a base that may be steered."""
    from trimtab.decode.chunk_beam import ChunkBeam, Indifferent

    return loaded.search(ChunkBeam(1, 1, None, **loaded.common), base, Indifferent(), prompts)


def _chunk_beam(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.chunk_beam import ChunkBeam

    return _guided(loaded, ChunkBeam(**loaded.request.settings, **loaded.common), prompts)


def _best_of_n(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.chunk_beam import ChunkBeam

    count = loaded.request.settings.get("samples", 4)
    return _guided(loaded, ChunkBeam(1, count, None, **loaded.common), prompts)


def _deal(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.deal import Deal

    return _guided(loaded, Deal(**loaded.request.settings, **loaded.common), prompts)


def _qalign(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.qalign import QAlign

    return _guided(loaded, QAlign(**loaded.request.settings, **loaded.common), prompts)


def _guided(loaded: _Loaded, method: Any, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    """Search with the log-ratio of the guide pair."""
    return loaded.search(method, loaded.writer, _log_ratio(loaded), prompts)


def _log_ratio(loaded: _Loaded) -> Any:
    from trimtab.decode.scorers.log_ratio import LogRatio

    tuned, untuned = loaded.guides
    return LogRatio(tuned, untuned, loaded.base, loaded.request.form)


def _local(loaded: _Loaded) -> LanguageModel:
    assert loaded.base is not None, "the place of the base model was checked"
    return loaded.base


def _emulated(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.steered import EmulatedBase

    tuned, untuned = loaded.guides
    weight = loaded.request.settings.get("weight", 1.0)
    return _write(loaded, EmulatedBase(_local(loaded), [(tuned, untuned)], [weight], loaded.request.form), prompts)


def _contrastive(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.steered import ContrastiveBase

    base = ContrastiveBase(_local(loaded), loaded.guides[0], **loaded.request.settings, form=loaded.request.form)
    return _write(loaded, base, prompts)


def _reward_guided(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.steered import RewardGuidedBase

    base = RewardGuidedBase(_local(loaded), _log_ratio(loaded), **loaded.request.settings, form=loaded.request.form)
    return _write(loaded, base, prompts)


METHODS: Mapping[str, _Method] = {
    "sample": _Method((), "none", _sample),
    "best_of_n": _Method(("samples",), "pair", _best_of_n),
    "cbs": _Method(("width", "samples", "chunk", "finished"), "pair", _chunk_beam),
    "eft": _Method(("weight",), "pair", _emulated, "logits"),
    "contrastive": _Method(("alpha", "beta"), "amateur", _contrastive, "logits"),
    "args": _Method(("candidates", "weight"), "pair", _reward_guided, "logits"),
    "deal": _Method(("width", "samples", "chunk", "look_ahead"), "pair", _deal),
    "qalign": _Method(("steps", "beta", "truncated_law"), "pair", _qalign, "tokens"),
}
"""Decode-time methods by name, with the settings that each has."""
_UNSCORED = ("sample", "eft", "contrastive", "args")
