"""Who has set a field of a Deployment, as its metadata tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from sluice.adapters.lenient import map_of, maps_of, text_of, texts_of
from sluice.core.keys import FIELD_MANAGER
from sluice.core.objects import JsonMap

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_FIELD: Final = "progressDeadlineSeconds"
# The API server's default (k8s.io/kubernetes/pkg/apis/apps/v1/defaults.go).
_DEFAULT_SECONDS: Final = 600


def deadline_has_owner(raw: JsonMap) -> bool:
    """Whether somebody else has set progressDeadlineSeconds of this Deployment.

    Server-side apply owns what the manifest says. An update (`kubectl create`, client-side apply,
    Helm 3) owns every field that it first stored, the API server's defaults too: there only a
    value that is no default, or one in kubectl's copy of the manifest, is somebody's wish.
    """
    if _in_last_applied(raw):
        return True
    wished = map_of(raw, "spec").get(_FIELD) not in (None, _DEFAULT_SECONDS)
    return any(
        operation == "Apply" or wished
        for manager, operation in _owners(raw)
        if manager != FIELD_MANAGER
    )


def our_entries(raw: JsonMap) -> tuple[int, ...]:
    """Which entries of managedFields are ours."""
    entries = maps_of(map_of(raw, "metadata"), "managedFields")
    return tuple(
        index for index, entry in enumerate(entries) if text_of(entry, "manager") == FIELD_MANAGER
    )


def _owners(raw: JsonMap) -> Iterator[tuple[str, str]]:
    """Manager and operation of every entry of managedFields that has the field."""
    for entry in maps_of(map_of(raw, "metadata"), "managedFields"):
        owned = map_of(map_of(entry, "fieldsV1"), "f:spec")
        if f"f:{_FIELD}" in owned and not entry.get("subresource"):
            yield text_of(entry, "manager"), text_of(entry, "operation")


def _in_last_applied(raw: JsonMap) -> bool:
    copy = texts_of(map_of(raw, "metadata"), "annotations").get(LAST_APPLIED, "{}")
    try:
        manifest = json.loads(copy)
    except ValueError:
        return False
    return isinstance(manifest, dict) and _FIELD in map_of(manifest, "spec")
