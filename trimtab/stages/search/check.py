"""Check: does the guide pair prefer what the proxy reward prefers, among answers that the base model writes?

A search can only be as good as its guide: published re-tests show it falling below the base model with poor ones
(Guo et al. 2025, W2S-AlignTree; its own tables, second-hand). Nothing of the gold reward is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.decode.answer import Compute
from trimtab.stages.embed import model_identity, reading_bytes
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Progress

SAMPLES = 8
"""Answers of the base model to each development prompt."""
TOGETHER = 16
"""Prompts that are answered at once."""


@dataclass(frozen=True)
class CheckGuide(Stage):
    """The guide's score beside the proxy reward, on answers of the base model to development prompts."""

    prompts: Stage
    base: ModelSpec
    guides: tuple[Stage, ...]
    pair: tuple[ModelSpec, ...]
    proxy: Stage
    form: str
    max_new_tokens: int
    seed: int = 0

    kind: ClassVar[str] = "check"
    version: ClassVar[int] = 1
    elastic: ClassVar[bool] = True

    @cached_property
    def settings(self) -> dict[str, Any]:
        models = {"base": model_identity(self.base), "pair": [model_identity(one) for one in self.pair]}
        return models | {name: getattr(self, name) for name in ("form", "max_new_tokens", "seed")}

    @property
    def title(self) -> str:
        return "check the guide"

    @property
    def memory_bytes(self) -> int:
        return reading_bytes(self.base) + 2_000_000_000

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `check.parquet`: id, sample, guide (log-ratio in nats) and proxy (log-odds in nats) of each answer."""
        from trimtab.decode.base import LocalBase
        from trimtab.decode.sampling import Sampling
        from trimtab.decode.scorers.log_ratio import LogRatio
        from trimtab.decode.search import ChunkSearch, search
        from trimtab.stages.search.models import guides_of, language_model_of, rewards_of
        from trimtab.stages.search.prompts import DEVELOPMENT, read_prompts
        from trimtab.stages.tables import write_table

        prompts, related = read_prompts(inputs["prompts"], DEVELOPMENT)
        base = language_model_of(self.base)
        tuned, untuned = guides_of(inputs, self.pair)
        scorer = LogRatio(tuned, untuned, base, self.form)
        settings = ChunkSearch(SAMPLES, 1, None, max_new_tokens=self.max_new_tokens)
        ids, texts, scores, groups = [], [], [], []
        for start in range(0, len(prompts), TOGETHER):
            some = prompts[start : start + TOGETHER]
            kept = search(LocalBase(base, self.form), scorer, some, settings, Sampling(), self.seed, Compute())
            for prompt, group, found in zip(some, related[start : start + TOGETHER], kept, strict=True):
                ids += [prompt.id] * len(found)
                groups += [group] * len(found)
                texts += [prompt.text + one.answer.text for one in found]
                scores += [one.score for one in found]
            progress(len(ids), SAMPLES * len(prompts))
        rewards = rewards_of(inputs["proxy"], texts)
        write_table(out / "check.parquet", {"id": ids, "related": groups, "guide": scores, "proxy": rewards})
        return {"answers": len(ids)}
