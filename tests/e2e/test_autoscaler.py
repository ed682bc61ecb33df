"""A HorizontalPodAutoscaler on the Deployment: replicas are its own, whatever a release does.

The real autoscaler acts on a value that the test sets, read from a metrics API of the test's own;
and the same writes to `/scale` are made by hand after each write of the operator's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from e2e import audit
from e2e.deployment_watch import SLUICE, DeploymentWatch, fields_of
from e2e.external_metrics import GROUP_VERSION
from e2e.invariants import fewest_serving, made, most_owned, stable_versions
from e2e.load_counts import LONG_DRAIN, assert_all_answered
from e2e.local_operator import LocalOperator
from e2e.swap import stop_in_the_gap
from stage.cluster import Cluster, Json, path_of
from stage.manifests import step
from stage.story import Story, version_of
from stage.traffic import Traffic

RATE = 20
FEW, MANY = 2, 4
HPA_USER: Final = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
# It looks every 15 s, and its pods start after that.
HPA_SECONDS = 60
SERVER: Final = Path(__file__).with_name("external_metrics.py")
MANIFEST: Final = Path(__file__).with_name("external_metrics.yaml")
API_SERVICE: Final = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io"
AUTOSCALER: Final[Json] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 1,
        "maxReplicas": 8,
        "metrics": [
            {
                "type": "External",
                "external": {
                    "metric": {"name": "wanted-replicas"},
                    "target": {"type": "AverageValue", "averageValue": "1"},
                },
            }
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    },
}
# From the approval of its last step on, a release makes so many writes until it shrinks.
WRITES = 8
SHARES = 2


class ExternalMetrics:
    """The metrics API of the cluster, with one value: there can be one of these at a time."""

    def __init__(self, story: Story) -> None:
        self._story = story
        cluster, namespace = story.cluster, story.namespace
        *objects, api_service = yaml.safe_load_all(MANIFEST.read_text())
        objects[0]["stringData"] = {SERVER.name: SERVER.read_text(), "tls.pem": certificate()}
        for item in objects:
            item["metadata"]["namespace"] = namespace
        story.apply(*objects)
        story.kubectl("rollout", "status", "deployment/external-metrics", "--timeout=60s")
        api_service["spec"]["service"]["namespace"] = namespace
        story.apply(api_service)
        values = f"/apis/{GROUP_VERSION}/namespaces/{namespace}/wanted-replicas"
        story.eventually(lambda: cluster.get(values)["items"], 60, "the metrics API answers")

    def set(self, value: int) -> None:
        """Have the autoscaler read this from now on."""
        service = path_of("services", self._story.namespace, "https:external-metrics:443")
        path = f"{service}/proxy/value/{value}"
        self._story.cluster.request("PUT", path).raise_for_status()


def certificate() -> str:
    """A key and a certificate for itself, made in the node; nobody checks it."""
    subject = ("-subj", "/CN=external-metrics", "-days", "1")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")
    return audit.in_node("openssl", "req", "-x509", *subject, *key, "-keyout", "-", "-out", "-")


@pytest.fixture
def external_metrics(cluster: Cluster) -> Iterator[Callable[[Story], ExternalMetrics]]:
    """Makes the metrics API; it is taken away before its server goes."""
    yield ExternalMetrics
    cluster.delete(API_SERVICE)


def start_release(story: Story, version: str) -> None:
    """Bring a version, and wait until its only step waits for the approval."""
    typed_at = story.set_env(VERSION=version)
    story.until("Paused", since=typed_at)


def until_at_rest(story: Story, phase: str, version: str, replicas: int) -> None:
    """Wait until this version is stable and has so many pods, and no other has any that stays."""
    story.until_now(phase, version)
    story.until_serving(version, replicas)

    def alone() -> bool:
        staying = [pod for pod in story.pods() if "deletionTimestamp" not in pod["metadata"]]
        return len(staying) == replicas == len(story.uids(version))

    story.eventually(alone, 60, f"{replicas} pods of {version}, and no other")


def assert_nothing_lost(
    story: Story, watch: DeploymentWatch, since: float, before: Traffic
) -> None:
    """No request, and no pod more than maxUnavailable (25 %) of N, the smaller where N changed."""
    now = time.time()
    changes = watch.replicas(since)
    ends = [at for at, _ in changes[1:]] + [now]
    for index, (start, count) in enumerate(changes):
        fewer = min(count, changes[max(0, index - 1)][1])
        fewest = fewest_serving(story, max(since, start), ends[index])
        assert fewest >= fewer - fewer // 4, f"{fewest} of {fewer}\n{story.tell()}"
    assert_all_answered(story, before)
    assert most_owned(story) == 1
    for state in watch.states(since):
        assert "spec/replicas" not in fields_of(state, SLUICE)


def test_replicas_follow_the_autoscaler_before_in_and_after_a_release(
    new_story: Callable[..., Story],
    new_operator: Callable[..., LocalOperator],
    external_metrics: Callable[[Story], ExternalMetrics],
    watched: Callable[[Story], DeploymentWatch],
) -> None:
    # Given a Deployment under traffic, with an autoscaler
    story = new_story("solo-autoscaled", replicas=FEW, rate=RATE, environment=LONG_DRAIN)
    operator = new_operator(story)
    operator.start()
    watch = watched(story)
    wanted = external_metrics(story)
    wanted.set(FEW)
    began, before, position = time.time(), story.traffic(), audit.mark()
    story.apply({**AUTOSCALER, "metadata": {"name": "web", "namespace": story.namespace}})
    story.adopt(steps=[step(50, approval="Required")])

    # When it wants more before a release, then they are there
    wanted.set(3)
    story.until_serving("v1", 3, HPA_SECONDS)

    # When it wants more in a release, then the stable side has them
    start_release(story, "v2")
    wanted.set(MANY)
    story.until_serving("v1", MANY, HPA_SECONDS)

    # When it wants fewer in the moment of the swap, in which the Deployment owns nothing
    operator.kill()
    story.command("promote")
    stop_in_the_gap(story, operator)
    wanted.set(FEW)
    story.eventually(
        lambda: watch.replicas()[-1][1] == FEW, HPA_SECONDS, "the autoscaler has scaled down"
    )

    # Then both sides serve on, and the new one has so many when the swap is done
    assert len(story.uids("v1")) == MANY
    operator.restart()
    until_at_rest(story, "Healthy", "v2", FEW)

    # When it wants more after the release, and fewer in a rollback, then so it is
    wanted.set(4)
    story.until_serving("v2", 4, HPA_SECONDS)
    story.command("rollback")
    wanted.set(3)
    story.eventually(
        lambda: watch.replicas()[-1][1] == 3, HPA_SECONDS, "the autoscaler has scaled down"
    )
    until_at_rest(story, "RolledBack", "v1", 3)

    # And nobody but the autoscaler has ever scaled the Deployment, once for each time it wanted to
    assert [count for _, count in watch.replicas(began)] == [FEW, 3, MANY, FEW, 4, 3]
    scaled = [
        entry
        for entry in audit.finished(audit.writes(audit.since(position)))
        if entry.get("objectRef", {}).get("namespace") == story.namespace
        and entry["objectRef"].get("subresource") == "scale"
        # Of a state that was outdated meanwhile (409) it is refused, and sent again.
        and entry["responseStatus"]["code"] == 200
    ]
    assert len(scaled) == len(audit.by(HPA_USER, scaled)) == 5
    assert_nothing_lost(story, watch, began, before)
    assert stable_versions(story, began) == ["v1", "v2", "v1"]


@pytest.mark.parametrize(("first", "then"), [(FEW, MANY), (MANY, FEW)], ids=["up", "down"])
def test_scaled_between_the_two_patches_of_a_swap(
    new_story: Callable[..., Story],
    new_operator: Callable[..., LocalOperator],
    watched: Callable[[Story], DeploymentWatch],
    first: int,
    then: int,
) -> None:
    # Given a release under traffic whose operator has died between the two changes of owner
    story = new_story("solo-scaled-gap", replicas=first, rate=RATE, environment=LONG_DRAIN)
    operator, watch = new_operator(story), watched(story)
    operator.start()
    story.adopt(steps=[step(50, approval="Required")])
    began, before = time.time(), story.traffic()
    start_release(story, "v2")
    operator.kill()
    story.command("promote")
    stop_in_the_gap(story, operator)

    # When the Deployment is scaled, as an autoscaler would, and its controller has seen it
    story.scale(then)
    story.eventually(lambda: observed(story), 30, "the Deployment controller has seen it")

    # Then it does nothing, for it owns nothing
    assert (len(story.uids("v1")), len(story.uids("v2"))) == (first, first)

    # And when the release goes on, the new side gets that size, and the old one goes. One that
    # is too small now is not given to the Deployment: the old one is, which grows meanwhile
    operator.restart()
    until_at_rest(story, "Healthy", "v2", then)
    assert len(made(story, "v2")) == max(first, then), story.tell()
    assert len(made(story, "v1", since=began)) == max(0, then - first), story.tell()
    assert watch.course("replicas", began) == [first, then]
    assert_nothing_lost(story, watch, began, before)
    assert stable_versions(story, began) == ["v1", "v2"]


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_scaled_after_each_write_of_a_swap(
    new_story: Callable[..., Story],
    new_operator: Callable[..., LocalOperator],
    watched: Callable[[Story], DeploymentWatch],
    share: int,
) -> None:
    # Given a Deployment under traffic
    story = new_story(f"solo-scaled-swap-{share}", replicas=FEW, rate=RATE, environment=LONG_DRAIN)
    operator, watch = new_operator(story), watched(story)
    operator.start()
    story.adopt(steps=[step(50, approval="Required")])
    began, before, sizes = time.time(), story.traffic(), [FEW]

    for writes in range(share, WRITES + 1, SHARES):
        # When the Deployment is scaled after the n-th write that follows the last approval, up
        # and down in turn, and then the release goes on
        version = f"v2-{writes}"
        start_release(story, version)
        operator.kill()
        story.command("promote")
        operator.start(exit_after_writes=writes)
        story.eventually(lambda: operator.ended_itself, 60, f"{writes} writes were made")
        owned = [version_of(item) for item in story.owned_by_deployment()]
        print(f"after {writes} writes the Deployment owns {owned}")
        sizes.append(MANY if sizes[-1] == FEW else FEW)
        story.scale(sizes[-1])
        operator.restart()

        # Then the new version has all its pods in the end, and nothing else is there
        until_at_rest(story, "Healthy", version, sizes[-1])

    # And the sizes are those that were typed, and nothing was lost on the way
    assert watch.course("replicas", began) == sizes
    assert_nothing_lost(story, watch, began, before)


def observed(story: Story) -> bool:
    """Whether the Deployment controller has seen the Deployment as it is now."""
    found = story.deployment()
    return bool(found["status"].get("observedGeneration") == found["metadata"]["generation"])
