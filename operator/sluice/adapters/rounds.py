"""The board of metric rounds: at most one in flight for each Rollout, the newest answer kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from sluice.core.plan import Ask, Query
from sluice.core.readings import Answer, Reason, Round, Unknown
from sluice.ports import Clock, Key

log = logging.getLogger(__name__)

Values = tuple[tuple[str, Answer], ...]


class Source(Protocol):
    """Where answers come from."""

    def ask(
        self, source: str, queries: tuple[Query, ...], timeout_seconds: float, /
    ) -> Awaitable[Values]:
        """The answer to each query by its name."""
        ...


class RoundBoard:
    """Satisfies `sluice.ports.Rounds`. `on_ready` is called when a round has its answers, and
    before it `heard` with the source's name and these.
    """

    def __init__(
        self,
        source: Source,
        clock: Clock,
        on_ready: Callable[[Key], None],
        *,
        heard: Callable[[str, Values], None] = lambda *_: None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._on_ready = on_ready
        self._heard = heard
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._latest: dict[Key, Round] = {}
        self._since: dict[Key, tuple[str, datetime]] = {}

    def submit(self, key: Key, ask: Ask) -> None:
        """Start the round, unless one is in flight or this one is answered already."""
        last = self._latest.get(key)
        answered = last is not None and (last.release, last.tick) == (ask.release, ask.tick)
        if answered or key in self._running:
            return
        self._running[key] = asyncio.create_task(self._run(key, ask), name=f"round of {key}")

    def latest(self, key: Key) -> Round | None:
        """The newest finished round of the Rollout."""
        return self._latest.get(key)

    def forget(self, key: Key) -> None:
        """Drop the newest round, and the one that is under way."""
        self._latest.pop(key, None)
        self._since.pop(key, None)
        task = self._running.pop(key, None)
        if task is not None:
            task.cancel()

    def new_term(self) -> None:
        """Another process may have led meanwhile: what was read before says nothing now."""
        for key in {*self._latest, *self._since, *self._running}:
            self.forget(key)

    async def _run(self, key: Key, ask: Ask) -> None:
        asked_at = self._clock.now()
        release, since = self._since.get(key, ("", asked_at))
        if release != ask.release:
            since = asked_at
        self._since[key] = (ask.release, since)
        try:
            values = await self._source.ask(ask.source, ask.queries, ask.timeout_seconds)
        except Exception:
            # A bug in a source must look like a source that is down, not like one that is slow.
            log.exception("%s: asking %s failed", key, ask.source)
            unknown = Unknown(Reason.UNREACHABLE, "asking failed, see the operator's log")
            values = tuple((query.name, unknown) for query in ask.queries)
        finally:
            # After `forget` the place may hold the task of a newer round.
            if self._running.get(key) is asyncio.current_task():
                del self._running[key]
        done = Round(ask.release, ask.tick, asked_at, values, since)
        self._latest[key] = done
        self._heard(ask.source, values)
        self._on_ready(key)
