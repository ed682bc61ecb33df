"""Whether a decision is worth a write of the status: a settled system writes nothing.

The memory is written when what is stored would forget something: a recommendation that is higher
(or, with a window for raising, lower) than what is stored as still held. The other way round the
stored one is only too careful; that is written when a second round confirms it. So a restart can
hold a number for one interval longer than without it, and never shorter; and what flickers is not
written every round.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sluice.core.scaling.kept import Memory, Scaled
from sluice.core.scaling.outages import CHECKPOINT_SECONDS, fallback_due
from sluice.core.scaling.policy import Scaling
from sluice.core.scaling.remembering import remember
from sluice.core.scaling.shown import shown
from sluice.core.scaling.windows import Recommendations, window_seconds
from sluice.core.times import parse

# What only informs is written no more often than this, and values when they moved by so much.
INFORM_SECONDS: Final = 60.0
_MOVED: Final = 0.1


def worth_keeping(stored: Mapping[str, Any] | None, scaled: Scaled, scaling: Scaling) -> bool:
    """Whether to write what `shown` gives instead of leaving what is `stored` (with its
    conditions) as it is. To be asked again in every round until the write has succeeded.
    """
    if not scaled.fresh:
        return False
    before, after = stored or {}, shown(scaled)
    old, new = _mapping(before.get("decision")), after["decision"]
    if not old or _meaning(before, old) != _meaning(after, new):
        return True
    if _forgets(remember(before), scaled, scaling):
        return True
    last = parse(old["at"]) if isinstance(old.get("at"), str) else None
    due = last is None or (scaled.at - last).total_seconds() >= INFORM_SECONDS
    return due and (_news(before, old) != _news(after, new) or _moved(old, new))


def _meaning(body: Mapping[str, Any], decision: Mapping[str, Any]) -> tuple[Any, ...]:
    """What somebody waits for, or acts on."""
    unknown = {str(metric.get("name")): metric.get("unknown") for metric in _metrics(decision)}
    fields = [decision.get(name) for name in ("active", "floor", "ceiling")]
    return (body.get("desired"), body.get("nextChange"), unknown, *fields)


def _news(body: Mapping[str, Any], decision: Mapping[str, Any]) -> tuple[Any, ...]:
    """What changes with every small movement of the load."""
    steps = decision.get("steps")
    causes = [_mapping(step).get("cause") for step in (steps if isinstance(steps, list) else [])]
    return (body.get("current"), decision.get("limited"), causes)


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a value is another one by more than a tenth."""
    before = {str(metric.get("name")): _number(metric.get("value")) for metric in _metrics(old)}
    for metric in _metrics(new):
        value, last = _number(metric.get("value")), before.get(str(metric.get("name")))
        if (value is None) is not (last is None):
            return True
        if value is not None and last is not None and abs(value - last) > _MOVED * abs(last):
            return True
    return False


def _forgets(old: Memory, scaled: Scaled, scaling: Scaling) -> bool:
    """Whether a restart with the old memory would decide otherwise."""
    new, now = scaled.memory, scaled.at
    if (old.unknown_since is None) is not (new.unknown_since is None):
        return True
    if (old.unanswered_since is None) is not (new.unanswered_since is None):
        return True
    if new.unknown_until not in (None, old.unknown_until) or new.probe != old.probe:
        return True
    if not set(new.events) <= set(old.events) or _clock_is_behind(old, new, scaling, now):
        return True
    interval = timedelta(seconds=scaling.interval_seconds)
    two_rounds_ago = now - interval * 1.5
    signs = zip((-1, 1), window_seconds(scaling), strict=True)
    return any(
        _differs(
            _signed(old.recommendations, sign, scaling),
            _signed(new.recommendations, sign, scaling),
            two_rounds_ago,
        )
        for sign, seconds in signs
        if seconds > 0
    )


def _clock_is_behind(old: Memory, new: Memory, scaling: Scaling, now: datetime) -> bool:
    """Whether the fallback's clock has run on for so long that a restart would miss it."""
    if new.unanswered_at is None or scaling.fallback is None or fallback_due(new, scaling, now):
        return False
    behind = (new.unanswered_at - (old.unanswered_at or now)).total_seconds()
    return behind >= CHECKPOINT_SECONDS


_Signed = list[tuple[datetime, int]]


def _signed(recommendations: Recommendations, sign: int, scaling: Scaling) -> _Signed:
    """The numbers within the bounds, beyond which more is nothing else; negative for the window
    of which the lowest counts.
    """
    ceilings = (schedule.max_replicas or 0 for schedule in scaling.schedules)
    low, high = scaling.min_replicas, max(scaling.max_replicas, *ceilings, 0)
    return [(each.at, sign * min(max(each.replicas, low), high)) for each in recommendations]


def _differs(old: _Signed, new: _Signed, recently: datetime) -> bool:
    if not old or not new:
        return bool(old) is not bool(new)
    forgotten = any(_highest(old, at) < number for at, number in new)
    return forgotten or _highest(old, recently) > _highest(new, recently)


def _highest(entries: _Signed, since: datetime) -> int:
    """The highest number that held at the instant or later; the newest holds still."""
    return max([entries[-1][1], *(number for at, number in entries if at >= since)])


def _metrics(decision: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = decision.get("metrics")
    return [
        each for each in (found if isinstance(found, list) else []) if isinstance(each, Mapping)
    ]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(text: Any) -> float | None:
    try:
        return float(text) if isinstance(text, str) else None
    except ValueError:
        return None
