"""Fixtures: an API server in memory, and the program run against it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from sluice.cli.main import main
from unit.cli.fake_server import FakeServer


@dataclass
class Ran:
    """How a run of the program ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    found = FakeServer()
    yield found
    found.close()


def kubeconfig_for(server: str, namespace: str = "demo", user: object = None) -> dict[str, object]:
    return {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": namespace}}
        ],
        "users": [{"name": "u", "user": user or {"token": "secret"}}],
    }


@pytest.fixture
def run(
    server: FakeServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs `kubectl sluice ...` against the server."""
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig_for(server.address)))
    monkeypatch.setenv("KUBECONFIG", str(file))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["kubectl-sluice", *words])
        code = main()
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run
