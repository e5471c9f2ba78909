"""Base models whose next-token logits are steered while they write."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.decode.answer import Compute, Prompt
from trimtab.decode.base import Forkable, LocalBase
from trimtab.decode.contrastive import Contrastive
from trimtab.decode.emulated import Emulated
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.mixture import require_same_vocabulary
from trimtab.decode.reward_guided import RewardGuided
from trimtab.decode.scorers.scorer import Scorer
from trimtab.decode.sequences import Sequences
from trimtab.errors import UsageError

GuidePair = tuple[LanguageModel, LanguageModel]
"""A tuned model and what it was tuned from."""


class _Mixed(LocalBase):
    """A base model beside guides that read the same tokens, each in its own form of the prompt."""

    guides: tuple[LanguageModel, ...] = ()

    def _members(self, ids: Sequence[list[int]], prompts: Sequence[Prompt], compute: Compute) -> list[Sequences]:
        for guide in self.guides:
            require_same_vocabulary(self.model, guide)
        members = [Sequences(self.model, ids, compute, "base")]
        for guide in self.guides:
            read = [guide.prompt_ids(prompt.text, self.form) for prompt in prompts]
            members.append(Sequences(guide, read, compute, "guide"))
        return members


class EmulatedBase(_Mixed):
    """A base model steered by guide pairs (`emulated.py`)."""

    def __init__(
        self, model: LanguageModel, pairs: Sequence[GuidePair], beta: Sequence[float], form: str = "plain"
    ) -> None:
        """`beta` has one weight per pair. Raises UsageError where it has not."""
        super().__init__(model, form)
        if len(beta) != len(pairs):
            raise UsageError(f"{len(beta)} weights were given for {len(pairs)} guide pairs; wanted one each")
        self.guides = tuple(guide for pair in pairs for guide in pair)
        self.beta = tuple(beta)

    def writer(self, ids: Sequence[list[int]], prompts: Sequence[Prompt], compute: Compute) -> Forkable:
        """Return rows of base and guides."""
        return Emulated(self._members(ids, prompts, compute), self.beta)


class ContrastiveBase(_Mixed):
    """A strong model against an amateur (`contrastive.py`)."""

    def __init__(
        self, model: LanguageModel, amateur: LanguageModel, alpha: float = 0.1, beta: float = 0.5, form: str = "plain"
    ) -> None:
        """Raises UsageError where alpha is not in [0, 1] or beta is negative."""
        super().__init__(model, form)
        if not 0 <= alpha <= 1 or beta < 0:
            raise UsageError(f"alpha is {alpha} and beta {beta}; wanted 0 <= alpha <= 1 and beta >= 0")
        self.guides = (amateur,)
        self.alpha, self.beta = alpha, beta

    def writer(self, ids: Sequence[list[int]], prompts: Sequence[Prompt], compute: Compute) -> Forkable:
        """Return rows of strong model and amateur."""
        return Contrastive(self._members(ids, prompts, compute), self.alpha, self.beta)


class RewardGuidedBase(LocalBase):
    """A base model whose likeliest tokens are weighed by a reward (`reward_guided.py`)."""

    def __init__(
        self, model: LanguageModel, scorer: Scorer, candidates: int = 10, weight: float = 1.0, form: str = "plain"
    ) -> None:
        """Raises UsageError where there are no candidates."""
        super().__init__(model, form)
        if candidates < 1:
            raise UsageError(f"candidates is {candidates}; wanted 1 or more")
        self.scorer, self.candidates, self.weight = scorer, candidates, weight

    def writer(self, ids: Sequence[list[int]], prompts: Sequence[Prompt], compute: Compute) -> Forkable:
        """Return rows of the base model beside the scorer's."""
        rows = Sequences(self.model, ids, compute, "base")
        return RewardGuided(rows, self.scorer.begin(prompts, compute), self.candidates, self.weight)
