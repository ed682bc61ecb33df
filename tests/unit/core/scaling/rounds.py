"""Rounds of scaling for tests: policies, facts and whole courses, with the time as an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sluice.core.readings import Answer, Known, Reason, Unknown
from sluice.core.scaling.decision import decide
from sluice.core.scaling.kept import (
    Bounds,
    Facts,
    Memory,
    Recommendation,
    Scaled,
    ScaleEvent,
)
from sluice.core.scaling.policy import (
    Behavior,
    Direction,
    PolicyKind,
    RateLimit,
    Scaling,
    ScalingMetric,
    Select,
    TargetKind,
)

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
INTERVAL_SECONDS = 15
OUT = Unknown(Reason.TIMEOUT)

# What the API fills in where a behavior block leaves a direction out.
UP_DEFAULT = Direction(
    (RateLimit(PolicyKind.PODS, 4, 15), RateLimit(PolicyKind.PERCENT, 100, 15)), 0
)
DOWN_DEFAULT = Direction((RateLimit(PolicyKind.PERCENT, 100, 15),), 300)
DEFAULT_BEHAVIOR = Behavior(UP_DEFAULT, DOWN_DEFAULT)
UNLIMITED_BEHAVIOR = Behavior(
    Direction((RateLimit(PolicyKind.PERCENT, 100_000, 15),), 0),
    Direction((RateLimit(PolicyKind.PERCENT, 100, 15),), 0),
)


def at(seconds: float) -> datetime:
    """So many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def ago(minutes: float = 0, seconds: float = 0) -> datetime:
    """So long before NOW."""
    return NOW - timedelta(minutes=minutes, seconds=seconds)


def average(name: str = "rps", target: float = 1.0, query: str = "sum(q)") -> ScalingMetric:
    """A metric of which each pod shall have `target`."""
    return ScalingMetric(name, query, TargetKind.AVERAGE_VALUE, round(target * 1000))


def value(name: str = "queue", target: float = 1.0, query: str = "max(q)") -> ScalingMetric:
    """A metric that shall be `target`."""
    return ScalingMetric(name, query, TargetKind.VALUE, round(target * 1000))


def policy(
    *metrics: ScalingMetric,
    low: int = 1,
    high: int = 1000,
    behavior: Behavior | None = None,
) -> Scaling:
    """A policy with rounds every 15 seconds; without metrics with one whose value is the number
    of pods it asks for.
    """
    return Scaling(low, high, metrics or (average(),), behavior=behavior)


def pods(number: int, seconds: int) -> RateLimit:
    return RateLimit(PolicyKind.PODS, number, seconds)


def percent(number: int, seconds: int) -> RateLimit:
    return RateLimit(PolicyKind.PERCENT, number, seconds)


def limited(
    *, up: Iterable[RateLimit] = (), down: Iterable[RateLimit] = (), select: Select = Select.MAX
) -> Behavior:
    """Rate limits alone, without windows; the direction that is not given has its defaults."""
    return Behavior(
        Direction(tuple(up) or UP_DEFAULT.limits, 0, select),
        Direction(tuple(down) or DOWN_DEFAULT.limits, 0, select),
    )


def windows(up_seconds: int, down_seconds: int) -> Behavior:
    """Windows alone, without a rate limit that any test would reach."""
    return Behavior(
        replace(UNLIMITED_BEHAVIOR.up, window_seconds=up_seconds),
        replace(UNLIMITED_BEHAVIOR.down, window_seconds=down_seconds),
    )


def facts(
    current: int,
    answers: Mapping[str, Answer | float] | float | None = None,
    *,
    asked_at: datetime = NOW,
    ready: int | None = None,
    ready_all: int | None = None,
    **others: object,
) -> Facts:
    """Facts with every pod ready; a plain number is the value of `rps`."""
    if answers is None:
        named: Mapping[str, Answer | float] = {}
    elif isinstance(answers, int | float):
        named = {"rps": answers}
    else:
        named = answers
    stable = current if ready is None else ready
    known = tuple(
        (name, Known(float(each)) if isinstance(each, int | float) else each)
        for name, each in named.items()
    )
    made = Facts(current, stable, stable if ready_all is None else ready_all, known, asked_at)
    return replace(made, **others)  # type: ignore[arg-type]


def remembered(*recommendations: tuple[datetime, int], events: Iterable[ScaleEvent] = ()) -> Memory:
    return Memory(
        tuple(Recommendation(*each) for each in recommendations), tuple(events), asked_at=ago(1)
    )


@dataclass
class Course:
    """A Deployment that is scaled round by round, with the memory that goes with it."""

    scaling: Scaling
    current: int
    memory: Memory = field(default_factory=Memory)
    seconds: float = 0.0
    bounds: Bounds = field(default_factory=Bounds)

    def round(self, answers: Mapping[str, Answer | float] | float, **others: object) -> Scaled:
        """One round; what is decided is written."""
        now = at(self.seconds)
        seen = facts(self.current, answers, asked_at=now, bounds=self.bounds, **others)  # type: ignore[arg-type]
        scaled = decide(self.scaling, seen, self.memory, now)
        self.memory = scaled.after_write
        self.current = scaled.desired
        self.seconds += INTERVAL_SECONDS
        return scaled

    def rounds(
        self, answers: Mapping[str, Answer | float] | float, number: int, **others: object
    ) -> list[int]:
        """The replicas after each of so many equal rounds."""
        return [self.round(answers, **others).desired for _ in range(number)]

    def until(
        self, answers: Mapping[str, Answer | float] | float, replicas: int, most: int = 300
    ) -> Iterator[int]:
        """The replicas after each round, until they are as given."""
        for _ in range(most):
            yield self.round(answers).desired
            if self.current == replicas:
                return
        raise AssertionError(f"{self.current} after {most} rounds, not {replicas}")
