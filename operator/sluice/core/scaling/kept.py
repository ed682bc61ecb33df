"""The plain values of a scaling decision: what is seen, what is remembered, what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from sluice.core.readings import Answer
from sluice.core.scaling.policy import TargetKind


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the schedules ask for now: the highest floor and the lowest ceiling, the schedules
    that they are of, and when one of them begins or ends next.
    """

    floor: int | None = None
    ceiling: int | None = None
    floor_by: str = ""
    ceiling_by: str = ""
    next_change: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the metrics asked for, before windows, limits and bounds.

    `at` is the last round that asked for it. Only the newest recommendation of a memory still
    holds: its `at` is the first such round, so that nothing needs to be written while it lasts.
    """

    at: datetime
    replicas: int


@dataclass(frozen=True, slots=True)
class ScaleEvent:
    """A change of the replicas that Sluice wrote: pods added, or removed where it is negative."""

    at: datetime
    change: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered from round to round; kept in status, so that windows survive a restart.

    `recommendations` and `events` are oldest first. `asked_at` is when the readings of the last
    round were asked for. `unknown_since` is set while the last round had a metric that was not
    known; `unknown_until` is the first round after that. `unanswered_since` is set while no metric
    answers, `unanswered_at` is the last round of that. `probe` is what pods that do not fit allow.
    """

    recommendations: tuple[Recommendation, ...] = ()
    events: tuple[ScaleEvent, ...] = ()
    asked_at: datetime | None = None
    unknown_since: datetime | None = None
    unknown_until: datetime | None = None
    unanswered_since: datetime | None = None
    unanswered_at: datetime | None = None
    probe: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision is made from.

    `current` is `spec.replicas`; `ready` are the stable side's ready pods and `ready_all` both
    sides', for queries with `{{pods}}`. `answers` are the readings by metric name, of one round
    that was asked at `asked_at`; empty where there are none yet. `lowering_waits` says why nothing
    is lowered now. `pending` are pods that no node has room for.
    """

    current: int
    ready: int
    ready_all: int
    answers: tuple[tuple[str, Answer], ...] = ()
    asked_at: datetime | None = None
    lowering_waits: str = ""
    pending: int = 0
    bounds: Bounds = field(default_factory=Bounds)


class Cause(StrEnum):
    """What made the number what it is; a closed list."""

    DISABLED = "Disabled"
    NO_READINGS = "NoReadings"
    METRIC = "Metric"
    TOLERANCE = "Tolerance"
    UNKNOWN = "Unknown"
    FALLBACK = "Fallback"
    WINDOW = "Window"
    POLICY = "Policy"
    SCHEDULE = "Schedule"
    BOUND = "Bound"
    WAITING = "Waiting"
    PENDING = "Pending"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one metric asks for. Without a value `unknown` says why, and nothing is proposed.

    `ratio` is the value to what the target allows the present pods; within the tolerance the
    proposal is the present number.
    """

    name: str
    kind: TargetKind
    target_milli: int
    value: float | None = None
    unknown: str = ""
    detail: str = ""
    replicas: int | None = None
    ratio: float | None = None
    within_tolerance: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that changed the number on its way from the metrics to the replicas."""

    cause: Cause
    before: int
    after: int
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a number came about: each metric's proposal, the largest of them and whose it is, and
    the rules that changed it, in order. `floor` and `ceiling` are the bounds that held.
    """

    floor: int
    ceiling: int
    proposals: tuple[Proposal, ...] = ()
    largest: int | None = None
    by: str = ""
    steps: tuple[Step, ...] = ()
    next_change: datetime | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A condition, with reasons as in autoscaling/v2."""

    status: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Scaled:
    """A decision. `memory` is what to remember if nothing is written, else `after_write` is.

    `fresh` is false where there was nothing to decide on: no readings but those of the last
    decision, and bounds that are kept. Then what was shown before still holds.
    """

    at: datetime
    current: int
    desired: int
    cause: Cause
    message: str
    explanation: Explanation
    memory: Memory
    active: Said
    limited: Said
    fresh: bool = True

    @property
    def after_write(self) -> Memory:
        """What to remember once `desired` is written: rate limits count the change from then on.

        A decision that is only shown changes nothing and must not be counted.
        """
        change = self.desired - self.current
        if change == 0:
            return self.memory
        events = (*self.memory.events, ScaleEvent(self.at, change))
        return replace(self.memory, events=events)
