"""A slow metric server delays nobody else, is asked no more than needed, and is waited for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

import pytest

from e2e.local_operator import LocalOperator
from faults.process import StubProcess
from stage import manifests
from stage.cluster import PROMETHEUS_URL, Json
from stage.manifests import error_analysis, step
from stage.story import Story

INTERVAL_SECONDS: Final = 3
# What a server is asked at once by default (maxInFlight), and one query more than that.
AT_ONCE: Final = 8
TEXTS: Final = AT_ONCE + 1
# Each query under two names.
METRICS: Final = 2 * TEXTS
# In a row, a second apart: so many does a rollback beside it need, none of them late.
READINGS: Final = 5
NEIGHBOUR: Final = "other"


class Neighbour:
    """Another Deployment in the story's namespace; its release is measured by the stub."""

    def __init__(self, story: Story) -> None:
        self._story = story
        *_, deployment = manifests.app(story.namespace, replicas=1)
        deployment["metadata"]["name"] = NEIGHBOUR
        labels = {"app": NEIGHBOUR}
        deployment["spec"]["selector"]["matchLabels"] = labels
        deployment["spec"]["template"]["metadata"]["labels"] = labels
        rollout = manifests.rollout(
            story.namespace, name=NEIGHBOUR, steps=[step(50, "10m")], analysis=self._analysis()
        )
        rollout["spec"]["targetRef"]["name"] = NEIGHBOUR
        story.apply(deployment, rollout)
        story.eventually(lambda: self._status().get("phase") == "Healthy", 60, "it is adopted")
        story.kubectl("set", "env", f"deployment/{NEIGHBOUR}", "VERSION=v2")
        self.until("Pass")

    def until(self, verdict: str) -> list[str]:
        """Wait until all its metrics have this verdict; what they say."""

        def judged() -> list[str]:
            metrics: list[Json] = self._status().get("release", {}).get("metrics", [])
            fitting = [each["message"] for each in metrics if each.get("verdict") == verdict]
            return fitting if len(fitting) == METRICS else []

        return self._story.eventually(judged, 60, f"{NEIGHBOUR}: all metrics are {verdict}")

    def _status(self) -> Json:
        found = self._story.cluster.find("rollouts", self._story.namespace, NEIGHBOUR) or {}
        status: Json = found.get("status", {})
        return status

    def _analysis(self) -> Json:
        metrics = [
            {"name": f"{name}-{number}", "query": f"vector({number})", "max": str(TEXTS)}
            for name in ("one", "same")
            for number in range(TEXTS)
        ]
        return {"source": "stub", "interval": f"{INTERVAL_SECONDS}s", "metrics": metrics}


@pytest.fixture
def stub() -> Iterator[StubProcess]:
    with StubProcess(PROMETHEUS_URL) as started:
        yield started


def gaps_seconds(stub: StubProcess, since: int) -> list[float]:
    """Between requests of the same query, of those that came after so many."""
    asked_at = defaultdict(list)
    for request in stub.requests()[since:]:
        asked_at[request["form"]["query"]].append(request["at"])
    return [later - sooner for at in asked_at.values() for sooner, later in pairwise(at)]


def test_a_slow_server_is_asked_little_and_delays_no_other_rollout(
    new_story: Callable[..., Story],
    new_operator: Callable[..., LocalOperator],
    stub: StubProcess,
    subtests: pytest.Subtests,
) -> None:
    # Given two Rollouts of one operator, one of them measured by a server of its own
    story = new_story("solo-slow", replicas=3, rate=40)
    operator = new_operator(story, stub=stub.url)
    operator.start()
    analysis = error_analysis(interval="1s")
    analysis["metrics"][0]["failureLimit"] = READINGS - 1
    story.adopt(steps=[step(25, "10m")], analysis=analysis)
    neighbour = Neighbour(story)

    # Then in each round a query is asked once, though two metrics have it
    with subtests.test("equal queries"):
        before, known = len(stub.requests()), operator.readings("stub", "Known")

        def rounds() -> float:
            return (operator.readings("stub", "Known") - known) / METRICS

        story.eventually(lambda: rounds() >= 3, 30, "three rounds")
        assert len(stub.requests()) - before <= (rounds() + 1) * TEXTS
        assert min(gaps_seconds(stub, before)) > INTERVAL_SECONDS / 2

    # When it asks to be left alone for a second, then it is, and the answer comes all the same
    for fault in ("too_many_wait_1", "unavailable_wait_1"):
        with subtests.test(fault):
            before = len(stub.requests())
            stub.switch(fault, times=1)

            def repeated(since: int = before) -> list[float]:
                gaps = gaps_seconds(stub, since)
                return [seconds for seconds in gaps if seconds < INTERVAL_SECONDS / 2]

            [waited] = story.eventually(repeated, 30, "a query is asked again")
            assert waited >= 1
            neighbour.until("Pass")
            assert operator.readings("stub", "ServerError") == 0

    # When it answers nobody in time
    stub.switch("none", delay_seconds=60)
    said = neighbour.until("Unknown")
    assert all("is unknown (Timeout: no " in sentence for sentence in said), said

    # Then a bad version beside it is rolled back as quickly as ever
    typed_at = story.set_env(VERSION="v2", ERROR_RATIO="1")
    story.until_serving("v2", 1)
    [canary] = [pod for pod in story.pods_seen(typed_at) if pod.ready_at]
    assert canary.ready_at is not None
    rolled_back = story.until("RollingBack", "RolledBack", since=typed_at, timeout_seconds=30)
    seconds = rolled_back.at - canary.ready_at
    known, late = (operator.readings("default", state) for state in ("Known", "Timeout"))
    print(f"rolled back in {seconds:.1f} s, by {known} readings; {late} came too late")
    assert seconds < READINGS + 5, story.tell()
    assert known >= READINGS
    assert late == 0
    assert "above its maximum" in rolled_back.message
    story.until_now("RolledBack", "v1")

    # And when it is quick again, the other one goes on
    stub.switch("none")
    neighbour.until("Pass")

    # When it asks to be left alone for longer, then it is: only what was under way still came
    before = len(stub.requests())
    stub.switch("too_many_wait_99", times=1)
    said = neighbour.until("Unknown")
    assert all("HTTP 429: the server is asked too much" in sentence for sentence in said), said
    heard = operator.readings("stub", "ServerError")
    story.eventually(
        lambda: operator.readings("stub", "ServerError") >= heard + METRICS, 30, "another round"
    )
    assert len(stub.requests()) - before <= AT_ONCE
