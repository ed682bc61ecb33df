"""A work queue of keys: never an event, never the same key twice, never one key in two workers.

A key that is added while it waits is worked once; added while it is being worked, once more
afterwards. A short delay makes one pass of a burst of events. Work that raises is tried again after
a growing delay. All times are the event loop's; all methods belong to its thread.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Generic, TypeVar

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing to do until the key is added again."""


@dataclass(frozen=True, slots=True)
class AgainIn:
    """Work the key again after so many seconds, or earlier when it is added."""

    seconds: float


Outcome = Done | AgainIn


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after the n-th error in a row: doubling, at most `most_seconds`."""

    least_seconds: float = 0.2
    most_seconds: float = 30.0

    def seconds(self, errors: int) -> float:
        """The delay after that many errors in a row, with jitter of up to a quarter."""
        # The exponent is bounded: 2.0 ** 2000 is an OverflowError.
        full = min(self.most_seconds, self.least_seconds * 2.0 ** min(errors - 1, 30))
        return full * random.uniform(0.75, 1.0)  # noqa: S311 - spreads load, protects nothing


K = TypeVar("K", bound=Hashable)

# While a key fails, events bring it back no sooner than this: its own writes cause events, too.
FAILING_PAUSE_SECONDS = 1.0
# What is due within this is due: a timer may go off a rounding error too early.
_TICK_SECONDS = 1e-3


class WorkQueue(Generic[K]):
    """Calls `work(key)` for every key added, on at most `workers` keys at a time.

    Errors of the `expected` types are told in one line; any other is a bug and logged with its
    traceback.
    """

    def __init__(
        self,
        work: Callable[[K], Awaitable[Outcome]],
        *,
        workers: int = 8,
        coalesce_seconds: float = 0.03,
        backoff: Backoff | None = None,
        expected: tuple[type[Exception], ...] = (),
    ) -> None:
        self._work = work
        self._workers = workers
        self._coalesce_seconds = coalesce_seconds
        self._backoff = backoff or Backoff()
        self._expected = expected
        self._due: dict[K, float] = {}
        # Entries whose time is not the one in `_due` are outdated and skipped.
        self._heap: list[tuple[float, int, K]] = []
        self._order = count()
        self._running: dict[K, asyncio.Task[None]] = {}
        self._errors: dict[K, int] = {}
        self._not_before: dict[K, float] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._held = False

    @property
    def depth(self) -> int:
        """How many keys should have been started by now."""
        now = _now()
        return sum(1 for when in self._due.values() if when <= now)

    @property
    def busy(self) -> int:
        """How many keys are being worked."""
        return len(self._running)

    def add(self, key: K) -> None:
        """Work the key soon."""
        soon = _now() + self._coalesce_seconds
        self.add_at(key, max(soon, self._not_before.get(key, soon)))

    def add_at(self, key: K, when: float) -> None:
        """Work the key at that time of the event loop's clock; the earliest time given wins."""
        if when >= self._due.get(key, float("inf")):
            return
        self._due[key] = when
        self._push(key)

    async def run(self, grace_seconds: float = 1.0) -> None:
        """Work until `stop`; what runs then is given the grace period and cancelled."""
        try:
            while not self._stopping:
                self._wake.clear()
                await self._wait(self._start_due())
            if self._running:
                await asyncio.wait(self._running.values(), timeout=grace_seconds)
        finally:
            rest = list(self._running.values())
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

    def hold(self) -> None:
        """Start nothing until `resume`, and cancel what runs; its keys are due then, too."""
        self._held = True
        for key, task in self._running.items():
            self._due[key] = _now()
            task.cancel()

    def resume(self) -> None:
        """Go on: what has become due meanwhile is started, each key once."""
        self._held = False
        self._wake.set()

    def stop(self) -> None:
        """Start nothing more."""
        self._stopping = True
        self._wake.set()

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _push(self, key: K) -> None:
        # A running key is pushed when it ends.
        if key not in self._running:
            heapq.heappush(self._heap, (self._due[key], next(self._order), key))
            self._wake.set()

    def _start_due(self) -> float | None:
        """Start what is due; returns the seconds until the next one is, None when none waits."""
        while self._heap and len(self._running) < self._workers and not self._held:
            when, _, key = self._heap[0]
            if self._due.get(key) != when or key in self._running:
                heapq.heappop(self._heap)
            elif (seconds := when - _now()) > _TICK_SECONDS:
                return seconds
            else:
                heapq.heappop(self._heap)
                del self._due[key]
                task = asyncio.create_task(self._run_one(key), name=f"work {key}")
                self._running[key] = task
                # Not in the task: one that is cancelled before its first step runs no code at all.
                task.add_done_callback(partial(self._ended, key))
        return None

    async def _run_one(self, key: K) -> None:
        try:
            outcome = await self._work(key)
        except Exception as error:  # noqa: BLE001 - one key's bug must not stop all the others
            self._failed(key, error)
        else:
            self._errors.pop(key, None)
            self._not_before.pop(key, None)
            if isinstance(outcome, AgainIn):
                self.add_at(key, _now() + max(0.0, outcome.seconds))

    def _ended(self, key: K, _: asyncio.Task[None]) -> None:
        del self._running[key]
        if key in self._due:
            self._push(key)
        self._wake.set()

    def _failed(self, key: K, error: Exception) -> None:
        errors = self._errors[key] = self._errors.get(key, 0) + 1
        seconds = self._backoff.seconds(errors)
        expected = isinstance(error, self._expected)
        log.warning(
            "%s: %s; again in %.1f s",
            key,
            error if expected else repr(error),
            seconds,
            exc_info=None if expected else error,
        )
        now = _now()
        self._not_before[key] = now + min(seconds, FAILING_PAUSE_SECONDS)
        # An event that came in while it failed does not make it sooner.
        self._due[key] = max(
            self._not_before[key], min(self._due.get(key, float("inf")), now + seconds)
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
