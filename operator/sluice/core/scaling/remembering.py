"""The memory out of a stored `status.scaling`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from sluice.core.scaling.arithmetic import MOST_REPLICAS
from sluice.core.scaling.kept import Memory, Recommendation, ScaleEvent
from sluice.core.times import parse

# More than is ever written; a longer list is not read to its end.
_MOST_READ: Final = 200
# What was kept is of these years; others cannot be computed with, or were never kept.
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2999

T = TypeVar("T")


def remember(stored: Mapping[str, Any] | None) -> Memory:
    """What `shown` wrote. Anybody can edit a status: what cannot have been written is dropped, and
    a memory that is lost is as after the restart of an HPA.
    """
    kept = stored if isinstance(stored, Mapping) else {}
    recommendations = _entries(kept.get("recommendations"), _recommendation)
    events = _entries(kept.get("events"), _event)
    probe = _whole(kept.get("probe"))
    return Memory(
        recommendations=tuple(sorted(recommendations, key=lambda each: each.at)),
        events=tuple(sorted(events, key=lambda each: each.at)),
        asked_at=_instant(kept.get("askedAt")),
        unknown_since=_instant(kept.get("unknownSince")),
        unknown_until=_instant(kept.get("unknownUntil")),
        unanswered_since=_instant(kept.get("unansweredSince")),
        unanswered_at=_instant(kept.get("unansweredAt")),
        probe=None if probe is None or probe < 0 else probe,
    )


def _entries(found: Any, read: Callable[[Mapping[str, Any]], T | None]) -> list[T]:
    if not isinstance(found, list):
        return []
    entries = [read(entry) for entry in found[-_MOST_READ:] if isinstance(entry, Mapping)]
    return [entry for entry in entries if entry is not None]


def _recommendation(entry: Mapping[str, Any]) -> Recommendation | None:
    at, replicas = _instant(entry.get("at")), _whole(entry.get("replicas"))
    if at is None or replicas is None or replicas < 0:
        return None
    return Recommendation(at, replicas)


def _event(entry: Mapping[str, Any]) -> ScaleEvent | None:
    at, change = _instant(entry.get("at")), _whole(entry.get("change"))
    return ScaleEvent(at, change) if at and change else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and abs(value) <= MOST_REPLICAS else None


def _instant(value: Any) -> datetime | None:
    instant = parse(value) if isinstance(value, str) else None
    # Go's zero time is a legal date-time, and a second before it is none.
    if instant is None or not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        return None
    return instant.astimezone(UTC)
