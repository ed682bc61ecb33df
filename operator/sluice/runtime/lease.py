"""Leader election by a lease: one record that whoever leads renews by compare-and-swap.

Two rules keep two leaders apart, and neither compares clocks of two machines:

- A leader's *term* ends `renew_seconds` after it has *sent* its last renewal that succeeded.
- A follower takes the record over when it has not seen it change for `lease_seconds`, counted from
  when it *received* the state that it knows, and only if it is still in that very state.

A renewal is received by nobody before it is sent, so between the end of a term and the next one
there are at least `lease_seconds - renew_seconds`, however long requests take, whichever replies
are lost, and as long as no clock runs 1.5 times as fast as another (with 15 s and 10 s).

The rules are those of client-go's leaderelection; that one exits where this one goes on as a
follower, and this one does not write after its term.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

log = logging.getLogger(__name__)


# Where our clock and the event loop's differ, a wait would else end in ever smaller ones.
_TICK_SECONDS: Final = 0.01


class Refused(Exception):
    """The record is not in the state that the write was made from, or is there already."""


class Unanswered(Exception):
    """No answer, or the store is in trouble. A write may have been done all the same."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What the record says. An empty holder: nobody's.

    `transitions` counts for people how often it has changed hands.
    """

    holder: str
    duration_seconds: float
    transitions: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A state of the record; `version` is another one after every write, whoever made it.

    `acquired` is since when the holder has it, in the store's own words.
    """

    lease: Lease
    version: str
    acquired: str = ""


class LeaseStore(Protocol):
    """Where the record is kept. Every method raises Refused or Unanswered."""

    async def read(self) -> Seen | None:
        """The record as it is now, no older than this call; None when there is none."""
        ...

    async def create(self, lease: Lease) -> Seen:
        """Make the record. Refused when there is one."""
        ...

    async def replace(self, lease: Lease, before: Seen) -> Seen:
        """Write over that very state of the record. Refused when it is in another."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """client-go's defaults. Each request gets `request_seconds`: three fit into a term."""

    lease_seconds: float = 15.0
    renew_seconds: float = 10.0
    retry_seconds: float = 2.0
    request_seconds: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.retry_seconds < self.renew_seconds < self.lease_seconds:
            raise ValueError("it must be 0 < retry < renew < lease")

    @classmethod
    def of(cls, lease_seconds: float) -> Timing:
        """All of them in the proportions of the defaults."""
        part = lease_seconds / 15.0
        return cls(lease_seconds, 10.0 * part, 2.0 * part, 3.0 * part)


class Candidate(Protocol):
    """What stands for election. The two are called in turn, and must not wait."""

    def lead(self) -> None:
        """The term has begun."""
        ...

    def follow(self) -> None:
        """The term is over."""
        ...


def steady_seconds() -> float:
    """A clock that is never set and, where there is one, that also counts a machine's sleep.

    A process that wakes up after a minute's sleep must find its term over.
    """
    return time.clock_gettime(_STEADY)


_STEADY: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Term:
    """For how long this process may write; asked right before each write."""

    def __init__(self, clock: Callable[[], float] = steady_seconds) -> None:
        self._clock = clock
        self._ends_at = -math.inf

    def now(self) -> float:
        """The time of its clock, in seconds."""
        return self._clock()

    @classmethod
    def endless(cls) -> Term:
        """The term of a process that has no rival."""
        term = cls()
        term.extend(math.inf)
        return term

    @property
    def left_seconds(self) -> float:
        """How much of it is left; 0 when it is over."""
        return max(0.0, self._ends_at - self._clock())

    def valid(self) -> bool:
        """Whether it is not over."""
        return self._clock() < self._ends_at

    def extend(self, until: float) -> None:
        """It ends at that time of its clock, or later if it did already."""
        self._ends_at = max(self._ends_at, until)

    def end(self) -> None:
        """It is over now."""
        self._ends_at = -math.inf


