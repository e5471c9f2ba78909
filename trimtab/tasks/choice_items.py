"""Questions with answers of their own, as items.

    place of a choice = its rank by sha256(seed, question, choice) within its item        gold = place of the right one

so that a place says nothing about truth. The classes are the places of the item with most choices: "choice 1", ...
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from trimtab.types import Array, Items

READS = "{question} {choice}"
"""How question and choice become what a model reads, where a task does not say otherwise."""


@dataclass(frozen=True)
class Question:
    """One item as the data set has it."""

    question: str
    choices: tuple[str, ...]
    """All different, two at the least, in any order."""
    answer: int
    """Which of `choices` is right."""
    group: str | None = None
    id: str | None = None
    split: str | None = None

    def places(self, seed: int) -> list[int]:
        """Return the positions of `choices` in the order in which the item has them."""
        keys = [hashlib.sha256("\0".join((str(seed), self.question, one)).encode()).digest() for one in self.choices]
        return sorted(range(len(keys)), key=keys.__getitem__)


def items_of_questions(
    questions: Sequence[Question],
    reads: str = READS,
    seed: int = 0,
    slices: Mapping[str, Float[Array, "items"]] | None = None,
    notes: tuple[str, ...] = (),
) -> Items:
    """Return questions as items: the text shows question and choices, and a model reads the question with each choice.

    Of equal questions with equal choices but different answers none is kept, and a note says how many they were.
    """
    kept = _without_conflicts(questions)
    asked = [questions[row] for row in kept]
    if len(asked) < len(questions):
        notes = (*notes, _conflict_note(len(questions) - len(asked)))
    orders = [one.places(seed) for one in asked]
    choices = [tuple(one.choices[i] for i in order) for one, order in zip(asked, orders, strict=True)]
    ids = _ids(asked)
    return Items(
        ids=tuple(ids),
        texts=tuple(shown(one.question, its) for one, its in zip(asked, choices, strict=True)),
        gold=np.array([order.index(one.answer) for one, order in zip(asked, orders, strict=True)], np.int64),
        classes=tuple(f"choice {place + 1}" for place in range(max(map(len, choices), default=0))),
        groups=tuple(one.group or f"alone: {name}" for one, name in zip(asked, ids, strict=True)),
        splits=tuple(one.split or "" for one in asked) if any(one.split for one in asked) else None,
        slices={name: np.asarray(values, dtype=np.float64)[kept] for name, values in (slices or {}).items()},
        choices=tuple(
            tuple(filled(reads, one.question, choice) for choice in its)
            for one, its in zip(asked, choices, strict=True)
        ),
        notes=notes,
    )


def shown(question: str, choices: Sequence[str]) -> str:
    """Return what a person reads: the question, then every choice with the number of its place.

    >>> shown("1 + 1 =", ("3", "2"))
    '1 + 1 =\\n\\n[1] 3  [2] 2'
    """
    return question + "\n\n" + "  ".join(f"[{place + 1}] {choice}" for place, choice in enumerate(choices))


def filled(reads: str, question: str, choice: str) -> str:
    """Return what a model reads of one choice; braces inside the two stay as they are.

    >>> filled("Q: {question} A: {choice}", "is it {choice}?", "yes")
    'Q: is it {choice}? A: yes'
    """
    before, after = reads.split("{question}")
    parts = [part.replace("{choice}", choice) for part in (before, after)]
    return question.join(parts)


def check_reads(reads: str) -> None:
    """Raise ValueError unless the pattern holds `{question}` and `{choice}` once each."""
    if reads.count("{question}") != 1 or reads.count("{choice}") != 1:
        raise ValueError(f'reads must hold "{{question}}" and "{{choice}}" exactly once each, found {reads!r}')


def as_one_class(items: Items) -> Items:
    """Return items of choices as of one class, since no split can lack a place; others as they are."""
    if items.choices is None:
        return items
    return replace(items, gold=np.zeros(len(items.ids), np.int64), classes=("any choice",), choices=None)


def _without_conflicts(questions: Sequence[Question]) -> list[int]:
    answers: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    keys = [(one.question, tuple(sorted(one.choices))) for one in questions]
    for key, one in zip(keys, questions, strict=True):
        answers.setdefault(key, set()).add(one.choices[one.answer])
    return [row for row, key in enumerate(keys) if len(answers[key]) == 1]


def _conflict_note(count: int) -> str:
    return f"{count} items were left out because another one has the same question and choices and a different answer."


def _ids(questions: Sequence[Question]) -> list[str]:
    """Return the data set's own ids, or some made from what is asked; neither order nor answer enters them."""
    ids: list[str] = []
    seen: dict[str, int] = {}
    for one in questions:
        content = "\0".join((one.question, *sorted(one.choices), one.group or "", one.split or ""))
        key = one.id or hashlib.sha256(content.encode()).hexdigest()[:16]
        seen[key] = seen.get(key, 0) + 1
        ids.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
    return ids
