"""The demo app: answers `GET /` with its version, and fails as often as it is told to.

Environment: `VERSION` (any word), `ERROR_RATIO` (0.05: each answer is a 500 with probability 5 %,
independently of the others; set `ERROR_SEED` for the same sequence in every pod), `LATENCY_SECONDS`
(added to each answer), `CRASH=start` (exits with 1 right after the start), `READY_DELAY_SECONDS`
(unready for so long), `DRAIN_SECONDS` (default 5, see `drain`), `PORT` (default 8080).

`PUT /error-ratio/0.2` changes the ratio of a pod that runs: an incident, which is no new version.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from types import FrameType

from httpd import Answer, Server

# Upper bounds in seconds; a request that is slower than the last counts under +Inf alone.
BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Counts:
    """The metrics of one process, shared by the request threads.

    Both codes exist from the first scrape on: a ratio over a missing series would be empty, and an
    empty answer is not "no errors" but "unknown".
    """

    def __init__(self, version: str) -> None:
        self._version = version
        self._lock = threading.Lock()
        self._requests = {200: 0, 500: 0}
        self._buckets = [0] * len(BUCKETS_SECONDS)
        self._sum_seconds = 0.0

    def add(self, code: int, duration_seconds: float) -> None:
        """Count one answer."""
        with self._lock:
            self._requests[code] += 1
            self._sum_seconds += duration_seconds
            for index, bound in enumerate(BUCKETS_SECONDS):
                if duration_seconds <= bound:
                    self._buckets[index] += 1

    def text(self) -> str:
        """The metrics in Prometheus' text format 0.0.4."""
        version = f'version="{self._version}"'
        with self._lock:
            total = sum(self._requests.values())
            lines = ["# TYPE http_requests_total counter"]
            for code, count in self._requests.items():
                lines.append(f'http_requests_total{{code="{code}",{version}}} {count}')
            lines.append("# TYPE http_request_duration_seconds histogram")
            name = "http_request_duration_seconds"
            for bound, count in zip(BUCKETS_SECONDS, self._buckets, strict=True):
                lines.append(f'{name}_bucket{{le="{bound}",{version}}} {count}')
            lines.append(f'{name}_bucket{{le="+Inf",{version}}} {total}')
            lines.append(f"{name}_sum{{{version}}} {self._sum_seconds:.6f}")
            lines.append(f"{name}_count{{{version}}} {total}")
        lines.append("# TYPE app_build_info gauge")
        lines.append(f"app_build_info{{{version}}} 1")
        return "\n".join(lines) + "\n"


class App:
    """The request handler. `ready` is what the readiness probe is told."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.version = environment.get("VERSION", "unknown")
        self.pod = environment.get("HOSTNAME", "unknown")
        self.ready = False
        self._error_ratio = float(environment.get("ERROR_RATIO", "0"))
        self._latency_seconds = float(environment.get("LATENCY_SECONDS", "0"))
        self._random = random.Random(environment.get("ERROR_SEED"))
        self._counts = Counts(self.version)

    def answer(self, path: str) -> Answer:
        """The answer to a GET of `path`; only `/` is counted in the metrics."""
        if path == "/healthz":
            return Answer(200, '"ready"\n') if self.ready else Answer(503, '"not ready"\n')
        if path == "/metrics":
            return Answer(200, self._counts.text(), "text/plain; version=0.0.4; charset=utf-8")
        if path.startswith("/error-ratio/"):
            return self._set_error_ratio(path.rpartition("/")[2])
        if path != "/":
            return Answer(404, '"not found"\n')
        return self._serve()

    def _set_error_ratio(self, text: str) -> Answer:
        try:
            self._error_ratio = float(text)
        except ValueError:
            return Answer(404, '"not a ratio"\n')
        return Answer(200, f"{self._error_ratio:g}\n")

    def _serve(self) -> Answer:
        started = time.monotonic()
        if self._latency_seconds > 0:
            time.sleep(self._latency_seconds)
        code = 500 if self._random.random() < self._error_ratio else 200
        self._counts.add(code, time.monotonic() - started)
        return Answer(code, json.dumps({"version": self.version, "pod": self.pod}) + "\n")


def drain(app: App, server: Server, seconds: float) -> None:
    """Turn unready, serve on for `seconds`, then stop.

    A pod is taken out of its Service while it is being told to stop, not before: requests arrive
    until every node has heard of it. An app that exits at once on SIGTERM loses them.
    """
    app.ready = False
    time.sleep(seconds)
    server.shutdown()


def main() -> int:
    """Serve until SIGTERM; the exit code of the process."""
    environment = dict(os.environ)
    if environment.get("CRASH") == "start":
        print("app: CRASH=start is set: cannot start", file=sys.stderr)
        return 1
    app = App(environment)
    server = Server(int(environment.get("PORT", "8080")), app.answer)
    drain_seconds = float(environment.get("DRAIN_SECONDS", "5"))

    def on_terminate(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=drain, args=(app, server, drain_seconds), daemon=True).start()

    signal.signal(signal.SIGTERM, on_terminate)
    signal.signal(signal.SIGINT, on_terminate)
    delay = threading.Timer(
        float(environment.get("READY_DELAY_SECONDS", "0")), setattr, (app, "ready", True)
    )
    delay.daemon = True
    delay.start()
    server.serve_forever(poll_interval=0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
