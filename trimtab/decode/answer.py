"""What decoding hands from hand to hand: prompts, answers that may be unfinished, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Prompt:
    """One prompt."""

    id: str
    """Stable name: random streams and resumed runs go by it."""
    text: str


def as_prompts(prompts: Sequence[Prompt | str]) -> list[Prompt]:
    """Return prompts of which some may be plain texts; these are named by their place.

    >>> as_prompts(["a", Prompt("second", "b")])
    [Prompt(id='0', text='a'), Prompt(id='second', text='b')]
    """
    return [Prompt(str(place), one) if isinstance(one, str) else one for place, one in enumerate(prompts)]


@dataclass(frozen=True)
class Answer:
    """An answer, or its beginning."""

    text: str = ""
    ids: tuple[int, ...] | None = ()
    """Its tokens in the base model, the ending one included; None where the base model is reached by text only."""
    ended: bool = False
    """Whether the base model really ended it; an answer that ran out of room has not ended."""


@dataclass
class Compute:
    """Tokens that went through models and what that costs."""

    tokens: dict[str, int] = field(default_factory=dict)
    """By role ("base", "guide", "reward"), as run: what is kept is not run again."""
    flops: float = 0.0
    """Forward floating-point operations: 2 x parameters x tokens, summed over models of known size."""
    unpriced: dict[str, int] = field(default_factory=dict)
    """By role, those of the tokens that `flops` leaves out, because nobody says how large their model is."""
    uncounted: int = 0
    """Replies of servers that did not say how many tokens they took: these are in no other number."""

    def add(self, role: str, tokens: int, parameters: int | None) -> None:
        """Count tokens of one model; None says that its size is not known."""
        self.tokens[role] = self.tokens.get(role, 0) + tokens
        if parameters is None:
            self.unpriced[role] = self.unpriced.get(role, 0) + tokens
        else:
            self.flops += 2.0 * parameters * tokens
