"""The load generator: a constant rate of requests, each on a connection of its own.

The loop is open: a slow answer delays no other request. A new connection for each request lets the
Service choose a pod each time, so traffic splits by the number of pods.

Environment: `TARGET` (http://host:port), `RATE` (requests per second, default 80), `PORT` (8080).
`GET /stats` answers with the counts so far as JSON, see `Stats.snapshot`; `PUT /rate/400` changes
the rate.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType

from httpd import Answer, Server

TIMEOUT_SECONDS = 5.0
HISTORY_SECONDS = 900
LOST_LISTED = 500


class Stats:
    """What became of each request, in total and for each second.

    A request belongs to the second in which it was sent. Its key is `<version>/<status code>`, or
    `lost/<kind>` when no whole answer came: `refused`, `reset`, `timeout`, `unreachable`, `short`.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._lock = threading.Lock()
        self._started = time.time()
        self._sent = 0
        self._totals: dict[str, int] = {}
        self._seconds: dict[int, dict[str, int]] = {}
        self._latest: dict[str, float] = {}
        self._lost: list[dict[str, object]] = []
        self._late_seconds = 0.0

    def sent(self, late_seconds: float) -> None:
        """Count a request that is sent now, `late_seconds` after its time."""
        with self._lock:
            self._sent += 1
            self._late_seconds = max(self._late_seconds, late_seconds)

    def done(self, sent_at: float, key: str, detail: str) -> None:
        """Count what became of the request sent at `sent_at` (Unix time)."""
        second = int(sent_at)
        with self._lock:
            self._totals[key] = self._totals.get(key, 0) + 1
            bucket = self._seconds.setdefault(second, {})
            bucket[key] = bucket.get(key, 0) + 1
            self._latest[key] = max(sent_at, self._latest.get(key, 0.0))
            if key.startswith("lost/") and len(self._lost) < LOST_LISTED:
                self._lost.append({"at": round(sent_at, 3), "kind": key[5:], "detail": detail})
            while len(self._seconds) > HISTORY_SECONDS:
                del self._seconds[min(self._seconds)]

    def snapshot(self) -> str:
        """All counts as JSON.

        `totals` by key; `lost`: the first 500 lost requests, each with its time and kind;
        `seconds`: the last 900 by Unix second; `latest`: when the last of each key was sent (Unix
        time); `late_seconds`: how far the generator itself was
        behind at most.
        """
        with self._lock:
            return json.dumps(
                {
                    "started": self._started,
                    "now": time.time(),
                    "rate": self.rate,
                    "sent": self._sent,
                    "answered_or_lost": sum(self._totals.values()),
                    "totals": self._totals,
                    "lost": self._lost,
                    "late_seconds": round(self._late_seconds, 3),
                    "seconds": self._seconds,
                    "latest": self._latest,
                }
            )


def ask(host: str, port: int) -> tuple[str, str]:
    """Send one request; its key for `Stats` and, for a lost one, what happened."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(
                f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            )
            raw = _read_all(connection, deadline)
    except TimeoutError as error:
        return "lost/timeout", str(error)
    except ConnectionRefusedError as error:
        return "lost/refused", str(error)
    except ConnectionError as error:
        return "lost/reset", str(error)
    except OSError as error:
        return "lost/unreachable", str(error)
    return _key(raw)


def _read_all(connection: socket.socket, deadline: float) -> bytes:
    """The bytes until the server closes. A socket's timeout bounds each read, not their sum."""
    chunks: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no whole answer within {TIMEOUT_SECONDS:g} s")
        connection.settimeout(left)
        chunk = connection.recv(65536)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


def _key(raw: bytes) -> tuple[str, str]:
    head, _, body = raw.partition(b"\r\n\r\n")
    try:
        code = int(head.split(maxsplit=2)[1])
        version = json.loads(body)["version"]
    except (IndexError, ValueError, KeyError, TypeError):
        return "lost/short", f"{len(raw)} bytes: {raw[:80]!r}"
    return f"{version}/{code}", ""


def run(host: str, port: int, stats: Stats, stopping: threading.Event) -> None:
    """Send `stats.rate` requests per second until `stopping` is set."""

    def one() -> None:
        sent_at = time.time()
        key, detail = ask(host, port)
        stats.done(sent_at, key, detail)

    due = time.monotonic()
    while True:
        wait = due - time.monotonic()
        if wait > 0 and stopping.wait(wait):
            return
        stats.sent(max(0.0, -wait))
        threading.Thread(target=one, daemon=True).start()
        due += 1 / stats.rate


def main() -> int:
    """Send requests until SIGTERM; the exit code of the process."""
    host, _, port = os.environ["TARGET"].removeprefix("http://").rstrip("/").partition(":")
    rate = float(os.environ.get("RATE", "80"))
    # Asked once: a Service keeps its address, and a slow DNS answer is no lost request of the app.
    address = socket.gethostbyname(host)
    stats = Stats(rate)
    stopping = threading.Event()

    def on_terminate(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, on_terminate)
    signal.signal(signal.SIGINT, on_terminate)

    def set_rate(text: str) -> Answer:
        try:
            rate = float(text)
        except ValueError:
            rate = 0.0
        if not 0.1 <= rate <= 10_000:
            return Answer(404, '"not a rate"\n')
        stats.rate = rate
        return Answer(200, f"{rate:g}\n")

    def answer(path: str) -> Answer:
        if path == "/stats":
            return Answer(200, stats.snapshot())
        if path.startswith("/rate/"):
            return set_rate(path.rpartition("/")[2])
        return Answer(200, '"ready"\n') if path == "/healthz" else Answer(404, '"not found"\n')

    server = Server(int(os.environ.get("PORT", "8080")), answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run(address, int(port or "80"), stats, stopping)
    return 0


if __name__ == "__main__":
    sys.exit(main())
