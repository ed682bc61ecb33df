"""KEDA's ScaledObject on the same Deployment: Sluice gives way to it, and goes on when it goes.

KEDA itself is not needed: that the object is there says that somebody else sets the replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from e2e.deployment_watch import DeploymentWatch
from e2e.scaling import adopt, condition, fast, until_replicas, wanted
from stage.cluster import Cluster, Json, apply
from stage.story import Story

CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAME: Final = "scaledobjects.keda.sh"
# As much of KEDA's as is needed to store such an object.
CRD: Final[Json] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": NAME},
    "spec": {
        "group": "keda.sh",
        "scope": "Namespaced",
        "names": {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def keda(cluster: Cluster, new_story: Callable[..., Story]) -> Iterator[Story]:
    """A story on a cluster that knows ScaledObjects."""
    apply([CRD])
    story = new_story("keda", replicas=2)
    story.eventually(
        lambda: cluster.request("GET", "/apis/keda.sh/v1alpha1/scaledobjects").status_code == 200,
        30,
        "ScaledObjects are served",
    )
    yield story
    cluster.delete(f"{CRDS}/{NAME}")


def test_a_scaled_object_is_given_way_to_until_it_goes(
    keda: Story, watched: Callable[[Story], DeploymentWatch]
) -> None:
    # Given a Rollout that wants three replicas, beside a ScaledObject on the same Deployment
    scaled_object = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "rival", "namespace": keda.namespace},
        "spec": {"scaleTargetRef": {"name": "web"}},
    }
    keda.apply(scaled_object)
    deployment = watched(keda)
    adopt(keda, metrics=wanted(3), behavior=fast())

    # Then it says who is in the way, and writes nothing
    found = keda.eventually(lambda: condition(keda, "Conflict"), 30, "the conflict is said")
    assert "ScaledObject rival" in found["message"]
    keda.until_reconciled()
    assert {number for _, number in deployment.replicas()} == {2}

    # When the other one goes, it heals. Lists are a minute old at most
    keda.kubectl("delete", "scaledobject/rival")
    until_replicas(keda, 3, timeout_seconds=90)
    keda.eventually(lambda: not condition(keda, "Conflict"), 30, "the conflict is over")
