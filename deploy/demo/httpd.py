"""A very small HTTP server: a thread and a connection for each request.

Not asyncio, not `http.server`: importing either costs three times the CPU of this module, and a
demo that starts sixteen pods on two cores pays for it sixteen times.
"""

from __future__ import annotations

import socketserver
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

_REASONS = {200: "OK", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass(frozen=True)
class Answer:
    """What a handler returns: status code, body and the body's media type."""

    code: int
    body: str
    content_type: str = "application/json"

    def encode(self) -> bytes:
        """The answer as HTTP/1.1 bytes; the connection is closed after it."""
        body = self.body.encode()
        head = (
            f"HTTP/1.1 {self.code} {_REASONS.get(self.code, 'Unknown')}\r\n"
            f"Content-Type: {self.content_type}\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode() + body


class Server(socketserver.ThreadingTCPServer):
    """Answers every request with what `handler` returns for its path (without the query)."""

    daemon_threads = True
    allow_reuse_address = True
    # A burst that waits for an accept must not be refused: that would count as a lost request.
    request_queue_size = 512

    def __init__(self, port: int, handler: Callable[[str], Answer]) -> None:
        self.handler = handler
        super().__init__(("", port), _Connection)


class _Connection(socketserver.StreamRequestHandler):
    timeout: ClassVar[float] = 10.0

    def handle(self) -> None:
        request = self.rfile.readline(8192).decode("latin-1").split()
        # The header is read to its end: closing a socket with unread bytes sends a reset, and the
        # client may then lose an answer that was already on its way.
        while self.rfile.readline(8192) not in (b"\r\n", b"\n", b""):
            pass
        if len(request) < 2:
            return
        assert isinstance(self.server, Server)
        answer = self.server.handler(request[1].partition("?")[0])
        self.wfile.write(answer.encode())
