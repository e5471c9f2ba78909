"""Answer prompts by a named decode-time method with local models: what `trimtab generate` calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.guidance import Guidance, as_names, pairs_of
from trimtab.errors import UsageError, did_you_mean
from trimtab.types import ModelSpec

if TYPE_CHECKING:
    from trimtab.decode.language_model import LanguageModel
    from trimtab.decode.sampling import Sampling
    from trimtab.decode.search import Scored


@dataclass(frozen=True)
class Request:
    """Which model answers by which method. Settings that a method does not know are refused."""

    base: str
    """Asset, folder, GGUF file or hub id of the frozen model."""
    method: str = "sample"
    """One of `METHODS`."""
    guide: str | Sequence[str] | None = None
    """TUNED:UNTUNED, a guide pair, or several; of `contrastive` the amateur alone."""
    form: str = "plain"
    """How a prompt is put: "plain" text, or "chat" in each tokenizer's own template."""
    seed: int = 0
    """Names the random streams."""
    max_new_tokens: int = 32
    """Longest answer in tokens."""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    """temperature, top_k, top_p."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the method; what is absent has the method's default."""
    reward: str | Sequence[str] | None = None
    """Sequence-classification model, or several, of which more is better: beside a guide pair or in its place."""
    cost: str | Sequence[str] | None = None
    """The same, of which less is better."""
    weights: Sequence[float] = ()
    """One for each of guides, rewards and costs, in this order; none at all is 1 each."""

    @property
    def guidance(self) -> Guidance:
        """What steers. Raises UsageError where the weights do not fit."""
        return Guidance(as_names(self.guide), as_names(self.reward), as_names(self.cost), tuple(self.weights))


@dataclass(frozen=True)
class Generated:
    """An answer with its score, None where the method has none, and what all answers of the call cost together."""

    text: str
    ended: bool
    score: float | None
    tokens: Mapping[str, int]
    flops: float


@dataclass(frozen=True)
class _Method:
    settings: tuple[str, ...]
    guide: str
    """"pair", "amateur" or "none"."""
    answer: Callable[[_Loaded, Sequence[Prompt]], Sequence[Scored]]
    scores: bool = False
    """Whether any scorer will do."""


@dataclass(frozen=True)
class _Loaded:
    """A request with its models."""

    request: Request
    base: LanguageModel
    guides: tuple[LanguageModel, ...]
    sampling: Sampling
    compute: Compute
    scorer: Any = None
    """What scores in the place of the guide pair; none takes the pair."""

    def search(self, method: Any, base: Any, scorer: Any, prompts: Sequence[Prompt]) -> Sequence[Scored]:
        """Answer by a search over a base."""
        return method(base, scorer, prompts, self.request.seed, self.compute)

    @property
    def common(self) -> dict[str, Any]:
        """Settings that all searches share."""
        return {"max_new_tokens": self.request.max_new_tokens, "sampling": self.sampling}


def generate(request: Request, texts: Sequence[str]) -> list[Generated]:
    """Return one answer per prompt.

    Raises UsageError for what cannot be asked; ModelError where a model cannot be loaded.
    """
    from trimtab.decode.language_model import language_model
    from trimtab.decode.sampling import Sampling

    method = checked(request)
    sampling = Sampling(**request.sampling)
    names = request.guidance.models
    base = language_model(ModelSpec(request.base))
    guides = tuple(language_model(ModelSpec(name)) for name in names)
    loaded = _Loaded(request, base, guides, sampling, Compute())
    prompts = [Prompt(str(number), text) for number, text in enumerate(texts)]
    found = method.answer(loaded, prompts)
    scored = request.method not in _UNSCORED
    cost = loaded.compute
    return [
        Generated(one.answer.text, one.answer.ended, one.score if scored else None, cost.tokens, cost.flops)
        for one in found
    ]


def answer_by(
    request: Request, base: LanguageModel, guides: Sequence[LanguageModel], prompts: Sequence[Prompt], compute: Compute,
    scorer: Any = None,
) -> Sequence[Scored]:  # fmt: skip
    """Return one answer per prompt by models that are loaded; a scorer may stand in the place of the guide pair."""
    from trimtab.decode.sampling import Sampling

    loaded = _Loaded(request, base, tuple(guides), Sampling(**request.sampling), compute, scorer)
    return METHODS[request.method].answer(loaded, prompts)


