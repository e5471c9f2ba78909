"""A list in which each distinct stage has one place."""

from __future__ import annotations

from collections.abc import Iterable

from trimtab.stages.stage import Stage


class Register:
    """Gives each distinct stage one position, in order of first use."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._position: dict[str, int] = {}

    def positions(self, stages: Iterable[Stage | None]) -> tuple[int, ...]:
        """Return the position of each stage, adding those that are new; none is left out."""
        return tuple(self._add(stage) for stage in stages if stage is not None)

    def _add(self, stage: Stage) -> int:
        if stage.digest not in self._position:
            self._position[stage.digest] = len(self.stages)
            self.stages.append(stage)
        return self._position[stage.digest]
