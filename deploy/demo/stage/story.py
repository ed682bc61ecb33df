"""A story: one namespace with the app, its Rollout and the watches that record what happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

import requests

from stage import manifests, telling
from stage.cluster import Cluster, Json, apply, kubectl, path_of
from stage.traffic import Traffic, read_traffic
from stage.watching import HASH_LABEL, Change, PodSeen, Watch, pods_seen, ready_endpoints

T = TypeVar("T")

ROLE: Final = "sluice.dev/role"
COMMAND: Final = "sluice.dev/command"
ACCEPTED: Final = "sluice.dev/accepted"
ROLLOUT_LABEL: Final = "sluice.dev/rollout"
WATCHED: Final = ("pods", "replicasets", "endpointslices", "rollouts")
POLL_SECONDS: Final = 0.2


class NotSeen(AssertionError):
    """What was awaited did not come in time; the text tells the state of the namespace."""


@dataclass(frozen=True)
class Moment:
    """The Rollout's status as one watch event showed it."""

    at: float
    status: Json

    @property
    def phase(self) -> str:
        """The phase, empty before the first status."""
        return str(self.status.get("phase", ""))

    @property
    def message(self) -> str:
        """The sentence beside the phase."""
        return str(self.status.get("message", ""))


class Story:
    """One namespace on the test cluster. `close()` ends its watches; it removes nothing."""

    def __init__(self, cluster: Cluster, namespace: str, rollout: str = "web") -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.name = rollout
        self.operator_log: Callable[[], str] = lambda: telling.cluster_operator_log(namespace)
        self._watches = {kind: Watch(cluster, kind, namespace) for kind in WATCHED}

    # --- what a user does

    def apply(self, *objects: Json) -> None:
        """`kubectl apply` of some objects."""
        apply(list(objects))

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """kubectl in this namespace."""
        return kubectl("--namespace", self.namespace, *arguments, check=check)

    def set_env(self, **environment: str | None) -> float:
        """`kubectl set env deployment/web`, None removes a variable; returns when it was typed."""
        typed = [
            f"{name}-" if value is None else f"{name}={value}"
            for name, value in environment.items()
        ]
        started = time.time()
        self.kubectl("set", "env", "deployment/web", *typed)
        return started

    def patch_environment(self, **environment: str) -> float:
        """The same without kubectl, for measurements; returns when the patch was sent."""
        env = [{"name": name, "value": value} for name, value in environment.items()]
        container = {"name": "web", "env": env}
        change = {"spec": {"template": {"spec": {"containers": [container]}}}}
        started = time.time()
        path = path_of("deployments", self.namespace, "web")
        self.cluster.patch(path, change, kind="strategic-merge")
        return started

    def command(self, verb: str) -> float:
        """`kubectl annotate slr/<name> sluice.dev/command=<verb>`; returns when it was typed."""
        started = time.time()
        self.kubectl("annotate", "--overwrite", f"slr/{self.name}", f"{COMMAND}={verb}")
        return started

    def scale(self, replicas: int) -> None:
        """`kubectl scale deployment/web`."""
        self.kubectl("scale", "deployment/web", f"--replicas={replicas}")

    def adopt(self, **rollout: object) -> None:
        """Apply a Rollout, built as `manifests.rollout` does, and wait until it is Healthy."""
        self.apply(manifests.rollout(self.namespace, name=self.name, **rollout))
        self.until("Healthy")

    def set_rate(self, per_second: float) -> float:
        """Change the load; returns when it changed."""
        for pod in self.cluster.items("pods", self.namespace, "app=load"):
            path = path_of("pods", self.namespace, f"{pod['metadata']['name']}:8080")
            answer = self.cluster.request("PUT", f"{path}/proxy/rate/{per_second:g}")
            answer.raise_for_status()
        return time.time()

    # --- what there is now

    def rollout(self) -> Json:
        """The Rollout; empty when there is none."""
        return self.cluster.find("rollouts", self.namespace, self.name) or {}

    def now(self) -> Moment:
        """The Rollout's status now."""
        return Moment(time.time(), self.rollout().get("status", {}))

    def deployment(self) -> Json:
        """The Deployment `web`."""
        return self.cluster.get(path_of("deployments", self.namespace, "web"))

    def template(self) -> Json:
        """The pod template in the Deployment."""
        found: Json = self.deployment()["spec"]["template"]
        return found

    def replicasets(self) -> list[Json]:
        """The ReplicaSets of the app."""
        return self.cluster.items("replicasets", self.namespace, "app=web")

    def owned_by_deployment(self) -> list[Json]:
        """The ReplicaSets that the Deployment owns: the rule of one says one at most."""
        uid = self.deployment()["metadata"]["uid"]
        return [
            item
            for item in self.replicasets()
            if any(owner["uid"] == uid for owner in item["metadata"].get("ownerReferences", []))
        ]

    def stable_version(self) -> str:
        """The version of the one ReplicaSet that the Deployment owns; empty in mid-swap."""
        owned = self.owned_by_deployment()
        return version_of(owned[0]) if len(owned) == 1 else ""

    def replicaset_of(self, version: str) -> Json | None:
        """The ReplicaSet whose template has VERSION=<version>."""
        return next((item for item in self.replicasets() if version_of(item) == version), None)

    def pods(self, version: str | None = None) -> list[Json]:
        """The app's pods, those being deleted included; all, or those of one version."""
        found = self.cluster.items("pods", self.namespace, "app=web")
        return found if version is None else [pod for pod in found if version_of(pod) == version]

    def uids(self, version: str) -> set[str]:
        """The uids of the pods of one version that are not being deleted."""
        return {
            pod["metadata"]["uid"]
            for pod in self.pods(version)
            if "deletionTimestamp" not in pod["metadata"]
        }

    def traffic(self) -> Traffic:
        """What the load generator has counted so far."""
        return read_traffic(self.cluster, self.namespace)

    # --- what has happened

    def moments(self, since: float = 0.0) -> list[Moment]:
        """Every status of the Rollout that the watch has seen from `since` on."""
        return [
            Moment(change.at, change.object.get("status", {}))
            for change in self._watches["rollouts"].changes()
            if change.at >= since
            and change.kind != "DELETED"
            and change.object["metadata"]["name"] == self.name
        ]

    def rollouts_seen(self, since: float = 0.0) -> list[Json]:
        """Every state of the Rollout itself that the watch has seen, oldest first."""
        return [
            change.object
            for change in self._watches["rollouts"].changes()
            if change.at >= since and change.object["metadata"]["name"] == self.name
        ]

    def pods_seen(self, since: float = 0.0) -> list[PodSeen]:
        """The life of every pod of the app that was first seen at `since` or later."""
        seen = pods_seen(self._watches["pods"].changes()).values()
        return [pod for pod in seen if pod.seen_at >= since]

    def endpoints(self) -> list[tuple[float, int]]:
        """How many ready endpoints the Service `web` had, as (from when, how many)."""
        return ready_endpoints(self._watches["endpointslices"].changes())

    def replicaset_changes(self) -> list[Change]:
        """Every change of every ReplicaSet of the app that the watch has seen."""
        changes = self._watches["replicasets"].changes()
        return [c for c in changes if c.object["metadata"]["labels"].get("app") == "web"]

    # --- waiting

    def eventually(self, condition: Callable[[], T | None], timeout_seconds: float, what: str) -> T:
        """The first truthy answer of `condition`; raises `NotSeen` with the whole story."""
        deadline = time.monotonic() + timeout_seconds
        error = ""
        while True:
            try:
                if found := condition():
                    return found
                error = ""
            except requests.HTTPError as failure:
                error = f" (last error: {failure})"
            if time.monotonic() > deadline:
                raise NotSeen(f"Not within {timeout_seconds:g} s: {what}{error}\n{self.tell()}")
            time.sleep(POLL_SECONDS)

    def until(self, *phases: str, timeout_seconds: float = 120, since: float = 0.0) -> Moment:
        """The Rollout's status as soon as it has one of the phases, in a status from `since` on."""

        def reached() -> Moment | None:
            moments = [moment for moment in self.moments(since) if moment.phase in phases]
            return moments[0] if moments else None

        return self.eventually(reached, timeout_seconds, f"phase {' or '.join(phases)}")

    def until_now(self, phase: str, version: str, timeout_seconds: float = 120) -> Moment:
        """The Rollout's status when the phase is reached and `version` is the stable one."""

        def reached() -> Moment | None:
            moment = self.now()
            right = moment.phase == phase and self.stable_version() == version
            return moment if right else None

        return self.eventually(reached, timeout_seconds, f"phase {phase} with {version} stable")

    def hash_of(self, version: str) -> str:
        """The pod template hash of a version's ReplicaSet; "none" while there is none."""
        found = self.replicaset_of(version)
        return "none" if found is None else str(found["metadata"]["labels"][HASH_LABEL])

    def until_gone(self, version: str, timeout_seconds: float = 60) -> None:
        """Wait until no pod of the version is left, not even one that is being deleted."""
        self.eventually(
            lambda: not self.pods(version), timeout_seconds, f"no pod of {version} is left"
        )

    def until_reconciled(self, timeout_seconds: float = 60) -> None:
        """Wait for a pass of the operator that began after this call.

        A harmless change of the spec is made, and awaited in `observedGeneration`: the way to know
        that the operator has seen something and left it as it is.
        """
        unlike_before = f"10m{time.time_ns() // 1_000_000 % 60_000}ms"
        patch = f'{{"spec":{{"canary":{{"progressDeadline":"{unlike_before}"}}}}}}'
        self.kubectl("patch", f"slr/{self.name}", "--type=merge", "-p", patch)

        def observed() -> bool:
            found = self.rollout()
            status: Json = found.get("status", {})
            return bool(status.get("observedGeneration") == found["metadata"]["generation"])

        self.eventually(observed, timeout_seconds, "the operator has seen a change of the spec")

    def until_serving(self, version: str, count: int, timeout_seconds: float = 120) -> None:
        """Wait until the version has so many available replicas."""

        def available() -> bool:
            found = self.replicaset_of(version)
            return found is not None and found["status"].get("availableReplicas", 0) >= count

        self.eventually(available, timeout_seconds, f"{count} pods of {version} are available")

    def until_time(self, instant: float) -> None:
        """Wait for a time, where nothing is to happen until then."""
        patience = max(0.0, instant - time.time()) + 10
        self.eventually(lambda: time.time() > instant, patience, "the time has come")

    # --- the end

    def tell(self) -> str:
        """The state of the namespace and the operator's last words, for a person."""
        parts: Iterable[str] = (
            telling.rollouts(self.cluster, self.namespace),
            telling.deployments(self.cluster, self.namespace),
            telling.replicasets(self.cluster, self.namespace),
            telling.pods(self.cluster, self.namespace),
            telling.phases([(moment.at, moment.status) for moment in self.moments()]),
            self.operator_log(),
        )
        return "\n".join(parts)

    def close(self) -> None:
        """End the watches."""
        for watch in self._watches.values():
            watch.stop()


def environment_of(item: Json) -> dict[str, str]:
    """The environment of the first container of a pod, a pod template or what has a template."""
    spec: Json = item["spec"]
    if "template" in spec:
        spec = spec["template"]["spec"]
    return {entry["name"]: entry.get("value", "") for entry in spec["containers"][0].get("env", [])}


def version_of(item: Json) -> str:
    """The VERSION in that environment, empty when there is none."""
    return environment_of(item).get("VERSION", "")
