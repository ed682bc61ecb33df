"""Credentials from a program, as most clouds have them in the kubeconfig.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sluice.cli.errors import Unreachable

TIMEOUT_SECONDS: Final = 60.0
_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def credentials(plugin: Mapping[str, Any], cluster: Mapping[str, Any]) -> dict[str, str]:
    """A user entry with what the program printed. Unreachable when it did not do well."""
    version = str(plugin.get("apiVersion", ""))
    if version not in _VERSIONS:
        raise Unreachable(
            f'the kubeconfig\'s exec plugin has apiVersion "{version}"; '
            f"known are {', '.join(_VERSIONS)}"
        )
    program = _program(plugin)
    done = _run([program, *map(str, plugin.get("args") or ())], _environment(plugin, cluster))
    try:
        status = json.loads(done)["status"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"the exec plugin {program} printed no ExecCredential") from error
    return _entry(status)


def _entry(status: Mapping[str, Any]) -> dict[str, str]:
    entry = {}
    if status.get("token"):
        entry["token"] = str(status["token"])
    for ours, theirs in (
        ("client-certificate-data", "clientCertificateData"),
        ("client-key-data", "clientKeyData"),
    ):
        if status.get(theirs):
            entry[ours] = base64.b64encode(str(status[theirs]).encode()).decode()
    return entry


def _program(plugin: Mapping[str, Any]) -> str:
    """The program's path: relative to the kubeconfig where it has a folder, else from PATH."""
    command = str(plugin.get("command", ""))
    if os.sep in command:
        return str(Path(str(plugin.get("folder", "."))) / command)
    found = shutil.which(command)
    if found is None:
        hint = str(plugin.get("installHint") or "").strip()
        raise Unreachable(
            f'the exec plugin "{command}" of the kubeconfig is not on PATH'
            + (f": {hint}" if hint else "")
        )
    return found


def _environment(plugin: Mapping[str, Any], cluster: Mapping[str, Any]) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": sys.stdin.isatty()}
    if plugin.get("provideClusterInfo"):
        known = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")
        spec["cluster"] = {key: cluster[key] for key in known if cluster.get(key)}
        if data := cluster.get("certificate-authority-data"):
            spec["cluster"]["certificate-authority-data"] = data
    info = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": spec}
    own = {str(pair["name"]): str(pair["value"]) for pair in plugin.get("env") or ()}
    return {**os.environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _run(command: list[str], environment: dict[str, str]) -> str:
    try:
        # Standard error is the user's: a plugin may ask for a password or show a link there.
        return subprocess.run(  # noqa: S603  (the user's own kubeconfig names it)
            command,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        ).stdout
    except subprocess.CalledProcessError as error:
        raise Unreachable(
            f"the exec plugin {command[0]} ended with exit code {error.returncode}"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unreachable(f"the exec plugin {command[0]} failed: {error}") from error
