"""`kubectl sluice check` against the real Prometheus, by the operator and from this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from e2e.test_plugin import Typed, plugin
from stage import manifests
from stage.cluster import Json
from stage.manifests import step
from stage.story import Story

PROMETHEUS = "http://127.0.0.1:30090"
REPLICAS = 4
RATE = 80
ERRORS: Json = {
    "name": "errors",
    "counters": {"bad": 'http_requests_total{code=~"5.."}', "total": "http_requests_total"},
}
QUERY: Json = {"name": "ratio", "query": manifests.ERROR_QUERY, "max": "0.5"}
# One letter is missing.
TYPO: Json = {
    "name": "errors",
    "counters": {"bad": 'http_request_total{code=~"5.."}', "total": "http_request_total"},
}
# Who asks: the operator, or this machine.
WAYS = pytest.mark.parametrize(
    "way", [(), ("--url", PROMETHEUS)], ids=["by-the-operator", "by-url"]
)


@pytest.fixture
def story(new_story: Callable[..., Story]) -> Story:
    """v1 under load, some of which it fails, and counted by Prometheus; no Rollout yet."""
    return new_story("e2e-check", replicas=REPLICAS, rate=RATE, environment={"ERROR_RATIO": "0.02"})


def written(
    folder: Path, story: Story, *metrics: Json, duration: str = "30m", **more: object
) -> str:
    """A file with a Rollout for the story's Deployment that has these metrics."""
    analysis = {"interval": "1s", "metrics": list(metrics), **more}
    found = manifests.rollout(story.namespace, steps=[step(20, duration)], analysis=analysis)
    file = folder / "rollout.yaml"
    file.write_text(yaml.safe_dump(found))
    return str(file)


def counted(story: Story, file: str, *way: str) -> Typed:
    """The check, once the load has been there for half of the time that the pods were counted."""

    def complete() -> Typed | None:
        ran = plugin(story, "check", file, *way, "-o", "json", timeout=120)
        assert ran.code in {0, 7}, ran
        metrics = json.loads(ran.out)["metrics"]
        rates = [each["requestsPerMinute"] or 0 for each in metrics if each["form"] == "counters"]
        return ran if min(rates) > 30 * RATE else None

    return story.eventually(complete, 120, "the requests are counted")


@WAYS
def test_good_metrics_lack_nothing(story: Story, tmp_path: Path, way: tuple[str, ...]) -> None:
    # Given metrics that Prometheus has
    file = written(tmp_path, story, ERRORS, QUERY)

    # When they are checked
    ran = counted(story, file, *way)

    # Then nothing is missing, and the numbers are those of the load
    assert ran.code == 0, ran
    report = json.loads(ran.out)
    assert report["problems"] == 0
    assert report["stablePods"] == REPLICAS
    errors, ratio = report["metrics"]
    assert 30 * RATE < errors["requestsPerMinute"] < 66 * RATE
    assert 0.005 < errors["badRatio"] < 0.05
    # A busy machine misses a scrape now and then.
    assert 1 <= errors["scrapeSeconds"] < 3  # a busy machine misses scrapes
    assert 0 <= ratio["value"] < 0.5
    (seen,) = errors["steps"]
    # One of five pods.
    assert seen["canaryRequestsPerMinute"] == pytest.approx(errors["requestsPerMinute"] / 5)
    twice, five_times, ten_times = (each["afterSeconds"] for each in seen["sees"])
    assert twice > five_times >= ten_times > 0

    # And people read the same
    shown = plugin(story, "check", file, *way, timeout=120)
    assert shown.code == 0, shown
    assert f"from {REPLICAS} of {REPLICAS} pods" in shown.out
    assert "\x1b" not in shown.out
    assert ("asked by pod sluice-" in shown.out) == (not way)


@WAYS
def test_a_typo_in_the_name_of_a_series_is_told(
    story: Story, tmp_path: Path, way: tuple[str, ...]
) -> None:
    ran = plugin(story, "check", written(tmp_path, story, TYPO, QUERY), *way, timeout=120)

    assert ran.code == 7, ran
    assert "there are no series called http_request_total" in ran.out
    assert "asked: http_request_total{" in ran.out


def test_a_step_too_short_for_its_evidence_is_a_warning(story: Story, tmp_path: Path) -> None:
    # Nothing can be seen in fewer than two intervals, after the first scrape
    file = written(tmp_path, story, ERRORS, duration="2s", minRequests=1)

    ran = counted(story, file, "--url", PROMETHEUS)

    assert ran.code == 0, ran
    report = json.loads(ran.out)
    assert report["warnings"] >= 1
    (metric,) = report["metrics"]
    sentences = [each["sentence"] for each in metric["findings"] if each["grade"] == "Warning"]
    assert any(
        sentence.startswith("step 1 (20%) is too short for its own evidence")
        for sentence in sentences
    )
    (seen,) = metric["steps"]
    assert seen["sees"][-1]["afterSeconds"] > seen["durationSeconds"]


def test_a_rollout_in_the_cluster_is_checked_by_its_name(story: Story) -> None:
    # Given an adopted Deployment whose metric asks for labels that nobody has
    other: Json = {**QUERY, "query": 'sum(http_requests_total{namespce="{{namespace}}"})'}
    story.adopt(steps=[step(20, "1m")], analysis={"metrics": [other]})

    # Then the check of the Rollout names the label, by the operator that would ask for it
    ran = plugin(story, "check", "web", timeout=120)
    assert ran.code == 7, ran
    assert 'no series of http_requests_total has a label "namespce"' in ran.out


def test_who_may_not_exec_is_told_what_is_missing_and_of_the_other_way(
    story: Story, tmp_path: Path
) -> None:
    # Given a user who may read everything, and start nothing
    name = story.namespace
    story.kubectl("create", "rolebinding", name, "--clusterrole=view", f"--user={name}")
    story.cluster.request(
        "POST",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/sluice-system/rolebindings",
        json=binding(name),
    ).raise_for_status()
    try:
        file = written(tmp_path, story, ERRORS)

        # Then the operator does not ask for them, and the other way is named and open
        denied = plugin(story, "check", file, f"--as={name}", timeout=120)
        assert denied.code == 1, denied
        assert '"create" on the resource "pods/exec" in namespace sluice-system' in denied.err
        assert "--url" in denied.err
        allowed = counted(story, file, "--url", PROMETHEUS, f"--as={name}")
        assert allowed.code == 0, allowed
    finally:
        story.cluster.delete(
            f"/apis/rbac.authorization.k8s.io/v1/namespaces/sluice-system/rolebindings/{name}"
        )


def binding(name: str) -> Json:
    """The user may read what is in the operator's namespace."""
    group = "rbac.authorization.k8s.io"
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": name}],
    }
