"""The composition root: what is decided there by arguments and environment."""

import os

import pytest

from sluice import __main__ as root
from sluice.adapters.kube import Call
from unit.adapters.fake_api import FakeApi

WRITE = Call("patch", "deployments", 200, 0.1)


class Died(Exception):
    """Instead of the end of the process."""


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []

    def die(code: int) -> None:
        found.append(code)
        raise Died

    monkeypatch.setattr(os, "_exit", die)
    return found


def test_without_the_test_switch_nothing_counts_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(root.EXIT_AFTER_WRITES, raising=False)
    assert root._test_switch() == []


def test_the_test_switch_ends_the_process_right_after_the_nth_write(
    monkeypatch: pytest.MonkeyPatch, codes: list[int]
) -> None:
    monkeypatch.setenv(root.EXIT_AFTER_WRITES, "2")
    [hook] = root._test_switch()
    hook(Call("get", "deployments", 200, 0.1))
    hook(Call("patch", "deployments", 409, 0.1))
    hook(Call("create", "replicasets", 0, 0.1))
    hook(WRITE)
    assert codes == []
    with pytest.raises(Died):
        hook(Call("apply", "rollouts/status", 200, 0.1))
    assert codes == [137]


@pytest.mark.parametrize(
    ("patterns", "namespace", "served"),
    [
        ("", "shop", True),
        ("e2e-*, kube-system", "e2e-1", False),
        ("e2e-*, kube-system", "kube-system", False),
        ("e2e-*, kube-system", "shop", True),
        (" , ", "shop", True),
    ],
)
def test_ignored_namespaces_are_left_to_another_operator(
    patterns: str, namespace: str, served: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(root.IGNORED_NAMESPACES, patterns)
    assert root._served(root._patterns())(namespace) is served


async def test_what_is_missing_to_watch_is_told_in_a_sentence() -> None:
    api = FakeApi()
    assert await root._missing(api, None) is None
    api.answers = [(404, {"reason": "NotFound"})]
    missing = await root._missing(api, None)
    assert missing is not None
    assert "apply crds/rollouts.yaml" in missing
    api.answers = [(403, {"reason": "Forbidden", "message": "no list of rollouts"})]
    missing = await root._missing(api, "shop")
    assert missing is not None
    assert "no list of rollouts" in missing
