from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from sluice.api import crd

ROOT = Path(__file__).parents[3]
Node = dict[str, Any]


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")


def the_nodes() -> list[tuple[str, Node]]:
    (version,) = crd.crd()["spec"]["versions"]
    return list(nodes(version["schema"]["openAPIV3Schema"]))


def check(value: Any, node: Node) -> None:
    """A small structural validator: what the API server demands of a default."""
    if "enum" in node:
        assert value in node["enum"]
    if node.get("x-kubernetes-int-or-string"):
        assert isinstance(value, int | str)
    if isinstance(value, str):
        assert len(value) <= node.get("maxLength", len(value))
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if "type" in node:
        assert type(value) is kinds[node["type"]]
    if isinstance(value, dict):
        assert value.keys() <= node["properties"].keys()
        assert set(node.get("required", ())) <= value.keys()
        for key, child in value.items():
            check(child, node["properties"][key])
    if isinstance(value, list):
        assert len(value) <= node["maxItems"]
        for child in value:
            check(child, node["items"])


def test_the_file_is_what_the_models_give() -> None:
    text = (ROOT / crd.PATH).read_text(encoding="utf-8")

    assert text == crd.as_yaml(), "run `uv run python -m sluice.api.crd > crds/rollouts.yaml`"


def test_every_run_gives_the_same_text() -> None:
    """Also with other hash seeds, which order sets differently."""
    command = [sys.executable, "-m", "sluice.api.crd"]
    environments = [{"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "operator")} for seed in "12"]
    runs = [
        subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        for env in environments
    ]

    assert runs[0].stdout == runs[1].stdout == crd.as_yaml()


def test_drift_is_told_with_the_command_that_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    crd.PATH.parent.mkdir()
    assert crd.main(["--check"]) == 1
    crd.main([])
    crd.PATH.write_text(capsys.readouterr().out, encoding="utf-8")
    assert crd.main(["--check"]) == 0
    crd.PATH.write_text("kind: Other\n", encoding="utf-8")
    assert crd.main(["--check"]) == 1
    assert "run `uv run python -m sluice.api.crd > crds/rollouts.yaml`" in capsys.readouterr().err


@pytest.mark.parametrize(("path", "node"), the_nodes())
def test_every_node_is_structural(path: str, node: Node) -> None:
    forbidden = {"anyOf", "allOf", "oneOf", "$ref", "$defs", "const", "uniqueItems", "title"}

    assert not forbidden & node.keys()
    assert ("type" in node) != bool(node.get("x-kubernetes-int-or-string"))


@pytest.mark.parametrize(
    ("path", "node"), [(path, node) for path, node in the_nodes() if "default" in node]
)
def test_every_default_fits_its_own_node(path: str, node: Node) -> None:
    check(node["default"], node)


def test_every_field_that_has_a_default_in_the_models_shows_it() -> None:
    defaults = {path: node["default"] for path, node in the_nodes() if "default" in node}

    assert defaults == {
        ".spec.targetRef.apiVersion": "apps/v1",
        ".spec.targetRef.kind": "Deployment",
        ".spec.paused": False,
        ".spec.canary": {},
        ".spec.canary.steps": [
            {"weight": 10, "duration": "2m", "approval": "NotRequired"},
            {"weight": 50, "duration": "3m", "approval": "NotRequired"},
        ],
        ".spec.canary.steps[].duration": "0s",
        ".spec.canary.steps[].approval": "NotRequired",
        ".spec.canary.progressDeadline": "10m",
        ".spec.canary.crashRestarts": 3,
        ".spec.canary.analysis": {},
        ".spec.canary.analysis.source": "default",
        ".spec.canary.analysis.interval": "10s",
        ".spec.canary.analysis.confidence": "0.99",
        ".spec.canary.analysis.minRequests": 100,
        ".spec.canary.analysis.lowTraffic": {},
        ".spec.canary.analysis.lowTraffic.after": "30m",
        ".spec.canary.analysis.lowTraffic.action": "Pause",
        ".spec.canary.analysis.noData": {},
        ".spec.canary.analysis.noData.after": "2m",
        ".spec.canary.analysis.noData.action": "Pause",
        ".spec.canary.analysis.onFailure": "Rollback",
        ".spec.canary.analysis.metrics": [],
        ".spec.canary.analysis.metrics[].failureLimit": 0,
        ".spec.scaling.mode": "Active",
        ".spec.scaling.interval": "15s",
        ".spec.scaling.source": "default",
        ".spec.scaling.behavior.scaleUp": {},
        ".spec.scaling.behavior.scaleUp.stabilizationWindowSeconds": 0,
        ".spec.scaling.behavior.scaleUp.selectPolicy": "Max",
        ".spec.scaling.behavior.scaleUp.policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ],
        ".spec.scaling.behavior.scaleUp.tolerance": "0.1",
        ".spec.scaling.behavior.scaleDown": {},
        ".spec.scaling.behavior.scaleDown.stabilizationWindowSeconds": 300,
        ".spec.scaling.behavior.scaleDown.selectPolicy": "Max",
        ".spec.scaling.behavior.scaleDown.policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15}
        ],
        ".spec.scaling.behavior.scaleDown.tolerance": "0.1",
        ".spec.scaling.fallback.after": "3m",
        ".spec.scaling.schedules": [],
        ".spec.scaling.schedules[].timeZone": "UTC",
        ".status": {"observedGeneration": -1},
    }


def test_every_rule_says_what_to_write() -> None:
    sentences = [
        rule["message"]
        for _, node in the_nodes()
        for rule in node.get("x-kubernetes-validations", ())
    ]

    assert len(sentences) > 20
    assert all(
        re.search(r"\b(write|swap|remove|delete|leave)\b", sentence) for sentence in sentences
    )


def test_what_rules_look_at_in_the_spec_is_bounded() -> None:
    """Without bounds the API server refuses the CRD for the cost of its rules."""
    for path, node in the_nodes():
        if not path.startswith(".spec"):
            continue
        if node.get("type") == "string" and "enum" not in node:
            assert "maxLength" in node, path
        if node.get("type") == "array":
            assert "maxItems" in node, path


def test_columns_and_fields_to_select_by_are_declared() -> None:
    (version,) = yaml.safe_load(crd.as_yaml())["spec"]["versions"]
    declared = {path for path, _ in the_nodes()}

    columns = version["additionalPrinterColumns"]
    assert [column["name"].upper() for column in columns] == (
        ["PHASE", "STEP", "WEIGHT", "READY", "DESIRED", "MESSAGE", "AGE"]
    )
    paths = [column["jsonPath"] for column in columns[:-1]]
    paths += [field["jsonPath"] for field in version["selectableFields"]]
    assert set(paths) <= declared


# --- the translation, case by case


class Inner(BaseModel):
    """Something inside."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": [{"rule": "a"}]})

    title: str = "x"


class Sample(BaseModel):
    inner: Inner = Field(
        default_factory=Inner,
        description="Ours.",
        json_schema_extra={"default": {}, "x-kubernetes-validations": [{"rule": "b"}]},
    )
    only: Literal["one"] = "one"
    either: Literal["one", "two"] | None = None
    above: int | None = Field(default=None, gt=0)
    items: tuple[Inner, ...] | None = None
    labels: dict[str, str] = {}
    amount: Annotated[int | str, WithJsonSchema({"x-kubernetes-int-or-string": True})] | None = None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "inner",
            {
                "type": "object",
                "description": "Ours.",
                "default": {},
                "properties": {"title": {"type": "string", "default": "x"}},
                "x-kubernetes-validations": [{"rule": "a"}, {"rule": "b"}],
            },
        ),
        ("only", {"type": "string", "enum": ["one"], "default": "one"}),
        ("either", {"type": "string", "enum": ["one", "two"]}),
        ("above", {"type": "integer", "minimum": 0, "exclusiveMinimum": True}),
        ("labels", {"type": "object", "additionalProperties": {"type": "string"}, "default": {}}),
        ("amount", {"x-kubernetes-int-or-string": True}),
    ],
)
def test_pydantic_s_schema_becomes_structural(name: str, expected: Node) -> None:
    assert crd.structural(Sample.model_json_schema())["properties"][name] == expected


def test_items_are_inlined() -> None:
    items = crd.structural(Sample.model_json_schema())["properties"]["items"]

    assert items["items"]["properties"] == {"title": {"type": "string", "default": "x"}}


class TwoKinds(BaseModel):
    value: int | str


class Pair(BaseModel):
    value: tuple[int, str]


@pytest.mark.parametrize("model", [TwoKinds, Pair])
def test_what_has_no_translation_is_an_error(model: type[BaseModel]) -> None:
    with pytest.raises(ValueError, match="not structural"):
        crd.structural(model.model_json_schema())
