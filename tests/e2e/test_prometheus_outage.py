"""Prometheus goes away during a canary: the release holds, says why, and goes on afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from e2e.invariants import made, most_owned
from e2e.local_operator import LocalOperator
from e2e.spare_prometheus import SparePrometheus
from stage.manifests import error_analysis, step
from stage.story import Story

REPLICAS: Final = 2


def test_outage_holds_the_release_and_its_end_lets_it_go_on(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a release whose metrics come from a Prometheus of its own
    story = new_story("solo-outage", replicas=REPLICAS, rate=20)
    spare = SparePrometheus(story)
    new_operator(story, spare=spare.url).start()
    story.adopt(
        steps=[step(34, "20s"), step(50, "2s")],
        analysis=error_analysis(
            source="spare", interval="2s", noData={"after": "6s", "action": "Pause"}
        ),
    )
    typed_at = story.set_env(VERSION="v2")
    story.until_serving("v2", 1)

    def read_once() -> bool:
        metrics = story.now().status.get("release", {}).get("metrics", [])
        return any(metric.get("verdict") == "Pass" for metric in metrics)

    story.eventually(read_once, 30, "a reading passes")

    # When Prometheus is scaled to 0
    out_at = time.time()
    spare.scale(0)

    # Then the phase is Paused after noData.after, and says why
    paused = story.until("Paused", timeout_seconds=30, since=out_at)
    assert paused.at - out_at >= 6, story.tell()
    assert "errors" in paused.message, paused.message
    assert "noData.after" in paused.message, paused.message

    # And the weight holds, beyond the step's duration
    story.until_time(typed_at + 45)
    status = story.now().status
    assert (status["phase"], status["release"]["step"]) == ("Paused", 1), story.tell()
    assert len(made(story, "v2")) == 1

    # When Prometheus is back
    spare.scale(1)

    # Then the release goes on to its end
    story.until_now("Healthy", "v2", timeout_seconds=90)
    story.until_gone("v1")
    assert len(made(story, "v2")) == REPLICAS
    assert most_owned(story) == 1
