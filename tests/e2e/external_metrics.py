"""Serves external.metrics.k8s.io in a pod of the test cluster: one value, whatever is asked for.

`PUT /value/<number>` sets it. Standard library only, TLS by the file that is its one argument. The
API server sends to it what it is asked of this API group, and the autoscaler asks.
"""

from __future__ import annotations

import json
import ssl
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8443
GROUP_VERSION = "external.metrics.k8s.io/v1beta1"


class Handler(BaseHTTPRequestHandler):
    value = "0"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        group, _, rest = path.removeprefix("/").partition(f"{GROUP_VERSION}")
        if path == "/readyz":
            self._answer(200, {})
        elif group != "apis/":
            self._answer(404, {})
        elif rest:
            self._answer(200, self._values(rest.rpartition("/")[2]))
        else:
            self._answer(200, {"kind": "APIResourceList", "groupVersion": GROUP_VERSION})

    def do_PUT(self) -> None:
        Handler.value = self.path.rpartition("/")[2]
        self._answer(200, {"value": Handler.value})

    def _values(self, metric: str) -> dict[str, object]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        labels: dict[str, str] = {}
        item = {"metricName": metric, "metricLabels": labels, "timestamp": now}
        return {"kind": "ExternalMetricValueList", "items": [{**item, "value": Handler.value}]}

    def _answer(self, code: int, content: dict[str, object]) -> None:
        body = json.dumps({"apiVersion": GROUP_VERSION, "resources": [], **content}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    server = ThreadingHTTPServer(("", PORT), Handler)
    # The handshake in the request's own thread: a caller that waits shall hold up no other.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