def checked(request: Request) -> _Method:
    """Return the method of a request. Raises UsageError where name, settings or guide do not fit."""
    if request.method not in METHODS:
        raise UsageError(f"no decode-time method is called {request.method!r}.{did_you_mean(request.method, METHODS)}")
    if request.form not in ("plain", "chat"):
        raise UsageError(f'format is {request.form!r}; wanted "plain" or "chat"')
    method = METHODS[request.method]
    unknown = [name for name in request.settings if name not in method.settings]
    if unknown:
        raise UsageError(
            f"{request.method} has no setting {unknown[0]}; it has {', '.join(method.settings) or 'none of its own'}"
        )
    _check_guidance(request, method)
    return method


def _check_guidance(request: Request, method: _Method) -> None:
    """Raise UsageError where guides, rewards, costs or weights are not what the method wants."""
    given = request.guidance
    if (given.rewards or given.costs) and not method.scores:
        known = ", ".join(name for name, one in METHODS.items() if one.scores)
        raise UsageError(f"{request.method} cannot use a reward or cost model; these can: {known}")
    if not given.fits(method.guide, method.scores):
        told = {"pair": "a guide pair, TUNED:UNTUNED", "amateur": "one model, the amateur", "none": "no guide"}
        instead = "; a reward or cost model may take its place" if method.scores else ""
        raise UsageError(
            f"{request.method} wants {told[method.guide]}; found {' and '.join(given.guides) or 'none'}{instead}"
        )
    if given.weights and method.guide == "amateur":
        raise UsageError(f"{request.method} has no weights; it has {', '.join(method.settings)}")
    if given.weights and request.method == "eft" and "weight" in request.settings:
        raise UsageError("eft was given weights of its guides and the setting weight; wanted one or the other")


def _sample(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.base import LocalBase

    return _write(loaded, LocalBase(loaded.base, loaded.request.form), prompts)


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
    """Search with what scores answers."""
    from trimtab.decode.base import LocalBase

    return loaded.search(method, LocalBase(loaded.base, loaded.request.form), _scorer(loaded), prompts)


def _scorer(loaded: _Loaded) -> Any:
    """Return what scores answers: what the caller gave, or else guide pairs, rewards and costs."""
    if loaded.scorer is not None:
        return loaded.scorer
    return loaded.request.guidance.scorer(loaded.guides, loaded.base, loaded.request.form)


def _emulated(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.steered import EmulatedBase

    request, pairs = loaded.request, pairs_of(loaded.guides)
    weights = request.weights or [request.settings.get("weight", 1.0)] * len(pairs)
    return _write(loaded, EmulatedBase(loaded.base, pairs, weights, request.form), prompts)


def _contrastive(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.steered import ContrastiveBase

    base = ContrastiveBase(loaded.base, loaded.guides[0], **loaded.request.settings, form=loaded.request.form)
    return _write(loaded, base, prompts)


def _reward_guided(loaded: _Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.steered import RewardGuidedBase

    base = RewardGuidedBase(loaded.base, _scorer(loaded), **loaded.request.settings, form=loaded.request.form)
    return _write(loaded, base, prompts)


METHODS: Mapping[str, _Method] = {
    "sample": _Method((), "none", _sample),
    "best_of_n": _Method(("samples",), "pair", _best_of_n, scores=True),
    "cbs": _Method(("width", "samples", "chunk", "finished"), "pair", _chunk_beam, scores=True),
    "eft": _Method(("weight",), "pair", _emulated),
    "contrastive": _Method(("alpha", "beta"), "amateur", _contrastive),
    "args": _Method(("candidates", "weight"), "pair", _reward_guided, scores=True),
    "deal": _Method(("width", "samples", "chunk", "look_ahead"), "pair", _deal, scores=True),
    "qalign": _Method(("steps", "beta", "truncated_law"), "pair", _qalign, scores=True),
}
"""Decode-time methods by name, with the settings that each has."""
_UNSCORED = ("sample", "eft", "contrastive", "args")
