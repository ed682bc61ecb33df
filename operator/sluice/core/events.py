"""When each event of the table holds: predicates over a situation, each on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from sluice.core import keys, sizing, times
from sluice.core.commands import Accepted, accepted
from sluice.core.objects import ReplicaSet
from sluice.core.readings import Reason
from sluice.core.situation import Situation, State
from sluice.core.table import TABLE, Event
from sluice.core.verdict import Verdict, overall

# A query may take so long, and never longer than its interval.
QUERY_SECONDS: Final = 5.0


def first(situation: Situation) -> Event:
    """The event that decides this pass: the first of the state's row that holds."""
    return next(event for event in TABLE[situation.state] if HOLDS[event](situation))


def command(situation: Situation) -> Accepted | None:
    """The accepted command that still has to be carried out."""
    last = accepted(situation.observed.rollout.annotations)
    return last if last and not last.done else None


def available(replica_set: ReplicaSet | None) -> int:
    """Available pods of a side; 0 for none."""
    return replica_set.available if replica_set else 0


def deadline(situation: Situation) -> datetime | None:
    """When the present growth is overdue; None while nothing grows. For how long pods were lost
    before in this step counts, too: a canary whose pods come and go would never end.
    """
    started = situation.stamp(situation.rising, keys.GROW_STARTED)
    seconds = situation.policy.progress_deadline_seconds - situation.lost_seconds
    return started + timedelta(seconds=seconds) if started else None


def step_ends(situation: Situation) -> datetime:
    """When the present step's duration is over."""
    started = situation.since(situation.canary, keys.STEP_STARTED)
    return started + timedelta(seconds=situation.step.duration_seconds)


def no_data_at(situation: Situation) -> datetime | None:
    """When what is Unknown now has been so for `noData.after`; None while all is known, and while
    nobody has asked: an operator that was down knows nothing of the metrics.
    """
    since = situation.data.unknown_since if situation.round else None
    after = timedelta(seconds=situation.data.analysis.no_data_after_seconds)
    return since + after if since else None


def has_bad_query(situation: Situation) -> bool:
    """Whether the newest round says that a query is wrong: a problem of the spec, no outage."""
    return any(judgement.reason is Reason.BAD_QUERY for judgement in situation.judgements)


def first_reading_at(situation: Situation) -> datetime:
    """From when on a reading speaks for the present step. Of counters any does: the delay is each
    pod's own there.
    """
    started = situation.since(situation.canary, keys.STEP_STARTED)
    analysis = situation.data.analysis
    if all(metric.compares for metric in analysis.metrics):
        return started
    return started + timedelta(seconds=analysis.initial_delay_seconds or 0.0)


def low_traffic_at(situation: Situation) -> datetime:
    """When too few requests have been too few for `lowTraffic.after`."""
    started = situation.since(situation.canary, keys.STEP_STARTED)
    return started + timedelta(seconds=situation.data.analysis.low_traffic_after_seconds)


def stale_at(situation: Situation) -> datetime | None:
    """When the newest round is too old to speak for now: two intervals and a query's time later."""
    analysis = situation.data.analysis
    lasts = timedelta(seconds=2 * analysis.interval_seconds + QUERY_SECONDS)
    return situation.round.asked_at + lasts if situation.round else None


def _called_back(situation: Situation) -> bool:
    order = command(situation)
    if order is None or order.name != "rollback" or not order.target or situation.stable is None:
        return False
    returning = situation.returning
    if returning is not None and returning.template_hash == order.target:
        return False
    # Neither source nor target: other releases have passed since; such a rollback is void.
    return situation.stable.template_hash == order.source


def _aborted(situation: Situation) -> bool:
    order = command(situation)
    if order is None or order.target or order.name not in ("abort", "rollback"):
        return False
    return order.release == situation.release


def _crashed(situation: Situation) -> bool:
    # The target of a rollback is all there is to go to: it is awaited, and its trouble is told.
    awaited = situation.state is State.RETURNING and situation.rolling_back
    return situation.trouble is not None and situation.trouble.certain and not awaited


def _withdrawn(situation: Situation) -> bool:
    stable = situation.stable
    return stable is not None and situation.deployment.template_hash == stable.template_hash


def _replaced(situation: Situation) -> bool:
    rising = situation.rising
    if rising is None or situation.deployment.template_hash == rising.template_hash:
        return False
    if situation.state is not State.RETURNING or not situation.rolling_back:
        return True
    # A rollback does not care for the Deployment's template, unless its target does not come up
    # and a new version is there to try.
    return _overdue(situation) and situation.deployment.template_hash not in situation.rejected


def _failed(situation: Situation) -> bool:
    data = situation.data
    return data.failure is not None and data.analysis.on_failure == "Rollback" and not data.full


def _no_data(situation: Situation, action: str) -> bool:
    at = no_data_at(situation)
    analysis = situation.data.analysis
    return at is not None and situation.now >= at and analysis.no_data_action == action


def _outgrown(situation: Situation) -> bool:
    stable = situation.stable
    return stable is not None and stable.replicas < situation.kept


