"""The CRD, made from the models: `python -m sluice.api.crd > crds/rollouts.yaml`.

`--check` says whether crds/rollouts.yaml is what the models give. The API server takes structural
schemas only, so what pydantic writes is translated; what cannot be said there is refused here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from sluice.api.models import RolloutSpec
from sluice.api.status import RolloutStatus

PATH: Final = Path("crds/rollouts.yaml")
_HEADER: Final = "# Made from operator/sluice/api by `python -m sluice.api.crd`: do not edit.\n"
_RULES: Final = "x-kubernetes-validations"
_DROPPED: Final = frozenset({"title", "$defs"})
_EXCLUSIVE: Final = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}
_NOT_STRUCTURAL: Final = frozenset(
    {"anyOf", "allOf", "oneOf", "prefixItems", "uniqueItems", "patternProperties", "examples"}
)
_COLUMNS: Final = (
    ("Phase", "string", ".status.phase"),
    ("Step", "string", ".status.release.progress"),
    ("Weight", "integer", ".status.release.weight"),
    ("Ready", "integer", ".status.ready"),
    ("Desired", "integer", ".status.desired"),
    ("Message", "string", ".status.message"),
    ("Age", "date", ".metadata.creationTimestamp"),
)


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition of Rollouts."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rollouts.sluice.dev"},
        "spec": {
            "group": "sluice.dev",
            "names": {
                "kind": "Rollout",
                "listKind": "RolloutList",
                "plural": "rollouts",
                "singular": "rollout",
                # `rollout` alone may be Argo Rollouts'.
                "shortNames": ["slr"],
                "categories": ["sluice"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def as_yaml() -> str:
    """The CRD as text, the same for the same models."""
    return _HEADER + yaml.dump(crd(), Dumper=_Spelt, sort_keys=False, width=100)


class _Spelt(yaml.SafeDumper):
    """Writes what stands twice twice: an alias is no reading for people."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _version() -> dict[str, Any]:
    return {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "selectableFields": [{"jsonPath": ".spec.targetRef.name"}, {"jsonPath": ".status.phase"}],
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path} for name, kind, path in _COLUMNS
        ],
        "schema": {"openAPIV3Schema": _root()},
    }


def _root() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A Rollout takes a Deployment through canary releases.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            # The name is a label value on what belongs to the Rollout.
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 63}},
            },
            "spec": structural(RolloutSpec.model_json_schema()),
            "status": {
                **structural(RolloutStatus.model_json_schema()),
                # Before anybody has seen it, it is not done: without a status kstatus says Current.
                "default": {"observedGeneration": -1},
            },
        },
    }


def structural(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema of pydantic's as a structural schema. ValueError for what has no translation.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
    """
    return _node(schema, schema.get("$defs", {}))


def _node(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    node = _inlined(schema, definitions)
    node = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in node:
        node["enum"] = [node.pop("const")]
    for bound, exclusive in _EXCLUSIVE.items():
        if exclusive in node:
            node[bound], node[exclusive] = node[exclusive], True
    if node.get("default", ...) is None:
        del node["default"]
    if unfit := _NOT_STRUCTURAL & node.keys():
        raise ValueError(f"not structural: {sorted(unfit)} in {node}")
    for key in ("items", "additionalProperties"):
        if key in node:
            node[key] = _node(node[key], definitions)
    if "properties" in node:
        # The names here are data: a property may well be called title or default.
        node["properties"] = {
            name: _node(child, definitions) for name, child in node["properties"].items()
        }
    return node


def _inlined(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The node without `$ref` and without the null of an optional; rules of both sides joined."""
    node = dict(schema)
    reference = node.pop("$ref", None)
    if reference is not None:
        return _joined(_inlined(definitions[reference.removeprefix("#/$defs/")], definitions), node)
    choices = [choice for choice in node.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del node["anyOf"]
        return _joined(_inlined(choices[0], definitions), node)
    return node


def _joined(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {**base, **over}
    if joined := [*base.get(_RULES, ()), *over.get(_RULES, ())]:
        both[_RULES] = joined
    return both


def main(arguments: Sequence[str]) -> int:
    """Prints the CRD, or with --check compares the file with it; the exit code."""
    if "--check" not in arguments:
        sys.stdout.write(as_yaml())
        return 0
    if PATH.exists() and PATH.read_text(encoding="utf-8") == as_yaml():
        return 0
    sys.stderr.write(
        f"{PATH} is not what the models give: run `uv run python -m sluice.api.crd > {PATH}`\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
