"""The test cluster: reads through the raw API, writes the way a person does, with kubectl.

Reads are plain HTTPS with the client certificate of the kubeconfig: a `kubectl get` costs 100 ms
of CPU, and the tests look several times a second on a machine of two cores.
"""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import yaml
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

Json = dict[str, Any]

CONTEXT: Final = "kind-sluice"
NODE: Final = "sluice-control-plane"
SYSTEM: Final = "sluice-system"
OPERATOR_USER: Final = f"system:serviceaccount:{SYSTEM}:sluice"
PROMETHEUS_URL: Final = "http://127.0.0.1:30090"

_GROUPS: Final = {
    "namespaces": "/api/v1",
    "pods": "/api/v1",
    "services": "/api/v1",
    "events": "/api/v1",
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "controllerrevisions": "/apis/apps/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "rollouts": "/apis/sluice.dev/v1alpha1",
}


class WrongCluster(Exception):
    """There is no kubeconfig context for the test cluster; nothing else is ever touched."""


class KubectlFailed(Exception):
    """kubectl ended with an error; the text is what it said."""


def path_of(resource: str, namespace: str, name: str = "") -> str:
    """The API path of a collection of one namespace, or of one object in it."""
    base = f"{_GROUPS[resource]}/namespaces/{namespace}/{resource}"
    return f"{base}/{name}" if name else base


class Cluster:
    """A connection to the kind cluster `sluice`, and to no other.

    Not for use by several threads at once; `connection()` makes one for each watch.
    """

    def __init__(self) -> None:
        entry = _kubeconfig_entry(CONTEXT)
        self._folder = tempfile.TemporaryDirectory(prefix="sluice-")
        self._server = str(entry["server"])
        self._session = requests.Session()
        self._session.trust_env = False
        # "Not now", as after a change of a CRD: asked again when the server says, like client-go.
        again = Retry(total=30, status_forcelist={429}, allowed_methods={"GET"})
        self._session.mount("https://", HTTPAdapter(max_retries=again))
        self._session.verify = self._file("ca.crt", entry["certificate-authority-data"])
        self._session.cert = (
            self._file("client.crt", entry["client-certificate-data"]),
            self._file("client.key", entry["client-key-data"]),
        )

    def _file(self, name: str, encoded: str) -> str:
        path = Path(self._folder.name) / name
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(encoded))
        return str(path)

    def close(self) -> None:
        """Close the connection and remove the certificate files."""
        self._session.close()
        self._folder.cleanup()

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """One request to the API server; the caller looks at the status code."""
        arguments.setdefault("timeout", 30)
        return self._session.request(method, self._server + path, **arguments)

    def get(self, path: str, **parameters: str) -> Json:
        """The object or list at `path`; raises `requests.HTTPError` when there is none."""
        answer = self.request("GET", path, params=parameters)
        answer.raise_for_status()
        found: Json = answer.json()
        return found

    def find(self, resource: str, namespace: str, name: str) -> Json | None:
        """One object, None when it does not exist."""
        answer = self.request("GET", path_of(resource, namespace, name))
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        found: Json = answer.json()
        return found

    def items(self, resource: str, namespace: str, selector: str = "") -> list[Json]:
        """The objects of one kind in a namespace, narrowed by a label selector."""
        parameters = {"labelSelector": selector} if selector else {}
        found: list[Json] = self.get(path_of(resource, namespace), **parameters)["items"]
        return found

    def patch(self, path: str, change: Json, kind: str = "merge") -> None:
        """Patch the object at `path`; `kind` is merge or strategic-merge."""
        headers = {"Content-Type": f"application/{kind}-patch+json"}
        self.request("PATCH", path, json=change, headers=headers).raise_for_status()

    def delete(self, path: str, propagation: str = "Background") -> None:
        """Delete the object at `path`; none there is fine."""
        answer = self.request("DELETE", path, json={"propagationPolicy": propagation})
        if answer.status_code != 404:
            answer.raise_for_status()

    def connection(self) -> http.client.HTTPSConnection:
        """A bare connection for a watch: closing its socket from another thread ends the watch."""
        address = urlsplit(self._server)
        context = ssl.create_default_context(cafile=str(self._session.verify))
        certificate = self._session.cert
        assert isinstance(certificate, tuple)
        context.load_cert_chain(*certificate)
        return http.client.HTTPSConnection(
            str(address.hostname), address.port, timeout=60, context=context
        )


def _kubeconfig_entry(context_name: str) -> Json:
    """Server and credentials of one context, from KUBECONFIG or ~/.kube/config."""
    path = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    if not path.exists():
        raise WrongCluster(f"There is no kubeconfig at {path}. `make cluster` makes one.")
    config: Json = yaml.safe_load(path.read_text()) or {}

    def named(section: str, name: str) -> Json | None:
        return next((entry for entry in config.get(section, []) if entry["name"] == name), None)

    context = named("contexts", context_name)
    if context is None:
        raise WrongCluster(
            f"{path} has no context {context_name}. These programs create and delete objects and "
            "run against that test cluster alone: `make cluster` makes it."
        )
    cluster = named("clusters", context["context"]["cluster"])
    user = named("users", context["context"]["user"])
    assert cluster is not None
    assert user is not None
    return {**cluster["cluster"], **user["user"]}


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """What a user types; its standard output. Raises `KubectlFailed` with what kubectl said.

    With `check=False` a failure is no error and the answer is standard output and error together.
    """
    program = shutil.which("kubectl")
    if program is None:
        raise KubectlFailed("kubectl is not installed or not on PATH.")
    done = subprocess.run(  # noqa: S603 - the arguments are this repository's own
        [program, "--context", CONTEXT, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0 and check:
        raise KubectlFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout if check else done.stdout + done.stderr


def apply(objects: list[Json]) -> None:
    """`kubectl apply` of several objects at once."""
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
