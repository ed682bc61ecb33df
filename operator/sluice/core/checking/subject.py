"""What is checked: a Rollout's analysis, and the pods that stand for both sides of a release."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sluice.core import placeholders, selectors
from sluice.core.comparing import LAG, Ground
from sluice.core.policy import Analysis, Step
from sluice.core.selectors import Selector

# How far back counters are read, and at which instants. Each pod is counted over the time that it
# has been there, so the length only says how well rare errors are known.
LOOK_SECONDS: Final = 600.0
GRID_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class StablePod:
    """A ready pod of the stable version."""

    name: str
    started: datetime


@dataclass(frozen=True, slots=True)
class Labels:
    """What the labels are called in the source that say whose a series is."""

    pod: str = "pod"
    namespace: str = "namespace"


@dataclass(frozen=True, slots=True)
class Subject:
    """A Rollout's analysis and steps, and the stable pods of its Deployment `name`.

    `replicas` is the Deployment's, `other_pods` how many ready pods share its traffic that are not
    stable.
    """

    namespace: str
    name: str
    analysis: Analysis
    steps: tuple[Step, ...]
    replica_set: str
    pods: tuple[StablePod, ...]
    replicas: int
    now: datetime
    other_pods: int = 0
    labels: Labels = Labels()

    @property
    def expression(self) -> str:
        """A regular expression for the stable pods' names, as a release has it."""
        usual = placeholders.pods_expression(self.replica_set)
        names = [pod.name for pod in self.pods]
        alike = all(re.fullmatch(usual, name) for name in names)
        return usual if alike else placeholders.names_expression(names)

    @property
    def ground(self) -> Ground:
        """The counters of the last minutes, with nobody in the canary's place."""
        began = self.now - LAG - timedelta(seconds=LOOK_SECONDS)
        nobody = placeholders.names_expression(())
        return Ground(began, self.namespace, nobody, self.expression)

    @property
    def oldest_seconds(self) -> float:
        """For how long the oldest of the pods has been there."""
        started = min((pod.started for pod in self.pods), default=self.now)
        return max(0.0, (self.now - started).total_seconds())

    def filled(self, query: str) -> str:
        """The query of a metric with the stable pods in every place."""
        pods = self.expression
        values = {"namespace": self.namespace, "name": self.name}
        return placeholders.fill(query, values | dict.fromkeys(("canary", "stable", "pods"), pods))

    def pinned(self, selector: Selector) -> Selector:
        """The selector of a comparison with what Sluice adds to it."""
        own = (
            (self.labels.namespace, "=", selectors.quoted(self.namespace)),
            (self.labels.pod, "=~", selectors.quoted(self.expression)),
        )
        return Selector(selector.name, (*selector.matchers, *own))


@dataclass(frozen=True, slots=True)
class Sought:
    """A selector that a metric reads, and over how long; `part` names it among the metric's."""

    part: str
    selector: Selector
    range_seconds: float | None = None
