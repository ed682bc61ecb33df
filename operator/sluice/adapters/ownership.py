"""Who has set a field of a Deployment, as its metadata tells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

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
    spec = raw.get("spec") or {}
    wished = spec.get(_FIELD) not in (None, _DEFAULT_SECONDS)
    return any(
        operation == "Apply" or wished
        for manager, operation in _owners(raw)
        if manager != FIELD_MANAGER
    )


def _owners(raw: JsonMap) -> Iterator[tuple[str, str]]:
    """Manager and operation of every entry of managedFields that has the field."""
    for entry in (raw.get("metadata") or {}).get("managedFields") or ():
        fields: Mapping[str, Any] = entry.get("fieldsV1") or {}
        if not entry.get("subresource") and f"f:{_FIELD}" in (fields.get("f:spec") or {}):
            yield str(entry.get("manager", "")), str(entry.get("operation", ""))


def _in_last_applied(raw: JsonMap) -> bool:
    annotations = (raw.get("metadata") or {}).get("annotations") or {}
    try:
        manifest = json.loads(annotations.get(LAST_APPLIED, "{}"))
        return _FIELD in (manifest.get("spec") or {})
    except (ValueError, AttributeError, TypeError):
        return False
