"""What is asked of decoding: which base model answers by which method, steered by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trimtab.decode.guidance import Guidance, as_names
from trimtab.decode.methods import METHODS, Method
from trimtab.decode.reach import Place
from trimtab.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Request:
    """Which model answers by which method. Settings that a method does not know are refused."""

    base: str
    """Asset, folder, GGUF file or hub id of the frozen model, "vllm:" before it for vLLM, or the URL of an API."""
    method: str = "sample"
    """One of `METHODS`."""
    guide: str | Sequence[str] | None = None
    """TUNED:UNTUNED, a guide pair, or several; of `contrastive` the amateur alone."""
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

    @property
    def place(self) -> Place:
        """Where the base model is. Raises UsageError for settings that this place does not have."""
        return Place(self.base, self.model, self.base_settings)


def checked(request: Request) -> Method:
    """Return the method of a request. Raises UsageError where name, settings, guide or the base's place do not fit."""
    if request.method not in METHODS:
        raise UsageError(f"no decode-time method is called {request.method!r}.{did_you_mean(request.method, METHODS)}")
    if request.form not in ("plain", "chat"):
        raise UsageError(f'format is {request.form!r}; wanted "plain" or "chat"')
    method = METHODS[request.method]
    others = [name for name, one in METHODS.items() if one.needs is None]
    request.place.require(request.method, method.needs, others)
    unknown = [name for name in request.settings if name not in method.settings]
    if unknown:
        raise UsageError(
            f"{request.method} has no setting {unknown[0]}; it has {', '.join(method.settings) or 'none of its own'}"
        )
    _check_guidance(request, method)
    return method


def _check_guidance(request: Request, method: Method) -> None:
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
