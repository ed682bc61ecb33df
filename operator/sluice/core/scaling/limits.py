"""Rate limits: how far replicas may rise or fall now, after what was changed within the periods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, trunc
from typing import Final

from sluice.core.scaling.arithmetic import MOST_REPLICAS, saturated
from sluice.core.scaling.kept import ScaleEvent
from sluice.core.scaling.policy import Behavior, Direction, PolicyKind, RateLimit, Select
from sluice.core.scaling.thinning import narrowest
from sluice.core.times import CLOCK_SLACK, span

MOST_EVENTS: Final = 60
# Without a behavior block: at most twice as many at once, and 4 in any case.
_FACTOR: Final = 2
_FLOOR: Final = 4

Events = tuple[ScaleEvent, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """The number that a change may reach, and what says so."""

    replicas: int
    why: str


def highest(behavior: Behavior | None, current: int, events: Events, now: datetime) -> Limit:
    """How far replicas may rise; never below `current`: a limit does not push the other way."""
    if behavior is None:
        return Limit(saturated(max(_FACTOR * current, _FLOOR)), "twice as many at once")
    return _limit(behavior.up, current, events, now, rising=True)


def lowest(behavior: Behavior | None, current: int, events: Events, now: datetime) -> Limit:
    """How far replicas may fall; never above `current`. Without a behavior block to nothing."""
    if behavior is None:
        return Limit(0, "")
    return _limit(behavior.down, current, events, now, rising=False)


def _limit(
    direction: Direction, current: int, events: Events, now: datetime, *, rising: bool
) -> Limit:
    if direction.select is Select.DISABLED or not direction.limits:
        return Limit(current, "scaleUp is disabled" if rising else "scaleDown is disabled")
    reached = [
        (_reach(policy, _at_start(policy, current, events, now), rising=rising), policy)
        for policy in direction.limits
    ]
    # The largest change is the highest number on the way up and the lowest on the way down.
    farthest = (direction.select is Select.MAX) is rising
    number, policy = (max if farthest else min)(reached, key=lambda each: each[0])
    bound = max(number, current) if rising else min(number, current)
    return Limit(saturated(bound), _worded(policy))


def _worded(policy: RateLimit) -> str:
    unit = "%" if policy.kind is PolicyKind.PERCENT else " pods"
    return f"{policy.value}{unit} in {span(policy.period_seconds)}"


def _at_start(policy: RateLimit, current: int, events: Events, now: datetime) -> int:
    """The replicas at the beginning of the policy's period, had nobody but us changed them."""
    cutoff = now - timedelta(seconds=policy.period_seconds)
    return current - sum(event.change for event in events if min(event.at, now) > cutoff)


def _reach(policy: RateLimit, start: int, *, rising: bool) -> int:
    """The floats are those of horizontal.go: 10% more of 100 is 111 there, too."""
    if policy.kind is PolicyKind.PODS:
        return start + policy.value if rising else start - policy.value
    share = float(policy.value) / 100
    exact = float(start) * (1 + share) if rising else float(start) * (1 - share)
    whole = ceil(exact) if rising else trunc(exact)
    return max(-MOST_REPLICAS, min(MOST_REPLICAS, whole))


def recent(behavior: Behavior | None, events: Iterable[ScaleEvent], now: datetime) -> Events:
    """The events that a policy still counts. Of more than MOST_EVENTS two that are close in time
    become one, at the instant of the later: limits count the former a little longer.
    """
    if behavior is None:
        return ()
    policies = (*behavior.up.limits, *behavior.down.limits)
    longest = max((policy.period_seconds for policy in policies), default=0)
    cutoff = now - timedelta(seconds=longest)
    # After the clock was set back, an event of a later time would count for as long as that.
    kept = [event for event in events if cutoff < event.at <= now + CLOCK_SLACK]
    while len(kept) > MOST_EVENTS:
        kept = _joined(kept)
    return tuple(kept)


def _joined(events: list[ScaleEvent]) -> list[ScaleEvent]:
    """One fewer."""
    where = narrowest([event.at for event in events])
    change = events[where].change + events[where + 1].change
    return [*events[:where], ScaleEvent(events[where + 1].at, change), *events[where + 2 :]]
