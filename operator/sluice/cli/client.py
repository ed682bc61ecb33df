"""A small client of the API server: one connection, one request at a time, plain JSON.

Made of the standard library, because every other HTTP client takes longer to import than a whole
`kubectl sluice list` may.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from sluice.cli.errors import CliError, Conflict, Forbidden, NotFound, Unreachable
from sluice.cli.kubeconfig import Access

Json = dict[str, Any]

TIMEOUT_SECONDS: Final = 15.0
# A watch that has been quiet for so long may be a dead connection.
_QUIET_SECONDS: Final = 60.0
MANAGER: Final = "kubectl-sluice"
# A list of more objects than this is read in several parts, as kubectl does.
_PAGE: Final = 500
_GROUPS: Final = {
    "rollouts": "/apis/sluice.dev/v1alpha1",
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "controllerrevisions": "/apis/apps/v1",
    "pods": "/api/v1",
    "namespaces": "/api/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "scaledobjects": "/apis/keda.sh/v1alpha1",
}
_KINDS: Final = {
    "rollouts": "Rollout",
    "horizontalpodautoscalers": "HorizontalPodAutoscaler",
    "scaledobjects": "ScaledObject",
}


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of the API server, and of whom. `namespace` None means all of them."""

    verb: str
    resource: str
    namespace: str | None = None
    name: str | None = None

    @property
    def path(self) -> str:
        """The path, without the query."""
        parts = [_GROUPS[self.resource]]
        if self.namespace is not None:
            parts += ["namespaces", quote(self.namespace, safe="")]
        parts.append(self.resource)
        if self.name is not None:
            parts.append(quote(self.name, safe=""))
        return "/".join(parts)

    def __str__(self) -> str:
        group = _GROUPS[self.resource].removeprefix("/apis/").split("/")[0]
        return f"{self.resource}.{group}" if "." in group else self.resource

    @property
    def place(self) -> str:
        """Where, in words."""
        return f"in namespace {self.namespace}" if self.namespace else "in all namespaces"


