"""Readings: what a source of metrics has answered, known or unknown.

An unknown value is never taken for a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Reason(StrEnum):
    """Why a value is not known; a closed list."""

    UNREACHABLE = "Unreachable"
    TIMEOUT = "Timeout"
    REFUSED = "Refused"
    TLS = "TLS"
    UNAUTHORIZED = "Unauthorized"
    BAD_QUERY = "BadQuery"
    EMPTY = "Empty"
    NOT_FINITE = "NotFinite"
    SEVERAL_SERIES = "SeveralSeries"
    WRONG_TYPE = "WrongType"
    STALE = "Stale"
    PARTIAL = "Partial"
    REDIRECT = "Redirect"
    TOO_LARGE = "TooLarge"
    MALFORMED = "Malformed"
    SERVER_ERROR = "ServerError"
    NO_SOURCE = "NoSource"


@dataclass(frozen=True, slots=True)
class Known:
    """A finite number."""

    value: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """No number, and why. `detail` is safe to show: it never holds a server's reply."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A counter of one pod over time: `labels` are the others, sorted, so that they tell the
    counters of a pod apart. `samples` are (instant in seconds since 1970, value), oldest first.
    """

    pod: str
    labels: tuple[tuple[str, str], ...]
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The answer to a question about a span of time; never empty, or it would be Unknown."""

    series: tuple[Series, ...]


Answer = Known | Unknown | Matrix


@dataclass(frozen=True, slots=True)
class Round:
    """The answers to all metrics of a release, asked at one instant.

    `release` is the release's key, `tick` the number of the interval since it began, `asked_at`
    when this was asked, `since` from when on this process has been asking for it: what is Unknown
    while nobody asks is no outage.
    """

    release: str
    tick: int
    asked_at: datetime
    values: tuple[tuple[str, Answer], ...]
    since: datetime | None = None
