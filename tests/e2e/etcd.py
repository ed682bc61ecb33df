"""The store behind the API server: the way to an object that no API server would accept today."""

from __future__ import annotations

import base64
import json
from typing import Final

from e2e.audit import in_node
from stage.cluster import Json

PKI: Final = "/etc/kubernetes/pki/etcd"
ADDRESS: Final = "https://127.0.0.1:2379/v3/kv"


def rollout_key(namespace: str, name: str) -> str:
    """Where the API server keeps a Rollout."""
    return f"/registry/sluice.dev/rollouts/{namespace}/{name}"


def read(key: str) -> Json:
    """The custom resource as it is stored."""
    (found,) = _ask("range", {"key": _encoded(key)})["kvs"]
    item: Json = json.loads(base64.b64decode(found["value"]))
    return item


def write(key: str, item: Json) -> None:
    """Store it as it is, as a server did whose rules were other ones."""
    _ask("put", {"key": _encoded(key), "value": _encoded(json.dumps(item))})


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _ask(what: str, body: Json) -> Json:
    files = (
        "--cacert",
        f"{PKI}/ca.crt",
        "--cert",
        f"{PKI}/server.crt",
        "--key",
        f"{PKI}/server.key",
    )
    answer = in_node(
        "curl", "--silent", "--show-error", "--fail", *files, "--data", json.dumps(body),
        f"{ADDRESS}/{what}",
    )  # fmt: skip
    found: Json = json.loads(answer)
    return found
