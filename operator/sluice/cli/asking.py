"""Has the metric sources asked by `python -m sluice.check`, in the operator's pod or here.

The plugin has no credentials for a source, and often no way to it: the operator has both.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sluice.cli import facts
from sluice.cli.client import Api, Json
from sluice.cli.errors import CliError, Forbidden, Unreachable
from sluice.cli.facts import Side, name_of, part, parts
from sluice.cli.kubeconfig import Options
from sluice.cli.options import Session
from sluice.core.checking.report import Report, of_wire
from sluice.core.label_selectors import text_of

_PROGRAM: Final = "sluice.check"
# The operator's pods and their container, as deploy/operator has them.
_OPERATOR_LABEL: Final = "app=sluice"
_CONTAINER: Final = "sluice"
_TIMEOUT_SECONDS: Final = 90.0
_WITH_URL: Final = (
    "With a way of your own to the Prometheus, such as kubectl port-forward, write --url "
    "http://localhost:9090"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The report, and who has asked."""

    report: Report
    by: str


def request(api: Api, namespace: str, spec: Json) -> Json:
    """What the program is to check: the spec, and the stable pods of its Deployment. CliError where
    there is none.
    """
    name = str(part(spec, "targetRef").get("name", ""))
    deployment = api.get("deployments", namespace, name)
    selector = text_of(part(deployment, "spec", "selector"))
    sets = api.list("replicasets", namespace, selector)
    pods = api.list("pods", namespace, selector)
    found = facts.sides(sets, pods)
    stable = _stable(found, sets, deployment)
    ready = [pod for pod in stable.pods if pod.ready] if stable else []
    if stable is None or not ready:
        raise CliError(
            f"Deployment {name} in namespace {namespace} has no ready pods: there is nobody whose "
            "metrics could be asked for"
        )
    others = [pod for side in found if side is not stable for pod in side.pods if pod.ready]
    born = {name_of(raw): part(raw, "metadata").get("creationTimestamp") for raw in pods}
    return {
        "namespace": namespace,
        "spec": spec,
        "replicaSet": stable.name,
        "replicas": part(deployment, "spec").get("replicas", 1),
        "otherPods": len(others),
        "pods": [
            {"name": pod.name, "startedAt": _started(pods, pod.name) or born[pod.name]}
            for pod in ready
        ],
    }


def _stable(found: Sequence[Side], sets: list[Json], deployment: Json) -> Side | None:
    """The stable ReplicaSet; of a Deployment that has no Rollout yet, its own with most pods."""
    marked = next((side for side in found if side.role == "stable" and not side.idle), None)
    uid = part(deployment, "metadata").get("uid")
    own = {
        name_of(raw)
        for raw in sets
        if any(o.get("uid") == uid for o in parts(raw, "metadata", "ownerReferences"))
    }
    owned = [side for side in found if side.name in own]
    return marked or max(owned, key=lambda side: side.available, default=None)


def _started(pods: list[Json], name: str) -> str | None:
    raw = next(raw for raw in pods if name_of(raw) == name)
    return part(raw, "status").get("startTime")


# --- who asks


def through_operator(session: Session, wanted: Json, namespace: str) -> Asked:
    """Asked by a pod of the operator. CliError."""
    pod = _operator_pod(session.api, namespace)
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise CliError(f"kubectl is not on the PATH, and it runs the check. {_WITH_URL}")
    where = [*_connection(session.options), "--namespace", namespace]
    command = ["exec", "-i", pod, "--container", _CONTAINER, "--", "python3", "-m", _PROGRAM]
    done = _run([kubectl, *where, *command], wanted)
    if done.returncode and '"pods/exec"' in done.stderr and "orbidden" in done.stderr:
        raise Forbidden(
            'you may not have the operator ask its sources: your role lacks the verb "create" on '
            f'the resource "pods/exec" in namespace {namespace}. {_WITH_URL}'
        )
    if f"No module named {_PROGRAM}" in done.stderr:
        raise CliError(f"the operator in {namespace} is older than this plugin: it has no check")
    return Asked(_report(done), f"pod {pod} in {namespace}")


def _operator_pod(api: Api, namespace: str) -> str:
    found = [facts.pod(raw) for raw in api.list("pods", namespace, _OPERATOR_LABEL)]
    ready = next((pod for pod in found if pod.ready), None)
    if ready is None:
        raise CliError(
            f"there is no ready pod of the operator ({_OPERATOR_LABEL}) in namespace {namespace}: "
            f"name its namespace with --operator-namespace. {_WITH_URL}"
        )
    return ready.name


def _connection(options: Options) -> list[str]:
    """The options that kubectl shall have as well."""
    given = (
        ("--kubeconfig", options.kubeconfig),
        ("--context", options.context),
        ("--as", options.impersonate),
    )
    return [word for option, value in given if value for word in (option, value)]


def from_here(wanted: Json, url: str) -> Asked:
    """Asked from this machine. CliError."""
    done = _run([sys.executable, "-m", _PROGRAM, "--url", url], wanted)
    return Asked(_report(done), url)


def _run(command: list[str], wanted: Json) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  (kubectl and ourselves)
            command,
            input=json.dumps(wanted),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise Unreachable(f"no report within {_TIMEOUT_SECONDS:g} s") from late


def _report(done: subprocess.CompletedProcess[str]) -> Report:
    """The report that the program has written. CliError with its sentence where it has none."""
    try:
        answer = json.loads(done.stdout)
        if "error" in answer:
            raise CliError(str(answer["error"]))
        return of_wire(answer)
    except (KeyError, TypeError, ValueError) as error:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise CliError(f"the check gave no report: {said[-1]}") from error
