"""Every action as the request that it becomes."""

from typing import Any

import pytest

from sluice.adapters.kube import encoded
from sluice.adapters.wire import JSON_PATCH, MERGE, STRATEGIC, Request
from sluice.adapters.writes import request_of, status_request
from sluice.core.objects import Ref
from sluice.core.plan import (
    Action,
    CreateRecord,
    CreateReplicaSet,
    DeleteRecord,
    DeleteReplicaSet,
    DisownDeployment,
    Owner,
    PatchDeployment,
    PatchRecord,
    PatchReplicaSet,
    PatchRollout,
    ScaleDeployment,
)

REF = Ref("web", "u1", "7")
GUARD = {"uid": "u1", "resourceVersion": "7"}
OWNER = Owner("apps/v1", "ControllerRevision", "sluice-web", "a1")
OWNED = [
    {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "name": "sluice-web",
        "uid": "a1",
        "controller": True,
        "blockOwnerDeletion": False,
    }
]
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
NEW = CreateReplicaSet(
    name="web-p1",
    owner=OWNER,
    replicas=2,
    pod_hash="p1",
    template=TEMPLATE,
    selector={"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "x"}]},
    min_ready_seconds=3,
    labels={"app": "web", "sluice.dev/rollout": "web"},
    annotations={"sluice.dev/role": "canary"},
)


def body_of(request: Request) -> dict[str, Any]:
    assert isinstance(request.body, dict)
    return request.body


def test_our_entries_are_taken_out_of_the_managed_fields_from_the_last_on() -> None:
    request = request_of("shop", DisownDeployment(REF, (1, 3)))
    assert (request.method, request.content_type) == ("PATCH", JSON_PATCH)
    assert request.body == [
        {"op": "test", "path": "/metadata/uid", "value": "u1"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "remove", "path": "/metadata/managedFields/3"},
        {"op": "remove", "path": "/metadata/managedFields/1"},
    ]


@pytest.mark.parametrize(
    "action",
    [
        PatchRollout(REF, annotations={"a": None}),
        PatchDeployment(REF, paused=True),
        PatchDeployment(REF, template=TEMPLATE),
        PatchReplicaSet(REF, replicas=0),
        PatchRecord(REF, annotations={"a": "1"}),
    ],
)
def test_every_patch_names_uid_and_version(action: Action) -> None:
    request = request_of("shop", action)
    assert request.method == "PATCH"
    assert request.path.startswith("/apis/")
    assert request.path.endswith("/web")
    assert body_of(request)["metadata"].items() >= GUARD.items()
    assert request.query["fieldManager"] == "sluice"


@pytest.mark.parametrize("action", [DeleteReplicaSet(REF), DeleteRecord(REF)])
def test_every_deletion_has_preconditions_and_works_in_the_background(action: Action) -> None:
    body = body_of(request_of("shop", action))
    assert body["preconditions"] == GUARD
    assert body["propagationPolicy"] == "Background"


def test_a_removed_annotation_is_null_and_finalizers_are_replaced_as_a_list() -> None:
    action = PatchRollout(REF, annotations={"gone": None, "new": "1"}, finalizers=("a", "b"))
    request = request_of("shop", action)
    assert request.path == "/apis/sluice.dev/v1alpha1/namespaces/shop/rollouts/web"
    assert body_of(request) == {
        "metadata": {
            **GUARD,
            "annotations": {"gone": None, "new": "1"},
            "finalizers": ["a", "b"],
        }
    }


def test_what_is_not_changed_is_not_sent() -> None:
    assert body_of(request_of("shop", PatchDeployment(REF))) == {"metadata": GUARD}
    assert body_of(request_of("shop", PatchReplicaSet(REF))) == {"metadata": GUARD}
    assert body_of(request_of("shop", PatchRollout(REF))) == {"metadata": GUARD}


def test_a_deployment_is_paused_by_a_merge_patch() -> None:
    action = PatchDeployment(REF, paused=False, progress_deadline_seconds=600)
    request = request_of("shop", action)
    assert request.content_type == MERGE
    assert body_of(request)["spec"] == {"paused": False, "progressDeadlineSeconds": 600}


def test_replicas_are_set_by_the_scale_alone() -> None:
    request = request_of("shop", ScaleDeployment(REF, 5))
    assert (request.method, request.content_type) == ("PATCH", MERGE)
    assert request.path == "/apis/apps/v1/namespaces/shop/deployments/web/scale"
    assert body_of(request) == {"metadata": GUARD, "spec": {"replicas": 5}}


def test_a_template_is_replaced_as_a_whole() -> None:
    request = request_of("shop", PatchDeployment(REF, template=TEMPLATE))
    assert request.content_type == STRATEGIC
    assert body_of(request)["spec"] == {"template": {"$patch": "replace", **TEMPLATE}}


def test_owner_replicas_labels_and_annotations_change_in_one_patch() -> None:
    action = PatchReplicaSet(
        REF, replicas=3, owner=OWNER, labels={"l": "1"}, annotations={"a": None}
    )
    assert body_of(request_of("shop", action)) == {
        "metadata": {
            **GUARD,
            "ownerReferences": OWNED,
            "labels": {"l": "1"},
            "annotations": {"a": None},
        },
        "spec": {"replicas": 3},
    }


def test_a_new_replica_set_selects_by_its_hash() -> None:
    request = request_of("shop", NEW)
    assert request.method == "POST"
    assert request.path == "/apis/apps/v1/namespaces/shop/replicasets"
    assert request.query["fieldValidation"] == "Strict"
    body = body_of(request)
    assert body["kind"] == "ReplicaSet"
    assert body["metadata"] == {
        "name": "web-p1",
        "namespace": "shop",
        "labels": {"app": "web", "sluice.dev/rollout": "web"},
        "annotations": {"sluice.dev/role": "canary"},
        "ownerReferences": OWNED,
    }
    assert body["spec"] == {
        "replicas": 2,
        "minReadySeconds": 3,
        "selector": {
            "matchLabels": {"app": "web", "pod-template-hash": "p1"},
            "matchExpressions": [{"key": "x"}],
        },
        "template": {
            "metadata": {"labels": {"app": "web", "pod-template-hash": "p1"}},
            "spec": {"containers": []},
        },
    }


def test_the_template_that_was_given_is_left_as_it_is() -> None:
    request_of("shop", NEW)
    assert TEMPLATE["metadata"] == {"labels": {"app": "web"}}


def test_an_anchor_has_no_owner_and_a_record_has() -> None:
    anchor = CreateRecord("sluice-web", {"l": "1"}, {"a": "1"})
    assert "ownerReferences" not in body_of(request_of("shop", anchor))["metadata"]
    record = CreateRecord("sluice-web-h", {}, {}, OWNER, {"template": TEMPLATE})
    body = body_of(request_of("shop", record))
    assert body["metadata"]["ownerReferences"] == OWNED
    assert (body["data"], body["revision"]) == ({"template": TEMPLATE}, 1)


def test_the_status_is_applied_as_a_whole_and_guarded_by_its_version() -> None:
    request = status_request("shop", REF, {"phase": "Healthy"})
    assert request.path == "/apis/sluice.dev/v1alpha1/namespaces/shop/rollouts/web/status"
    assert request.query == {"fieldManager": "sluice", "force": "true"}
    assert body_of(request) == {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"},
        "status": {"phase": "Healthy"},
    }


def test_bodies_are_written_as_go_writes_them() -> None:
    assert encoded({"a": "<&>\u2028é"}) == '{"a":"\\u003c\\u0026\\u003e\\u2028é"}'.encode()