def _overdue(situation: Situation) -> bool:
    at = deadline(situation)
    return at is not None and situation.now >= at and _unavailable(situation)


def _unavailable(situation: Situation) -> bool:
    if situation.state in (State.RAISING, State.RETURNING, State.RECLAIMING):
        return not _ready(situation)
    return available(situation.canary) < situation.wanted


def _lost(situation: Situation) -> bool:
    canary = situation.canary
    if canary is None or canary.observed_generation < canary.generation:
        return False
    return canary.available < situation.wanted


def _overridden(situation: Situation) -> bool:
    return situation.data.full or situation.data.overridden(situation.step.weight)


def _unknown(situation: Situation) -> bool:
    """Whether no reading of this step says yet that it may pass."""
    if not situation.data.analysis.metrics or _overridden(situation):
        return False
    if has_bad_query(situation):
        return True
    if _no_data(situation, "Continue"):
        return False
    latest, stale = situation.round, stale_at(situation)
    if latest is None or stale is None or situation.now > stale:
        return True
    # One from the future was read before the clock was set back: nobody knows how old it is.
    if not first_reading_at(situation) <= latest.asked_at <= situation.now + times.CLOCK_SLACK:
        return True
    judged_all = len(situation.judgements) == len(situation.data.analysis.metrics)
    return not judged_all or overall(situation.judgements) in (Verdict.FAIL, Verdict.UNKNOWN)


def _low_traffic(situation: Situation) -> bool:
    """Whether the canary has had too few requests in this step to be judged by."""
    if _overridden(situation) or overall(situation.judgements) is not Verdict.TOO_FEW:
        return False
    late = situation.now >= low_traffic_at(situation)
    return not (late and situation.data.analysis.low_traffic_action == "Continue")


def _low_traffic_held(situation: Situation) -> bool:
    return _low_traffic(situation) and situation.now >= low_traffic_at(situation)


def _approval(situation: Situation) -> bool:
    step = situation.step
    given = situation.data.full or step.weight in situation.data.approved
    return step.approval_required and not given


def _ready(situation: Situation) -> bool:
    side = situation.heir or situation.rising
    n, slack = situation.replicas, situation.deployment.max_unavailable
    return sizing.may_swap(n, slack, available(side))


def old_side(situation: Situation) -> ReplicaSet | None:
    """The old side of an announced swap, as long as it lives."""
    uid = situation.heir.annotations.get(keys.SWAP) if situation.heir else None
    return next((rs for rs in situation.living if rs.ref.uid == uid), None)


def _known_template(situation: Situation) -> bool:
    known = situation.of_template(situation.deployment.template_hash)
    return known is not None and keys.STABLE_AT in known.annotations


HOLDS: Final[Mapping[Event, Callable[[Situation], bool]]] = {
    Event.CALLED_BACK: _called_back,
    Event.ABORTED: _aborted,
    Event.WITHDRAWN: _withdrawn,
    Event.REPLACED: _replaced,
    Event.CRASHED: _crashed,
    Event.FAILED: _failed,
    Event.NO_DATA: lambda s: _no_data(s, "Rollback") and not s.data.full,
    Event.OVERDUE: _overdue,
    Event.OUTGROWN: _outgrown,
    Event.RESIZED: lambda s: s.rising is not None and s.rising.replicas != s.given,
    Event.EMPTY: lambda s: s.replicas == 0,
    Event.LOST: _lost,
    Event.UNAVAILABLE: _unavailable,
    Event.TO_BE_TRIED: lambda s: s.to_be_tried and _ready(s),
    Event.AVAILABLE: lambda s: not _unavailable(s),
    Event.FAILURE_HELD: lambda s: s.data.failure is not None and not _overridden(s),
    Event.NO_DATA_HELD: lambda s: _no_data(s, "Pause") and not _overridden(s),
    Event.HALTED: lambda s: s.policy.paused,
    Event.RUNNING: lambda s: s.now < step_ends(s) and not _overridden(s),
    Event.UNKNOWN: _unknown,
    Event.LOW_TRAFFIC_HELD: _low_traffic_held,
    Event.LOW_TRAFFIC: _low_traffic,
    Event.APPROVAL: _approval,
    Event.LAST_PASSED: lambda s: s.data.full or s.step_number >= len(s.policy.steps),
    Event.PASSED: lambda _: True,
    Event.READY: _ready,
    Event.GAP_UNREADY: lambda s: s.gap and not _ready(s) and old_side(s) is not None,
    Event.GAP_TRIED: lambda s: s.gap and s.trial_swap,
    Event.GAP_READY: lambda s: s.gap,
    Event.NOT_READY: lambda s: not _ready(s),
    Event.UNCHANGED: _withdrawn,
    Event.TEMPLATE_REJECTED: lambda s: s.deployment.template_hash in s.rejected,
    Event.KNOWN_TEMPLATE: _known_template,
    Event.NEW_TEMPLATE: lambda _: True,
    Event.OTHERWISE: lambda _: True,
}
