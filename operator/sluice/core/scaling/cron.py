"""The starts of a schedule as instants: five cron fields, read on a clock that is set back and
forth.

A start whose minute and hour are both given (`30 2 * * *`) happens once a day, as in Debian's
cron: where the clocks skip it, at the first minute that exists; where they repeat it, the first
time. A start with a star in either (`*/15 * * * *`) follows the clock on the wall: never in a
minute that is skipped, twice in one that is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_MINUTE: Final = timedelta(minutes=1)
# No clock has been set back or forth by more than this, but at the date line.
_SHIFT: Final = timedelta(hours=3)
# Within 50 years of any date the days of all months have met all days of the week.
_ANY_DATE: Final = datetime(2001, 1, 1)  # noqa: DTZ001 # on no clock in particular


@lru_cache(maxsize=1024)
def starts(start: str, time_zone: str) -> Starts | None:
    """The starts of an expression; None where it cannot be read or names a day that never comes."""
    try:
        comes = len(start.split()) == 5 and next(CronSim(start, _ANY_DATE), None)
        return Starts(start, ZoneInfo(time_zone)) if comes else None
    except (CronSimError, ZoneInfoNotFoundError, ValueError, OSError):
        # The API refuses these; a stored object may be older, or the list of zones another.
        return None


class Starts:
    """All instants at which something starts. Answers are in UTC and on whole minutes."""

    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        self._expression = expression
        self.zone = zone
        minute, hour = expression.split()[:2]
        self._once = "*" not in (minute[0], hour[0])
        self._neighbours: tuple[datetime | None, datetime | None] = None, None

    def around(self, instant: datetime) -> tuple[datetime | None, datetime | None]:
        """The last start not later than the instant and the first one later than it, as below."""
        last, following = self._neighbours
        if last is None or following is None or not last <= instant < following:
            last, following = self._neighbours = self.until(instant), self.after(instant)
        return last, following

    def after(self, instant: datetime) -> datetime | None:
        """The first start later than the instant; None where there is none in 50 years."""
        return _after(self, _whole(instant))

    def until(self, instant: datetime) -> datetime | None:
        """The last start not later than the instant; None where there is none in 50 years."""
        return _until(self, _whole(instant))

    def find_after(self, minute: datetime) -> datetime | None:
        """As `after`, for a whole minute, and looked for every time."""
        if not self._once and self._offset(minute + _SHIFT) != self._offset(minute):
            # The same times on the wall may come again, or may never come.
            for step in range(1, int(_SHIFT / _MINUTE) + 1):
                if self._is_start(minute + step * _MINUTE):
                    return minute + step * _MINUTE
            minute += _SHIFT
        on_the_wall = CronSim(self._expression, self._wall(minute))
        return next((at for wall in on_the_wall for at in self._at(wall) if at > minute), None)

    def find_until(self, minute: datetime) -> datetime | None:
        """As `until`, for a whole minute, and looked for every time."""
        back = CronSim(self._expression, self._wall(minute) + _MINUTE, reverse=True)
        past = ([at for at in self._at(wall) if at <= minute] for wall in back)
        found = next((times[-1] for times in past if times), None)
        if self._offset(minute - _SHIFT) == self._offset(minute):
            return found
        # In an hour that is repeated, later times on the wall have been already.
        while found and (later := self.after(found)) and later <= minute:
            found = later
        return found

    def _at(self, wall: datetime) -> Iterator[datetime]:
        """The instants at which the wall's clock brings a start about, earlier ones first."""
        while self._skipped(wall):
            if not self._once:
                return
            wall += _MINUTE
        first, second = (wall.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        yield first.astimezone(UTC)
        if not self._once and first.utcoffset() != second.utcoffset():
            yield second.astimezone(UTC)

    def _is_start(self, minute: datetime) -> bool:
        wall = self._wall(minute)
        return next(CronSim(self._expression, wall - _MINUTE), None) == wall

    def _skipped(self, wall: datetime) -> bool:
        return self._wall(wall.replace(tzinfo=self.zone).astimezone(UTC)) != wall

    def _wall(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def _offset(self, instant: datetime) -> timedelta | None:
        return instant.astimezone(self.zone).utcoffset()


# A decision is made every few seconds, and asks for the same minutes over and over.
@lru_cache(maxsize=8192)
def _after(which: Starts, minute: datetime) -> datetime | None:
    return which.find_after(minute)


@lru_cache(maxsize=8192)
def _until(which: Starts, minute: datetime) -> datetime | None:
    return which.find_until(minute)


def _whole(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(second=0, microsecond=0)