class Api:
    """The API server. `load` gives the access, again when the credentials have expired."""

    def __init__(self, load: Callable[[], Access]) -> None:
        self._load = load
        self._access = load()
        self._connection: http.client.HTTPConnection | None = None

    @property
    def namespace(self) -> str:
        """The namespace of the command line, else the context's, else `default`."""
        return self._access.namespace

    @property
    def server(self) -> str:
        """The address."""
        return self._access.server

    def get(self, resource: str, namespace: str, name: str) -> Json:
        """One object. Raises CliError."""
        return self._send("GET", Call("get", resource, namespace, name))

    def list(self, resource: str, namespace: str | None, selector: str = "") -> list[Json]:
        """All objects that a label selector matches, in the server's order. Raises CliError."""
        query = {"limit": str(_PAGE)} | ({"labelSelector": selector} if selector else {})
        found: list[Json] = []
        while True:
            page = self._send("GET", Call("list", resource, namespace), query)
            found += page.get("items") or []
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return found
            query["continue"] = following

    def patch(
        self, resource: str, namespace: str, name: str, body: Json, *, dry_run: bool = False
    ) -> Json:
        """Merge a change into an object; it as it is then. Raises CliError."""
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return self._send("PATCH", Call("patch", resource, namespace, name), query, body)

    def watch(
        self, resource: str, namespace: str, name: str, *, version: str, seconds: int
    ) -> Iterator[Json]:
        """The events of one object after `version`, for so long; blocks between them.

        Ends earlier when the server says so, or the version is too old. Raises CliError.
        """
        query = {
            "watch": "true",
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        response = self._answer("GET", Call("watch", resource, namespace), query, None)
        if self._connection is not None and self._connection.sock is not None:
            self._connection.sock.settimeout(_QUIET_SECONDS)
        try:
            for line in response:
                event = json.loads(line)
                if event.get("type") == "ERROR":
                    return
                yield event
        except (OSError, http.client.HTTPException, ValueError):
            return  # a cut stream: the caller reads afresh and watches again
        finally:
            self.close()

    def interrupt(self) -> None:
        """Ends what another thread waits for; that thread's request fails then."""
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(
        self, method: str, call: Call, query: Mapping[str, str] = {}, body: Json | None = None
    ) -> Json:
        response = self._answer(method, call, query, body)
        answer = json.loads(response.read() or b"{}")
        return answer if isinstance(answer, dict) else {}

    def _answer(
        self, method: str, call: Call, query: Mapping[str, str], body: Json | None
    ) -> http.client.HTTPResponse:
        """The response to a success, not yet read. Raises CliError for anything else."""
        for attempt in (1, 2):
            response = self._exchange(method, call, query, body)
            if 200 <= response.status < 300:
                return response
            raw = response.read()
            if response.status == 401 and attempt == 1:
                self.close()
                self._access = self._load()  # a token may have expired meanwhile
                continue
            break
        raise refusal(call, response.status, raw)

    def _exchange(
        self, method: str, call: Call, query: Mapping[str, str], body: Json | None
    ) -> http.client.HTTPResponse:
        path = call.path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "User-Agent": MANAGER, **self._access.headers}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/merge-patch+json"
        reused = self._connection is not None
        try:
            return self._request(method, path, data, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            # A server may close an idle connection at any time; a read may simply be repeated.
            if reused and method == "GET":
                with contextlib.suppress(OSError, http.client.HTTPException):
                    return self._request(method, path, data, headers)
                self.close()
            raise Unreachable(
                f"no answer from the API server {self._access.server}: {_cause(error)}"
            ) from error

    def _request(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = connect(self._access)
        base = urlsplit(self._access.server).path.rstrip("/")
        self._connection.request(method, base + path, body=data, headers=dict(headers))
        return self._connection.getresponse()


class _Named(http.client.HTTPSConnection):
    """A connection whose certificate is for another name than its address (tls-server-name)."""

    def __init__(self, host: str, port: int, *, context: ssl.SSLContext, name: str | None) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS, context=context)
        self._context_of_ours = context
        self._name = name

    def connect(self) -> None:
        """Opens the connection."""
        http.client.HTTPConnection.connect(self)
        assert self.sock is not None
        tunnel = getattr(self, "_tunnel_host", None)
        name = self._name or (tunnel or self.host)
        self.sock = self._context_of_ours.wrap_socket(self.sock, server_hostname=name)


def connect(access: Access) -> http.client.HTTPConnection:
    """A connection that opens at its first request. Raises Unreachable for a bad address."""
    target = urlsplit(access.server)
    host = target.hostname or ""
    secure = target.scheme == "https"
    port = target.port or (443 if secure else 80)
    proxy = access.proxy or _proxy_of_environment(target.scheme, host)
    address = urlsplit(proxy) if proxy else target
    if address.scheme not in ("http", "https") or (proxy and address.scheme == "https"):
        raise Unreachable(f"the proxy {proxy} cannot be used: only http:// proxies can")
    near, near_port = (address.hostname or "", address.port or port)
    if not secure:
        return http.client.HTTPConnection(near, near_port, timeout=TIMEOUT_SECONDS)
    connection = _Named(near, near_port, context=_tls(access), name=access.server_name)
    if proxy:
        connection.set_tunnel(host, port)
    return connection


def _proxy_of_environment(scheme: str, host: str) -> str | None:
    if not any(name.lower() == f"{scheme}_proxy" for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  (only behind a proxy)

    return None if proxy_bypass(host) else getproxies().get(scheme)


def _tls(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=access.ca)
        # As in the operator: CAs without an Authority Key Identifier exist, client-go takes them.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not access.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if access.certificate:
            _load_certificate(context, access.certificate, access.key or "")
    except ssl.SSLError as error:
        raise Unreachable(f"a certificate of the kubeconfig is no good: {error}") from error
    return context


def _load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """OpenSSL takes certificates from files only: one that nobody else may read, for a moment."""
    handle, name = tempfile.mkstemp(prefix="sluice-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{certificate.rstrip()}\n{key}")
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()


def refusal(call: Call, code: int, raw: bytes) -> CliError:
    """What an answer other than a success means to the user."""
    try:
        status = json.loads(raw)
    except ValueError:
        status = {}
    status = status if isinstance(status, dict) else {}
    message = str(status.get("message") or http.client.responses.get(code, "no message"))
    match code:
        case 401:
            return Unreachable(f"the API server does not accept the credentials: {message}")
        case 403:
            return Forbidden(
                f"you may not {call.verb} {call} {call.place}: your role lacks the verb "
                f'"{call.verb}" on the resource "{call}" ({message})'
            )
        case 404 if (status.get("details") or {}).get("name") or call.name is None:
            return _absent(call)
        case 404:
            return _absent(Call(call.verb, call.resource, call.namespace))
        case 409:
            return Conflict(f"{call} {call.name} has changed meanwhile: {message}")
    return CliError(f"{call.verb} {call} {call.name or ''}: HTTP {code}: {message}")


def _absent(call: Call) -> NotFound:
    if call.name is None:
        whose = "KEDA" if call.resource == "scaledobjects" else "Sluice"
        return NotFound(
            f"the cluster does not know {call}: is {whose} installed there, and is this the right "
            "context?"
        )
    kind = _KINDS.get(call.resource, call.resource.removesuffix("s"))
    return NotFound(f"there is no {kind} {call.name} {call.place}")


def _cause(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return str(error) or type(error).__name__
