"""What the user asked for: the Rollout's spec as plain values, defaults filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sluice.core.scaling.policy import Scaling

NoDataAction = Literal["Pause", "Rollback", "Continue"]
LowTrafficAction = Literal["Pause", "Continue"]
FailureAction = Literal["Rollback", "Pause"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a release: `weight` is the percentage of ready pods that the canary shall be."""

    weight: int
    duration_seconds: float = 0.0
    approval_required: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured, in one of three forms.

    `query` is PromQL whose single value must lie within `minimum` and `maximum`, both inclusive;
    `failure_limit` readings in a row out of range are still accepted. `counters` (selectors of the
    bad and of all requests) and `histogram` (a selector) are compared between both sides: the
    canary may have `tolerance` times the stable side's ratio, and of counters at most `maximum`.
    """

    name: str
    query: str = ""
    minimum: float | None = None
    maximum: float | None = None
    failure_limit: int = 0
    counters: tuple[str, str] | None = None
    histogram: str = ""
    tolerance: float = 1.0

    @property
    def compares(self) -> bool:
        """Whether the canary is compared with the stable side."""
        return not self.query


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is measured during a release, how often, and what follows from it."""

    source: str = "default"
    interval_seconds: float = 10.0
    confidence: float = 0.99
    # None: 30 s for histograms, else 0.
    initial_delay_seconds: float | None = None
    min_requests: int = 100
    low_traffic_after_seconds: float = 1800.0
    low_traffic_action: LowTrafficAction = "Pause"
    no_data_after_seconds: float = 120.0
    no_data_action: NoDataAction = "Pause"
    on_failure: FailureAction = "Rollback"
    metrics: tuple[Metric, ...] = ()

    @property
    def compares(self) -> bool:
        """Whether any metric compares both sides."""
        return any(metric.compares for metric in self.metrics)


@dataclass(frozen=True, slots=True)
class Policy:
    """A Rollout's spec. `steps` rise strictly in weight and are never empty."""

    target: str
    paused: bool = False
    steps: tuple[Step, ...] = (Step(10, 120.0), Step(50, 180.0))
    progress_deadline_seconds: float = 600.0
    # Restarts of one canary container, while the stable side's does not restart, that are certain.
    crash_restarts: int = 3
    analysis: Analysis = field(default_factory=Analysis)
    # None: replicas belong to whoever sets them.
    scaling: Scaling | None = None
