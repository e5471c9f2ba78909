"""Texts that one causal model goes on with or reads, each token run once.

The last token of every row waits: it is run together with what comes next, or when the next token is asked for. So a
text's last token is never run, rows that share a parent can share its run, and every logit that is made is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.decode.answer import Compute
from trimtab.decode.kept import Kept
from trimtab.decode.language_model import LanguageModel
from trimtab.errors import UsageError
from trimtab.models.logprobs import token_log_probabilities

_LOGITS_BYTES = 1 << 28
"""Of the logits that are held at once while texts are read."""


class Sequences:
    """Rows of text in one model, with kept keys and values; tokens that are run are counted under `role`."""

    def __init__(self, model: LanguageModel, prompts: Sequence[list[int]], compute: Compute, role: str) -> None:
        """Read prompts of at least one token. Raises UsageError for one that is longer than the context."""
        for one in prompts:
            if len(one) >= model.context:
                raise UsageError(
                    f"a prompt has {len(one):,} tokens, but {model.name} reads {model.context:,} with the answer; "
                    "shorten it, or use a model with a longer context"
                )
        self.model, self._compute, self._role = model, compute, role
        self.kept = Kept(len(prompts), model.layers, model.device)
        self.waiting: Int[Tensor, "rows"] = self._tensor([one[-1] for one in prompts])
        self._next: Float[Tensor, "rows vocabulary"] | None = None
        self._run([one[:-1] for one in prompts], logits=False)

    def __len__(self) -> int:
        return len(self.waiting)

    @torch.inference_mode()
    def logits(self) -> Float[Tensor, "rows vocabulary"]:
        """Return the logits of each row's next token."""
        if self._next is None:
            self._next = self._forward(self.waiting.unsqueeze(1), logits=True)[:, -1]
            self.kept.lengths += 1
            self._count(len(self))
        return self._next

    def append(self, tokens: Int[Tensor, "rows"]) -> None:
        """Take these as the next tokens, after `logits`."""
        assert self._next is not None, "logits() must be asked for before a token is appended"
        self.waiting, self._next = tokens.to(self.model.device), None

    @torch.inference_mode()
    def read(self, chunks: Sequence[list[int]]) -> list[list[float]]:
        """Append some tokens, or none, to each row and return their log-probabilities in nats, in float32.

        A row whose next logits are known does not run its last token again. No more logits are held than fit into
        256 MiB, or than one token a row makes.
        """
        if not any(chunks):
            return [[] for _ in chunks]
        texts = [[token, *chunk] for token, chunk in zip(self.waiting.tolist(), chunks, strict=True)]
        ids = self._padded(texts)[0]
        values: list[Tensor] = []
        if self._next is not None:
            values.append(token_log_probabilities(self._next.unsqueeze(1), ids[:, :2]))
            self.kept.lengths = self.kept.lengths - self._tensor([not chunk for chunk in chunks])  # waits again
        step = max(1, _LOGITS_BYTES // (4 * self.model.vocabulary * len(texts)))
        for start in range(len(values), ids.shape[1] - 1, step):
            logits = self._run([one[start : min(start + step, len(one) - 1)] for one in texts], logits=True)
            assert logits is not None
            values.append(token_log_probabilities(logits, ids[:, start : start + step + 1]))
        self.waiting, self._next = self._tensor([one[-1] for one in texts]), None
        found = torch.cat(values, 1).tolist()
        return [row[: len(chunk)] for row, chunk in zip(found, chunks, strict=True)]

    def take(self, chunks: Sequence[list[int]]) -> None:
        """Append some tokens, or none, to each row; how likely they are is not asked, which saves the head."""
        assert self._next is None, "a row whose next logits are known has no token that waits"
        texts = [[token, *chunk] for token, chunk in zip(self.waiting.tolist(), chunks, strict=True)]
        self._run([one[:-1] for one in texts], logits=False)
        self.waiting = self._tensor([one[-1] for one in texts])

    def rewind(self, texts: Sequence[list[int]]) -> None:
        """Go back to these beginnings, of at least one token, of what each row holds."""
        lengths = self._tensor([len(one) - 1 for one in texts])
        self.kept.crop(lengths)
        self.waiting, self._next = self._tensor([one[-1] for one in texts]), None

    @torch.inference_mode()
    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may be taken more than once."""
        if list(rows) == list(range(len(self))):
            return
        places = self._tensor(list(rows))
        self.kept.select(rows)
        self.waiting = self.waiting[places]
        self._next = None if self._next is None else self._next[places]

    def fork(self, rows: Sequence[int]) -> Sequences:
        """Return a copy of these rows that goes its own way."""
        found = copy(self)
        places = self._tensor(list(rows))
        found.kept, found.waiting = self.kept.fork(rows), self.waiting[places]
        found._next = None if self._next is None else self._next[places]
        return found

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
        known = self.model.model if logits else self.model.model.base_model
        mask = self.kept.expect(ids.shape[1])
        output = known(
            input_ids=ids,
            attention_mask=mask,
            # where another row has more new tokens than this one has room for, these are its filling
            position_ids=self.kept.positions.clamp_max(self.model.context - 1),
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
