"""What a simulation is made of, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, Literal

from sluice.core.policy import Policy
from sluice.model.cluster import Strategy
from sluice.model.traffic import Counts, Version

# A release that has not ended after so long never will.
LONGEST_SECONDS: Final = 86_400.0

Outcome = Literal["Healthy", "RolledBack", "Paused", "UnderWay"]


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds since the new template, from `begin` up to and without `end`."""

    begin_seconds: float = 0.0
    end_seconds: float = inf

    def __contains__(self, seconds: float) -> bool:
        return self.begin_seconds <= seconds < self.end_seconds


@dataclass(frozen=True, slots=True)
class Given:
    """The value of a metric during a span."""

    value: float
    span: Span = field(default_factory=Span)


@dataclass(frozen=True, slots=True)
class Order:
    """A command that somebody gives."""

    at_seconds: float
    verb: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A Rollout, its Deployment, and what happens from the new template on."""

    policy: Policy
    name: str = "web"
    namespace: str = "default"
    replicas: int = 8
    strategy: Strategy = field(default_factory=Strategy)
    per_second: float = 80.0
    stable: Version = field(default_factory=Version)
    canary: Version = field(default_factory=Version)
    pod_start_seconds: float = 5.0
    # Its container ends so long after each of its starts; None: never.
    crash_after_seconds: float | None = None
    metrics_down: tuple[Span, ...] = ()
    operator_down: tuple[Span, ...] = ()
    values: Mapping[str, tuple[Given, ...]] = field(default_factory=dict)
    orders: tuple[Order, ...] = ()
    until_seconds: float = LONGEST_SECONDS
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Side:
    """The pods of a version: how many are ready, how many are wanted."""

    ready: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: `what` in a few words, `why` as a sentence."""

    at_seconds: float
    phase: str
    step: int | None
    steps: int
    weight: int
    old: Side
    new: Side
    what: str
    why: str
    # Whose doing it was: Sluice's, or what befell it.
    ours: bool = True
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """A simulation that was played to its end."""

    moments: tuple[Moment, ...]
    outcome: Outcome
    why: str
    ended_seconds: float
    # When it was decided that the version is good, or bad; None while it is not.
    decided_seconds: float | None
    old: Counts
    new: Counts
    lost: int
    least_ready: int
    # How the value of each metric was come by.
    meters: Mapping[str, str]
