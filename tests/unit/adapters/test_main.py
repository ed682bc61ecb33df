"""The composition root: what is decided there by arguments and environment."""

import asyncio
import os

import pytest

from sluice import __main__ as root
from sluice.adapters import wire
from sluice.adapters.kube import Call
from sluice.adapters.metrics import Metrics
from sluice.adapters.prometheus import PrometheusSources
from sluice.adapters.recorder import Recorder
from sluice.runtime.clock import SystemClock
from sluice.runtime.lease import Term, Unopposed
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
    assert root._Places(None, root._patterns()).served(namespace) is served


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


@pytest.mark.parametrize(
    ("in_cluster", "given", "elects"),
    [
        (False, [], False),
        (True, [], True),
        (True, ["--no-leader-election"], False),
        (False, ["--leader-election"], True),
    ],
)
def test_pods_stand_for_election_and_lone_processes_do_not(
    in_cluster: bool, given: list[str], elects: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    if in_cluster:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert root._arguments(given).leader_election is elects


@pytest.mark.parametrize(
    ("given", "own", "lease"),
    [
        ([], None, "sluice-system"),
        ([], "elsewhere", "elsewhere"),
        (["--namespace", "shop"], "elsewhere", "shop"),
    ],
)
async def test_the_lease_is_in_the_namespace_that_rivals_have_in_common(
    given: list[str], own: str | None, lease: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    if own:
        monkeypatch.setenv("POD_NAMESPACE", own)
    api, operator = FakeApi(), new_operator(FakeApi())
    arguments = root._arguments(["--leader-election", *given])
    elector = root._elector(arguments, operator, Term(), api)
    task = asyncio.create_task(elector.run())
    await asyncio.sleep(0.05)
    task.cancel()
    await elector.release()
    assert ("leases", lease, "sluice") in api.objects


def new_operator(api: FakeApi) -> root._Operator:
    metrics = Metrics()
    recorder = Recorder(api, SystemClock(), "me", metrics.told)
    return root._Operator(api, PrometheusSources({}), metrics, recorder, root._Places())


class Watch:
    """Open until cancelled."""

    lost_seconds = 0.0

    async def run(self) -> None:
        await asyncio.Event().wait()


async def test_a_follower_takes_everything_in_and_begins_no_pass_until_it_leads() -> None:
    api = FakeApi()
    operator = new_operator(api)
    working = asyncio.create_task(operator.queue.run())
    operator.cluster.event(wire.ROLLOUTS, None, ROLLOUT)
    await asyncio.sleep(0.1)
    assert api.calls == []
    assert operator.queue.depth == 1
    operator.lead()
    await asyncio.sleep(0.1)
    # What the watch has brought before the term is read once more: it may lag behind.
    assert api.calls[0] == "get rollouts ns/web"
    operator.follow()
    operator.queue.stop()
    await working


async def test_the_lease_is_released_last_when_nothing_is_written_any_more() -> None:
    deeds: list[str] = []
    operator = new_operator(FakeApi())

    class Role:
        async def run(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                deeds.append("term over")

        async def release(self) -> None:
            assert not operator.queue.busy
            deeds.append("released")

    stop = asyncio.Event()
    stop.set()
    await root._until(stop, operator, Watch(), Role())  # type: ignore[arg-type]
    assert deeds == ["term over", "released"]


async def test_a_part_that_fails_ends_the_process() -> None:
    class Broken(Watch):
        async def run(self) -> None:
            raise RuntimeError("a bug")

    operator = new_operator(FakeApi())
    with pytest.raises(RuntimeError, match="a bug"):
        await root._until(asyncio.Event(), operator, Broken(), Unopposed(operator))  # type: ignore[arg-type]


ROLLOUT = {"metadata": {"namespace": "ns", "name": "web", "uid": "u", "resourceVersion": "5"}}
