"""Made-up sentences about one of a few topics, for tests and for trying things out in seconds.

    slot = neutral word                          with probability neutral, else a cue
    cue  = word of the item's own topic          with probability 1 - difficulty
           word of a topic drawn from all        with probability difficulty

At difficulty 0 every cue tells the class, at 1 none does. Real words, so that pretrained models can use what
they know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trimtab.digest import digest_of, settings_of
from trimtab.types import Items

GENERATOR_VERSION = 1
"""Raised whenever equal settings would give other items."""

TOPICS = {
    "weather": "thunder fog drizzle storm cloud frost breeze hail sunshine snowfall",
    "cooking": "onion butter skillet simmer garlic flour oven pepper recipe broth",
    "music": "violin melody drummer chorus piano rhythm concert singer guitar tune",
    "sport": "goalkeeper tackle stadium sprint referee racket league coach medal striker",
    "sea": "harbour anchor sailor tide reef lighthouse whale dock wave captain",
    "garden": "tulip shovel hedge compost seedling lawn rose orchard pruning weed",
    "money": "invoice salary bank loan budget tax coin interest payment debt",
    "space": "planet comet rocket orbit telescope asteroid galaxy astronaut lunar meteor",
}
NEUTRAL = (
    "the a one some this that then later again maybe often near behind under old new small large people they "
    "she he saw heard found thought about into with after before while during morning evening street house "
    "door letter friend"
)


@dataclass(frozen=True)
class Synthetic:
    """Generated sentences whose topic is the class; simulated data, never a result about the world."""

    items: int = 600
    """Number of items."""
    classes: int = 2
    """Number of classes, 2 to 8."""
    shares: tuple[float, ...] | None = None
    """Probability of each class before label noise; none = equal."""
    difficulty: float = 0.3
    """Probability that a cue word is drawn from all topics instead of the item's own, in [0, 1]."""
    neutral: float = 0.5
    """Probability that a word belongs to no topic, in [0, 1)."""
    label_noise: float = 0.0
    """Probability that the gold class is replaced by another one, drawn evenly, in [0, 1]."""
    words: int = 14
    """Words per text."""
    group_size: int = 1
    """Items per group; the items of a group open with the same three words."""
    data_seed: int = 0
    """Seed of the generator: another seed, other items."""
    prompt: str = "Text: {text} Topic of the text:"
    """How a causal model is asked; holds `{text}` once and ends where the answer would begin."""

    kind: ClassVar[str] = "synthetic"

    def __post_init__(self) -> None:
        if not 2 <= self.classes <= len(TOPICS):
            raise ValueError(f"classes must be 2 to {len(TOPICS)}, found {self.classes}")
        if self.items < 1 or self.group_size < 1 or self.words < 4:
            raise ValueError("items and group_size must be at least 1, words at least 4")
        if not (0 <= self.difficulty <= 1 and 0 <= self.label_noise <= 1 and 0 <= self.neutral < 1):
            raise ValueError("difficulty and label_noise must be in [0, 1], neutral in [0, 1)")
        if self.shares is not None and (len(self.shares) != self.classes or min(self.shares) <= 0):
            raise ValueError(f"shares must be {self.classes} positive numbers, found {list(self.shares)}")

    def read(self) -> Items:
        """Return the generated items."""
        # a stream each, so that the noise, say, changes neither the words nor the topics
        streams = [np.random.Generator(np.random.PCG64([self.data_seed, number])) for number in range(4)]
        draw_class, draw_words, draw_openings, draw_noise = streams
        shares = np.array(self.shares or [1.0] * self.classes)
        topic = draw_class.choice(self.classes, size=self.items, p=shares / shares.sum())
        neutral = NEUTRAL.split()
        openings = draw_openings.integers(len(neutral), size=(self.items, 3))
        texts: list[str] = []
        for index, draws in enumerate(draw_words.random((self.items, self.words, 4)).tolist()):
            words = self._words(draws, neutral, topic[index])
            if self.group_size > 1:
                words[:3] = [neutral[k] for k in openings[index // self.group_size]]
            texts.append(" ".join(words))
        shift = draw_noise.integers(1, self.classes, size=self.items)
        noisy = draw_noise.random(self.items) < self.label_noise
        return Items(
            ids=tuple(f"synthetic-{index:06d}" for index in range(self.items)),
            texts=tuple(texts),
            gold=np.where(noisy, (topic + shift) % self.classes, topic),
            classes=self._class_names(),
            groups=tuple(f"group-{index // self.group_size:06d}" for index in range(self.items)),
            prompt=self.prompt,
            notes=("The texts are generated: this is simulated data.",),
        )

    def fingerprint(self) -> str:
        """Return a digest of the settings and of the version of the generator."""
        return digest_of({"generator": GENERATOR_VERSION, "settings": settings_of(self)})

    def _class_names(self) -> tuple[str, ...]:
        return tuple(TOPICS)[: self.classes]

    def _words(self, draws: Sequence[Sequence[float]], neutral: Sequence[str], topic: int) -> list[str]:
        # four numbers per word whatever the settings, so that another difficulty changes only what it must
        vocabulary = [TOPICS[name].split() for name in self._class_names()]
        found: list[str] = []
        for is_neutral, is_astray, astray, place in draws:
            words = vocabulary[int(astray * self.classes) if is_astray < self.difficulty else topic]
            if is_neutral < self.neutral:
                words = neutral
            found.append(words[int(place * len(words))])
        return found
