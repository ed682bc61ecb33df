"""The state machine of a release: one table, state by event.

Each pass reads the state from the objects, takes the first event of that state's row, in the order
written here, that holds, and carries out the rule. The order is part of the rules: what makes a
version certainly bad comes before what merely waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sluice.core.situation import State


class Event(StrEnum):
    """What a pass may find; `events.HOLDS` says when each of them holds."""

    CALLED_BACK = "CalledBack"  # an accepted rollback to an earlier version is not there yet
    ABORTED = "Aborted"  # an accepted abort, or rollback of a canary
    WITHDRAWN = "Withdrawn"  # the Deployment's template is the stable one again
    REPLACED = "Replaced"  # the Deployment's template is yet another one
    CRASHED = "Crashed"  # the pods say by themselves that the version is bad
    FAILED = "Failed"  # a metric is out of range, onFailure: Rollback
    NO_DATA = "NoData"  # Unknown for noData.after, action: Rollback
    OVERDUE = "Overdue"  # not available within progressDeadline
    OUTGROWN = "Outgrown"  # the stable side has less than its share beside a tried version
    RESIZED = "Resized"  # the side that rises has another size than it shall have
    EMPTY = "Empty"  # the Deployment is scaled to 0
    LOST = "Lost"  # fewer available pods than the step wants, after it had them
    UNAVAILABLE = "Unavailable"  # not enough available pods yet
    TO_BE_TRIED = "ToBeTried"  # a weight above 50, and enough available pods to be swapped
    AVAILABLE = "Available"  # as many available pods as wanted
    FAILURE_HELD = "FailureHeld"  # a metric is out of range, onFailure: Pause
    NO_DATA_HELD = "NoDataHeld"  # Unknown for noData.after, action: Pause
    HALTED = "Halted"  # spec.paused
    RUNNING = "Running"  # the step's duration is not over
    UNKNOWN = "Unknown"  # no reading of this step that passes it
    LOW_TRAFFIC_HELD = "LowTrafficHeld"  # too few requests for lowTraffic.after, action: Pause
    LOW_TRAFFIC = "LowTraffic"  # too few requests in this step to be judged by
    APPROVAL = "Approval"  # the step waits for approval
    PASSED = "Passed"  # the step is over, and another follows
    LAST_PASSED = "LastPassed"  # the last step is over
    READY = "Ready"  # enough available pods to be swapped
    GAP_UNREADY = "GapUnready"  # nothing is owned, and the new side has lost pods
    GAP_TRIED = "GapTried"  # nothing is owned, and the new side is to be tried
    GAP_READY = "GapReady"  # nothing is owned, the new side is fit
    NOT_READY = "NotReady"  # announced, but the new side has lost pods
    UNCHANGED = "Unchanged"  # the Deployment's template is the stable one
    TEMPLATE_REJECTED = "TemplateRejected"  # the Deployment's template was rolled back before
    KNOWN_TEMPLATE = "KnownTemplate"  # it was stable before: a revert
    NEW_TEMPLATE = "NewTemplate"  # the Deployment has a template that was never released
    OTHERWISE = "Otherwise"  # nothing else holds


class Move(StrEnum):
    """What is done; `moves.MOVES` says by which actions."""

    NOTHING = "nothing"
    START = "make the canary"
    WITHDRAW = "take the rising side to 0"
    REJECT = "reject the canary and take it to 0"
    CONDEMN = "reject the tried version and raise the stable one"
    RECLAIM = "give the tried version up and raise the stable one"
    RESIZE = "size the rising side"
    REFILL = "give the stable side its share"
    START_CLOCK = "start the step's clock"
    STOP_CLOCK = "await the lost pods"
    NEXT_STEP = "grow to the next step"
    RAISE = "grow to N"
    GO_BACK = "raise an earlier version"
    RETURN = "raise the known version"
    ANNOUNCE = "announce the swap"
    UNANNOUNCE = "take the announcement back"
    PART = "take the old side from the Deployment"
    GIVE = "give the new side to the Deployment"
    TAKE_BACK = "give the old side back to the Deployment"
    ACCEPT = "make the tried version the stable one"


class Phase(StrEnum):
    """What a person reads in the first column."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    PROMOTING = "Promoting"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    STALLED = "Stalled"
    INVALID = "Invalid"


@dataclass(frozen=True, slots=True)
class Rule:
    """The state that follows, what is done, and the phase that is shown meanwhile."""

    next: State
    move: Move
    phase: Phase


