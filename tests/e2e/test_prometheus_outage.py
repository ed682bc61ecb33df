"""Prometheus goes away during a canary: the release holds, says why, and goes on afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from e2e.invariants import made, most_owned
from e2e.local_operator import LocalOperator
from stage.cluster import NODE, SYSTEM, Cluster, Json, path_of
from stage.manifests import error_analysis, step
from stage.story import Story

MANIFEST: Final = Path(__file__).with_name("spare_prometheus.yaml")
REPLICAS: Final = 2


def spare_prometheus(story: Story) -> str:
    """Start a real Prometheus in the story's namespace; its URL for this machine."""
    cluster = story.cluster
    main = cluster.get(path_of("deployments", SYSTEM, "prometheus"))
    image = main["spec"]["template"]["spec"]["containers"][0]["image"]
    objects: list[Json] = list(yaml.safe_load_all(MANIFEST.read_text()))
    for item in objects:
        item["metadata"]["namespace"] = story.namespace
    objects[-1]["spec"]["template"]["spec"]["containers"][0]["image"] = image
    story.apply(*objects)
    scale_spare(story, 1)
    service = cluster.get(path_of("services", story.namespace, "spare"))
    return f"http://{node_address(cluster)}:{service['spec']['ports'][0]['nodePort']}"


def scale_spare(story: Story, replicas: int) -> None:
    """Scale it, and wait until it is there or gone."""
    story.kubectl("scale", "deployment/spare", f"--replicas={replicas}")

    def scaled() -> bool:
        pods = story.cluster.items("pods", story.namespace, "app=spare")
        found = story.cluster.get(path_of("deployments", story.namespace, "spare"))
        return len(pods) == replicas == int(found["status"].get("readyReplicas", 0))

    story.eventually(scaled, 60, f"{replicas} pods of the spare Prometheus")


def node_address(cluster: Cluster) -> str:
    """The address of the node, which this machine reaches through Docker's bridge."""
    addresses = cluster.get(f"/api/v1/nodes/{NODE}")["status"]["addresses"]
    return str(next(entry["address"] for entry in addresses if entry["type"] == "InternalIP"))


def test_outage_holds_the_release_and_its_end_lets_it_go_on(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator]
) -> None:
    # Given a release whose metrics come from a Prometheus of its own
    story = new_story("solo-outage", replicas=REPLICAS, rate=20)
    new_operator(story, spare=spare_prometheus(story)).start()
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
    scale_spare(story, 0)

    # Then the phase is Paused after noData.after, and says why
    paused = story.until("Paused", timeout_seconds=30, since=out_at)
    assert paused.at - out_at >= 6, story.tell()
    assert "errors" in paused.message, paused.message
    assert "noData.after" in paused.message, paused.message

    # And the weight holds, beyond the step's duration
    wait_until_step_would_be_over(story, typed_at + 45)
    status = story.now().status
    assert (status["phase"], status["release"]["step"]) == ("Paused", 1), story.tell()
    assert len(made(story, "v2")) == 1

    # When Prometheus is back
    scale_spare(story, 1)

    # Then the release goes on to its end
    story.until_now("Healthy", "v2", timeout_seconds=90)
    story.until_gone("v1")
    assert len(made(story, "v2")) == REPLICAS
    assert most_owned(story) == 1


def wait_until_step_would_be_over(story: Story, instant: float) -> None:
    """Nothing is to happen; what is awaited is a time after the step's duration."""
    story.eventually(lambda: time.time() > instant, 60, "the step's duration is over")
