"""What scaling reads and decides, as Prometheus metrics of the operator.

One series for each Rollout, and one for each of its metrics: with Rollouts they come, and go.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from sluice.core.scaling.kept import Proposal, Scaled
from sluice.ports import Key

_ROLLOUT: Final = ("namespace", "rollout")
_METRIC: Final = (*_ROLLOUT, "metric")


class ScalingMetrics:
    """Satisfies what the journal wants to tell of scaling."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._current = Gauge(
            "sluice_scaling_current_replicas",
            "Replicas that the Deployment has.",
            _ROLLOUT,
            registry=registry,
        )
        self._desired = Gauge(
            "sluice_scaling_desired_replicas",
            "Replicas that it shall have; in mode Recommend nobody sets them.",
            _ROLLOUT,
            registry=registry,
        )
        self._value = Gauge(
            "sluice_scaling_metric_value",
            "The newest reading of a metric; no series while it is not known.",
            _METRIC,
            registry=registry,
        )
        self._known = Gauge(
            "sluice_scaling_metric_known",
            "1 while the metric answers; 0 while nothing is lowered because it does not.",
            _METRIC,
            registry=registry,
        )
        self._decisions = Counter(
            "sluice_scaling_decisions",
            "Decisions on replicas, by what made the number what it is.",
            ["reason"],
            registry=registry,
        )
        self._shown: dict[Key, frozenset[str]] = {}

    def scaled(self, key: Key, scaled: Scaled) -> None:
        """A decision was made; one that is not fresh only tells of the replicas."""
        place = (key.namespace, key.name)
        self._current.labels(*place).set(scaled.current)
        self._desired.labels(*place).set(scaled.desired)
        if not scaled.fresh:
            self._shown.setdefault(key, frozenset())
            return
        self._decisions.labels(scaled.cause.value).inc()
        proposals = scaled.explanation.proposals
        names = frozenset(proposal.name for proposal in proposals)
        for gone in self._shown.get(key, frozenset()) - names:
            self._drop(key, gone)
        self._shown[key] = names
        for proposal in proposals:
            self._show(key, proposal)

    def forget(self, key: Key) -> None:
        """The Rollout is gone, or scales no more."""
        names = self._shown.pop(key, None)
        if names is None:
            return
        for name in names:
            self._drop(key, name)
        for gauge in (self._current, self._desired):
            gauge.remove(key.namespace, key.name)

    def clear(self) -> None:
        """Another process leads, and shows its own."""
        for key in tuple(self._shown):
            self.forget(key)

    def _show(self, key: Key, proposal: Proposal) -> None:
        labels = (key.namespace, key.name, proposal.name)
        self._known.labels(*labels).set(proposal.value is not None)
        if proposal.value is None:
            self._value.remove(*labels)
        else:
            self._value.labels(*labels).set(proposal.value)

    def _drop(self, key: Key, metric: str) -> None:
        for gauge in (self._value, self._known):
            gauge.remove(key.namespace, key.name, metric)
