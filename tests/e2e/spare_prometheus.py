"""A real Prometheus of one test's own, which can be stopped, frozen and replaced at will."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from e2e.audit import in_node
from stage.cluster import NODE, SYSTEM, Cluster, Json, path_of
from stage.story import Story

MANIFEST: Final = Path(__file__).with_suffix(".yaml")
PATIENCE_SECONDS: Final = 60
# Prints the processes of a pod that run this program; systemd's names of cgroups have underscores.
FIND: Final = r"""
for folder in /proc/[0-9]*; do
  if tr - _ < "$folder/cgroup" 2>/dev/null | grep -q {uid} &&
    grep -qx prometheus "$folder/comm" 2>/dev/null
  then echo "${{folder#/proc/}}"; fi
done
"""


class SparePrometheus:
    """It runs in the story's namespace and scrapes its pods every second; `url` is where this
    machine finds it, also after it was replaced.
    """

    def __init__(self, story: Story) -> None:
        self._story = story
        cluster = story.cluster
        main = cluster.get(path_of("deployments", SYSTEM, "prometheus"))
        image = main["spec"]["template"]["spec"]["containers"][0]["image"]
        objects: list[Json] = list(yaml.safe_load_all(MANIFEST.read_text()))
        for item in objects:
            item["metadata"]["namespace"] = story.namespace
        objects[-1]["spec"]["template"]["spec"]["containers"][0]["image"] = image
        story.apply(*objects)
        self.scale(1)
        service = cluster.get(path_of("services", story.namespace, "spare"))
        self.url = f"http://{node_address(cluster)}:{service['spec']['ports'][0]['nodePort']}"

    def scale(self, replicas: int) -> None:
        """Scale it, and wait until it is there or gone."""
        self._story.kubectl("scale", "deployment/spare", f"--replicas={replicas}")
        self._until(replicas)

    def replace(self) -> None:
        """Delete it with all its data; a new one comes, which knows nothing of before."""
        self._story.kubectl("delete", "pod", "--selector=app=spare")
        self._until(1)

    def freeze(self) -> None:
        """Stop its process: whoever is connected waits, and it scrapes nothing."""
        in_node("kill", "-STOP", self._process())

    def thaw(self) -> None:
        """Let its process go on."""
        in_node("kill", "-CONT", self._process())

    def _process(self) -> str:
        [pod] = self._pods()
        uid = pod["metadata"]["uid"].replace("-", "_")
        [process] = in_node("sh", "-c", FIND.format(uid=uid)).split()
        return process

    def _pods(self) -> list[Json]:
        return self._story.cluster.items("pods", self._story.namespace, "app=spare")

    def _until(self, replicas: int) -> None:
        def there() -> bool:
            path = path_of("deployments", self._story.namespace, "spare")
            status: Json = self._story.cluster.get(path)["status"]
            return len(self._pods()) == replicas == int(status.get("readyReplicas", 0))

        self._story.eventually(there, PATIENCE_SECONDS, f"{replicas} pods of the spare Prometheus")


def node_address(cluster: Cluster) -> str:
    """The address of the node, which this machine reaches through Docker's bridge."""
    addresses = cluster.get(f"/api/v1/nodes/{NODE}")["status"]["addresses"]
    return str(next(entry["address"] for entry in addresses if entry["type"] == "InternalIP"))
