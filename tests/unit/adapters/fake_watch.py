"""An API server over HTTP that knows discovery and watches, and fails when told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from aiohttp import web

from sluice.adapters.access import Access

Raw = dict[str, Any]

_RESOURCES = {
    "/api/v1": [("namespaces", "Namespace", False), ("pods", "Pod", True)],
    "/apis/apps/v1": [("deployments", "Deployment", True), ("replicasets", "ReplicaSet", True)],
    "/apis/sluice.dev/v1alpha1": [("rollouts", "Rollout", True)],
}


class FakeServer:
    """Streams `objects` to whoever watches, then what is `sent`."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.objects: dict[str, list[Raw]] = {"rollouts": [], "deployments": [], "replicasets": []}
        # Kinds whose next watches are answered with this status.
        self.refuse: dict[str, int] = {}
        self.streams: dict[str, list[asyncio.Queue[Raw | None]]] = {}
        self.url = ""

    @property
    def access(self) -> Access:
        async def no_token(_: str) -> None:
            return None

        configuration: Any = SimpleNamespace(
            host=self.url,
            proxy=None,
            ssl_ca_cert=None,
            ca_cert_data=None,
            cert_file=None,
            verify_ssl=True,
            get_api_key_with_prefix=no_token,
        )
        return Access(configuration)

    @property
    def watches(self) -> list[str]:
        """The watches that were asked for."""
        return [request for request in self.requests if "watch=true" in request]

    def send(self, plural: str, kind: str, raw: Raw) -> None:
        """Tell all watchers of a kind."""
        for stream in self.streams.get(plural, []):
            stream.put_nowait({"type": kind, "object": raw})

    def drop(self, plural: str) -> None:
        """End all streams of a kind."""
        for stream in self.streams.pop(plural, []):
            stream.put_nowait(None)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer anything."""
        self.requests.append(f"{request.method} {request.path_qs}")
        if "watch" in request.query:
            return await self._watch(request)
        return self._discover(request.path)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        plural = request.path.rsplit("/", 1)[-1]
        if plural in self.refuse:
            return web.json_response({"kind": "Status"}, status=self.refuse[plural])
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        stream: asyncio.Queue[Raw | None] = asyncio.Queue()
        self.streams.setdefault(plural, []).append(stream)
        if "sendInitialEvents" in request.query:
            for raw in self.objects[plural]:
                await _write(response, {"type": "ADDED", "object": raw})
            meta = {"resourceVersion": "100", "annotations": {"k8s.io/initial-events-end": "true"}}
            await _write(response, {"type": "BOOKMARK", "object": {"metadata": meta}})
        while (event := await stream.get()) is not None:
            await _write(response, event)
        return response

    def _discover(self, path: str) -> web.Response:
        if path == "/api":
            return web.json_response({"kind": "APIVersions", "versions": ["v1"]})
        if path == "/apis":
            groups = [_group(name) for name in _RESOURCES if name.startswith("/apis/")]
            return web.json_response({"kind": "APIGroupList", "groups": groups})
        if path not in _RESOURCES:
            return web.json_response({"kind": "Status", "code": 404}, status=404)
        resources = [
            {
                "name": plural,
                "singularName": "",
                "kind": kind,
                "namespaced": namespaced,
                "verbs": ["list", "watch"],
            }
            for plural, kind, namespaced in _RESOURCES[path]
        ]
        return web.json_response({"kind": "APIResourceList", "resources": resources})


def _group(path: str) -> Raw:
    _, _, name, version = path.split("/")
    version_of = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [version_of], "preferredVersion": version_of}


async def _write(response: web.StreamResponse, event: Raw) -> None:
    await response.write(json.dumps(event).encode() + b"\n")


@asynccontextmanager
async def fake_server() -> AsyncIterator[FakeServer]:
    """Serve on a free port of this machine."""
    server = FakeServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = site.name
    try:
        yield server
    finally:
        for plural in list(server.streams):
            server.drop(plural)
        await runner.cleanup()
