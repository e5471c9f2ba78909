"""A guide pair made from nothing but a model, texts and a reward: a shallow cut that reads, then learns preferences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.digest import settings_of
from trimtab.fit.preference_settings import Preference
from trimtab.models.fresh_settings import Fresh
from trimtab.schedules.generative import Generative
from trimtab.stages.embed import MODEL, model_identity, reading_bytes
from trimtab.stages.stage import Stage
from trimtab.types import ModelSpec, Progress

PAIRS_FILE = "pairs.parquet"
CONTEXT = 512
"""Longest text that a guide reads when it is made, and longest input of one made from nothing, in tokens."""
TOGETHER = 32
"""Prompts that are answered at once."""


@dataclass(frozen=True)
class TrainUntuned(Stage):
    """A small model, fitted to the texts of the proxy's split by next-token prediction."""

    data: Stage
    split: Stage
    spec: ModelSpec | None
    """The model whose lowest blocks it has; none where it is made from nothing."""
    blocks: int
    fresh: Fresh | None
    reading: Generative

    kind: ClassVar[str] = "train"
    version: ClassVar[int] = 2

    @cached_property
    def settings(self) -> dict[str, Any]:
        chosen = {"reading": settings_of(self.reading), "role": "untuned guide"}
        if self.spec is None:
            return chosen | {"fresh": settings_of(self.fresh)}
        return chosen | {"blocks": self.blocks, "model": model_identity(self.spec)}

    @property
    def title(self) -> str:
        if self.spec is None:
            return f"untuned guide: a fresh model of {self.fresh.blocks if self.fresh else 0} blocks"
        return f"untuned guide: {self.blocks} blocks of {self.spec.model}"

    @property
    def memory_bytes(self) -> int:
        return 2_000_000_000 if self.spec is None else 4 * reading_bytes(self.spec)

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the folder `model`; goes on from the last checkpoint under `work`."""
        from trimtab.fit.generative import read_texts
        from trimtab.models.quiet import quiet

        texts = texts_of(inputs, "supervisor")
        model, tokenizer = self._begun(texts)
        with quiet():
            model.save_pretrained(work / "begun")
            tokenizer.save_pretrained(work / "begun")
        del model
        spec = ModelSpec(str(work / "begun"), precision="fp32", max_tokens=CONTEXT)
        texts = [text + (tokenizer.eos_token or "") for text in texts]
        found = read_texts(spec, texts, self.reading, work / "fit", out / MODEL, progress)
        return found | {"model": self.title, **sizes(out / MODEL)}

    def _begun(self, texts: Sequence[str]) -> tuple[Any, Any]:
        """Return the model before it has read, and its tokenizer."""
        from trimtab.models.fresh import fresh_model
        from trimtab.models.shallow import shallow

        if self.spec is not None:
            return shallow(self.spec, self.blocks)
        assert self.fresh is not None
        return fresh_model(texts, self.fresh, CONTEXT)


def sizes(folder: Path) -> dict[str, int]:
    """Return how many weights a causal model has, and how many beside the tables of embeddings."""
    from trimtab.decode.language_model import language_model

    model = language_model(ModelSpec(str(folder), precision="fp32"))
    return {"parameters": model.parameters, "body_parameters": model.body_parameters}


def texts_of(inputs: Mapping[str, Path], part: str) -> list[str]:
    """Return the texts of one split."""
    from trimtab.stages.tables import read_table, rows_of, strings

    items = read_table(inputs["data"] / "items.parquet", ["id", "text"])
    members = read_table(inputs["split"] / "membership.parquet")
    wanted = [one for one, side in zip(strings(members, "id"), strings(members, "split"), strict=True) if side == part]
    texts = strings(items, "text")
    return [texts[row] for row in rows_of(strings(items, "id"), wanted)]


@dataclass(frozen=True)
class WritePairs(Stage):
    """Two answers of the untuned guide to each prompt, and which of them a judge of the proxy reward prefers."""

    prompts: Stage
    untuned: Stage
    proxy: Stage
    pairs: int
    max_new_tokens: int
    seed: int = 0

    kind: ClassVar[str] = "pairs"
    version: ClassVar[int] = 1
    elastic: ClassVar[bool] = True

    @property
    def title(self) -> str:
        return f"write {self.pairs:,} pairs"

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write `pairs.parquet`: prompt, tokens and texts of the preferred and the other answer, and their rewards.

        Which is preferred is drawn: P(first) = sigmoid(r_first - r_second), the Bradley-Terry law of the rewards.
        """
        import numpy as np

        from trimtab.decode.draws import table
        from trimtab.stages.search.models import language_model_of, rewards_of
        from trimtab.stages.search.prompts import PAIRS, read_prompts
        from trimtab.stages.tables import write_table

        known, _ = read_prompts(inputs["prompts"], PAIRS)
        asked = [again(known[number % len(known)], number // len(known)) for number in range(self.pairs)]
        writer = language_model_of(inputs["untuned"] / MODEL)
        written = two_answers(writer, asked, self.max_new_tokens, self.seed, progress)
        texts = [prompt.text + answer.text for prompt, two in zip(asked, written, strict=True) for answer in two]
        rewards = rewards_of(inputs["proxy"], texts).reshape(-1, 2)
        drawn = table(self.seed, [one.id for one in asked], [0] * len(asked), 1, "preference")[:, 0]
        best = np.where(drawn < 1 / (1 + np.exp(rewards[:, 1] - rewards[:, 0])), 0, 1)
        columns: dict[str, Any] = {
            "prompt": [one.text for one in asked],
            "prompt_ids": [writer.prompt_ids(one.text, "plain") for one in asked],
        }
        for name, side in (("chosen", best), ("rejected", 1 - best)):
            answers = [two[one] for two, one in zip(written, side, strict=True)]
            columns |= {name: [one.text for one in answers], f"{name}_ids": [list(one.ids or ()) for one in answers]}
            columns[f"{name}_reward"] = rewards[np.arange(len(rewards)), side]
        write_table(out / PAIRS_FILE, columns)
        higher = float((columns["chosen_reward"] >= columns["rejected_reward"]).mean())
        return {"pairs": self.pairs, "prompts": len(known), "preferred_has_higher_reward": higher}


@dataclass(frozen=True)
class TrainTuned(Stage):
    """The untuned guide after direct preference optimisation on the pairs."""

    untuned: Stage
    pairs: Stage
    preference: Preference
    seed: int = 0

    kind: ClassVar[str] = "train"

    @property
    def title(self) -> str:
        return "tuned guide: preferences"

    @property
    def memory_bytes(self) -> int:
        return 3_000_000_000

    def run(self, inputs: Mapping[str, Path], out: Path, work: Path, progress: Progress) -> dict[str, Any]:
        """Write the folder `model`; goes on from the last checkpoint under `work`."""
        from trimtab.fit.preference import TokenPair, prefer
        from trimtab.stages.tables import read_table

        table = read_table(inputs["pairs"] / PAIRS_FILE, ["prompt_ids", "chosen_ids", "rejected_ids"])
        columns = [table[name].to_pylist() for name in table.column_names]
        pairs = [TokenPair(tuple(one), tuple(best), tuple(other)) for one, best, other in zip(*columns, strict=True)]
        told = [one for one in pairs if one.chosen and one.rejected and one.chosen != one.rejected]
        spec = ModelSpec(str(inputs["untuned"] / MODEL), precision="fp32")
        found = prefer(spec, told, self.preference, self.seed, work, out / MODEL, progress)
        return found | {"left_out": len(pairs) - len(told), "model": self.title}


def again(prompt: Prompt, time: int) -> Prompt:
    """Return a prompt that is asked once more, with random numbers of its own."""
    return Prompt(f"{prompt.id}#{time}" if time else prompt.id, prompt.text)


def two_answers(
    writer: Any, asked: Sequence[Prompt], max_new_tokens: int, seed: int, progress: Progress
) -> list[Sequence[Answer]]:
    """Return two sampled answers to each prompt."""
    from trimtab.decode.base import LocalBase
    from trimtab.decode.chunk_beam import Indifferent
    from trimtab.decode.sampling import Sampling
    from trimtab.decode.search import ChunkSearch, search

    settings = ChunkSearch(2, 1, None, max_new_tokens=max_new_tokens)
    found: list[Sequence[Answer]] = []
    for start in range(0, len(asked), TOGETHER):
        some = asked[start : start + TOGETHER]
        kept = search(LocalBase(writer), Indifferent(), some, settings, Sampling(), seed, Compute())
        found += [[one.answer for one in two] for two in kept]
        progress(len(found), len(asked))
    return found
