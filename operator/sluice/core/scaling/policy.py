"""What the user asked for under `spec.scaling`, as plain values.

Quantities are whole thousandths, as the HorizontalPodAutoscaler computes with them. What has no
default here has the one of autoscaling/v2 filled in already: a policy without `behavior` is not
one with its defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# The controller-manager's --horizontal-pod-autoscaler-tolerance.
DEFAULT_TOLERANCE: Final = 0.1
DEFAULT_DOWN_WINDOW_SECONDS: Final = 300


class Mode(StrEnum):
    """Whether decisions are carried out."""

    ACTIVE = "Active"
    RECOMMEND = "Recommend"


class TargetKind(StrEnum):
    """How a metric's value becomes a number of pods, as for External metrics of autoscaling/v2."""

    AVERAGE_VALUE = "averageValue"
    VALUE = "value"


class PolicyKind(StrEnum):
    """What a rate limit counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Select(StrEnum):
    """Which of several rate limits holds: the one that allows the largest or smallest change."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class ScalingMetric:
    """A query whose single value is held at its target."""

    name: str
    query: str
    kind: TargetKind
    target_milli: int


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most so many pods, or per cent of them, within a period."""

    kind: PolicyKind
    value: int
    period_seconds: int


@dataclass(frozen=True, slots=True)
class Direction:
    """`behavior.scaleUp` or `behavior.scaleDown`, defaults filled in."""

    limits: tuple[RateLimit, ...]
    window_seconds: int
    select: Select = Select.MAX
    tolerance: float = DEFAULT_TOLERANCE


@dataclass(frozen=True, slots=True)
class Behavior:
    """How fast replicas may rise and fall."""

    up: Direction
    down: Direction


@dataclass(frozen=True, slots=True)
class Fallback:
    """Raise to so many replicas when no metric has answered for so long; never lowers."""

    replicas: int
    after_seconds: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """A floor and a ceiling from each `start` (five cron fields, in the time zone) for so long."""

    name: str
    start: str
    duration_seconds: float
    time_zone: str = "UTC"
    min_replicas: int | None = None
    max_replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Scaling:
    """`spec.scaling`. Without a `behavior` the limits are those of an HPA without one."""

    min_replicas: int
    max_replicas: int
    metrics: tuple[ScalingMetric, ...]
    mode: Mode = Mode.ACTIVE
    interval_seconds: float = 15.0
    source: str = "default"
    behavior: Behavior | None = None
    fallback: Fallback | None = None
    schedules: tuple[Schedule, ...] = ()
