"""A bad Rollout is refused by `kubectl apply`, with a sentence that says what to write instead."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from stage import manifests
from stage.cluster import Cluster, Json, KubectlFailed, kubectl
from stage.manifests import step


def metric(**changes: object) -> Json:
    """A canary with one metric, changed."""
    return {"steps": [step(10)], "analysis": {"metrics": [{"name": "m", "max": "1", **changes}]}}


BAD: dict[str, tuple[Json, list[str]]] = {
    "weights falling": (
        {"steps": [step(25), step(10)]},
        ["spec.canary.steps", "weights must rise", "10, 25, 50"],
    ),
    "weight 100": (
        {"steps": [step(100)]},
        ["spec.canary.steps[0].weight", "write 1 to 99"],
    ),
    "unknown placeholder": (
        metric(query='up{pod=~"{{canaries}}"}'),
        ["metrics[0].query", "unknown placeholder", "{{canary}}"],
    ),
    "two metric forms": (
        metric(query="up", histogram="http_request_duration_seconds"),
        ["metrics[0]", "histogram", "remove"],
    ),
    "5 minutes": (
        {"steps": [step(10, "5 minutes")]},
        ["spec.canary.steps[0].duration", "write a duration", "5m"],
    ),
    "a number as a duration": (
        {"steps": [step(10, "90")]},
        ["spec.canary.steps[0].duration", "write a duration", "30s"],
    ),
    "no range": (
        {"steps": [step(10)], "analysis": {"metrics": [{"name": "m", "query": "up"}]}},
        ["metrics[0]", "write min, max or both"],
    ),
    "two metrics of one name": (
        {"analysis": {"metrics": [{"name": "m", "query": "up", "max": "1"}] * 2}},
        ["m"],
    ),
    "an unknown field": ({"step": [step(10)]}, ["spec.canary.step"]),
}


FILES = sorted((Path(__file__).parent / "bad_objects").glob("*.yaml"))


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that holds what was accepted by mistake."""
    del cluster  # the guard: no other cluster than the test cluster
    name = f"e2e-bad-objects-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("what", BAD)
def test_bad_rollout_is_refused_with_a_sentence(namespace: str, what: str) -> None:
    canary, words = BAD[what]
    # Given a manifest with a mistake
    manifest = yaml.safe_dump(manifests.rollout(namespace, **canary))

    # When it is applied, then it is refused
    with pytest.raises(KubectlFailed) as refused:
        kubectl("apply", "-f", "-", stdin=manifest)

    # And the sentence names the field and what to write instead
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_bad_file_is_refused_with_the_sentence_it_names(cluster: Cluster, file: Path) -> None:
    """The unit tests hold the operator and `kubectl sluice lint` to the same files."""
    del cluster
    # Given a file that says in its first line what kubectl must print
    expected = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# expect: ")

    # When the API server is asked whether it would take it, then it would not
    with pytest.raises(KubectlFailed) as refused:
        kubectl("apply", "--dry-run=server", "--filename", str(file))

    # And it prints that
    assert expected in str(refused.value)


def test_demo_rollout_is_accepted_and_its_target_is_fixed(
    new_namespace: Callable[[str], str],
) -> None:
    # Given the demo's own Rollout
    name = new_namespace("e2e-good-object")
    kubectl("create", "namespace", name)
    good = manifests.rollout(name)

    # When it is applied, then it is accepted
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(good))

    # And its target can't be changed afterwards
    good["spec"]["targetRef"]["name"] = "other"
    with pytest.raises(KubectlFailed, match="targetRef is immutable"):
        kubectl("apply", "-f", "-", stdin=yaml.safe_dump(good))
