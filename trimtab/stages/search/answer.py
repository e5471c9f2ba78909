"""Answer: every prompt by one method with one seed, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from trimtab.digest import settings_of
from trimtab.stages.embed import MODEL, model_identity, reading_bytes
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Progress

if TYPE_CHECKING:
    from trimtab.decode.answer import Compute, Prompt
    from trimtab.decode.batched import Answering
    from trimtab.decode.search import Scored

ROWS = 128
"""Answers that are written side by side: so many prompts share a batch as fill them."""


@dataclass(frozen=True)
class AnswerPrompts(Stage):
    """The answers of one method to all prompts of the study."""

    prompts: Stage
    base: ModelSpec
    guides: tuple[Stage, ...]
    """Tuned and untuned, where they are made here; none where the method needs no guide or `pair` names it."""
    pair: tuple[ModelSpec, ...]
    """Tuned and untuned, where they exist already."""
    reward: Stage | None
    """A classifier that scores in the place of the guide pair."""
    base_weights: Stage | None
    """A model made here that writes in the place of the base."""
    method: str
    method_settings: tuple[tuple[str, Any], ...]
    sampling: tuple[tuple[str, Any], ...]
    form: str
    max_new_tokens: int
    seed: int

    kind: ClassVar[str] = "answer"
    version: ClassVar[int] = 1
    elastic: ClassVar[bool] = True

    @cached_property
    def settings(self) -> dict[str, Any]:
        names = ("method", "method_settings", "sampling", "form", "max_new_tokens", "seed")
        chosen = {name: settings_of(getattr(self, name)) for name in names}
        models = {"base": model_identity(self.base), "pair": [model_identity(one) for one in self.pair]}
        return chosen | models | {"rows": ROWS}

    @property
    def title(self) -> str:
        told = ", ".join(f"{name} {value}" for name, value in self.method_settings)
        return f"answer by {self.method}{f' ({told})' if told else ''}, seed {self.seed}"

    @property
    def memory_bytes(self) -> int:
        return reading_bytes(self.base) + 2_000_000_000

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `answers.jsonl`, a line per prompt; what it took is in the facts, since no two runs take the same."""
        import shutil

        from trimtab.decode.batched import ANSWERS, answer_all
        from trimtab.stages.search.prompts import PROMPTS, read_prompts

        prompts, _ = read_prompts(inputs["prompts"], PROMPTS)
        answering = self._answering(inputs)
        rows, costs = answer_all(answering, prompts, self.batch, work, progress)
        shutil.copyfile(work / ANSWERS, out / ANSWERS)
        tokens = {role: sum(one.tokens.get(role, 0) for one in costs) for role in costs[0].tokens}
        return {
            "answers": len(rows),
            "tokens": sum(tokens.values()),
            "tokens_by_role": tokens,
            "flops": sum(one.flops for one in costs),
            "answering_seconds": sum(one.seconds for one in costs),
        }

    @property
    def batch(self) -> int:
        """How many prompts are answered side by side; fixed by the method alone."""
        chosen = dict(self.method_settings)
        kept = chosen.get("width", 4 if self.method == "cbs" else 2 if self.method == "deal" else 1)
        tried = chosen.get("samples", 4 if self.method in ("cbs", "best_of_n") else 2 if self.method == "deal" else 1)
        return max(1, ROWS // (kept * tried))

    def _answering(self, inputs: Mapping[str, Path]) -> Answering:
        from trimtab.decode.generate import Request, answer_by
        from trimtab.stages.search.models import guides_of, language_model_of, scorer_of

        own = inputs["base_weights"] / MODEL if "base_weights" in inputs else None
        base, guides = language_model_of(own or self.base), guides_of(inputs, self.pair)
        scorer = scorer_of(inputs["reward"], base, guides) if "reward" in inputs else None
        request = Request(
            self.base.model, self.method, None, self.form, self.seed, self.max_new_tokens, dict(self.sampling),
            dict(self.method_settings),
        )  # fmt: skip

        def answering(prompts: Sequence[Prompt], compute: Compute) -> Sequence[Scored]:
            found = answer_by(request, base, guides, prompts, compute, scorer)
            # the tokens of a model that is not the base may mean something else to the base
            return found if own is None else [replace(one, answer=replace(one.answer, ids=None)) for one in found]

        return answering
