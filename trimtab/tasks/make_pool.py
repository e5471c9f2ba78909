"""From positions among the candidates to the ids of a pool."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.tasks.membership import Pool
from trimtab.tasks.related import Candidates


def make_pool(
    found: Candidates,
    dropped: Mapping[str, int],
    test: list[int],
    train: list[int],
    unused: int,
    parts: dict[str, list[int]] | None = None,
) -> Pool:
    """Return the pool of these positions; `parts` are the supervisor and transfer split where they are
    fixed."""

    def named(members: list[int]) -> tuple[str, ...]:
        return tuple(found.ids[member] for member in members)

    return Pool(
        classes=found.classes,
        test=named(test),
        test_related=tuple(found.related[test].tolist()),
        train=named(train),
        train_gold=tuple(found.gold[train].tolist()),
        train_related=tuple(found.related[train].tolist()),
        dropped=dict(dropped),
        unused=unused,
        supervisor=named(parts["supervisor"]) if parts else None,
        transfer=named(parts["transfer"]) if parts else None,
    )
