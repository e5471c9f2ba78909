"""Judge: what rewards and language models make of answers; the only stage that reads the gold reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.stages.embed import model_identity, reading_bytes
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Progress

JUDGED = "judged.parquet"
TOGETHER = 64
"""Answers that are read at once."""


@dataclass(frozen=True)
class JudgeAnswers(Stage):
    """Both rewards and two measures of fluency of every answer of one method and seed."""

    data: Stage
    split: Stage
    prompts: Stage
    answers: Stage
    proxy: Stage
    gold: Stage
    base: ModelSpec
    form: str

    kind: ClassVar[str] = "judge"
    version: ClassVar[int] = 1
    elastic: ClassVar[bool] = True

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {"base": model_identity(self.base), "form": self.form}

    @property
    def title(self) -> str:
        return f"judge: {self.answers.title}"

    @property
    def memory_bytes(self) -> int:
        return 2 * reading_bytes(self.base)

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `judged.parquet`: id, gold and proxy (log-odds in nats), base_nats, tokens, ngram_nats, words, text."""
        from trimtab.decode.batched import read_rows
        from trimtab.metrics.ngram import NGram
        from trimtab.stages.search.guide import texts_of
        from trimtab.stages.search.models import rewards_of
        from trimtab.stages.search.prompts import PROMPTS, read_prompts
        from trimtab.stages.tables import write_table

        prompts, _ = read_prompts(inputs["prompts"], PROMPTS)
        rows = read_rows(inputs["answers"])
        whole = [prompt.text + row.text for prompt, row in zip(prompts, rows, strict=True)]
        answers = [Answer(row.text, row.ids, row.ended) for row in rows]
        words = NGram(texts_of(inputs, "transfer"))
        counted = [words.log_probability(row.text, prompt.text) for prompt, row in zip(prompts, rows, strict=True)]
        nats, tokens = read_by(self.base, prompts, answers, self.form, progress)
        columns = {
            "id": [one.prompt for one in rows],
            "gold": rewards_of(inputs["gold"], whole),
            "proxy": rewards_of(inputs["proxy"], whole),
            "base_nats": nats,
            "tokens": tokens,
            "ngram_nats": [found for found, _ in counted],
            "words": [count for _, count in counted],
            "ended": [row.ended for row in rows],
            "text": [row.text for row in rows],
        }
        write_table(out / JUDGED, columns)
        return {"answers": len(rows), "tokens": sum(tokens)}


def read_by(
    spec: ModelSpec, prompts: Sequence[Prompt], answers: Sequence[Answer], form: str, progress: Progress
) -> tuple[list[float], list[int]]:
    """Return the summed log-probability in nats of each answer under a model, and how many tokens it has there.

    Where the answer was written in this model's tokens, these are read, the ending one included.
    """
    from trimtab.decode.language_model import language_model
    from trimtab.decode.scorers.reader import TextReader, TokenReader

    model = language_model(spec)
    nats: list[float] = []
    tokens: list[int] = []
    for start in range(0, len(prompts), TOGETHER):
        some, read = prompts[start : start + TOGETHER], answers[start : start + TOGETHER]
        kind = TokenReader if all(one.ids is not None for one in read) else TextReader
        reader = kind(model, some, form, Compute())
        nats += reader.read(range(len(some)), read).tolist()
        tokens += reader.lengths()
        progress(len(nats), len(prompts))
    return nats, tokens
