"""Decode-time methods: a frozen model is steered while it writes, one method per file, all on one token loop.

The names below are imported when they are first used:

    import trimtab as tt
    base, tuned, untuned = (tt.decode.load(name) for name in ("./large", "./small-tuned", "./small"))
    guide = tt.decode.LogRatio(tuned, untuned, base)
    answers = tt.decode.ChunkBeam(width=4, samples=4, chunk=5)(base, guide, ["The film was"])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trimtab.decode.answer import Compute, Prompt
    from trimtab.decode.api.base import ApiBase
    from trimtab.decode.api.settings import ApiSettings
    from trimtab.decode.base import LocalBase
    from trimtab.decode.chunk_beam import ChunkBeam, Indifferent, best_of_n, sample
    from trimtab.decode.deal import Deal
    from trimtab.decode.language_model import language_model as load
    from trimtab.decode.qalign import QAlign
    from trimtab.decode.sampling import Sampling
    from trimtab.decode.scorers.log_ratio import LogRatio
    from trimtab.decode.scorers.scorer import TextScorer

_HOMES = {
    "ApiBase": "api.base",
    "ApiSettings": "api.settings",
    "ChunkBeam": "chunk_beam",
    "Compute": "answer",
    "Deal": "deal",
    "Indifferent": "chunk_beam",
    "LocalBase": "base",
    "LogRatio": "scorers.log_ratio",
    "Prompt": "answer",
    "QAlign": "qalign",
    "Sampling": "sampling",
    "TextScorer": "scorers.scorer",
    "best_of_n": "chunk_beam",
    "load": "language_model",
    "sample": "chunk_beam",
}
_OTHER_NAMES = {"load": "language_model"}
"""What a name is called at home; a function cannot be called like the module beside it."""

__all__ = [
    "ApiBase", "ApiSettings", "ChunkBeam", "Compute", "Deal", "Indifferent", "LocalBase", "LogRatio", "Prompt",
    "QAlign", "Sampling", "TextScorer", "best_of_n", "load", "sample",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'trimtab.decode' has no attribute {name!r}")
    value = getattr(import_module(f"trimtab.decode.{_HOMES[name]}"), _OTHER_NAMES.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, also those that were not used yet."""
    return __all__