_BACK: Final = Rule(State.RETURNING, Move.GO_BACK, Phase.ROLLING_BACK)
_WITHDRAW: Final = Rule(State.SHRINKING, Move.WITHDRAW, Phase.ROLLING_BACK)
_REJECT: Final = Rule(State.SHRINKING, Move.REJECT, Phase.ROLLING_BACK)

# A canary before its swap can be taken back without touching the stable side.
_CANARY_ENDS: Final = {
    Event.WITHDRAWN: _WITHDRAW,
    Event.REPLACED: _WITHDRAW,
    Event.CALLED_BACK: _REJECT,
    Event.ABORTED: _REJECT,
    Event.CRASHED: _REJECT,
    Event.FAILED: _REJECT,
    Event.NO_DATA: _REJECT,
}

# A tried one stands in the stable one's place: first that one grows back.
_CONDEMN: Final = Rule(State.RECLAIMING, Move.CONDEMN, Phase.ROLLING_BACK)
_RECLAIM: Final = Rule(State.RECLAIMING, Move.RECLAIM, Phase.ROLLING_BACK)
_TRIED_ENDS: Final = {
    event: {_WITHDRAW: _RECLAIM, _REJECT: _CONDEMN}[rule] for event, rule in _CANARY_ENDS.items()
}


def _stay(state: State, phase: Phase) -> Rule:
    return Rule(state, Move.NOTHING, phase)


