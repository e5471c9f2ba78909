"""What each stage of a plan is made for, in the words of the experiment file.

    supervisor minilm-l6, seed 0                            its own fit, its answers, the weak labels
    ceiling of smollm2-135m, seed 3
    method confidence (minilm-l6 -> smollm2-135m), seed 3   and what only the student of this method needs
    method naive (minilm-l6 -> smollm2-135m) and 3 more     without a seed: all of them

A stage of a supervisor is said to be its own and not that of every method that learns from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from trimtab.comparison.learning_curves import Curve
from trimtab.comparison.row import ConflictedRow, Row
from trimtab.plan.study import Plan
from trimtab.stages.stage import Stage

NAMED = 2
"""Purposes of one stage that are named; the others are counted."""


class Purposes:
    """Says of each stage of a plan, by digest, what it is for; looks when it is first asked."""

    def __init__(self, planned: Plan) -> None:
        self._compare = planned.compare

    def __call__(self, digest: str) -> str | None:
        """Return what a stage is for; none for one that serves the comparison alone."""
        served = self._served.get(digest)
        if served is None:
            return None
        seeds = {seed for ones in served.values() for seed in ones}
        who = "the whole study" if self._roots <= served.keys() else _some(list(served))
        return who + _seeds_said(sorted(seeds), len(self._compare.seeds))

    @cached_property
    def _served(self) -> dict[str, dict[str, set[int]]]:
        """By digest: whom a stage serves, and with which seeds."""
        found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for who, position, digests in self._uses():
            for digest in digests:
                found[digest][who].add(self._compare.seeds[position])
        return found

    @cached_property
    def _roots(self) -> set[str]:
        """Every supervisor and ceiling: what all of them need, whoever learns from them needs too."""
        return {who for row in self._compare.rows for who in (self._supervisor(row), self._ceiling(row))}

    def _uses(self) -> Iterator[tuple[str, int, set[str]]]:
        """Yield who needs what: a name, the position of a seed, and digests of stages."""
        compare = self._compare
        for position in range(len(compare.seeds)):
            for row in compare.rows:
                yield from self._of_row(row, position)
            for curve in compare.curves:
                own = _behind([compare.predictions[curve.supervisor[position]]])
                points = (*curve.weak_labels, *curve.ground_truth)
                needed = [compare.predictions[one.predictions[position]] for one in points]
                yield f"learning curve ({self._pair(curve)})", position, _behind(needed) - own

    def _of_row(self, row: Row, position: int) -> Iterator[tuple[str, int, set[str]]]:
        predictions, labels = self._compare.predictions, self._compare.labels
        own = _behind([predictions[row.weak_predictions[position]], labels[row.weak_labels[position]]])
        yield self._supervisor(row), position, own
        yield self._ceiling(row), position, _behind([predictions[row.ceiling_predictions[position]]])
        students = [predictions[row.student_predictions[position]], *(labels[one[position]] for one in _told(row))]
        if isinstance(row, ConflictedRow):
            students.append(predictions[row.without_conflict[position]])
        kind = "control" if row.control else "method"
        yield f"{kind} {row.method} ({self._pair(row)})", position, _behind(students) - own

    @cached_property
    def _names(self) -> dict[str, str]:
        """What each supervisor and student is called; with its place in the file where two have one name."""
        called = {key: name for key, name, _ in self._compare.learners}
        names = list(called.values())
        return {key: name if names.count(name) == 1 else f"{name} ({_place(key)})" for key, name in called.items()}

    def _supervisor(self, row: Row) -> str:
        return f"supervisor {self._names[row.weak]}"

    def _ceiling(self, row: Row) -> str:
        by = "" if row.ceiling_kind == "plain" else f" by {row.ceiling_kind}"
        return f"ceiling of {self._names[row.strong]}{by}"

    def _pair(self, one: Row | Curve) -> str:
        return f"{self._names[one.weak]} -> {self._names[one.strong]}"


def _told(row: Row) -> Sequence[tuple[int, ...]]:
    return [row.labels] if row.labels else []


def _place(key: str) -> str:
    """Return the place in the experiment file of a key such as w0 or s1."""
    return f"{'weak' if key[0] == 'w' else 'strong'}.{key[1:]}"


def _behind(stages: Iterable[Stage]) -> set[str]:
    """Return the digests of stages and of everything that they are made from."""
    found: set[str] = set()
    pending = list(stages)
    while pending:
        stage = pending.pop()
        if stage.digest not in found:
            found.add(stage.digest)
            pending += stage.inputs.values()
    return found


def _some(names: Sequence[str]) -> str:
    if len(names) <= NAMED:
        return " and ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"


def _seeds_said(seeds: Sequence[int], all_seeds: int) -> str:
    if len(seeds) == all_seeds > 1:
        return ""
    return f", seed{'s' if len(seeds) > 1 else ''} {', '.join(str(seed) for seed in seeds)}"