class Elector:
    """Stands for election again and again, and tells the candidate.

    `identity` must be another one for each process: who finds its own name on the record goes on
    with it.
    """

    def __init__(
        self,
        store: LeaseStore,
        identity: str,
        term: Term,
        candidate: Candidate,
        timing: Timing | None = None,
    ) -> None:
        self._store = store
        self._identity = identity
        self._term = term
        self._candidate = candidate
        self._timing = timing or Timing()
        # The newest state of the record, and when this process received it first.
        self._seen: Seen | None = None
        self._seen_at = term.now()

    async def run(self) -> None:
        """Until cancelled. The term is over then, but the record is only given up by `release`."""
        while True:
            await self._stand()
            log.info("Leading, as %s.", self._identity)
            try:
                self._candidate.lead()
                await self._keep()
            finally:
                self._term.end()
                self._candidate.follow()
            log.warning("Not leading any more; following.")

    async def release(self) -> None:
        """Leave the record to nobody if it is ours, so that another one need not wait.

        For after `run` was cancelled and all that had been begun to be written has ended. Never
        raises: what is not released runs out by itself.
        """
        self._term.end()
        try:
            async with asyncio.timeout(self._timing.request_seconds):
                seen = await self._store.read()
                if seen is None or seen.lease.holder != self._identity:
                    return
                nobody = replace(seen.lease, holder="", duration_seconds=1.0)
                await self._store.replace(nobody, seen)
        except (Refused, Unanswered, TimeoutError) as error:
            log.warning("The lease was not released and has to run out: %r", error)
        else:
            log.info("Released the lease.")

    # --- as a follower

    async def _stand(self) -> None:
        """Returns with a valid term."""
        told = ""
        while True:
            try:
                async with asyncio.timeout(self._timing.request_seconds):
                    if await self._look():
                        await self._claim()
            except (Refused, TimeoutError) as error:
                log.debug("Not elected: %r", error)
            except Unanswered as error:
                # A missing permission would else be a silent wait for ever.
                log.log(logging.DEBUG if str(error) == told else logging.WARNING, "%s", error)
                told = str(error)
            if self._term.valid():
                return
            await asyncio.sleep(self._pause_seconds())

    async def _look(self) -> bool:
        """Reads the record; returns whether it is free to be taken."""
        found = await self._store.read()
        if found is not None:
            self._saw(found)
        # One that was deleted: who was seen leading may not know it yet.
        if self._expires_in_seconds() > 0:
            return False
        if found is None:
            self._seen = None
        return True

    def _saw(self, found: Seen) -> None:
        if self._seen is None or self._seen.version != found.version:
            self._seen, self._seen_at = found, self._term.now()

    def _expires_in_seconds(self) -> float:
        """How long the known state has to go unchanged until it counts as given up.

        The duration is the one that the holder wrote: ours may be another after an update.
        """
        if self._seen is None or self._seen.lease.holder in ("", self._identity):
            return 0.0
        return max(0.0, self._seen_at + self._seen.lease.duration_seconds - self._term.now())

    def _pause_seconds(self) -> float:
        """Until the next look: at most the retry period, at the expiry if that is sooner."""
        retry = self._timing.retry_seconds
        # Spread, and never longer: the time for a hand-over counts on it.
        pause = retry * random.uniform(0.8, 1.0)  # noqa: S311 - protects nothing
        left = self._expires_in_seconds()
        return max(_TICK_SECONDS, min(pause, left)) if left > 0 else pause

    # --- as a leader

    async def _keep(self) -> None:
        """Renews; returns when the term is over."""
        while self._term.valid():
            pause = min(self._timing.retry_seconds, self._term.left_seconds)
            await asyncio.sleep(max(_TICK_SECONDS, pause))
            limit = min(self._timing.request_seconds, self._term.left_seconds)
            try:
                async with asyncio.timeout(limit):
                    if not await self._renew():
                        return
            except (Refused, Unanswered, TimeoutError) as error:
                log.warning(
                    "The lease was not renewed (%.1f s left): %r", self._term.left_seconds, error
                )

    async def _renew(self) -> bool:
        """Returns False when somebody else holds the record."""
        try:
            await self._claim()
        except Refused:
            # Either somebody took it, or a renewal was done whose reply was lost.
            found = await self._store.read()
        else:
            return True
        if found is None:
            self._seen = None
        else:
            self._saw(found)
            if found.lease.holder != self._identity:
                log.warning("The lease is held by %s.", found.lease.holder or "nobody")
                return False
        await self._claim()
        return True

    # --- both

    async def _claim(self) -> None:
        """Writes our name over the state that is known. With success the term is extended."""
        mine = Lease(self._identity, self._timing.lease_seconds)
        seen, sent_at = self._seen, self._term.now()
        if seen is None:
            written = await self._store.create(mine)
        else:
            moved = seen.lease.holder != self._identity
            mine = replace(mine, transitions=seen.lease.transitions + moved)
            written = await self._store.replace(mine, seen)
        self._saw(written)
        self._term.extend(sent_at + self._timing.renew_seconds)


class Unopposed:
    """In the place of an Elector where the process has no rival: it leads from start to end."""

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate

    async def run(self) -> None:
        """Until cancelled."""
        self._candidate.lead()
        await asyncio.Event().wait()

    async def release(self) -> None:
        """There is nothing to release."""
