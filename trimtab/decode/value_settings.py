"""How a search study learns a value function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ValueSettings:
    """Rollouts of the base model and whose hidden state is read. Raises ValueError for a value out of range."""

    prompts: int = 200
    """Beginnings of the proxy's texts that the base model goes on from, at least 10."""
    samples: int = 4
    """Rollouts of each."""
    chunk: int = 5
    """Tokens between the points at which the value is learnt."""
    reads: Literal["guide", "base"] = "guide"
    """Whose hidden state it reads: the untuned guide's, which is cheap, or the base model's own."""

    def __post_init__(self) -> None:
        for name, least in (("prompts", 10), ("samples", 1), ("chunk", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, found {getattr(self, name)}")
