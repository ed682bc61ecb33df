"""Stabilization: the recommendations of the last minutes, and what they leave of a new one.

A recommendation is kept with the last round that asked for it, since only that decides whether it
is in a window. The newest one still holds, so its `at` says only since when: it ends an interval
before the first round that asks for something else. So nothing needs to be written while the
metrics ask for the same, and a decision after a restart is the one that there would have been
without it: neither of them reads when the last round before it was. While the operator was down a
recommendation holds, which can only lengthen a window.

Of the others only those are kept that can still be the highest or the lowest of a window: a later
one that is as high (as low) outlives it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sluice.core.scaling.kept import Memory, Recommendation
from sluice.core.scaling.policy import DEFAULT_DOWN_WINDOW_SECONDS, Scaling
from sluice.core.scaling.thinning import narrowest

# For each direction. An hour of rounds whose every number is lower than the one before has more,
# and then two that are close become one.
MOST_KEPT: Final = 30

Recommendations = tuple[Recommendation, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """What the windows make of a recommendation, and which of them did: `seconds` of window that
    hold it, 0 where none does.
    """

    replicas: int
    seconds: int = 0


def window_seconds(scaling: Scaling) -> tuple[int, int]:
    """The windows for raising and for lowering."""
    if scaling.behavior is None:
        return 0, DEFAULT_DOWN_WINDOW_SECONDS
    return scaling.behavior.up.window_seconds, scaling.behavior.down.window_seconds


def stabilized(
    scaling: Scaling, current: int, wanted: int, recommendations: Recommendations, now: datetime
) -> Window:
    """`wanted` as the windows leave it; `recommendations` are what `closed` gives.

    With a behavior block: from `current` not above the lowest of the one window, and not below the
    highest of the other. Without one: the highest of the last five minutes, also where it is above
    `current`. What is just as old as the window counts only in the latter, as in horizontal.go.
    """
    up_seconds, down_seconds = window_seconds(scaling)
    ages = [((now - each.at).total_seconds(), each.replicas) for each in recommendations]
    if scaling.behavior is None:
        highest = max([wanted, *(number for age, number in ages if age <= down_seconds)])
        return Window(highest, down_seconds if highest != wanted else 0)
    lowest = min([wanted, *(number for age, number in ages if age < up_seconds)])
    highest = max([wanted, *(number for age, number in ages if age < down_seconds)])
    replicas = min(max(current, lowest), highest)
    if replicas == wanted:
        return Window(replicas)
    return Window(replicas, up_seconds if replicas < wanted else down_seconds)


def closed(memory: Memory, scaling: Scaling, current: int, now: datetime) -> Recommendations:
    """The recommendations, each with the last round that asked for it. That of the newest was an
    interval ago, or later where that round is known: the interval may have been shorter then. When
    metrics have been unknown since, it was an interval before that began.

    Before the first of all stands the present number, as in the HPA: somebody has chosen it, and
    the first sight of a Deployment does not lower it before its window.
    """
    if not memory.recommendations:
        return (Recommendation(now, current),)
    *older, newest = (
        Recommendation(min(each.at, now), each.replicas) for each in memory.recommendations
    )
    end = min(memory.unknown_since or now, now) - timedelta(seconds=scaling.interval_seconds)
    if memory.unknown_since is None and memory.asked_at is not None:
        end = max(end, min(memory.asked_at, now))
    return (*older, Recommendation(max(newest.at, end), newest.replicas))


def recommended(
    memory: Memory, scaling: Scaling, current: int, wanted: int, now: datetime
) -> Recommendations:
    """The recommendations with that of this round, and without those that no longer matter."""
    if memory.recommendations and memory.recommendations[-1].replicas == wanted:
        return memory.recommendations
    kept = (*closed(memory, scaling, current, now), Recommendation(now, wanted))
    return _pruned(kept, scaling, now)


def _pruned(recommendations: Recommendations, scaling: Scaling, now: datetime) -> Recommendations:
    """The newest, and of the older ones those that can still be the highest or lowest in time."""
    *older, newest = recommendations
    up_seconds, down_seconds = window_seconds(scaling)
    highest = _outliving(_since(older, down_seconds, now), newest, falling=True)
    lowest = _outliving(_since(older, up_seconds, now), newest, falling=False)
    kept = sorted({*highest, *lowest}, key=lambda each: (each.at, each.replicas))
    return (*kept, newest)


def _since(
    recommendations: Iterable[Recommendation], seconds: int, now: datetime
) -> list[Recommendation]:
    if not seconds:
        return []
    cutoff = now - timedelta(seconds=seconds)
    return [each for each in recommendations if each.at >= cutoff]


def _outliving(
    older: list[Recommendation], newest: Recommendation, *, falling: bool
) -> list[Recommendation]:
    """Those that no later one equals or exceeds; oldest first, at most MOST_KEPT."""
    sign = 1 if falling else -1
    kept: list[Recommendation] = []
    bar = sign * newest.replicas
    for each in reversed(older):
        if sign * each.replicas > bar:
            bar = sign * each.replicas
            kept.append(each)
    kept.reverse()
    while len(kept) > MOST_KEPT:
        kept = _merged(kept)
    return kept


def _merged(kept: list[Recommendation]) -> list[Recommendation]:
    """One fewer: of two that are close in time the stronger holds as long as the weaker.

    A window gets longer by that little and never shorter.
    """
    where = narrowest([each.at for each in kept])
    joined = Recommendation(kept[where + 1].at, kept[where].replicas)
    return [*kept[:where], joined, *kept[where + 2 :]]
