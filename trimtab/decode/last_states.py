"""The hidden state of the last token of texts that grow, each token run once: what a value function reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.decode.answer import Compute
from trimtab.decode.language_model import LanguageModel
from trimtab.decode.sequences import Sequences


class LastStates(Sequences):
    """Rows of text in a model without its head, last tokens run too; at first every row is empty."""

    def __init__(self, model: LanguageModel, rows: int, compute: Compute, role: str) -> None:
        super().__init__(model, [[model.pad_id]] * rows, compute, role)  # waits, and is never run
        self._texts: list[list[int]] = [[] for _ in range(rows)]
        width = model.model.config.get_text_config().hidden_size
        self._states = torch.zeros(rows, width, device=model.device)

    def follow(self, texts: Sequence[list[int]]) -> Float[Tensor, "rows hidden"]:
        """Make these, of at least one token, the rows' texts; return the state of each one's last token in float32.

        Only what a row does not hold yet is run; a text that is a beginning of the row's has its last token run again.
        """
        kept = [_kept(old, new) for old, new in zip(self._texts, texts, strict=True)]
        self.kept.crop(self._tensor(kept))
        chunks = [text[count:] for text, count in zip(texts, kept, strict=True)]
        found = self._run(chunks, logits=False)
        self._texts = [list(text) for text in texts]
        if found is not None:
            new = [row for row, chunk in enumerate(chunks) if chunk]
            self._states = self._states.clone()
            self._states[new] = found[new, [len(chunks[row]) - 1 for row in new]].float()
        return self._states

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may be taken more than once."""
        super().select(rows)
        self._texts = [self._texts[row] for row in rows]
        self._states = self._states[self._tensor(list(rows))]

    def _count(self, tokens: int) -> None:
        self._compute.add(self._role, tokens, self.model.body_parameters)


def _kept(old: list[int], new: list[int]) -> int:
    """Return how many first tokens need not be run again.

    >>> _kept([1, 2, 3], [1, 2, 3, 4]), _kept([1, 2, 3], [1, 9]), _kept([1, 2, 3], [1, 2]), _kept([1, 2], [1, 2])
    (3, 1, 1, 2)
    """
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    return common if common < len(new) or len(old) == len(new) else len(new) - 1
