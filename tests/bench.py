"""What a release costs, and what a hundred Rollouts cost that scale: `make bench`.

    uv run python tests/bench.py                three good releases of eight replicas, and the next
    uv run python tests/bench.py --scaling 100  a hundred Rollouts that scale
    uv run python tests/bench.py --idle 100     a hundred Rollouts at rest

What is found of a hundred Rollouts that scale is written into docs/benchmarks.md.

A release here has three steps (10, 25, 50 %) without durations and without analysis: all that is
left is the starting of pods and the operator's own work. It is measured from the patch of the
template to phase Healthy: requests by the API server's audit log (the Lease of the leader election
apart), CPU of both replicas of the operator and memory of the larger one by the kernel.
"""

from __future__ import annotations

import argparse
import secrets
import sys
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

from bench_many import STEPS, bench_idle, bench_scaling  # noqa: E402
from e2e import audit  # noqa: E402
from e2e.node import OperatorProcesses  # noqa: E402
from stage import manifests  # noqa: E402
from stage.cluster import Cluster, WrongCluster  # noqa: E402
from stage.story import Story  # noqa: E402
from study import markdown, written  # noqa: E402

DOCUMENT: Final = TESTS.parent / "docs" / "benchmarks.md"
MANY: Final = 100
REPLICAS: Final = 8
RUNS: Final = 3
# Argo Rollouts 1.10, measured on such a cluster.
REFERENCE: Final = ("Argo Rollouts 1.10", "6.8 s", "59", "0.14 s", "")


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
        requests=audit.counted(audit.of_operators(position)),
        cpu_seconds=process.cpu_seconds() - cpu_before,
        rss_mib=process.rss_mib(),
    )
    story.eventually(lambda: len(story.pods()) == REPLICAS, 60, "the old pods are gone")
    return cost


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


def bench_many(cluster: Cluster, count: int) -> None:
    """So many Rollouts that scale; a hundred are written into docs/benchmarks.md."""
    sentence, table = bench_scaling(cluster, count)
    text = f"{sentence}\n\n{markdown(table)}"
    print(f"\n{text}")
    if count == MANY:
        DOCUMENT.write_text(written(DOCUMENT.read_text(), "scaling", text))


def main() -> int:
    """Run what the arguments ask for; the exit code of the process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--idle", type=int, metavar="N", help="only N Rollouts at rest")
    parser.add_argument("--scaling", type=int, metavar="N", help="only N Rollouts that scale")
    arguments = parser.parse_args()
    try:
        cluster = Cluster()
    except WrongCluster as error:
        print(error, file=sys.stderr)
        return 2
    try:
        if arguments.idle:
            bench_idle(cluster, arguments.idle)
        elif arguments.scaling:
            bench_many(cluster, arguments.scaling)
        else:
            bench_releases(cluster)
            bench_many(cluster, MANY)
    finally:
        cluster.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
