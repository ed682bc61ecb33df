"""Requests through the Service: split over the ready pods of both versions, failing by chance.

The chance is seeded, so that the same scenario gives the same story.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import log, sqrt
from random import Random
from typing import Final

# From so many expected hits (and misses) on, the normal distribution is close enough.
_MANY: Final = 50


@dataclass(frozen=True, slots=True)
class Version:
    """How a version answers."""

    error_ratio: float = 0.0
    latency_seconds: float = 0.1


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests, and how many of them failed."""

    total: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.total + other.total, self.failed + other.failed)

    def __sub__(self, other: Counts) -> Counts:
        return Counts(self.total - other.total, self.failed - other.failed)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What both versions had answered in all by then."""

    at: datetime
    old: Counts
    new: Counts


@dataclass
class Traffic:
    """Requests at a steady rate to an old and a new version."""

    per_second: float
    old: Version
    new: Version
    chance: Random
    total_old: Counts = Counts()
    total_new: Counts = Counts()
    # Requests that no ready pod was there for.
    lost: int = 0
    _moments: list[_Moment] = field(default_factory=list)
    _rest: float = 0.0

    def flow(self, begin: datetime, end: datetime, old_ready: int, new_ready: int) -> None:
        """Lets requests come in for a while, in which so many pods are ready."""
        due = self._rest + self.per_second * (end - begin).total_seconds()
        number = int(due)
        self._rest = due - number
        ready = old_ready + new_ready
        if not ready:
            self.lost += number
            return
        to_new = binomial(self.chance, number, new_ready / ready)
        new = self._answered(to_new, self.new)
        old = self._answered(number - to_new, self.old)
        self.total_old += old
        self.total_new += new
        self._moments.append(_Moment(end, self.total_old, self.total_new))

    def within(self, now: datetime, window: timedelta) -> tuple[Counts, Counts]:
        """What the old and the new version answered in the window that ends now."""
        old, new = self.until(now - window)
        return self.total_old - old, self.total_new - new

    def until(self, instant: datetime) -> tuple[Counts, Counts]:
        """What the old and the new version have answered up to an instant."""
        number = bisect_right(self._moments, instant, key=lambda moment: moment.at)
        if not number:
            return Counts(), Counts()
        return self._moments[number - 1].old, self._moments[number - 1].new

    def _answered(self, number: int, version: Version) -> Counts:
        return Counts(number, binomial(self.chance, number, version.error_ratio))


def binomial(chance: Random, number: int, ratio: float) -> int:
    """How many of `number` independent events happen, each with this probability."""
    if number <= 0 or ratio <= 0:
        return 0
    if ratio >= 1:
        return number
    if ratio > 0.5:
        return number - binomial(chance, number, 1 - ratio)
    mean = number * ratio
    if mean > _MANY:
        drawn = round(chance.gauss(mean, sqrt(mean * (1 - ratio))))
        return max(0, min(number, drawn))
    # From hit to hit: the misses in between are geometrically distributed.
    hits, place, step = 0, 0, log(1 - ratio)
    while True:
        place += int(log(1 - chance.random()) / step) + 1
        if place > number:
            return hits
        hits += 1
