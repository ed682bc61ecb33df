"""The bounds that hold now: those of the spec and those of the schedules."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.core.scaling.kept import Bounds, Cause
from sluice.core.scaling.policy import Scaling


@dataclass(frozen=True, slots=True)
class Range:
    """The fewest and the most replicas; a schedule's name where it is one that says so."""

    floor: int
    ceiling: int
    floor_by: str = ""
    ceiling_by: str = ""

    @property
    def floor_cause(self) -> Cause:
        """What a number is that the floor has raised."""
        return Cause.SCHEDULE if self.floor_by else Cause.BOUND

    @property
    def ceiling_cause(self) -> Cause:
        """What a number is that the ceiling has cut."""
        return Cause.SCHEDULE if self.ceiling_by else Cause.BOUND

    @property
    def at_least(self) -> str:
        """The floor in words."""
        return f"not below {self.floor} ({_name(self.floor_by, 'minReplicas')})"

    @property
    def at_most(self) -> str:
        """The ceiling in words."""
        return f"not above {self.ceiling} ({_name(self.ceiling_by, 'maxReplicas')})"

    def clamped(self, replicas: int) -> int:
        """The number that is nearest within the range."""
        return min(max(replicas, self.floor), self.ceiling)


def effective(scaling: Scaling, bounds: Bounds) -> Range:
    """The highest floor of all, and the lowest ceiling of the schedules in force: it takes the
    place of `maxReplicas`, which a schedule may raise for its time, too. The floor wins where they
    cross, since too many pods cost less than too few.
    """
    floor, floor_by = scaling.min_replicas, ""
    ceiling, ceiling_by = scaling.max_replicas, ""
    if bounds.floor is not None and bounds.floor > floor:
        floor, floor_by = bounds.floor, bounds.floor_by or "schedule"
    if bounds.ceiling is not None and bounds.ceiling != ceiling:
        ceiling, ceiling_by = bounds.ceiling, bounds.ceiling_by or "schedule"
    if floor > ceiling:
        ceiling, ceiling_by = floor, floor_by
    return Range(floor, ceiling, floor_by, ceiling_by)


def _name(schedule: str, field: str) -> str:
    return f"schedule {schedule}" if schedule else field
