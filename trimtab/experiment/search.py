"""A search study as one frozen value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from trimtab.decode.value_settings import ValueSettings
from trimtab.fit.preference_settings import Preference
from trimtab.fit.probe_settings import Probe
from trimtab.models.fresh_settings import Fresh
from trimtab.schedules.generative import Generative
from trimtab.tasks.splits import SplitSettings
from trimtab.types import ModelSpec

GUIDE_ALONE = "guide_alone"
"""The tuned guide by itself, sampled: what searching is worth beyond it."""
UNGUIDED = ("sample", GUIDE_ALONE)
Scorers = Literal["guide", "proxy", "value", "gold"]


@dataclass(frozen=True)
class SearchSplit:
    """How many items each part of a search study has; nothing is in two of them."""

    proxy: int
    """Items whose labels make the proxy reward; their texts make the guide."""
    gold: int
    """Items whose labels make the gold reward, which nothing but the evaluation reads."""
    prompts: int
    """Items whose beginnings are the prompts of the study."""
    development: int = 100
    """Items whose beginnings are the prompts on which the guide is checked."""
    split_seed: int = 0
    """Chooses who is in which part."""

    def __post_init__(self) -> None:
        for name in ("proxy", "gold", "prompts", "development"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1 item, found {getattr(self, name)}")

    def sizes(self) -> SplitSettings:
        """Return the same as splits of a task: the proxy's items supervise, the gold reward's are to transfer."""
        test = self.prompts + self.development
        return SplitSettings(self.proxy, self.gold, test, split_seed=self.split_seed)


@dataclass(frozen=True)
class MadeGuide:
    """A guide pair that the study makes: a small model reads the texts, then learns preferences."""

    model: ModelSpec | None = None
    """The model whose lowest blocks are taken."""
    blocks: int = 4
    """How many of the model's blocks the guide has."""
    fresh: Fresh | None = None
    """The shape of a model that is made from nothing, with tokens of its own, in the place of `model`."""
    pairs: int = 2000
    """Pairs of answers that are compared by the proxy reward."""
    read: Generative = field(default_factory=lambda: Generative(epochs=2, learning_rate=5e-4))
    """How the untuned guide reads."""
    prefer: Preference = field(default_factory=Preference)
    """How the tuned guide learns."""

    def __post_init__(self) -> None:
        for name in ("blocks", "pairs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        if (self.model is None) == (self.fresh is None):
            raise ValueError("a guide is made from a `model` that is cut, or is `fresh`; give one of the two")


@dataclass(frozen=True)
class GuidePair:
    """A guide pair that exists."""

    tuned: ModelSpec
    untuned: ModelSpec


@dataclass(frozen=True)
class Reward:
    """A classifier that is fitted to the labels of one part; its log-odds of the second class are the reward."""

    spec: ModelSpec
    fit: Probe


@dataclass(frozen=True)
class Decoder:
    """One method of a search study."""

    name: str
    method: str
    settings: tuple[tuple[str, Any], ...]
    scorer: Scorers | None
    """What chooses; none where nothing is chosen."""

    @property
    def guided(self) -> bool:
        """Whether it reads the guide pair."""
        return self.method not in UNGUIDED and self.scorer in (None, "guide")


@dataclass(frozen=True)
class SearchExperiment:
    """A whole search study as one value."""

    name: str
    task: Any
    split: SearchSplit
    base: ModelSpec
    """The frozen model that writes."""
    guide: MadeGuide | GuidePair
    proxy: Reward
    """The classifier that stands for what the guide's makers want."""
    gold: Reward
    """The classifier that judges."""
    methods: tuple[Decoder, ...]
    value: ValueSettings = field(default_factory=ValueSettings)
    """How a value function is learnt, where a method chooses by one."""
    prompt_words: int = 6
    form: str = "plain"
    max_new_tokens: int = 32
    sampling: tuple[tuple[str, Any], ...] = ()
    """temperature, top_k and top_p as they differ from plain sampling."""
    seeds: tuple[int, ...] = (0, 1)
    """Repetitions of the search; guide, rewards and prompts are the same in all of them."""
    text: str = ""

    def models(self) -> Iterator[tuple[str, ModelSpec]]:
        """Yield every model with its place in the file."""
        yield "base.model", self.base
        if isinstance(self.guide, MadeGuide):
            yield from [("guide.model", self.guide.model)] if self.guide.model else []
        else:
            yield "guide.tuned.model", self.guide.tuned
            yield "guide.untuned.model", self.guide.untuned
        yield "rewards.proxy.model", self.proxy.spec
        yield "rewards.gold.model", self.gold.spec
