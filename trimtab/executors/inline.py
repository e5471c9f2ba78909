"""A crew of one: this process."""

from __future__ import annotations

from collections.abc import Callable

from trimtab.executors.attempt import attempt
from trimtab.executors.crew import Event, Job
from trimtab.executors.needs import Needs
from trimtab.store import Store


class Inline:
    """Performs one job at a time here; a loaded model stays between stages."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._job: Job = ()

    def room(self) -> int:
        """Return 1 where nothing is begun."""
        return 0 if self._job else 1

    def fits(self, needs: Needs) -> bool:
        """Say yes: nothing else runs here."""
        return True

    def start(self, job: Job, needs: Needs) -> None:
        """Remember what to do; it is done while somebody listens."""
        self._job = job

    def listen(self, hear: Callable[[Event], None]) -> None:
        """Perform the job, telling all of it."""
        attempt(self._job, self._store, hear)
        self._job = ()

    def close(self) -> None:
        """Forget what was not done."""
        self._job = ()
