"""What is read of the API server's objects."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.adapters import views
from sluice.adapters.views import TemplateHashes, max_unavailable_of
from sluice.core.objects import Container, Ref, Role

TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": "a:1"}]}}


def meta(**more: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "namespace": "shop",
        "uid": "u1",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-11-24T10:00:00Z",
        **more,
    }


def test_a_rollout_is_read_with_its_policy() -> None:
    raw = {
        "metadata": meta(annotations={"sluice.dev/command": "abort"}, finalizers=["a/b"]),
        "spec": {"targetRef": {"name": "checkout"}, "paused": True},
        "status": {"phase": "Healthy"},
    }
    rollout = views.rollout(raw)
    assert rollout.ref == Ref("web", "u1", "7")
    assert (rollout.namespace, rollout.generation) == ("shop", 3)
    assert rollout.created == datetime(2026, 11, 24, 10, tzinfo=UTC)
    assert rollout.policy is not None
    assert rollout.policy.paused
    assert (rollout.target, rollout.finalizers) == ("checkout", ("a/b",))
    assert rollout.status == {"phase": "Healthy"}
    assert not rollout.deleting


def test_an_invalid_spec_becomes_problems_and_the_target_stays_known() -> None:
    raw = {"metadata": meta(), "spec": {"targetRef": {"name": "checkout"}, "canary": 5}}
    rollout = views.rollout(raw)
    assert rollout.policy is None
    assert rollout.problems
    assert rollout.target == "checkout"


def test_a_deployment_is_read_with_the_fields_of_its_spec_and_status() -> None:
    raw = {
        "metadata": meta(
            annotations={"a": "1", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
        ),
        "spec": {
            "replicas": 8,
            "paused": True,
            "selector": {"matchLabels": {"app": "web"}},
            "template": TEMPLATE,
            "minReadySeconds": 4,
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate"},
        },
        "status": {"observedGeneration": 2, "replicas": 8, "availableReplicas": 7},
    }
    found = views.deployment(raw, TemplateHashes())
    assert (found.replicas, found.paused, found.min_ready_seconds) == (8, True, 4)
    assert (found.revision_history_limit, found.progress_deadline_seconds) == (0, 600)
    assert (found.max_unavailable, found.available_replicas) == (2, 7)
    assert found.annotations == {"a": "1"}
    assert not found.observed


def test_a_replica_set_knows_its_owner_only_by_the_controller_reference() -> None:
    owners = [{"uid": "other"}, {"uid": "boss", "controller": True}]
    raw = {
        "metadata": meta(ownerReferences=owners, annotations={"sluice.dev/role": "canary"}),
        "spec": {"replicas": 2, "template": TEMPLATE},
        "status": {"observedGeneration": 3, "replicas": 2, "readyReplicas": 1},
    }
    found = views.replica_set(raw, TemplateHashes())
    assert found.owner_uid == "boss"
    assert found.role is Role.CANARY
    assert (found.replicas, found.ready_replicas, found.available) == (2, 1, 0)


def test_an_object_without_a_controller_has_no_owner() -> None:
    raw = {"metadata": meta(ownerReferences=[{"uid": "other"}]), "spec": {"template": TEMPLATE}}
    assert views.replica_set(raw, TemplateHashes()).owner_uid is None


def test_a_record_is_read_from_labels_annotations_and_data() -> None:
    raw = {
        "metadata": meta(
            labels={"sluice.dev/template": "abc"},
            annotations={
                "sluice.dev/pod-hash": "p1",
                "sluice.dev/rejected-at": "2026-11-24T10:00:00Z",
                "sluice.dev/reason": "too slow",
                "sluice.dev/tries": "2",
            },
        ),
        "data": {"template": TEMPLATE},
    }
    found = views.record(raw)
    assert (found.template_hash, found.pod_hash, found.tries) == ("abc", "p1", 2)
    assert (found.rejected_at, found.reason) == ("2026-11-24T10:00:00Z", "too slow")
    assert found.template == TEMPLATE


def test_an_anchor_tells_which_deployment_it_is_for() -> None:
    raw = {"metadata": meta(annotations={"sluice.dev/deployment-uid": "d1"})}
    assert views.anchor(raw).deployment_uid == "d1"


def test_a_pod_shows_init_containers_first_and_how_they_ended() -> None:
    raw = {
        "metadata": meta(labels={"pod-template-hash": "p1"}),
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {
                    "name": "app",
                    "restartCount": 3,
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                }
            ],
            "initContainerStatuses": [{"name": "prepare", "state": {"running": {}}}],
        },
    }
    found = views.pod(raw)
    assert (found.pod_hash, found.phase, found.ready) == ("p1", "Running", True)
    assert found.containers == (
        Container("prepare"),
        Container("app", 3, "CrashLoopBackOff", "back-off", 137, "OOMKilled"),
    )


def test_a_pod_that_fits_nowhere_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    raw = {"metadata": meta(), "status": {"conditions": [{**condition, "message": "no cpu"}]}}
    assert views.pod(raw).unschedulable == "no cpu"
    gated = {**condition, "reason": "SchedulingGated", "message": "gates"}
    assert views.pod({"metadata": meta(), "status": {"conditions": [gated]}}).unschedulable == ""


def test_a_template_is_hashed_once_for_each_generation() -> None:
    hashes = TemplateHashes()
    first = hashes.of("u1", 1, TEMPLATE)
    # The same generation is not looked at again, so another template shows the cache.
    assert hashes.of("u1", 1, {}) == first
    assert hashes.of("u1", 2, {}) != first
    assert hashes.of("u2", 1, {}) != first


def test_an_object_without_a_uid_is_hashed_each_time() -> None:
    hashes = TemplateHashes()
    assert hashes.of("", 0, TEMPLATE) != hashes.of("", 0, {})


def test_the_memory_of_hashes_is_bounded() -> None:
    hashes = TemplateHashes(limit=3)
    for number in range(10):
        hashes.of(f"u{number}", 1, TEMPLATE)
    assert len(hashes._known) == 3


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (8, "25%", "25%", 2),
        (10, "25%", "25%", 2),
        (3, "25%", "25%", 0),
        (3, 0, "25%", 1),
        (3, "0%", "0%", 1),
        (3, 1, 0, 0),
        (4, 1, 10, 4),
        (4, "100%", "100%", 4),
        (1, None, None, 0),
        (0, "25%", "25%", 0),
    ],
)
def test_max_unavailable_is_rounded_as_kubernetes_rounds_it(
    replicas: int, surge: object, unavailable: object, expected: int
) -> None:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    given_ones = {k: v for k, v in rolling.items() if v is not None}
    spec = {"replicas": replicas, "strategy": {"rollingUpdate": given_ones}}
    assert max_unavailable_of(spec) == expected


def test_recreate_has_no_max_unavailable() -> None:
    assert max_unavailable_of({"replicas": 5, "strategy": {"type": "Recreate"}}) == 0


FIELDS = [
    "metadata",
    "spec",
    "status",
    "data",
    "template",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "uid",
    "name",
    "managedFields",
    "fieldsV1",
    "f:spec",
    "generation",
    "creationTimestamp",
    "replicas",
    "strategy",
    "rollingUpdate",
    "maxSurge",
    "conditions",
    "type",
    "containerStatuses",
    "state",
    "lastState",
    "terminated",
    "waiting",
    "targetRef",
    "canary",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=8,
)
PARTS = st.dictionaries(st.sampled_from(FIELDS[:4]), JSON)


@given(raw=PARTS)
def test_whatever_is_left_out_or_odd_is_read_without_an_error(raw: dict[str, Any]) -> None:
    views.rollout(raw)
    views.deployment(raw, TemplateHashes())
    views.replica_set(raw, TemplateHashes())
    views.record(raw)
    views.anchor(raw)
    views.pod(raw)
