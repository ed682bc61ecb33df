"""Fixtures of the end-to-end tests: the test cluster, and a namespace of its own for each story.

Run by `make e2e`, with a cluster and the operator in it. The tests run side by side; nothing is
shared but the cluster and the operator. `--keep` leaves a failed test's namespace as it was.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final

import pytest
import requests

from e2e.deployment_watch import DeploymentWatch
from e2e.local_operator import LocalOperator
from stage import manifests
from stage.cluster import SYSTEM, Cluster, KubectlFailed, WrongCluster, kubectl, path_of
from stage.story import Story

FAILED: Final = pytest.StashKey[bool]()
# Tests that take long start first: the suite is over when its last one is.
LONGEST_FIRST: Final = (
    "test_scripts",
    "test_thirty_releases",
    "test_autoscaler",
    "test_killed_at_each_write",
    "test_settled_writes_nothing",
    "test_apply",
    "test_bad_release",
    "test_good_release",
    "test_crash_loop",
    "test_prometheus_outage",
    "test_killed_at_each_phase",
    "test_health_in_every_phase",
    "test_deletion",
)
# It replaces the operator that others are served by: when hardly any other is left.
LAST: Final = "test_rolling_update"

# Without traffic no request is lost when a pod ends at once: draining is left to the other stories.
QUICK_END: Final = {"DRAIN_SECONDS": "1"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep", action="store_true", help="leave the namespaces of failed tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        name = item.path.stem
        if name in LONGEST_FIRST:
            return LONGEST_FIRST.index(name)
        return len(LONGEST_FIRST) + (name == LAST)

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The kind cluster; without its context in the kubeconfig no test runs anywhere else."""
    try:
        found = Cluster()
    except WrongCluster as error:
        pytest.exit(str(error), returncode=2)
    leave_solo_namespaces_alone(found)
    yield found
    found.close()


def leave_solo_namespaces_alone(cluster: Cluster) -> None:
    """Tell the operator in the cluster to serve no `solo-` namespace; nothing where it knows."""
    found = cluster.find("deployments", SYSTEM, "sluice")
    if found is None:
        pytest.exit("There is no operator in the cluster: `make deploy` brings it.", returncode=2)
    kubectl("-n", SYSTEM, "set", "env", "deployment/sluice", "SLUICE_IGNORE_NAMESPACES=solo-*")
    kubectl("-n", SYSTEM, "rollout", "status", "deployment/sluice", "--timeout=90s")


@pytest.fixture
def new_namespace(
    cluster: Cluster, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], str]]:
    """Names for namespaces, unlike any other's; what was made under them is removed at the end."""
    made: list[str] = []

    def new(prefix: str) -> str:
        made.append(f"{prefix}-{secrets.token_hex(3)}")
        return made[-1]

    yield new
    if kept(request):
        return
    for namespace in made:
        remove(cluster, namespace)


@pytest.fixture
def new_operator(
    tmp_path: Path, new_namespace: Callable[[str], str]
) -> Iterator[Callable[..., LocalOperator]]:
    """Makes operators that run on this machine for one `solo-` namespace; killed at the end."""
    made: list[LocalOperator] = []

    def new(story: Story, **sources: str) -> LocalOperator:
        operator = LocalOperator(story.namespace, tmp_path, **sources)
        story.operator_log = operator.log_tail
        made.append(operator)
        return operator

    yield new
    for operator in made:
        operator.kill()


@pytest.fixture
def new_story(
    cluster: Cluster,
    request: pytest.FixtureRequest,
    new_namespace: Callable[[str], str],
    new_operator: Callable[..., LocalOperator],
) -> Iterator[Callable[..., Story]]:
    """Makes stories: a namespace with v1 of the app serving, without a Rollout.

    Namespaces that begin with `solo-` are left alone by the operator in the cluster.
    """
    made: list[Story] = []

    def new(
        name: str,
        *,
        replicas: int = 3,
        environment: dict[str, str] | None = None,
        rate: float = 0,
        scrape_interval: str = "",
    ) -> Story:
        namespace = new_namespace(name)
        story = Story(cluster, namespace)
        made.append(story)
        environment = (environment or {}) if rate else {**QUICK_END, **(environment or {})}
        app = manifests.app(
            namespace, replicas=replicas, environment=environment, scrape_interval=scrape_interval
        )
        story.apply(*app)
        story.until_serving("v1", replicas, timeout_seconds=120)
        if rate:
            story.apply(*manifests.load(namespace, rate=rate))
            story.eventually(lambda: sum(story.traffic().totals.values()) > rate, 60, "load")
        return story

    yield new
    for story in made:
        # While an operator still runs: the Rollout's finalizer needs one.
        if not kept(request):
            remove_rollouts(story)
        story.close()


@pytest.fixture
def watched() -> Iterator[Callable[[Story], DeploymentWatch]]:
    """Watches Deployments until the end of the test."""
    watches: list[DeploymentWatch] = []

    def watch(story: Story) -> DeploymentWatch:
        watches.append(DeploymentWatch(story))
        return watches[-1]

    yield watch
    for each in watches:
        each.stop()


def kept(request: pytest.FixtureRequest) -> bool:
    """Whether the test failed and its namespaces shall stay as they are."""
    return bool(request.node.stash.get(FAILED, False) and request.config.getoption("--keep"))


def remove_rollouts(story: Story) -> None:
    """Delete the Rollouts of a namespace as a user does; 20 s are given to each."""
    for item in story.cluster.items("rollouts", story.namespace):
        with contextlib.suppress(KubectlFailed):
            story.kubectl("delete", "slr", item["metadata"]["name"], "--timeout=20s")


def remove(cluster: Cluster, namespace: str) -> None:
    """Delete a namespace, in the background; finalizers that nobody serves any more are cut."""
    for item in cluster.items("rollouts", namespace):
        path = path_of("rollouts", namespace, item["metadata"]["name"])
        cluster.delete(path)
        with contextlib.suppress(requests.HTTPError):  # gone meanwhile
            cluster.patch(path, {"metadata": {"finalizers": None}})
    cluster.delete(f"/api/v1/namespaces/{namespace}")
