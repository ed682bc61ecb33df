"""An operator on this machine, for one namespace, that can be killed at will."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from stage.cluster import CONTEXT, PROMETHEUS_URL, Json

LOG_LINES: Final = 60
LINE_LENGTH: Final = 400
# Port 0: any free one, several run side by side.
OPTIONS: Final = ("--context", CONTEXT, "--port", "0")
OPERATOR_FOLDER: Final = Path(__file__).resolve().parents[2] / "operator"
# Of a socket in /proc/net/tcp (include/net/tcp_states.h).
LISTENING: Final = "0A"


class LocalOperator:
    """`python -m sluice --namespace <namespace>` as a process of this machine.

    `sources` are metric sources by name, each a URL or the fields of the configuration, beside
    `default`, the cluster's own Prometheus. One with a `rival` name stands for election; several of
    them serve one namespace. `lease_seconds` may be set before a start: how long one that is not
    heard of is waited for.
    """

    def __init__(
        self, namespace: str, folder: Path, rival: str = "", **sources: str | Json
    ) -> None:
        self.namespace = namespace
        self.rival = rival
        self.lease_seconds: float | None = None
        self.lives = 0
        self._log = folder / f"{namespace}{rival}.log"
        self._config = folder / f"{namespace}{rival}.yaml"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(**sources)

    def configure(self, **sources: str | Json) -> None:
        """Write its configuration file; one that runs takes a change up within seconds."""
        named = {"default": PROMETHEUS_URL, **sources}
        content = {name: {"url": of} if isinstance(of, str) else of for name, of in named.items()}
        whole = self._config.with_suffix(".new")
        whole.write_text(yaml.safe_dump({"sources": content}))
        whole.replace(self._config)

    def start(self, *, exit_after_writes: int | None = None) -> None:
        """Start it; with `exit_after_writes` it ends right after its n-th write."""
        assert not self.running, "it is running already"
        environment = {
            **os.environ,
            "PYTHONPATH": str(OPERATOR_FOLDER),
            "SLUICE_CONFIG": str(self._config),
        }
        if exit_after_writes is not None:
            environment["SLUICE_TEST_EXIT_AFTER_WRITES"] = str(exit_after_writes)
        options = [*OPTIONS]
        if self.rival:
            options.append("--leader-election")
            environment["POD_NAME"] = self.rival
        if self.lease_seconds is not None:
            options += ["--lease-seconds", f"{self.lease_seconds:g}"]
        with self._log.open("ab") as log:
            log.write(f"--- life {self.lives}, {exit_after_writes=}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sluice", "--namespace", self.namespace, *options],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.lives += 1

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def ended_itself(self) -> bool:
        """Whether the process was started and has ended without being killed from here."""
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """SIGKILL; nothing when it has ended already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def end(self) -> None:
        """SIGTERM, and wait for the end."""
        if self._process is not None:
            self._process.terminate()
            assert self._process.wait(timeout=20) == 0
            self._process = None

    def restart(self) -> None:
        """SIGKILL, and start again without a limit."""
        self.kill()
        self.start()

    @property
    def watching(self) -> bool:
        """Whether it has written, in any of its lives, that its watches are open."""
        return f"Watching {self.namespace}." in self._log.read_text(errors="replace")

    def readings(self, source: str, state: str) -> int:
        """How many answers of this source it has counted so: Known, or why there was none."""
        page = requests.get(f"http://127.0.0.1:{self._port()}/metrics", timeout=5).text
        wanted = {"source": source, "state": state}
        return sum(
            int(sample.value)
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == "sluice_metric_readings_total" and sample.labels == wanted
        )

    def _port(self) -> int:
        """The port of its pages, which it has from the kernel: the only one it listens on."""
        assert self._process is not None, "it is not running"
        own = Path("/proc", str(self._process.pid))
        sockets = set()
        for each in (own / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                sockets.add(str(each.readlink()))
        for table in ("tcp", "tcp6"):
            for line in (own / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and f"socket:[{fields[9]}]" in sockets:
                    return int(fields[1].rpartition(":")[2], 16)
        raise AssertionError("it has no page yet")

    def log_tail(self) -> str:
        """The last lines that it wrote, of all its lives."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        last = [line[:LINE_LENGTH] for line in lines[-LOG_LINES:]]
        return "\n".join([f"--- Operator on this machine, life {self.lives}", *last])
