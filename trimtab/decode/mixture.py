"""Rows of text in several models of one vocabulary, whose logits are mixed into one next-token distribution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy

from jaxtyping import Float, Int
from torch import Tensor

from trimtab.decode.language_model import LanguageModel, same_vocabulary
from trimtab.decode.sequences import Sequences
from trimtab.errors import UsageError


class Mixture(ABC):
    """Several models that read the same tokens; a subclass says how their logits become one."""

    def __init__(self, members: Sequence[Sequences]) -> None:
        """`members` hold the same rows, the base model first. Raises UsageError where token ids differ in meaning."""
        self.members = list(members)
        for one in self.members[1:]:
            require_same_vocabulary(self.members[0].model, one.model)

    def __len__(self) -> int:
        return len(self.members[0])

    @abstractmethod
    def mixed(self, logits: Sequence[Float[Tensor, "rows vocabulary"]]) -> Float[Tensor, "rows vocabulary"]:
        """Return the mixed log-probabilities, normalised, from the members' logits."""

    def logits(self) -> Float[Tensor, "rows vocabulary"]:
        """Return the mixed log-probabilities of each row's next token."""
        return self.mixed([one.logits().float() for one in self.members])

    def append(self, tokens: Int[Tensor, "rows"]) -> None:
        """Take these as the next tokens."""
        for one in self.members:
            one.append(tokens)

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        for one in self.members:
            one.select(rows)

    def fork(self, rows: Sequence[int]) -> Mixture:
        """Return a copy of these rows that goes its own way."""
        found = copy(self)
        found.members = [one.fork(rows) for one in self.members]
        return found


def require_same_vocabulary(base: LanguageModel, guide: LanguageModel) -> None:
    """Raise UsageError unless every token id means the same to both models."""
    if not same_vocabulary(base, guide):
        raise UsageError(
            f"{guide.name} and {base.name} have different token ids, so that their logits cannot be mixed; use a guide "
            "with the base model's tokenizer, or a method that scores text (chunk_beam, best_of_n, deal, qalign)"
        )
