"""An API server in memory: plain HTTP, the objects it is given, and a note of every request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]


class FakeServer:
    """Serves objects by path; `forbidden` holds (verb, resource) pairs."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.lists: dict[str, list[Json]] = {}
        self.forbidden: set[tuple[str, str]] = set()
        # Beginnings of paths of kinds that are not installed.
        self.missing: set[str] = set()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.patches: list[Json] = []
        # What the operator does to an object after a patch.
        self.operator: Callable[[Json], None] = lambda _: None
        # Events of a watch; after them it stays open until the server ends.
        self.events: list[Json] = []
        self._over = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.handle(self, {})

            def do_PATCH(self) -> None:
                length = int(self.headers["Content-Length"])
                server.handle(self, json.loads(self.rfile.read(length)))

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def put(self, resource: str, *objects: Json) -> None:
        """Makes objects known, one by one and as a list."""
        prefix = "/api/v1" if resource in ("pods", "namespaces") else "/apis/apps/v1"
        if resource == "rollouts":
            prefix = "/apis/sluice.dev/v1alpha1"
        self.lists.setdefault(f"{prefix}/namespaces/demo/{resource}", []).extend(objects)
        self.lists.setdefault(f"{prefix}/{resource}", []).extend(objects)
        for item in objects:
            path = f"{prefix}/namespaces/demo/{resource}/{item['metadata']['name']}"
            self.objects[path] = item

    def handle(self, handler: BaseHTTPRequestHandler, body: Json) -> None:
        url = urlsplit(handler.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.requests.append((handler.command, url.path, query))
        self.headers.append(dict(handler.headers))
        code, answer = self._answer(handler.command, url.path, query, body)
        if query.get("watch") and code == 200:
            self._stream(handler)
            return
        raw = json.dumps(answer).encode()
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    def _stream(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        for event in self.events:
            handler.wfile.write(json.dumps(event).encode() + b"\n")
        self._over.wait(10)

    def _answer(
        self, method: str, path: str, query: dict[str, str], body: Json
    ) -> tuple[int, Json]:
        named = path in self.objects
        verb = {"PATCH": "patch"}.get(method, "get" if named else "list")
        verb = "watch" if query.get("watch") else verb
        resource = path.split("/")[-2 if named else -1]
        if (verb, resource) in self.forbidden:
            return 403, {"message": f'User "joe" cannot {verb} {resource}'}
        if method == "PATCH" and named:
            return self._patch(path, query, body)
        if named:
            return 200, self.objects[path]
        if path in self.lists:
            return 200, {"items": self.lists[path], "metadata": {}}
        *_, above, last = path.split("/")
        if path.startswith(tuple(self.missing)):
            return 404, {"message": "404 page not found"}
        if above in ("rollouts", "deployments", "horizontalpodautoscalers", "scaledobjects"):
            return 404, {"details": {"name": last}, "message": "not found"}
        return 200, {"items": [], "metadata": {}}

    def _patch(self, path: str, query: dict[str, str], body: Json) -> tuple[int, Json]:
        stored = self.objects[path]
        if body["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        self.patches.append(body)
        changed = json.loads(json.dumps(stored))
        annotations = body["metadata"].get("annotations", {})
        changed["metadata"]["annotations"] |= annotations
        changed["spec"] |= body.get("spec", {})
        if query.get("dryRun"):
            return 200, changed
        changed["metadata"]["generation"] += "spec" in body
        stored.clear()
        stored.update(json.loads(json.dumps(changed)))
        self.operator(stored)
        return 200, changed
