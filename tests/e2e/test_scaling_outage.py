"""Prometheus goes away at high load: no pod goes with it, and none at the first low reading."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from e2e.deployment_watch import DeploymentWatch
from e2e.local_operator import LocalOperator
from e2e.scaling import RPS, adopt, condition, fast, replicas, until_replicas
from e2e.spare_prometheus import SparePrometheus
from stage.story import Story

OUT_SECONDS: Final = 180
TARGET: Final = 20
PEAK: Final = 6


def test_an_outage_of_three_minutes_takes_no_pod_away(
    new_story: Callable[..., Story],
    new_operator: Callable[..., LocalOperator],
    watched: Callable[[Story], DeploymentWatch],
) -> None:
    # Given six pods under a load that needs them, and no window that would hold them by itself
    story = new_story("solo-blind", replicas=2, rate=PEAK * TARGET - 5)
    spare = SparePrometheus(story)
    operator = new_operator(story, spare=spare.url)
    operator.start()
    metric = {"name": "rps", "query": RPS, "target": {"averageValue": TARGET}}
    adopt(story, metrics=[metric], minReplicas=2, maxReplicas=PEAK, source="spare", behavior=fast())
    until_replicas(story, PEAK)
    story.until_serving("v1", PEAK)
    deployment = watched(story)

    # When Prometheus is gone for three minutes, and the operator is killed meanwhile
    out_at = time.time()
    spare.scale(0)
    unknown = story.eventually(
        lambda: (found := condition(story, "ScalingActive")).get("status") == "False" and found,
        30,
        "it is said that the metric is not known",
    )
    assert "rps" in unknown["message"], unknown
    story.until_time(out_at + OUT_SECONDS / 2)
    operator.restart()
    story.until_time(out_at + OUT_SECONDS)

    # Then not one pod fewer
    assert {number for _, number in deployment.replicas(out_at)} == {PEAK}
    assert "rps" in story.now().message, story.tell()

    # When it is back, empty, and the load has gone: its first reading is a low one
    story.set_rate(10)
    fallen = time.time()
    spare.scale(1)
    story.eventually(
        lambda: condition(story, "ScalingActive").get("status") == "True", 60, "it is known"
    )
    until_replicas(story, 2)

    # Then pods went, but not before a second reading said so, too
    lowered_at = next(at for at, number in deployment.replicas(fallen) if number < PEAK)
    known_at = min(
        moment.at
        for moment in story.moments(fallen)
        if any(
            c["type"] == "ScalingActive" and c["status"] == "True"
            for c in moment.status.get("conditions", [])
        )
    )
    assert lowered_at - known_at >= 0.5, (known_at, deployment.replicas(fallen))
    assert replicas(story) == 2
