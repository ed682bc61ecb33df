"""What many Rollouts cost the operator: at rest, and scaling. A part of `bench.py`.

Scaling is measured with a pod for each Deployment, as far as the node has room (it takes 110 pods);
the Deployments that are left stay at 0 replicas, where nothing is asked. The load comes to all pods
alike and by chance, so that every reading differs a little from the one before, and asks for the
pod that there is: what is measured is the price of looking.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import requests

from e2e import audit
from e2e.node import OperatorProcesses
from stage import manifests
from stage.cluster import NODE, PROMETHEUS_URL, Cluster, Json, apply, path_of
from stage.manifests import step

STEPS: Final = [step(10), step(25), step(50)]
IDLE_SECONDS: Final = 60
# Argo Rollouts 1.10, measured on such a cluster.
REFERENCE_IDLE_MIB: Final = 90

SCALING_SECONDS: Final = 120
INTERVAL: Final = "15s"
# Room in the node for the load generator, and for a pod that somebody replaces.
SPARE_PODS: Final = 2
ALL: Final = {"bench": "all"}
HANDLER: Final = 'handler="/api/v1/query"'

# The requests per second of all pods: the same question from each Rollout. Beside it what a pod
# may have of them, so that nobody asks for a second one.
SAME: Final = ('sum(rate(http_requests_total{namespace="{{namespace}}"}[1m]))', 200)
# Those of the Rollout's own pods, about one per second.
OWN: Final = ('sum(rate(http_requests_total{namespace="{{namespace}}",pod=~"{{pods}}"}[1m]))', 2)


@dataclass(frozen=True)
class Cost:
    """What a stretch of time cost: the operator's requests (`writes` of them writes), its CPU and
    memory, and the queries that Prometheus answered.
    """

    seconds: float
    requests: int
    writes: int
    cpu_seconds: float
    rss_mib: float
    queries: float

    def row(self, title: str) -> list[str]:
        """The figures as a row of the table."""
        return [
            title,
            f"{self.queries / self.seconds:.2f}",
            f"{self.cpu_seconds / self.seconds:.1%}",
            f"{self.rss_mib:.0f} MiB",
            str(self.requests),
            str(self.writes),
        ]


HEAD: Final = [
    "Rollouts",
    "queries per second",
    "CPU of a core",
    "memory",
    "API requests",
    "of them writes",
]


def look(seconds: float) -> Cost:
    """Look at the operator for so long."""
    process = OperatorProcesses()
    position, queries = audit.mark(), queries_answered()
    begun, cpu_before = time.monotonic(), process.cpu_seconds()
    time.sleep(seconds)
    asked = audit.of_operators(position)
    return Cost(
        time.monotonic() - begun,
        len(asked),
        len(audit.writes(asked)),
        process.cpu_seconds() - cpu_before,
        process.rss_mib(),
        queries_answered() - queries,
    )


def queries_answered() -> float:
    """The instant queries that Prometheus has answered since its start, by its own metrics."""
    answer = requests.get(f"{PROMETHEUS_URL}/metrics", timeout=10)
    answer.raise_for_status()
    return sum(
        float(line.rpartition(" ")[2])
        for line in answer.text.splitlines()
        if line.startswith("prometheus_http_requests_total{") and HANDLER in line
    )


# --- the objects


def deployment(namespace: str, number: int, replicas: int) -> Json:
    """The Deployment of that number, cheap enough to be there many times."""
    name = f"web-{number}"
    found = manifests.app(
        namespace, replicas=replicas, environment={"DRAIN_SECONDS": "1"}, scrape_interval=INTERVAL
    )[-1]
    found["metadata"]["name"] = name
    found["spec"]["selector"]["matchLabels"] = {"app": name}
    template = found["spec"]["template"]
    template["metadata"]["labels"] = {"app": name, **ALL}
    container = template["spec"]["containers"][0]
    container["resources"]["requests"]["cpu"] = "1m"
    container["readinessProbe"]["periodSeconds"] = 10
    return found


def rollout(namespace: str, number: int, scales: Json | None = None) -> Json:
    """Its Rollout."""
    name = f"web-{number}"
    found = manifests.rollout(namespace, name=name, steps=STEPS)
    found["spec"]["targetRef"]["name"] = name
    if scales:
        found["spec"]["scaling"] = scales
    return found


def scaling(query: str, per_pod: int) -> Json:
    """A `spec.scaling` with one metric."""
    metric = {"name": "rps", "query": query, "target": {"averageValue": per_pod}}
    return {"minReplicas": 1, "maxReplicas": 3, "interval": INTERVAL, "metrics": [metric]}


def load(namespace: str, per_second: float) -> list[Json]:
    """A load that is spread by chance over all pods there are."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "all", "namespace": namespace},
        "spec": {"selector": ALL, "ports": [{"port": 80, "targetPort": "http"}]},
    }
    generator = manifests.load(namespace, rate=per_second)[0]
    for entry in generator["spec"]["template"]["spec"]["containers"][0]["env"]:
        if entry["name"] == "TARGET":
            entry["value"] = "http://all:80"
    return [service, generator]


