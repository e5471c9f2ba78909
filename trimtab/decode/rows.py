"""Rows of text in one causal model: new tokens are run with the kept keys and values of what came before."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from trimtab.decode.answer import Compute
from trimtab.decode.kept import Kept
from trimtab.decode.language_model import LanguageModel


class Rows:
    """Rows of one model; tokens that are run are counted under `role`."""

    def __init__(self, model: LanguageModel, rows: int, compute: Compute, role: str) -> None:
        self.model, self._compute, self._role = model, compute, role
        self.kept = Kept(rows, model.layers, model.device)

    @torch.inference_mode()
    def _run(self, chunks: Sequence[list[int]], logits: bool) -> Tensor | None:
        """Run tokens through the model and keep their keys and values; rows may have none."""
        if not any(chunks):
            return None
        ids, present = self._padded(chunks)
        found = self._forward(ids, logits)
        self.kept.lengths = self.kept.lengths + present.sum(1)
        self._count(int(present.sum()))
        return found

    def _forward(self, ids: Int[Tensor, "rows tokens"], logits: bool) -> Tensor:
        tokens = ids.shape[1]
        known = self.model.model if logits else self.model.model.base_model
        output = known(
            input_ids=ids,
            attention_mask=self.kept.mask(tokens),
            # where another row has more new tokens than this one has room for, this one's are filling
            position_ids=self.kept.positions(tokens).clamp_max(self.model.context - 1),
            past_key_values=self.kept,
            use_cache=True,
        )
        return output.logits if logits else output.last_hidden_state

    def _count(self, tokens: int) -> None:
        self._compute.add(self._role, tokens, self.model.parameters)

    def _padded(self, chunks: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        longest = max(map(len, chunks))
        ids = [one + [self.model.pad_id] * (longest - len(one)) for one in chunks]
        present = [[1] * len(one) + [0] * (longest - len(one)) for one in chunks]
        return self._tensor(ids), self._tensor(present)

    def _tensor(self, values: Sequence[int] | Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=self.model.device)