TABLE: Final[Mapping[State, Mapping[Event, Rule]]] = {
    State.SETTLED: {
        Event.CALLED_BACK: _BACK,
        Event.UNCHANGED: _stay(State.SETTLED, Phase.HEALTHY),
        Event.TEMPLATE_REJECTED: _stay(State.SETTLED, Phase.ROLLED_BACK),
        Event.HALTED: _stay(State.SETTLED, Phase.PAUSED),
        Event.EMPTY: _stay(State.SETTLED, Phase.PAUSED),
        Event.KNOWN_TEMPLATE: Rule(State.RETURNING, Move.RETURN, Phase.PROMOTING),
        Event.NEW_TEMPLATE: Rule(State.GROWING, Move.START, Phase.PROGRESSING),
    },
    State.GROWING: {
        **_CANARY_ENDS,
        Event.RESIZED: Rule(State.GROWING, Move.RESIZE, Phase.PROGRESSING),
        Event.EMPTY: _stay(State.GROWING, Phase.PAUSED),
        Event.OVERDUE: _REJECT,
        Event.FAILURE_HELD: _stay(State.GROWING, Phase.PAUSED),
        Event.TO_BE_TRIED: Rule(State.SWAPPING, Move.ANNOUNCE, Phase.PROGRESSING),
        Event.UNAVAILABLE: _stay(State.GROWING, Phase.PROGRESSING),
        Event.AVAILABLE: Rule(State.STEPPING, Move.START_CLOCK, Phase.PROGRESSING),
    },
    State.STEPPING: {
        **_CANARY_ENDS,
        Event.RESIZED: Rule(State.GROWING, Move.RESIZE, Phase.PROGRESSING),
        Event.EMPTY: _stay(State.STEPPING, Phase.PAUSED),
        Event.LOST: Rule(State.GROWING, Move.STOP_CLOCK, Phase.PROGRESSING),
        Event.FAILURE_HELD: _stay(State.STEPPING, Phase.PAUSED),
        Event.NO_DATA_HELD: _stay(State.STEPPING, Phase.PAUSED),
        Event.HALTED: _stay(State.STEPPING, Phase.PAUSED),
        Event.TO_BE_TRIED: Rule(State.SWAPPING, Move.ANNOUNCE, Phase.PROGRESSING),
        Event.RUNNING: _stay(State.STEPPING, Phase.PROGRESSING),
        Event.UNKNOWN: _stay(State.STEPPING, Phase.PROGRESSING),
        Event.LOW_TRAFFIC_HELD: _stay(State.STEPPING, Phase.PAUSED),
        Event.LOW_TRAFFIC: _stay(State.STEPPING, Phase.PROGRESSING),
        Event.APPROVAL: _stay(State.STEPPING, Phase.PAUSED),
        Event.LAST_PASSED: Rule(State.RAISING, Move.RAISE, Phase.PROMOTING),
        Event.PASSED: Rule(State.GROWING, Move.NEXT_STEP, Phase.PROGRESSING),
    },
    State.FILLING: {
        **_TRIED_ENDS,
        Event.OUTGROWN: Rule(State.FILLING, Move.REFILL, Phase.PROGRESSING),
        Event.EMPTY: _stay(State.FILLING, Phase.PAUSED),
        Event.OVERDUE: _CONDEMN,
        Event.FAILURE_HELD: _stay(State.FILLING, Phase.PAUSED),
        Event.UNAVAILABLE: _stay(State.FILLING, Phase.PROGRESSING),
        Event.AVAILABLE: Rule(State.TRYING, Move.START_CLOCK, Phase.PROGRESSING),
    },
    State.TRYING: {
        **_TRIED_ENDS,
        Event.OUTGROWN: Rule(State.TRYING, Move.REFILL, Phase.PROGRESSING),
        Event.EMPTY: _stay(State.TRYING, Phase.PAUSED),
        Event.LOST: Rule(State.FILLING, Move.STOP_CLOCK, Phase.PROGRESSING),
        Event.FAILURE_HELD: _stay(State.TRYING, Phase.PAUSED),
        Event.NO_DATA_HELD: _stay(State.TRYING, Phase.PAUSED),
        Event.HALTED: _stay(State.TRYING, Phase.PAUSED),
        Event.RUNNING: _stay(State.TRYING, Phase.PROGRESSING),
        Event.UNKNOWN: _stay(State.TRYING, Phase.PROGRESSING),
        Event.LOW_TRAFFIC_HELD: _stay(State.TRYING, Phase.PAUSED),
        Event.LOW_TRAFFIC: _stay(State.TRYING, Phase.PROGRESSING),
        Event.APPROVAL: _stay(State.TRYING, Phase.PAUSED),
        Event.LAST_PASSED: Rule(State.SHRINKING, Move.ACCEPT, Phase.PROMOTING),
        Event.PASSED: Rule(State.FILLING, Move.NEXT_STEP, Phase.PROGRESSING),
    },
    State.RECLAIMING: {
        Event.RESIZED: Rule(State.RECLAIMING, Move.RESIZE, Phase.ROLLING_BACK),
        Event.READY: Rule(State.SWAPPING, Move.ANNOUNCE, Phase.ROLLING_BACK),
        Event.OVERDUE: _stay(State.RECLAIMING, Phase.STALLED),
        Event.UNAVAILABLE: _stay(State.RECLAIMING, Phase.ROLLING_BACK),
    },
    State.RAISING: {
        **_CANARY_ENDS,
        Event.RESIZED: Rule(State.RAISING, Move.RESIZE, Phase.PROMOTING),
        Event.EMPTY: _stay(State.RAISING, Phase.PAUSED),
        Event.OVERDUE: _REJECT,
        Event.FAILURE_HELD: _stay(State.RAISING, Phase.PAUSED),
        Event.NO_DATA_HELD: _stay(State.RAISING, Phase.PAUSED),
        Event.HALTED: _stay(State.RAISING, Phase.PAUSED),
        Event.UNKNOWN: _stay(State.RAISING, Phase.PROMOTING),
        Event.READY: Rule(State.SWAPPING, Move.ANNOUNCE, Phase.PROMOTING),
        Event.UNAVAILABLE: _stay(State.RAISING, Phase.PROMOTING),
    },
    State.RETURNING: {
        Event.CALLED_BACK: _WITHDRAW,
        Event.REPLACED: _WITHDRAW,
        Event.ABORTED: _REJECT,
        Event.CRASHED: _REJECT,
        Event.RESIZED: Rule(State.RETURNING, Move.RESIZE, Phase.ROLLING_BACK),
        Event.READY: Rule(State.SWAPPING, Move.ANNOUNCE, Phase.ROLLING_BACK),
        Event.OVERDUE: _stay(State.RETURNING, Phase.STALLED),
        Event.UNAVAILABLE: _stay(State.RETURNING, Phase.ROLLING_BACK),
    },
    State.SWAPPING: {
        Event.GAP_UNREADY: Rule(State.SWAPPING, Move.TAKE_BACK, Phase.PROMOTING),
        Event.GAP_TRIED: Rule(State.FILLING, Move.GIVE, Phase.PROGRESSING),
        Event.GAP_READY: Rule(State.SHRINKING, Move.GIVE, Phase.PROMOTING),
        Event.NOT_READY: Rule(State.RAISING, Move.UNANNOUNCE, Phase.PROMOTING),
        Event.READY: Rule(State.SWAPPING, Move.PART, Phase.PROMOTING),
    },
    State.SHRINKING: {
        Event.CALLED_BACK: _BACK,
        Event.OTHERWISE: _stay(State.SHRINKING, Phase.PROMOTING),
    },
}


def rule_of(state: State, event: Event) -> Rule:
    """The rule for a pair; KeyError for a pair that cannot be."""
    return TABLE[state][event]
