"""Requests to the Kubernetes API as values: which verb, on what, with which body.

Every change of an existing object names its uid and resourceVersion, in the body or as a
precondition, so that a plan made from an old state is refused with 409.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from typing import Any, Final

from sluice.core.keys import FIELD_MANAGER

Json = dict[str, Any]

MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY: Final = "application/apply-patch+yaml"

_METHODS: Final = {
    "get": "GET",
    "list": "GET",
    "create": "POST",
    "patch": "PATCH",
    "apply": "PATCH",
    "replace": "PUT",
    "delete": "DELETE",
}
# The verbs that change nothing.
READS: Final = frozenset({"get", "list"})
# An unknown field in a body of ours is a bug that must not be swallowed.
_STRICT: Final = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind's place in the API. `api_version` is `v1` or `<group>/<version>`."""

    api_version: str
    kind: str
    plural: str


ROLLOUTS: Final = Resource("sluice.dev/v1alpha1", "Rollout", "rollouts")
DEPLOYMENTS: Final = Resource("apps/v1", "Deployment", "deployments")
REPLICA_SETS: Final = Resource("apps/v1", "ReplicaSet", "replicasets")
REVISIONS: Final = Resource("apps/v1", "ControllerRevision", "controllerrevisions")
PODS: Final = Resource("v1", "Pod", "pods")
LEASES: Final = Resource("coordination.k8s.io/v1", "Lease", "leases")
AUTOSCALERS: Final = Resource(
    "autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"
)
SCALED_OBJECTS: Final = Resource("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
EVENTS: Final = Resource("events.k8s.io/v1", "Event", "events")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `namespace` None means all of them, `name` None the collection."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str | None = None
    sub: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json | list[Json] | None = None
    content_type: str = "application/json"

    @property
    def method(self) -> str:
        """The HTTP method."""
        return _METHODS[self.verb]

    @property
    def path(self) -> str:
        """The path, without the query."""
        version = self.resource.api_version
        parts = [f"/apis/{version}" if "/" in version else f"/api/{version}"]
        if self.namespace is not None:
            parts += ["namespaces", self.namespace]
        parts += [part for part in (self.resource.plural, self.name, self.sub) if part is not None]
        return "/".join(parts)

    @property
    def label(self) -> str:
        """The resource, and the subresource if there is one: `rollouts/status`."""
        return f"{self.resource.plural}/{self.sub}" if self.sub else self.resource.plural

    def __str__(self) -> str:
        place = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.verb} {self.label} {place}".rstrip()


def get(resource: Resource, namespace: str, name: str) -> Request:
    """Read one object, as it is now."""
    return Request("get", resource, namespace, name)


def listing(
    resource: Resource, namespace: str | None, selector: str = "", *, limit: int = 0
) -> Request:
    """Read all objects that a label selector matches, as they are now (no cache of the server).

    A limit other than 0 reads so many and no more.
    """
    query = {"labelSelector": selector} if selector else {}
    if limit:
        query["limit"] = str(limit)
    return Request("list", resource, namespace, query=query)


def create(resource: Resource, namespace: str, body: Json) -> Request:
    """Create an object. apiVersion and kind are added to the body."""
    whole = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    return Request("create", resource, namespace, query=_STRICT, body=whole)


def patch(
    resource: Resource,
    namespace: str,
    name: str,
    body: Json | list[Json],
    *,
    content_type: str = MERGE,
) -> Request:
    """Patch an object."""
    return Request(
        "patch", resource, namespace, name, query=_STRICT, body=body, content_type=content_type
    )


def scale(resource: Resource, namespace: str, name: str, body: Json) -> Request:
    """Patch an object's scale."""
    return replaced(patch(resource, namespace, name, body), sub="scale")


def replace(resource: Resource, namespace: str, name: str, body: Json) -> Request:
    """Replace an object that is in the state of the body's resourceVersion.

    apiVersion and kind are added to the body.
    """
    whole = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    return Request("replace", resource, namespace, name, query=_STRICT, body=whole)


def apply_status(resource: Resource, namespace: str, name: str, body: Json) -> Request:
    """Own the whole status by server-side apply. apiVersion and kind are added to the body."""
    return Request(
        "apply",
        resource,
        namespace,
        name,
        sub="status",
        query={"fieldManager": FIELD_MANAGER, "force": "true"},
        body={"apiVersion": resource.api_version, "kind": resource.kind, **body},
        content_type=APPLY,
    )


def delete(resource: Resource, namespace: str, name: str, *, uid: str, version: str) -> Request:
    """Delete that very object in that very state; its dependents follow in the background."""
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": uid, "resourceVersion": version},
        "propagationPolicy": "Background",
    }
    return Request("delete", resource, namespace, name, body=body)
