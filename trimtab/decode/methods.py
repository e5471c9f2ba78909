"""Decode-time methods by name: what each wants, and how it answers with models that are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.guidance import pairs_of

if TYPE_CHECKING:
    from trimtab.decode.base import Base
    from trimtab.decode.language_model import LanguageModel
    from trimtab.decode.request import Request
    from trimtab.decode.sampling import Sampling
    from trimtab.decode.search import Scored


@dataclass(frozen=True)
class Method:
    """What a method wants, and what answers by it."""

    settings: tuple[str, ...]
    guide: str
    """"pair", "amateur" or "none"."""
    answer: Callable[[Loaded, Sequence[Prompt]], Sequence[Scored]]
    scores: bool = False
    """Whether any scorer will do."""
    needs: str | None = None
    """What it needs of the base model beside text: "logits", "tokens" or nothing."""
    scored: bool = True
    """Whether its answers have a score."""
    home: str | None = None
    """module:Class of its settings, where it has some that can be checked before models are loaded."""
    fixed: tuple[tuple[str, Any], ...] = ()
    """Settings of that class that make it this method."""


@dataclass(frozen=True)
class Loaded:
    """A request with its models."""

    request: Request
    writer: Base
    base: LanguageModel | None
    """The model whose tokens the writer's answers hold; None where they are text. Here in this process, where the
    method needs more."""
    guides: tuple[LanguageModel, ...]
    """Tuned 1, untuned 1, tuned 2, ..., or the amateur."""
    sampling: Sampling
    compute: Compute
    scorer: Any = None
    """What scores in the place of guides, rewards and costs."""

    def search(self, method: Any, base: Any, scorer: Any, prompts: Sequence[Prompt]) -> Sequence[Scored]:
        """Answer by a search over a base."""
        return method(base, scorer, prompts, self.request.seed, self.compute)

    @property
    def common(self) -> dict[str, Any]:
        """Settings that all searches share."""
        return {"max_new_tokens": self.request.max_new_tokens, "sampling": self.sampling}

    def chosen_by(self) -> Any:
        """Return what scores answers: what the caller gave, or else guide pairs, rewards and costs."""
        if self.scorer is not None:
            return self.scorer
        return self.request.guidance.scorer(self.guides, self.base, self.request.form)

    def here(self) -> LanguageModel:
        """Return the base model of a method that needs it in this process."""
        assert self.base is not None, "the place of the base model was checked"
        return self.base


def _sample(loaded: Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    return _write(loaded, loaded.writer, prompts)


def _write(loaded: Loaded, base: Any, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    """Write one answer per prompt from a base that may be steered."""
    from trimtab.decode.chunk_beam import ChunkBeam, Indifferent

    return loaded.search(ChunkBeam(1, 1, None, **loaded.common), base, Indifferent(), prompts)


def _chunk_beam(loaded: Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.chunk_beam import ChunkBeam

    return _guided(loaded, ChunkBeam(**loaded.request.settings, **loaded.common), prompts)


def _best_of_n(loaded: Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.chunk_beam import ChunkBeam

    count = loaded.request.settings.get("samples", 4)
    return _guided(loaded, ChunkBeam(1, count, None, **loaded.common), prompts)


def _deal(loaded: Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.deal import Deal

    return _guided(loaded, Deal(**loaded.request.settings, **loaded.common), prompts)


def _qalign(loaded: Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.qalign import QAlign

    return _guided(loaded, QAlign(**loaded.request.settings, **loaded.common), prompts)


def _guided(loaded: Loaded, method: Any, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    """Search with what scores answers."""
    return loaded.search(method, loaded.writer, loaded.chosen_by(), prompts)


def _emulated(loaded: Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.steered import EmulatedBase

    request, pairs = loaded.request, pairs_of(loaded.guides)
    weights = request.weights or [request.settings.get("weight", 1.0)] * len(pairs)
    return _write(loaded, EmulatedBase(loaded.here(), pairs, weights, request.form), prompts)


def _contrastive(loaded: Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.steered import ContrastiveBase

    base = ContrastiveBase(loaded.here(), loaded.guides[0], **loaded.request.settings, form=loaded.request.form)
    return _write(loaded, base, prompts)


def _reward_guided(loaded: Loaded, prompts: Sequence[Prompt]) -> Sequence[Scored]:
    from trimtab.decode.steered import RewardGuidedBase

    base = RewardGuidedBase(loaded.here(), loaded.chosen_by(), **loaded.request.settings, form=loaded.request.form)
    return _write(loaded, base, prompts)


_CHUNKS = "chunk_beam:ChunkBeam"

METHODS: Mapping[str, Method] = {
    "sample": Method((), "none", _sample, scored=False),
    "best_of_n": Method(
        ("samples",), "pair", _best_of_n, scores=True, home=_CHUNKS, fixed=(("width", 1), ("chunk", None))
    ),
    "cbs": Method(("width", "samples", "chunk", "finished"), "pair", _chunk_beam, scores=True, home=_CHUNKS),
    "eft": Method(("weight",), "pair", _emulated, needs="logits", scored=False),
    "contrastive": Method(("alpha", "beta"), "amateur", _contrastive, needs="logits", scored=False),
    "args": Method(("candidates", "weight"), "pair", _reward_guided, scores=True, needs="logits", scored=False),
    "deal": Method(("width", "samples", "chunk", "look_ahead"), "pair", _deal, scores=True, home="deal:Deal"),
    "qalign": Method(
        ("steps", "beta", "truncated_law"), "pair", _qalign, scores=True, needs="tokens", home="qalign:QAlign"
    ),
}
"""Decode-time methods by name, with the settings that each has."""
