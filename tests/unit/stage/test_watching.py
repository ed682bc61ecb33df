"""The tests' own watch: it must see everything, also of a server that is not ready at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

import pytest

from stage.cluster import Cluster
from stage.watching import Watch

LISTED = {"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"uid": "a"}}]}


class Stub:
    """A cluster whose API server gives these answers to lists, the last one again and again."""

    def __init__(self, *answers: int) -> None:
        self.asked = 0
        self.connections: list[HTTPConnection] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                watch = "watch=true" in self.path
                status = 200 if watch else answers[min(stub.asked, len(answers) - 1)]
                stub.asked += not watch
                body = b"" if watch else json.dumps(LISTED).encode()
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Keep the output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def connection(self) -> HTTPConnection:
        self.connections.append(HTTPConnection("127.0.0.1", self.server.server_port, timeout=10))
        return self.connections[-1]


@contextmanager
def serving(*answers: int) -> Iterator[Stub]:
    stub = Stub(*answers)
    thread = Thread(target=stub.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield stub
    stub.server.shutdown()
    thread.join()
    stub.server.server_close()


def test_a_server_that_says_not_now_is_asked_again() -> None:
    with serving(429, 429, 200) as stub:
        watch = Watch(cast(Cluster, stub), "rollouts", "somewhere")
        assert [change.uid for change in watch.changes()] == ["a"]
        assert stub.asked == 3
        watch.stop()


def test_any_other_refusal_ends_it_and_leaves_no_connection_open() -> None:
    with serving(403) as stub:
        with pytest.raises(HTTPException, match="rollouts: 403"):
            Watch(cast(Cluster, stub), "rollouts", "somewhere")
        (connection,) = stub.connections
        assert connection.sock is None
