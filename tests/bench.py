"""What a release costs, and what a hundred Rollouts at rest cost: `make bench`.

    uv run python tests/bench.py             three good releases of eight replicas
    uv run python tests/bench.py --idle 100  a hundred Rollouts at rest

A release here has three steps (10, 25, 50 %) without durations and without analysis: all that is
left is the starting of pods and the operator's own work. It is measured from the patch of the
template to phase Healthy: requests by the API server's audit log (the Lease of the leader election
apart), CPU of both replicas of the operator and memory of the larger one by the kernel.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

TESTS = Path(__file__).resolve().parent
# What pytest is told by pyproject.toml, for a program of its own.
sys.path[:0] = [str(TESTS), str(TESTS.parent / "deploy" / "demo")]

from e2e import audit  # noqa: E402
from e2e.node import OperatorProcesses  # noqa: E402
from stage import manifests  # noqa: E402
from stage.cluster import OPERATOR_USER, Cluster, Json, WrongCluster, apply, path_of  # noqa: E402
from stage.manifests import step  # noqa: E402
from stage.story import Story  # noqa: E402

REPLICAS: Final = 8
RUNS: Final = 3
STEPS: Final = [step(10), step(25), step(50)]
IDLE_SECONDS: Final = 60
# Argo Rollouts 1.10, measured on such a cluster.
REFERENCE: Final = ("Argo Rollouts 1.10", "6.8 s", "59", "0.14 s", "")
REFERENCE_IDLE_MIB: Final = 90


@dataclass(frozen=True)
class Cost:
    """What one release took; `requests` by verb and resource."""

    wall_seconds: float
    requests: Counter[str]
    cpu_seconds: float
    rss_mib: float

    def row(self, title: str) -> tuple[str, ...]:
        """The figures as a row of the table."""
        return (
            title,
            f"{self.wall_seconds:.1f} s",
            str(self.requests.total()),
            f"{self.cpu_seconds:.2f} s",
            f"{self.rss_mib:.0f} MiB",
        )


@contextmanager
def stage(cluster: Cluster) -> Iterator[Story]:
    """A namespace for the bench, with eight replicas of v1 and a Healthy Rollout."""
    story = Story(cluster, f"bench-{secrets.token_hex(3)}")
    try:
        story.apply(*manifests.app(story.namespace, replicas=REPLICAS))
        story.until_serving("v1", REPLICAS, timeout_seconds=120)
        story.adopt(steps=STEPS)
        yield story
        story.kubectl("delete", "slr/web", "--timeout=60s")
    finally:
        story.close()
        cluster.delete(f"/api/v1/namespaces/{story.namespace}")


def release(story: Story, version: str) -> Cost:
    """Release a version and measure what it took."""
    process = OperatorProcesses()
    position = audit.mark()
    cpu_before = process.cpu_seconds()
    patched_at = story.patch_environment(VERSION=version)
    story.until_now("Healthy", version, timeout_seconds=180)
    # The status is Healthy at first, too: the end is the first that follows another phase.
    phases = [(moment.at, moment.phase) for moment in story.moments(patched_at)]
    pairs = pairwise(phases)
    healthy_at = next(b[0] for a, b in pairs if a[1] != "Healthy" == b[1])
    cost = Cost(
        wall_seconds=healthy_at - patched_at,
        requests=audit.counted(asked_since(position)),
        cpu_seconds=process.cpu_seconds() - cpu_before,
        rss_mib=process.rss_mib(),
    )
    story.eventually(lambda: len(story.pods()) == REPLICAS, 60, "the old pods are gone")
    return cost


def asked_since(position: int) -> list[Json]:
    """The operators' requests since the mark. Those for their Lease come with the time that goes
    by, and not with what is measured: they are left out.
    """
    asked = audit.finished(audit.by(OPERATOR_USER, audit.since(position)))
    return [entry for entry in asked if entry.get("objectRef", {}).get("resource") != "leases"]


def bench_releases(cluster: Cluster) -> None:
    """Three releases one after another, printed beside the reference."""
    with stage(cluster) as story:
        costs = []
        for number in range(1, RUNS + 1):
            print(f"Release {number} of {RUNS} ...", flush=True)
            costs.append(release(story, f"v{number + 1}"))
    rows = [cost.row(f"Sluice, run {number}") for number, cost in enumerate(costs, start=1)]
    head = ("", "wall", "requests", "CPU", "memory")
    print("\nA good release of 3 steps without durations, 8 replicas:\n")
    for row in (head, *rows, REFERENCE):
        print(f"{row[0]:<22}" + "".join(f"{cell:>12}" for cell in row[1:]))
    print(f"\nRequests of the last run: {costs[-1].requests.total()}")
    for name, count in costs[-1].requests.most_common():
        print(f"{count:>6}  {name}")


def idle_objects(namespace: str, number: int) -> list[Json]:
    """One Deployment without replicas, and its Rollout."""
    name = f"web-{number}"
    deployment = manifests.app(namespace, replicas=0)[-1]
    deployment["metadata"]["name"] = name
    labels = {"app": name}
    deployment["spec"]["selector"]["matchLabels"] = labels
    deployment["spec"]["template"]["metadata"]["labels"] = labels
    rollout = manifests.rollout(namespace, name=name, steps=STEPS)
    rollout["spec"]["targetRef"]["name"] = name
    return [deployment, rollout]


def bench_idle(cluster: Cluster, count: int) -> None:
    """The memory, CPU and requests of an operator with so many Rollouts at rest."""
    namespace = f"bench-{secrets.token_hex(3)}"
    print(f"{count} Deployments and their Rollouts are made in {namespace} ...", flush=True)
    objects = manifests.app(namespace, replicas=0)[:1]
    for number in range(count):
        objects += idle_objects(namespace, number)
    try:
        apply(objects)
        wait_until_healthy(cluster, namespace, count)
        measure_idle(count)
    finally:
        for item in cluster.items("rollouts", namespace):
            cluster.delete(path_of("rollouts", namespace, item["metadata"]["name"]))
        cluster.delete(f"/api/v1/namespaces/{namespace}")


def wait_until_healthy(cluster: Cluster, namespace: str, count: int) -> None:
    """Wait until all Rollouts are adopted, for at most three minutes."""
    deadline = time.monotonic() + 180
    while True:
        items = cluster.items("rollouts", namespace)
        healthy = sum(item.get("status", {}).get("phase") == "Healthy" for item in items)
        print(f"{healthy} of {count} are Healthy", flush=True)
        if healthy == count:
            return
        if time.monotonic() > deadline:
            raise TimeoutError("Not all Rollouts became Healthy within 180 s.")
        time.sleep(2)


def measure_idle(count: int) -> None:
    """Look at the operator for a minute in which nothing happens."""
    process = OperatorProcesses()
    position = audit.mark()
    cpu_before = process.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    requests = asked_since(position)
    print(f"\n{count} Rollouts at rest, for {IDLE_SECONDS} s:\n")
    print(
        f"memory    {process.rss_mib():>6.0f} MiB   (Argo Rollouts 1.10: {REFERENCE_IDLE_MIB} MiB)"
    )
    print(f"CPU       {process.cpu_seconds() - cpu_before:>6.2f} s")
    print(f"requests  {len(requests):>6}       {dict(audit.counted(requests))}")


def main() -> int:
    """Run what the arguments ask for; the exit code of the process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--idle", type=int, metavar="N", help="N Rollouts at rest instead")
    arguments = parser.parse_args()
    try:
        cluster = Cluster()
    except WrongCluster as error:
        print(error, file=sys.stderr)
        return 2
    try:
        if arguments.idle:
            bench_idle(cluster, arguments.idle)
        else:
            bench_releases(cluster)
    finally:
        cluster.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
