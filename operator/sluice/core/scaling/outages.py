"""What is not known, over time: no outage lowers anything, and the first reading after one is not
believed alone.

A round with a metric that is not known stands in the window for lowering as a recommendation of the
present number: so the window begins again when everything is known. Without a window, it takes a
second round in which everything is known.

An outage is counted only where somebody asked: what lies between two rounds that are far apart is
the operator's own absence.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sluice.core.scaling.kept import Memory
from sluice.core.scaling.policy import Scaling
from sluice.core.scaling.proposals import Proposals, unanswered, unknown
from sluice.core.scaling.windows import window_seconds

# While no metric answers, that is written so often until the fallback is due: a restart that takes
# no longer does not stop its clock.
CHECKPOINT_SECONDS = 30.0


def noted(memory: Memory, proposals: Proposals, scaling: Scaling, now: datetime) -> Memory:
    """The memory after a round: what is not known in it, or known again since."""
    return _answered(_known(memory, proposals, scaling, now), proposals, scaling, now)


def _known(memory: Memory, proposals: Proposals, scaling: Scaling, now: datetime) -> Memory:
    if unknown(proposals):
        return replace(memory, unknown_since=memory.unknown_since or now)
    if memory.unknown_since is not None:
        return replace(memory, unknown_since=None, unknown_until=now)
    if memory.unknown_until is not None and not _in_window(memory.unknown_until, scaling, now):
        return replace(memory, unknown_until=None)
    return memory


def _answered(memory: Memory, proposals: Proposals, scaling: Scaling, now: datetime) -> Memory:
    if not unanswered(proposals):
        return replace(memory, unanswered_since=None, unanswered_at=None)
    since, last = memory.unanswered_since, memory.unanswered_at
    if since is None or last is None:
        return replace(memory, unanswered_since=now, unanswered_at=now)
    interval = timedelta(seconds=scaling.interval_seconds)
    absence = now - last - interval
    if absence > interval + timedelta(seconds=CHECKPOINT_SECONDS):
        since += absence
    return replace(memory, unanswered_since=min(since, now), unanswered_at=now)


def holds_lowering(before: Memory, after: Memory, scaling: Scaling, now: datetime) -> bool:
    """Whether everything is known, but has not been for long enough to lower anything."""
    if after.unknown_since is not None or after.unknown_until is None:
        return False
    return before.unknown_since is not None or _in_window(after.unknown_until, scaling, now)


def fallback_due(memory: Memory, scaling: Scaling, now: datetime) -> bool:
    """Whether no metric has answered for as long as the fallback waits."""
    if scaling.fallback is None or memory.unanswered_since is None:
        return False
    return (now - memory.unanswered_since).total_seconds() >= scaling.fallback.after_seconds


def _in_window(instant: datetime, scaling: Scaling, now: datetime) -> bool:
    """Whether the window for lowering holds the instant (windows.stabilized says how)."""
    age_seconds = (now - instant).total_seconds()
    _, down_seconds = window_seconds(scaling)
    return age_seconds <= down_seconds if scaling.behavior is None else age_seconds < down_seconds
