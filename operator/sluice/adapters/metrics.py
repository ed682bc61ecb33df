"""What the operator tells of itself in Prometheus' format."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from sluice.adapters.kube import Call
from sluice.core.readings import Answer, Reason, Unknown

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PASS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# A source has at most 60 s.
_QUERY_SECONDS = (*_PASS_SECONDS, 30.0, 60.0)


class Metrics:
    """Counters that other parts are given as hooks."""

    def __init__(self) -> None:
        # Else each counter has a twin that tells when it was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        registry = self.registry
        self._passes = Counter(
            "sluice_passes", "Passes over a Rollout, by outcome.", ["outcome"], registry=registry
        )
        self._pass_seconds = Histogram(
            "sluice_pass_duration_seconds",
            "How long a pass took.",
            buckets=_PASS_SECONDS,
            registry=registry,
        )
        self._requests = Counter(
            "sluice_api_requests",
            "Requests to the API server; code 0 is no answer.",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self._readings = Counter(
            "sluice_metric_readings",
            "Answers to metric queries: Known, or why there is none. No name: no such source.",
            ["source", "state"],
            registry=registry,
        )
        self._query_seconds = Histogram(
            "sluice_metric_query_seconds",
            "How long a metric query took, with its repetitions.",
            ["source"],
            buckets=_QUERY_SECONDS,
            registry=registry,
        )
        self._decisions = Counter(
            "sluice_decisions", "Decisions, by what was decided.", ["what"], registry=registry
        )
        self._events = Counter(
            "sluice_events",
            "Kubernetes Events about Rollouts: written, failed, or dropped in a full queue.",
            ["outcome"],
            registry=registry,
        )

    def passed(self, outcome: str, seconds: float) -> None:
        """A pass has ended: Done, AgainIn, or the name of its error."""
        self._passes.labels(outcome).inc()
        self._pass_seconds.observe(seconds)

    def called(self, call: Call) -> None:
        """A request to the API server has ended."""
        self._requests.labels(call.verb, call.resource, str(call.code)).inc()

    def heard(self, source: str, answers: Iterable[tuple[str, Answer]]) -> None:
        """A round of metrics has its answers."""
        for _, answer in answers:
            state = answer.reason.value if isinstance(answer, Unknown) else "Known"
            # A name that nobody configured is a user's text: it may make no series of its own.
            known_source = "" if state == Reason.NO_SOURCE else source
            self._readings.labels(known_source, state).inc()

    def asked(self, source: str, seconds: float) -> None:
        """A metric source was asked a query."""
        self._query_seconds.labels(source).observe(seconds)

    def decided(self, what: str) -> None:
        """A decision was made and carried out."""
        self._decisions.labels(what).inc()

    def told(self, outcome: str) -> None:
        """An Event was written, has failed, or was dropped."""
        self._events.labels(outcome).inc()

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read when somebody asks."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def page(self) -> bytes:
        """All of it, as text."""
        return generate_latest(self.registry)
