"""A base model behind a server: it is asked for text, and scored here.

An answer goes on as text, `Answer.ids` is None, and every scorer that reads text can follow. What needs the base
model's tokens or logits cannot: eft, contrastive, args, qalign.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from threading import Event

from trimtab.decode.answer import Answer, Compute, Prompt
from trimtab.decode.api.connection import Connection
from trimtab.decode.api.endpoints import Reply
from trimtab.decode.api.settings import ApiSettings
from trimtab.decode.engine import Ask, EngineGrowth
from trimtab.decode.sampling import Sampling


class ApiBase:
    """A black box that goes on with text."""

    empty = Answer(ids=None)

    def __init__(self, settings: ApiSettings) -> None:
        """Raises UsageError where the client is not installed or the key is absent."""
        self.settings = settings
        self._connection = Connection(settings)

    def begin(
        self, prompts: Sequence[Prompt], sampling: Sampling, seed: int, room: int, compute: Compute
    ) -> EngineGrowth:
        """Return empty answers. Whether prompt and answer fit into the context is for the server to say."""
        return EngineGrowth(self, prompts, sampling, seed, room, compute, self.settings.per_request)

    def go_on(self, asks: Sequence[Ask], compute: Compute) -> list[list[Answer]]:
        """Ask for all, several at once. Raises ApiError at the first request that fails for good; what the others took
        is counted."""
        stopped = Event()
        pool = ThreadPoolExecutor(max_workers=max(1, min(self.settings.in_flight, len(asks))))
        try:
            futures = [pool.submit(self._connection.ask, ask, stopped) for ask in asks]
            done = wait(futures, return_when=FIRST_EXCEPTION).done
            failed = [one for one in futures if one in done and one.exception() is not None]
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)
        self._count(futures, compute)
        if failed:
            failed[0].result()
        return [one.result().answers for one in futures]

    def _count(self, futures: Sequence[Future[Reply]], compute: Compute) -> None:
        for one in futures:
            if one.cancelled() or one.exception() is not None:
                continue
            tokens = one.result().tokens
            if tokens is None:
                compute.uncounted += 1
            else:
                compute.add("base", tokens, self.settings.parameters)
