"""The stub server as a process of its own, beside a test that does not run in an event loop."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import requests

TESTS: Final = Path(__file__).resolve().parents[1]
TIMEOUT_SECONDS: Final = 10


class StubProcess:
    """`python -m faults.stub_prometheus` within a `with`; it speaks TLS where it is given a file to
    leave its CA in.
    """

    def __init__(self, upstream: str, ca_file: Path | None = None) -> None:
        self._options = ["--upstream", upstream]
        if ca_file is not None:
            self._options += ["--write-ca", str(ca_file)]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self._control = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.stub_prometheus", *self._options],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url, self._control = self._process.stdout.readline().split()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate(timeout=TIMEOUT_SECONDS)

    def switch(self, fault: str, **more: object) -> None:
        """Answer so from now on; `more` is that of `Stub.switch`."""
        order = {"fault": fault, **more}
        answer = requests.put(f"{self._control}/fault", json=order, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        """All that came, each with `at` (Unix seconds), `path`, and what it asked for in `form`."""
        answer = requests.get(f"{self._control}/requests", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found
