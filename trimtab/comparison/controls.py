"""The controls that run beside the methods: what they are called, what their student is told, what they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Control:
    """A student that shows what may explain a method's score."""

    letter: str
    words: str
    told: Literal["weak labels", "ground truth", "nothing"]
    """What its student is trained on."""
    meaning: str
    """What it shows, for the report."""
    usual: bool = True
    """Whether it runs where an experiment file does not name its controls."""


CONTROLS: Mapping[str, Control] = MappingProxyType(
    {
        "flipped_truth": Control(
            "a",
            "flipped truth",
            "ground truth",
            "the strong model on ground truth, flipped at random at the weak labels' per-class accuracy: "
            "what averaging out label noise gives by itself",
        ),
        "weak_on_weak": Control(
            "b",
            "weak on weak",
            "weak labels",
            "a fresh weak model on the weak labels: more data without more strength",
        ),
        "weak_on_truth": Control(
            "c",
            "weak on truth",
            "ground truth",
            "the weak model on the ground truth of the transfer split",
        ),
        "zero_shot": Control(
            "d",
            "zero-shot",
            "nothing",
            "the strong model asked directly, without any training",
        ),
        "trivial_imitation": Control(
            "e",
            "trivial imitation",
            "weak labels",
            "the strong model on the weak labels, with the supervisor's answer written into every text: "
            "what is left where copying the supervisor is as easy as reading",
            usual=False,
        ),
    }
)
"""Every control by its name in results.json."""
USUAL = tuple(name for name, one in CONTROLS.items() if one.usual)
"""Those of `controls: true`."""
