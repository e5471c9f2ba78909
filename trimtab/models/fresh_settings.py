"""The shape of a small causal model that is made from nothing."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_WIDTH = 32
"""Width of one attention head."""


@dataclass(frozen=True)
class Fresh:
    """The shape of a model that is made from nothing. Raises ValueError for a value out of range."""

    blocks: int = 2
    """Number of blocks, at least 1."""
    hidden: int = 128
    """Width, a multiple of 32."""
    vocabulary: int = 4000
    """Most tokens of the tokenizer, at least 300: 256 bytes and merges of them."""
    seed: int = 0
    """Names the random weights."""

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise ValueError(f"blocks must be at least 1, found {self.blocks}")
        if self.hidden < HEAD_WIDTH or self.hidden % HEAD_WIDTH:
            raise ValueError(f"hidden must be a multiple of {HEAD_WIDTH}, found {self.hidden}")
        if self.vocabulary < 300:
            raise ValueError(f"vocabulary must be at least 300, found {self.vocabulary}")
