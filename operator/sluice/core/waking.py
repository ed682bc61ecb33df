"""When to look again without any event, and what to bring along then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sluice.core import keys, placeholders
from sluice.core.events import (
    QUERY_SECONDS,
    available,
    deadline,
    first_reading_at,
    no_data_at,
    stale_at,
    step_ends,
)
from sluice.core.objects import ReplicaSet
from sluice.core.plan import Ask
from sluice.core.situation import Situation, State
from sluice.core.troubles import crash_suspected

_PODS_WHILE_GROWING_SECONDS: Final = 2.0
_PODS_AT_MOST_SECONDS: Final = 10.0
_GROWTHS: Final = frozenset({State.GROWING, State.FILLING})
_STEPS: Final = frozenset({State.STEPPING, State.TRYING})
_MEASURED: Final = _GROWTHS | _STEPS | {State.RAISING}


def pods_to_see(situation: Situation) -> tuple[tuple[str, ...], float]:
    """The pod hashes to list for the next pass, and how fresh in seconds; empty: none.

    The stable side's pods are only listed when the canary's crash: they tell whether both do.
    """
    rising = situation.rising
    if rising is None or rising.replicas == 0:
        return (), 0.0
    hashes: tuple[str, ...] = (rising.pod_hash,)
    suspected = crash_suspected(p for p in situation.observed.pods or ())
    if situation.stable and (suspected or _look_alike(situation)):
        hashes = (*hashes, situation.stable.pod_hash)
    if available(rising) < situation.wanted:
        return hashes, _PODS_WHILE_GROWING_SECONDS
    interval = situation.data.analysis.interval_seconds
    return hashes, max(1.0, min(_PODS_AT_MOST_SECONDS, interval))


def ask(situation: Situation) -> Ask | None:
    """The round of queries that is due now; None where nothing is measured or it is answered."""
    started = _measured_since(situation)
    analysis = situation.data.analysis
    if started is None or situation.now < started:
        return None
    tick = _tick(situation)
    if situation.round is not None and situation.round.tick == tick:
        return None
    values = _values(situation)
    return Ask(
        release=situation.release_key,
        tick=tick,
        source=analysis.source,
        queries=tuple((m.name, placeholders.fill(m.query, values)) for m in analysis.metrics),
        timeout_seconds=min(QUERY_SECONDS, analysis.interval_seconds),
    )


def wake_at(situation: Situation, pods_every_seconds: float) -> datetime | None:
    """The next instant at which time alone may change the decision; None when there is none."""
    instants: list[datetime | None] = [deadline(situation)]
    if pods_every_seconds:
        instants.append(situation.after(pods_every_seconds))
    if situation.state in _MEASURED:
        instants.append(no_data_at(situation))
        if since := _measured_since(situation):
            instants += [since, _next_tick(situation)]
    if situation.state in _STEPS:
        instants += [step_ends(situation), first_reading_at(situation), stale_at(situation)]
    future = [instant for instant in instants if instant and instant > situation.now]
    return min(future, default=None)


def _measured_since(situation: Situation) -> datetime | None:
    """From when on metrics are asked for; None while they are not.

    New pods are left alone for `initialDelay`; without one, queries run through the growths.
    """
    canary, analysis = situation.canary, situation.data.analysis
    if canary is None or not analysis.metrics or situation.state not in _MEASURED:
        return None
    if not situation.replicas or not canary.status_available:
        return None
    if situation.state in _GROWTHS:
        return situation.now if analysis.initial_delay_seconds == 0 else None
    return first_reading_at(situation)


def _began(situation: Situation) -> datetime:
    """The start of the grid; the canary's creation where the annotation cannot be read."""
    canary = situation.canary
    began = situation.stamp(canary, keys.RELEASE_STARTED)
    return began or (canary.created if canary else situation.now)


def _tick(situation: Situation) -> int:
    # In whole microseconds: a quotient of floats can miss the very instant of a tick. Negative
    # where the clock was set back to before the release began: it is measured all the same.
    interval = timedelta(seconds=situation.data.analysis.interval_seconds)
    return (situation.now - _began(situation)) // interval


def _next_tick(situation: Situation) -> datetime:
    interval = timedelta(seconds=situation.data.analysis.interval_seconds)
    return _began(situation) + interval * (_tick(situation) + 1)


def _values(situation: Situation) -> dict[str, str]:
    canary = _expression(situation, situation.canary)
    stable = _expression(situation, situation.stable)
    return {
        "namespace": situation.observed.rollout.namespace,
        "name": situation.deployment.ref.name,
        "canary": canary,
        "stable": stable,
        "pods": f"{stable}|{canary}",
    }


def _expression(situation: Situation, side: ReplicaSet | None) -> str:
    if side is None:
        return placeholders.names_expression(())
    if not _look_alike(situation):
        return placeholders.pods_expression(side.ref.name)
    pods = situation.observed.pods or ()
    return placeholders.names_expression([p.name for p in pods if p.pod_hash == side.pod_hash])


def _look_alike(situation: Situation) -> bool:
    """Whether long names make the pods of both sides begin alike."""
    rising, stable = situation.rising, situation.stable
    if rising is None or stable is None:
        return False
    prefixes = {placeholders.pod_prefix(rs.ref.name) for rs in (rising, stable)}
    return len(prefixes) == 1
