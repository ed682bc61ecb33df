"""Who has set progressDeadlineSeconds. The shapes are those of a real API server."""

import json
from typing import Any

import pytest

from sluice.adapters.ownership import LAST_APPLIED, deadline_has_owner


def deployment(*owners: tuple[str, str], seconds: int | None = 600, **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:spec": {"f:progressDeadlineSeconds": {}, "f:replicas": {}}}
    entries = [
        {"manager": manager, "operation": operation, "fieldsV1": fields}
        for manager, operation in owners
    ]
    return {
        "metadata": {"managedFields": entries, **more},
        "spec": {"progressDeadlineSeconds": seconds},
    }


def applied(spec: dict[str, Any]) -> dict[str, Any]:
    return {LAST_APPLIED: json.dumps({"spec": spec})}


@pytest.mark.parametrize(
    ("raw", "owned"),
    [
        pytest.param(deployment(("kubectl-create", "Update")), False, id="only the default"),
        pytest.param(deployment(("helm", "Update"), seconds=120), True, id="a value of its own"),
        pytest.param(deployment(("argocd", "Apply")), True, id="in an applied manifest"),
        pytest.param(deployment(("sluice", "Update"), seconds=2147483647), False, id="ours"),
        pytest.param(deployment(("sluice", "Update"), ("flux", "Apply")), True, id="shared"),
        pytest.param(deployment(), False, id="nobody's"),
        pytest.param(
            deployment(
                ("kubectl-client-side-apply", "Update"),
                annotations=applied({"progressDeadlineSeconds": 600}),
            ),
            True,
            id="in kubectl's copy of the manifest",
        ),
        pytest.param(
            deployment(
                ("kubectl-client-side-apply", "Update"), annotations=applied({"replicas": 3})
            ),
            False,
            id="not in kubectl's copy of the manifest",
        ),
        pytest.param(deployment(annotations={LAST_APPLIED: "{["}), False, id="a broken copy"),
        pytest.param(deployment(annotations={LAST_APPLIED: "[]"}), False, id="an odd copy"),
    ],
)
def test_somebodys_wish_is_told_from_a_default(raw: dict[str, Any], owned: bool) -> None:
    assert deadline_has_owner(raw) is owned


def test_what_is_set_through_a_subresource_does_not_count() -> None:
    raw = deployment(("someone", "Apply"))
    raw["metadata"]["managedFields"][0]["subresource"] = "status"
    assert not deadline_has_owner(raw)