def room(cluster: Cluster) -> int:
    """How many pods more the node takes, without the spare ones."""
    takes = int(cluster.get(f"/api/v1/nodes/{NODE}")["status"]["allocatable"]["pods"])
    pods = cluster.get("/api/v1/pods")["items"]
    there = sum(
        pod["status"].get("phase") not in ("Succeeded", "Failed")
        and "deletionTimestamp" not in pod["metadata"]
        for pod in pods
    )
    return max(0, takes - there - SPARE_PODS)


@contextmanager
def many(cluster: Cluster, count: int, with_pod: int) -> Iterator[str]:
    """The namespace with so many Deployments, the first of them with a pod each, and Rollouts."""
    namespace = f"bench-{secrets.token_hex(3)}"
    print(f"{count} Deployments and their Rollouts are made in {namespace} ...", flush=True)
    objects = manifests.app(namespace, replicas=0)[:1]
    for number in range(count):
        objects.append(deployment(namespace, number, replicas=int(number < with_pod)))
        objects.append(rollout(namespace, number))
    try:
        apply(objects)
        wait_for(cluster, namespace, lambda item: item["status"].get("phase") == "Healthy")
        yield namespace
    finally:
        for item in cluster.items("rollouts", namespace):
            cluster.delete(path_of("rollouts", namespace, item["metadata"]["name"]))
        cluster.delete(f"/api/v1/namespaces/{namespace}")


def wait_for(cluster: Cluster, namespace: str, condition: Callable[[Json], bool]) -> None:
    """Wait until all Rollouts are as they shall be, for at most six minutes."""
    deadline = time.monotonic() + 360
    while True:
        items = cluster.items("rollouts", namespace)
        so_far = sum("status" in item and condition(item) for item in items)
        print(f"{so_far} of {len(items)} Rollouts are ready", flush=True)
        if so_far == len(items):
            return
        if time.monotonic() > deadline:
            raise TimeoutError("Not all Rollouts became ready within six minutes.")
        time.sleep(5)


# --- the benches


def bench_idle(cluster: Cluster, count: int) -> None:
    """The memory, CPU and requests of an operator with so many Rollouts at rest."""
    with many(cluster, count, with_pod=0):
        cost = look(IDLE_SECONDS)
    print(f"\n{count} Rollouts at rest, for {IDLE_SECONDS} s:\n")
    print(f"memory    {cost.rss_mib:>6.0f} MiB   (Argo Rollouts 1.10: {REFERENCE_IDLE_MIB} MiB)")
    print(f"CPU       {cost.cpu_seconds:>6.2f} s")
    print(f"requests  {cost.requests:>6}       ({cost.writes} of them writes)")


def bench_scaling(cluster: Cluster, count: int) -> tuple[str, list[list[str]]]:
    """What so many Rollouts cost that scale: a sentence on how it was measured, and the table."""
    with_pod = min(count, room(cluster))
    rows = [HEAD]
    with many(cluster, count, with_pod) as namespace:
        apply(load(namespace, per_second=with_pod))
        rows.append(_measured("without `spec.scaling`"))
        for title, (query, per_pod) in (("one query for all", SAME), ("a query for each", OWN)):
            asked = scaling(query, per_pod)
            apply([rollout(namespace, number, asked) for number in range(count)])
            wait_for(cluster, namespace, partial(_looks, per_pod=per_pod))
            rows.append(_measured(f"interval {INTERVAL}, {title}"))
    sentence = (
        f"{count} Rollouts for {SCALING_SECONDS} s, {with_pod} with a pod each and "
        f"{count - with_pod} at 0 replicas, where nothing is asked."
    )
    return sentence, rows


def _measured(title: str) -> list[str]:
    print(f"{title}: {SCALING_SECONDS} s ...", flush=True)
    return look(SCALING_SECONDS).row(title)


def _looks(item: Json, per_pod: int) -> bool:
    """Whether the status tells of a reading for this target, or that scaling is off at 0."""
    decision = item["status"].get("scaling", {}).get("decision", {})
    known = any(
        metric["target"] == str(per_pod) and "value" in metric
        for metric in decision.get("metrics", [])
    )
    return known or decision.get("cause") == "Disabled"
