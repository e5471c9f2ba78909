"""Answer prompts by a named decode-time method: what `trimtab generate` calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.methods import METHODS, Loaded
from trimtab.decode.request import Request, checked
from trimtab.types import ModelSpec

if TYPE_CHECKING:
    from trimtab.decode.language_model import LanguageModel
    from trimtab.decode.search import Scored

__all__ = ["METHODS", "Generated", "Request", "answer_by", "generate"]


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


def generate(request: Request, texts: Sequence[str]) -> list[Generated]:
    """Return one answer per prompt.

    Raises UsageError for what cannot be asked; ModelError where a model cannot be loaded; ApiError where a server
    fails.
    """
    from trimtab.decode.language_model import language_model
    from trimtab.decode.sampling import Sampling

    method = checked(request)
    sampling = Sampling(**request.sampling)
    writer, base = request.place.reach(request.form)
    guides = tuple(language_model(ModelSpec(name)) for name in request.guidance.models)
    loaded = Loaded(request, writer, base, guides, sampling, Compute())
    prompts = [Prompt(str(number), text) for number, text in enumerate(texts)]
    found = method.answer(loaded, prompts)
    cost = loaded.compute
    costs = (cost.tokens, cost.flops, cost.unpriced, cost.uncounted)
    return [Generated(one.answer.text, one.answer.ended, one.score if method.scored else None, *costs) for one in found]


def answer_by(
    request: Request, base: LanguageModel, guides: Sequence[LanguageModel], prompts: Sequence[Prompt], compute: Compute,
    scorer: Any = None,
) -> Sequence[Scored]:  # fmt: skip
    """Return one answer per prompt by models that are loaded; a scorer may stand in the place of the guide pair."""
    from trimtab.decode.base import LocalBase
    from trimtab.decode.sampling import Sampling

    writer, sampling = LocalBase(base, request.form), Sampling(**request.sampling)
    loaded = Loaded(request, writer, base, tuple(guides), sampling, compute, scorer)
    return METHODS[request.method].answer(loaded, prompts)
