"""Where scripts are played: one namespace with one operator, for one script after the other.

An operator's start and a namespace's end cost more than most scripts. A place in which a script has
failed is not used again.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import requests

from e2e.local_operator import LocalOperator
from scripts.on_cluster import SLOW
from stage.cluster import Cluster, kubectl, path_of
from stage.story import Story

# Owners first: what they own is not made again then.
MADE: Final = ("rollouts", "services", "deployments", "replicasets", "pods")
# What the operator and the controllers take away.
LEFT: Final = (*MADE, "controllerrevisions", "endpointslices")
PATIENCE_SECONDS: Final = 30


class Places:
    """The place of this process; a new one after a failure, which stays where `keep` says so."""

    def __init__(self, cluster: Cluster, folder: Path, *, keep: bool) -> None:
        self._cluster = cluster
        self._folder = folder
        self._keep = keep
        self._operator: LocalOperator | None = None

    @contextlib.contextmanager
    def story(self, rollout: str) -> Iterator[Story]:
        """A story in an empty namespace, with an operator that runs."""
        operator = self._operator or self._new()
        story = Story(self._cluster, operator.namespace, rollout=rollout)
        story.operator_log = operator.log_tail
        try:
            yield story
            self._clear(story)
        except BaseException:
            self._leave(keep=self._keep)
            raise
        finally:
            story.close()

    def close(self) -> None:
        """End the operator and remove the namespace."""
        self._leave(keep=False)

    def _new(self) -> LocalOperator:
        namespace = f"solo-scripts-{secrets.token_hex(3)}"
        kubectl("create", "namespace", namespace)
        self._operator = LocalOperator(namespace, self._folder)
        self._operator.start()
        return self._operator

    def _leave(self, *, keep: bool) -> None:
        operator, self._operator = self._operator, None
        if operator is None:
            return
        operator.kill()
        if keep:
            return
        for item in self._cluster.items("rollouts", operator.namespace):
            # Nobody is left to serve its finalizer.
            path = path_of("rollouts", operator.namespace, item["metadata"]["name"])
            with contextlib.suppress(requests.HTTPError):
                self._cluster.patch(path, {"metadata": {"finalizers": None}})
        self._cluster.delete(f"/api/v1/namespaces/{operator.namespace}")

    def _clear(self, story: Story) -> None:
        """Take away all that a script can have made; the operator has to let go of it."""
        namespace = story.namespace
        for resource in MADE:
            body = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
            path = path_of(resource, namespace)
            self._cluster.request("DELETE", path, json=body).raise_for_status()
        self._cluster.delete(f"/api/v1/namespaces/{namespace}/configmaps/{SLOW}")

        def clear() -> bool:
            return not any(self._cluster.items(kind, namespace) for kind in LEFT)

        story.eventually(clear, PATIENCE_SECONDS, "the place is clear")
