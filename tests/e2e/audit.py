"""What the API server wrote down of its callers: the audit log in the node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from typing import Final

from stage.cluster import NODE, OPERATOR_USER, Json

LOG: Final = "/var/log/kubernetes/audit.log"
WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class AuditLost(Exception):
    """The log was rotated after the mark: what came in between can't be counted."""


def in_node(*command: str) -> str:
    """The output of a command in the node's container; raises when it fails."""
    docker = shutil.which("docker")
    assert docker is not None, "docker is not installed or not on PATH"
    done = subprocess.run(
        [docker, "exec", NODE, *command], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def mark() -> int:
    """The present end of the log, for `since`."""
    return int(in_node("stat", "-c", "%s", LOG))


def since(position: int) -> list[Json]:
    """The requests that were written down after the mark, oldest first."""
    text = ""
    if mark() < position:
        # It was full and has been put aside; what came before goes on at the end of that file.
        aside = in_node("sh", "-c", f"ls -t {LOG.removesuffix('.log')}-*.log | head -1").strip()
        if not aside:
            raise AuditLost(f"{LOG} is shorter than it was, and nothing was put aside")
        text = in_node("tail", "-c", f"+{position + 1}", aside)
        position = 0
    lines = (text + in_node("tail", "-c", f"+{position + 1}", LOG)).splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def by(user: str, entries: Iterable[Json], namespace: str | None = None) -> list[Json]:
    """Those of one user; with `namespace`, of the requests for objects in it alone."""
    return [
        entry
        for entry in entries
        if entry["user"]["username"] == user
        and (namespace is None or entry.get("objectRef", {}).get("namespace") == namespace)
    ]


def writes(entries: Iterable[Json]) -> list[Json]:
    """Those that change something."""
    return [entry for entry in entries if entry["verb"] in WRITES]


def finished(entries: Iterable[Json]) -> list[Json]:
    """Each request once: a watch is written down at its start and again at its end."""
    return [entry for entry in entries if entry["stage"] == "ResponseComplete"]


def of_operators(position: int) -> list[Json]:
    """The operators' requests since the mark. Those for their Lease come with the time that goes
    by, and not with what is measured: they are left out.
    """
    asked = finished(by(OPERATOR_USER, since(position)))
    return [entry for entry in asked if entry.get("objectRef", {}).get("resource") != "leases"]


def counted(entries: Iterable[Json]) -> Counter[str]:
    """How many of each verb and resource, as "patch replicasets" or "patch rollouts/status"."""
    return Counter(_name(entry) for entry in entries)


def _name(entry: Json) -> str:
    reference = entry.get("objectRef", {})
    resource = reference.get("resource", entry.get("requestURI", "?"))
    part = reference.get("subresource")
    return f"{entry['verb']} {resource}/{part}" if part else f"{entry['verb']} {resource}"
