"""What steers a request: guide pairs, reward models and cost models with their weights, as names before they load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trimtab.errors import UsageError
from trimtab.types import ModelSpec

if TYPE_CHECKING:
    from trimtab.decode.language_model import LanguageModel
    from trimtab.decode.scorers.scorer import Scorer
    from trimtab.decode.steered import GuidePair


@dataclass(frozen=True)
class Guidance:
    """Names of models, and one weight for each of guides, rewards and costs, in this order."""

    guides: tuple[str, ...] = ()
    """TUNED:UNTUNED each, or an amateur alone."""
    rewards: tuple[str, ...] = ()
    """Sequence-classification models of which more is better."""
    costs: tuple[str, ...] = ()
    """The same, of which less is better."""
    weights: tuple[float, ...] = ()
    """None at all: 1 each."""

    def __post_init__(self) -> None:
        parts = len(self.guides) + len(self.rewards) + len(self.costs)
        if self.weights and (len(self.weights) != parts or not all(map(math.isfinite, self.weights))):
            raise UsageError(
                f"the weights are {list(self.weights)} for {len(self.guides)} guides, {len(self.rewards)} rewards and "
                f"{len(self.costs)} costs; wanted one finite number each, in this order, or none at all"
            )

    @property
    def models(self) -> list[str]:
        """Names of the guides' models: tuned 1, untuned 1, tuned 2, ..., or the amateur."""
        return [name for guide in self.guides for name in _names(guide)]

    def fits(self, wanted: str, scored: bool) -> bool:
        """Say whether the guides are what a method wants: "pair" is one or more, beside which `scored` knows others."""
        parts = [len(_names(guide)) for guide in self.guides]
        if wanted == "pair":
            return set(parts) == {2} or (scored and not parts and bool(self.rewards or self.costs))
        return parts == ([1] if wanted == "amateur" else [])

    def scorer(self, guides: Sequence[LanguageModel], base: LanguageModel | None, form: str) -> Scorer:
        """Return what scores answers, the one part or the weighted sum of all, from the loaded models of the guides.

        Raises ModelError where a reward or cost model cannot be loaded.
        """
        from trimtab.decode.scorers.combined import WeightedSum
        from trimtab.decode.scorers.log_ratio import LogRatio
        from trimtab.decode.scorers.reward_model import RewardModel
        from trimtab.decode.sequence_classifier import sequence_classifier

        found: list[Scorer] = [LogRatio(tuned, untuned, base, form) for tuned, untuned in pairs_of(guides)]
        found += [RewardModel(sequence_classifier(ModelSpec(name)), form) for name in self.rewards]
        found += [RewardModel(sequence_classifier(ModelSpec(name)), form, cost=True) for name in self.costs]
        if len(found) == 1 and self.weights in ((), (1.0,)):
            return found[0]
        return WeightedSum(found, self.weights or [1.0] * len(found))


def pairs_of(guides: Sequence[LanguageModel]) -> list[GuidePair]:
    """Return guide pairs from tuned 1, untuned 1, tuned 2, ..."""
    return list(zip(guides[::2], guides[1::2], strict=True))


def as_names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return one name, several or none as a tuple.

    >>> as_names("a:b"), as_names(["a:b", "c:d"]), as_names(None)
    (('a:b',), ('a:b', 'c:d'), ())
    """
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)


def _names(guide: str) -> list[str]:
    return [name for name in guide.split(":") if name]
