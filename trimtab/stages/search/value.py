"""Value: what reward a beginning may expect, learnt from rollouts of the base model and the proxy reward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.decode.value_settings import ValueSettings
from trimtab.digest import settings_of
from trimtab.stages.embed import model_identity, reading_bytes
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Progress

TOGETHER = 32
"""Prompts that are answered at once."""


@dataclass(frozen=True)
class TrainValue(Stage):
    """A value function of the proxy reward, for blockwise controlled decoding."""

    prompts: Stage
    base: ModelSpec
    guides: tuple[Stage, ...]
    pair: tuple[ModelSpec, ...]
    proxy: Stage
    value: ValueSettings
    form: str
    max_new_tokens: int
    seed: int = 0

    kind: ClassVar[str] = "train"
    version: ClassVar[int] = 1
    elastic: ClassVar[bool] = True

    @cached_property
    def settings(self) -> dict[str, Any]:
        models = {"base": model_identity(self.base), "pair": [model_identity(one) for one in self.pair]}
        named = {name: getattr(self, name) for name in ("form", "max_new_tokens", "seed")}
        return models | named | {"value": settings_of(self.value), "role": "value"}

    @property
    def title(self) -> str:
        return f"value function, {self.value.prompts * self.value.samples:,} rollouts"

    @property
    def memory_bytes(self) -> int:
        return reading_bytes(self.base) + 2_000_000_000

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the value function's folder."""
        from trimtab.decode.base import LocalBase
        from trimtab.decode.rollouts import rollouts
        from trimtab.decode.value import fit_value
        from trimtab.stages.search.models import classifier_of, guides_of, language_model_of
        from trimtab.stages.search.prompts import PAIRS, read_prompts

        base = language_model_of(self.base)
        prompts = read_prompts(inputs["prompts"], PAIRS)[0][: self.value.prompts]
        reward = classifier_of(inputs["proxy"])
        found = []
        for start in range(0, len(prompts), TOGETHER):
            some = prompts[start : start + TOGETHER]
            asked = LocalBase(base, self.form)
            found += rollouts(asked, reward, some, self.value.samples, self.max_new_tokens, seed=self.seed)
            progress(start + len(some), len(prompts))
        model = guides_of(inputs, self.pair)[1] if self.value.reads == "guide" else base
        value = fit_value(found, base, model=model, form=self.form, chunk=self.value.chunk, seed=self.seed)
        value.save(out)
        fit = value.fit
        told = {"r_squared": fit.r_squared.to_json(), "prompts": fit.prompts, "held_out_prompts": fit.held_out_prompts}
        return told | {"points": fit.points, "strength": fit.strength, "at_edge": fit.at_edge, "model": model.name}
