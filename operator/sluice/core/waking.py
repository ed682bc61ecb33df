"""When to look again without any event, and what to bring along then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sluice.core import comparing, placeholders
from sluice.core.events import (
    QUERY_SECONDS,
    available,
    deadline,
    first_reading_at,
    low_traffic_at,
    no_data_at,
    stale_at,
    step_ends,
)
from sluice.core.plan import Ask, Query
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
    if situation.stable and (suspected or situation.alike):
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
    queries = (*_single_values(situation), *_counters(situation, tick))
    if not queries:
        return None
    return Ask(
        release=situation.release_key,
        tick=tick,
        source=analysis.source,
        queries=queries,
        timeout_seconds=min(QUERY_SECONDS, analysis.interval_seconds),
    )


def _single_values(situation: Situation) -> tuple[Query, ...]:
    """The metrics that are one value; not while new pods are left alone for `initialDelay`."""
    analysis = situation.data.analysis
    growing = situation.state in _GROWTHS
    if analysis.initial_delay_seconds and (growing or situation.now < first_reading_at(situation)):
        return ()
    known = values(situation)
    return tuple(
        Query(metric.name, placeholders.fill(metric.query, known))
        for metric in analysis.metrics
        if not metric.compares
    )


def _counters(situation: Situation, tick: int) -> tuple[Query, ...]:
    """The metrics that compare: what was counted since the evidence was kept last."""
    data = situation.stored_data
    found: list[Query] = []
    for metric in data.analysis.metrics if tick > 0 else ():
        if metric.compares:
            index = data.standing_of(metric).evidence.index
            found += comparing.queries(
                metric, data.analysis, situation.ground, min(index, tick), tick
            )
    return tuple(found)


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
        instants.append(low_traffic_at(situation))
    future = [instant for instant in instants if instant and instant > situation.now]
    return min(future, default=None)


def _measured_since(situation: Situation) -> datetime | None:
    """From when on metrics are asked for; None while they are not.

    New pods are left alone for `initialDelay`; without one, queries run through the growths.
    Counters are read all the time: there the delay is each pod's own.
    """
    canary, analysis = situation.canary, situation.data.analysis
    if canary is None or not analysis.metrics or situation.state not in _MEASURED:
        return None
    if not situation.replicas or not canary.status_available:
        return None
    if analysis.compares:
        return situation.now
    if situation.state in _GROWTHS:
        return None if analysis.initial_delay_seconds else situation.now
    return first_reading_at(situation)


def _tick(situation: Situation) -> int:
    # In whole microseconds: a quotient of floats can miss the very instant of a tick. Negative
    # where the clock was set back to before the release began: it is measured all the same.
    interval = timedelta(seconds=situation.data.analysis.interval_seconds)
    return (situation.now - _lag(situation) - situation.began) // interval


def _next_tick(situation: Situation) -> datetime:
    interval = timedelta(seconds=situation.data.analysis.interval_seconds)
    return situation.began + interval * (_tick(situation) + 1) + _lag(situation)


def _lag(situation: Situation) -> timedelta:
    """How long after an instant of the grid it is asked for: only counters are read at it."""
    return comparing.LAG if situation.data.analysis.compares else timedelta(0)


def values(situation: Situation) -> dict[str, str]:
    """What each placeholder of a query stands for."""
    canary = situation.pods_expression(situation.canary)
    stable = situation.pods_expression(situation.stable)
    return {
        "namespace": situation.observed.rollout.namespace,
        "name": situation.deployment.ref.name,
        "canary": canary,
        "stable": stable,
        "pods": f"{stable}|{canary}",
    }
