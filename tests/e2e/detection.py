"""How long a bad version is served: from its first pod's readiness to its last answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from e2e.invariants import made
from e2e.load_counts import counts_since
from stage.cluster import Json, path_of
from stage.story import Story
from stage.traffic import answered_by

REPLICAS: Final = 8
# One canary beside eight stable pods.
WEIGHT: Final = 12
ERRORS: Final[Json] = {
    "name": "errors",
    "counters": {"bad": 'http_requests_total{code=~"5.."}', "total": "http_requests_total"},
}
LATENCY: Final[Json] = {"name": "latency", "histogram": "http_request_duration_seconds"}


@dataclass(frozen=True)
class Found:
    """What a bad version has done until it was gone, and why it went."""

    seconds: float
    failed: int
    answered: int
    message: str

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.failed} of {self.answered} failed: {self.message}"


def analysis(interval: str) -> Json:
    """Errors and latency, both compared with the stable version."""
    return {"interval": interval, "metrics": [ERRORS, LATENCY]}


def bad_release(story: Story, version: str, timeout_seconds: float, **environment: str) -> Found:
    """Release a version, wait until it is rolled back and all its pods are gone."""
    stable = story.stable_version()
    before = story.traffic()
    typed_at = story.set_env(VERSION=version, **environment)
    story.until("Progressing", since=typed_at)
    rolled_back = story.until(
        "RollingBack", "RolledBack", since=typed_at, timeout_seconds=timeout_seconds
    )
    story.until_now("RolledBack", stable)
    story.until_gone(version)
    counts = counts_since(story, before)
    ready = [pod.ready_at for pod in made(story, version) if pod.ready_at]
    return Found(
        seconds=story.traffic().last_answer_of(version) - min(ready),
        failed=counts.get(f"{version}/500", 0),
        answered=answered_by(counts, version),
        message=rolled_back.message,
    )


def set_error_ratio(story: Story, ratio: float) -> float:
    """An incident of all pods, or its end; returns when the last one had heard of it."""
    for pod in story.pods():
        path = path_of("pods", story.namespace, f"{pod['metadata']['name']}:8080")
        answer = story.cluster.request("PUT", f"{path}/proxy/error-ratio/{ratio:g}")
        answer.raise_for_status()
    return time.time()
