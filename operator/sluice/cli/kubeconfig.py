"""The kubeconfig: which server, which namespace, and who the user is.

Read here because `kubernetes.config` takes half a second to import; only the old auth-providers
are left to it. Files are merged as kubectl merges them: the first that has an entry wins, and
relative paths start at the file that has them.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from sluice.cli.errors import Unreachable

Entry = dict[str, Any]

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PATHS: Final = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says about the connection; None or empty where it says nothing."""

    context: str | None = None
    kubeconfig: str | None = None
    namespace: str | None = None
    impersonate: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is and how to speak to it. Certificates and keys are PEM texts."""

    server: str
    namespace: str = "default"
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None


def load(options: Options) -> Access:
    """The access that kubectl would have with these options. Unreachable with a sentence."""
    files = _files(options)
    config = _merged(files)
    if not config["contexts"] and options.context is None and not options.kubeconfig:
        if inside := _in_cluster(options):
            return inside
        looked = ", ".join(str(file) for file in files)
        raise Unreachable(f"there is no kubeconfig: looked for {looked}")
    name = options.context or config["current-context"]
    if not name:
        raise Unreachable(
            "the kubeconfig has no current context: name one with --context, or choose one "
            "with: kubectl config use-context NAME"
        )
    context = _named(config, "contexts", name, _known(config))
    cluster = _named(config, "clusters", str(context.get("cluster", "")), f'context "{name}"')
    user = _user(config, str(context.get("user", "")), f'context "{name}"')
    namespace = options.namespace or context.get("namespace") or "default"
    if "auth-provider" in user:
        user |= _from_provider(options, name)
    elif "exec" in user:
        from sluice.cli import exec_plugin  # noqa: PLC0415  (only where there is one)

        user |= exec_plugin.credentials(user["exec"], cluster)
    return _access(cluster, user, str(namespace), options)


def context_names(options: Options) -> list[str]:
    """The names of all contexts, for completion."""
    return sorted(_merged(_files(options))["contexts"])


def _files(options: Options) -> list[Path]:
    if options.kubeconfig:
        file = Path(options.kubeconfig).expanduser()
        if not file.exists():
            raise Unreachable(f"there is no kubeconfig {file} (--kubeconfig)")
        return [file]
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [Path(part) for part in listed] or [Path.home() / ".kube" / "config"]


def _merged(files: list[Path]) -> dict[str, Any]:
    """All entries by name. Files that do not exist are left out, as kubectl does."""
    merged: dict[str, Any] = {"clusters": {}, "contexts": {}, "users": {}, "current-context": ""}
    for file in files:
        if not file.exists():
            continue
        raw = _read(file)
        merged["current-context"] = merged["current-context"] or raw.get("current-context") or ""
        for section in ("clusters", "contexts", "users"):
            for item in raw.get(section) or ():
                entry = dict(item.get(section.removesuffix("s")) or {})
                for key in _PATHS:
                    if entry.get(key):
                        entry[key] = str(file.resolve().parent / str(entry[key]))
                if "exec" in entry:
                    entry["exec"] = {**entry["exec"], "folder": str(file.resolve().parent)}
                merged[section].setdefault(str(item.get("name")), entry)
    return merged


def _read(file: Path) -> Entry:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml: ten times as fast
    try:
        raw = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise Unreachable(f"the kubeconfig {file} cannot be read: {said}") from error
    if raw is not None and not isinstance(raw, dict):
        raise Unreachable(f"the kubeconfig {file} is no mapping: is it a kubeconfig?")
    return raw or {}


def _known(config: Mapping[str, Any]) -> str:
    names = ", ".join(sorted(config["contexts"])) or "none"
    return f"the kubeconfig; its contexts: {names}"


def _named(config: Mapping[str, Any], section: str, name: str, where: str) -> Entry:
    found = config[section].get(name)
    if found is None:
        kind = section.removesuffix("s")
        source = "is not in" if section == "contexts" else "is missing, named by"
        raise Unreachable(f'{kind} "{name}" {source} {where}')
    return dict(found)


def _user(config: Mapping[str, Any], name: str, where: str) -> Entry:
    return _named(config, "users", name, where) if name else {}


def _access(cluster: Entry, user: Entry, namespace: str, options: Options) -> Access:
    server = str(cluster.get("server") or "").rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise Unreachable(f'the kubeconfig\'s server is "{server}": write https://HOST:PORT')
    return Access(
        server=server,
        namespace=namespace,
        ca=_pem(cluster, "certificate-authority"),
        certificate=_pem(user, "client-certificate"),
        key=_pem(user, "client-key"),
        headers=_headers(user, options.impersonate),
        verify=not cluster.get("insecure-skip-tls-verify"),
        server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
    )


def _pem(entry: Entry, key: str) -> str | None:
    """The data in the entry or in the file it names; data win, as in client-go."""
    data = entry.get(f"{key}-data")
    try:
        if data:
            return base64.b64decode(str(data), validate=True).decode()
        return Path(entry[key]).read_text(encoding="utf-8") if entry.get(key) else None
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unreachable(f"{key}-data in the kubeconfig is no base64 of a PEM text") from error
    except OSError as error:
        raise Unreachable(f"{key} cannot be read: {error}") from error


def _headers(user: Entry, impersonate: str | None) -> dict[str, str]:
    token = user.get("token")
    if not token and user.get("tokenFile"):
        try:
            token = Path(user["tokenFile"]).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Unreachable(f"tokenFile cannot be read: {error}") from error
    headers = {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    elif user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    if somebody := impersonate or user.get("as"):
        headers["Impersonate-User"] = str(somebody)
    return headers


def _in_cluster(options: Options) -> Access | None:
    """A pod's service account; None outside a cluster."""
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    token = SERVICE_ACCOUNT / "token"
    if not host or not token.exists():
        return None
    namespace = SERVICE_ACCOUNT / "namespace"
    own = namespace.read_text(encoding="utf-8").strip() if namespace.exists() else "default"
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port or 443}",
        namespace=options.namespace or own,
        ca=_pem({"ca": str(SERVICE_ACCOUNT / "ca.crt")}, "ca"),
        headers=_headers({"tokenFile": str(token)}, options.impersonate),
    )


def _from_provider(options: Options, context: str) -> Entry:
    """The token of an auth-provider (OIDC and older clouds), as `kubernetes.config` gets it."""
    # Half a second of imports that everybody else does without.
    from kubernetes import client, config  # noqa: PLC0415

    loader: Any = config  # untyped
    configuration: Any = client.Configuration()
    file = options.kubeconfig or os.environ.get("KUBECONFIG") or None
    try:
        loader.load_kube_config(
            config_file=file,
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
    except Exception as error:
        raise Unreachable(f"the auth-provider of the kubeconfig failed: {error}") from error
    text = str(configuration.auth_settings().get("BearerToken", {}).get("value") or "")
    return {"token": text.removeprefix("Bearer ").strip()}
