"""The driver that plays a script on the real cluster, with an operator of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from scripts.script import Given, Script
from scripts.state import Seen, SeenDeployment, SeenReplicaSet, State, named, result_of, state_of
from scripts.steps import At, Deploy, Edit, EditRollout, Rest, Until
from stage import manifests
from stage.cluster import Json, path_of
from stage.story import COMMAND, ROLE, ROLLOUT_LABEL, NotSeen, Story, version_of
from stage.watching import HASH_LABEL, fewest, is_ready

PATIENCE_SECONDS: Final = 60
REJECTED_AT: Final = "sluice.dev/rejected-at"
# Its keys are versions: how long their new pods stay unready.
SLOW: Final = "slow"
FOR_EVER_SECONDS: Final = "100000"


class OnCluster:
    """One script in one namespace, in which an operator of its own runs already.

    `rests` are the model's states at the script's rests; None where the model cannot play it.
    """

    def __init__(self, story: Story, given: Given, rests: list[State] | None) -> None:
        self._story = story
        self._cluster = story.cluster
        self._namespace = story.namespace
        self._name = given.name
        self._rival = ""
        self._given = given
        self._deadline_seconds = given.progress_deadline_seconds
        self._looks = 0
        self._rests: Iterator[State] | None = None if rests is None else iter(rests)
        # The uids of all that the script has made.
        self._rollouts: set[str] = set()
        self._began_at = 0.0

    def begin(self) -> None:
        """v1 serves, and is adopted where the script says so."""
        self._create("services", self._manifest("Service"))
        self.create_deployment("v1", {})
        self._until(lambda: self._endpoints() == self._given.replicas, "v1 serves")
        if self._given.adopted:
            self.create_rollout()
            self._until(lambda: self._status().get("phase") == "Healthy", "adopted")
        self._began_at = time.time()

    @property
    def fewest_ready(self) -> int:
        """The fewest ready endpoints that the Service had at any instant since the beginning."""
        return fewest(self._story.endpoints(), self._began_at, time.time())

    # --- what a user does

    def deploy(self, change: Deploy) -> None:
        container: Json = {"name": "web", "env": _environment(change.version)}
        if change.limits:
            container["resources"] = {"limits": dict(change.limits)}
        spec: Json = {"template": {"spec": {"containers": [container]}}}
        spec |= _given(
            replicas=change.replicas,
            paused=change.paused,
            minReadySeconds=change.min_ready_seconds,
        )
        self._cluster.patch(self._deployment_path, {"spec": spec}, kind="strategic-merge")

    def edit_deployment(self, change: Edit) -> None:
        spec = _given(replicas=change.replicas, paused=change.paused)
        if change.strategy is not None:
            spec["strategy"] = {"type": change.strategy, "rollingUpdate": None}
        metadata = {"annotations": dict(change.annotations)}
        self._cluster.patch(self._deployment_path, {"metadata": metadata, "spec": spec})

    def edit_rollout(self, change: EditRollout) -> None:
        spec: Json = {"canary": {}}
        if change.steps is not None:
            spec["canary"]["steps"] = _steps(change.steps)
        if change.paused is not None:
            spec["paused"] = change.paused
        if change.progress_deadline_seconds is not None:
            self._deadline_seconds = change.progress_deadline_seconds
            spec["canary"]["progressDeadline"] = f"{self._deadline_seconds}s"
        self._cluster.patch(self._rollout_path, {"spec": spec})

    def command(self, text: str) -> None:
        release = self._status().get("release") or {}
        typed = text.format(release=release.get("id", ""))
        self._cluster.patch(self._rollout_path, {"metadata": {"annotations": {COMMAND: typed}}})

    def break_version(self, version: str) -> None:
        self._story.kubectl(
            "create", "configmap", SLOW, f"--from-literal={version}={FOR_EVER_SECONDS}"
        )

    def heal(self) -> None:
        """Pods that have been made are unready for ever; those that come after them are not."""
        self._story.kubectl("delete", "configmap", SLOW)
        for pod in self._story.pods():
            if not is_ready(pod):
                self._cluster.delete(path_of("pods", self._namespace, pod["metadata"]["name"]))

    def unlabel_deployment(self) -> None:
        self._unlabel(self._deployment_path)

    def unlabel_replica_set(self, version: str) -> None:
        self._unlabel(self._replica_set_path(version))

    def delete_replica_set(self, version: str) -> None:
        self._cluster.delete(self._replica_set_path(version))

    def delete_deployment(self) -> None:
        self._cluster.delete(self._deployment_path)

    def create_deployment(self, version: str, labels: Mapping[str, str]) -> None:
        """The demo's Deployment under the script's name, with pods that begin and end at once."""
        found = self._manifest("Deployment")
        found["metadata"]["name"] = self._given.name
        spec = found["spec"]
        spec["revisionHistoryLimit"] = self._given.revision_history_limit
        spec["selector"]["matchLabels"].update(labels)
        spec["template"]["metadata"]["labels"].update(labels)
        spec["template"]["spec"]["containers"][0]["env"] = _environment(version)
        self._create("deployments", found)

    def edit_selector(self) -> None:
        change = {"spec": {"selector": {"matchLabels": {"track": "second"}}}}
        headers = {"Content-Type": "application/merge-patch+json"}
        path = self._deployment_path
        answer = self._cluster.request("PATCH", path, json=change, headers=headers)
        assert answer.status_code == 422, answer.text
        assert "immutable" in answer.text

    def create_rollout(self) -> None:
        self._create_rollout(self._name)

    def create_rival(self) -> None:
        self._rival = "younger"
        self._create_rollout(self._rival)

    def delete_rollout(self) -> None:
        self._cluster.delete(self._rollout_path)

    # --- what is awaited

    def until(self, wanted: Until) -> None:
        self._until(lambda: self._is_at(wanted), f"{wanted}")

    def until_rival_says(self, condition: str) -> None:
        def said() -> bool:
            found = self._find("rollouts", self._rival) or {}
            conditions = found.get("status", {}).get("conditions", [])
            return any(c["type"] == condition and c["status"] == "True" for c in conditions)

        self._until(said, f"{self._rival} says {condition}")

    def until_answered(self, result: str) -> None:
        self._until(lambda: result_of(self._status()) == result, f"answered: {result}")

    def until_shut(self) -> None:
        self._until(lambda: self._deployment()["spec"].get("paused"), "the gate is shut")

    def until_pods(self, count: int) -> None:
        self._until(lambda: self._ready() == count, f"{count} pods")

    def until_rollout_gone(self) -> None:
        """And the second Rollout takes its place, where there is one."""
        self._until(lambda: self._find("rollouts", self._name) is None, "the Rollout is gone")
        self._name = self._rival or self._name

    def rest(self, wanted: Rest) -> None:
        """Until it is so, as in the model; and it must be so when the operator has looked again."""
        like = next(self._rests) if self._rests is not None else None

        def unlike() -> str:
            state = self.state()
            if like is not None:
                return like.unlike(state)
            fits = (state.phase, state.stable) == (wanted.phase, wanted.stable)
            return "" if fits and _is_calm(state) else f"  {state}"

        try:
            self._until(lambda: not unlike(), f"{wanted}")
        except NotSeen as error:
            raise NotSeen(
                f"The model (or what is wanted) / the cluster:\n{unlike()}\n{error}"
            ) from None
        if self._find("rollouts", self._name) is not None:
            self._until_looked()
        assert unlike() == "", f"The model / the cluster, at a second look:\n{unlike()}"

    def _until_looked(self) -> None:
        """Wait for a pass that began after this call: it shows in `observedGeneration`.

        The spec is changed for it, by a harmless part of a second.
        """
        self._looks += 1
        deadline = f"{self._deadline_seconds}s{self._looks}ms"
        change = {"spec": {"canary": {"progressDeadline": deadline}}}
        self._cluster.patch(self._rollout_path, change)

        def looked() -> bool:
            found = self._find("rollouts", self._name) or {"metadata": {}}
            generation = found["metadata"].get("generation")
            return bool(found.get("status", {}).get("observedGeneration") == generation)

        self._until(looked, "the operator has looked once more")

    # --- what there is

    def state(self) -> State:
        """The normalised state now."""
        records = self._cluster.items(
            "controllerrevisions", self._namespace, f"{ROLLOUT_LABEL}={self._name}"
        )
        anchor = f"sluice-{self._name}"
        named_anchor = (r for r in records if r["metadata"]["name"] == anchor)
        return state_of(
            Seen(
                status=self._status(),
                deployment=self._seen_deployment(),
                replica_sets=tuple(_seen(item) for item in self._story.replicasets()),
                anchor_uid=next((str(r["metadata"]["uid"]) for r in named_anchor), None),
                rejected=frozenset(
                    _version(record["data"]["template"])
                    for record in records
                    if REJECTED_AT in record["metadata"].get("annotations", {})
                ),
                rejections_told=self._rejections_told(),
            )
        )

    def _seen_deployment(self) -> SeenDeployment | None:
        found = self._find("deployments", self._given.name)
        if found is None:
            return None
        meta, spec = found["metadata"], found["spec"]
        return SeenDeployment(
            uid=meta["uid"],
            replicas=spec["replicas"],
            paused=bool(spec.get("paused")),
            template=_version(spec["template"]),
            labelled=ROLLOUT_LABEL in meta.get("labels", {}),
        )

    def _rejections_told(self) -> int:
        path = f"/apis/events.k8s.io/v1/namespaces/{self._namespace}/events"
        return sum(
            (event.get("series") or {}).get("count", 1)
            for event in self._cluster.get(path)["items"]
            if event["reason"] == "RolledBack" and event["regarding"].get("uid") in self._rollouts
        )

    def _is_at(self, wanted: Until) -> bool:
        status = self._status()
        release = status.get("release") or {}
        if status.get("phase") != wanted.phase or wanted.step not in (None, release.get("step")):
            return False
        if wanted.version is None:
            return True
        return any(
            _version(item["spec"]["template"]) == wanted.version
            for item in self._story.replicasets()
            if item["metadata"]["labels"].get(HASH_LABEL) == release.get("hash")
        )

    def _ready(self) -> int:
        return sum(is_ready(pod) for pod in self._story.pods())

    def _endpoints(self) -> int:
        """As the record has them, from which the fewest will be read."""
        return self._story.endpoints()[-1][1] if self._story.endpoints() else 0

    def _status(self) -> Json:
        found = self._find("rollouts", self._name) or {}
        status: Json = found.get("status", {})
        return status

    def _deployment(self) -> Json:
        return self._cluster.get(self._deployment_path)

    def _find(self, resource: str, name: str) -> Json | None:
        return self._cluster.find(resource, self._namespace, name)

    def _until(self, condition: Callable[[], Any], what: str) -> None:
        self._story.eventually(condition, PATIENCE_SECONDS, what)

    # --- paths and manifests

    @property
    def _rollout_path(self) -> str:
        return path_of("rollouts", self._namespace, self._name)

    @property
    def _deployment_path(self) -> str:
        return path_of("deployments", self._namespace, self._given.name)

    def _replica_set_path(self, version: str) -> str:
        found = self._story.replicaset_of(version)
        assert found is not None, f"there is no ReplicaSet of {version}"
        return path_of("replicasets", self._namespace, found["metadata"]["name"])

    def _unlabel(self, path: str) -> None:
        self._cluster.patch(path, {"metadata": {"labels": {ROLLOUT_LABEL: None}}})

    def _create_rollout(self, name: str) -> None:
        found = manifests.rollout(
            self._namespace,
            name=name,
            steps=_steps(self._given.steps),
            progressDeadline=f"{self._deadline_seconds}s",
        )
        found["spec"]["targetRef"]["name"] = self._given.name
        made = self._create("rollouts", found)
        self._rollouts.add(str(made["metadata"]["uid"]))

    def _manifest(self, kind: str) -> Json:
        found = manifests.app(self._namespace, replicas=self._given.replicas)
        return next(item for item in found if item["kind"] == kind)

    def _create(self, resource: str, found: Json) -> Json:
        path = path_of(resource, self._namespace)
        answer = self._cluster.request("POST", path, json=found)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made


def play(script: Script, story: Story, rests: list[State] | None) -> OnCluster:
    """Plays a script to its end."""
    stage = OnCluster(story, script.given, rests)
    stage.begin()
    for step in script:
        step.play(stage)
    return stage


def _is_calm(state: State) -> bool:
    """Whether no ReplicaSet has pods to come or to go."""
    return all(version.available == version.replicas for version in state.versions)


def _steps(steps: tuple[At, ...]) -> list[Json]:
    wish = {True: "Required", False: "NotRequired"}
    return [manifests.step(s.weight, f"{s.seconds}s", approval=wish[s.approval]) for s in steps]


def _given(**wanted: Any) -> Json:
    return {name: value for name, value in wanted.items() if value is not None}


def _environment(version: str) -> list[Json]:
    slow = {"configMapKeyRef": {"name": SLOW, "key": version, "optional": True}}
    return [
        {"name": "VERSION", "value": version},
        {"name": "DRAIN_SECONDS", "value": "0"},
        {"name": "READY_DELAY_SECONDS", "valueFrom": slow},
    ]


def _version(template: Json) -> str:
    return named(version_of({"spec": {"template": template}}), template)


def _seen(item: Json) -> SeenReplicaSet:
    meta, spec = item["metadata"], item["spec"]
    annotations = meta.get("annotations", {})
    owners = [o["uid"] for o in meta.get("ownerReferences", []) if o.get("controller")]
    role = annotations.get(ROLE, "")
    return SeenReplicaSet(
        version=_version(spec["template"]),
        role=role,
        owner_uid=next(iter(owners), None),
        replicas=spec["replicas"],
        available=item["status"].get("availableReplicas", 0),
        min_ready_seconds=spec.get("minReadySeconds", 0),
        rejected=role == "rejected" or REJECTED_AT in annotations,
        labelled=ROLLOUT_LABEL in meta["labels"],
    )
