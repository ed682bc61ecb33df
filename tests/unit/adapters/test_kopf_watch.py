"""Kopf as the watch, for real, against a server that fails in the ways that were seen."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from sluice.adapters import kopf_watch
from sluice.adapters.kopf_watch import KopfWatch, pause_seconds
from sluice.adapters.wire import Json, Resource
from unit.adapters.fake_watch import FakeServer, fake_server

STREAMING = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


class Listener:
    """Notes everything that it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str | None, str]] = []
        self.opened: list[int] = []
        self.closed = 0

    def event(self, resource: Resource, kind: str | None, raw: Json) -> None:
        self.events.append((resource.plural, kind, raw["metadata"]["name"]))

    def streams_opened(self, number: int) -> None:
        self.opened.append(number)

    def streams_closed(self) -> None:
        self.closed += 1


class Bench:
    def __init__(self, server: FakeServer, namespace: str | None) -> None:
        self.server = server
        self.listener = Listener()
        self.missing: list[str] = []
        self.watch = KopfWatch(
            server.access, namespace=namespace, listener=self.listener, ready=self.ready
        )

    async def ready(self) -> str | None:
        return self.missing.pop() if self.missing else None


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kopf_watch, "_LAST_BREATH_SECONDS", 0.2)
    monkeypatch.setattr(kopf_watch, "pause_seconds", lambda _: 0.05)
    kopf_watch.quieten()


@asynccontextmanager
async def watching(namespace: str | None = None, *missing: str) -> AsyncIterator[Bench]:
    async with fake_server() as server:
        for plural in server.objects:
            server.objects[plural].append(thing(f"first-{plural}"))
        bench = Bench(server, namespace)
        bench.missing += missing
        task = asyncio.create_task(bench.watch.run())
        try:
            await until(lambda: bool(bench.listener.opened))
            yield bench
        finally:
            task.cancel()
            await asyncio.wait([task])
            await until(lambda: all(thread.name != "kopf" for thread in threading.enumerate()))


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is awaited happens in another thread
            await asyncio.sleep(0.01)


def thing(name: str, version: int = 10) -> Json:
    return {
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
        }
    }


def seen(bench: Bench, *event: str | None) -> Callable[[], bool]:
    return lambda: event in bench.listener.events


async def test_there_is_one_watch_for_each_kind_and_nothing_is_written() -> None:
    async with watching() as bench:
        await asyncio.sleep(0.3)
        server = bench.server
    label = "&labelSelector=sluice.dev/rollout"
    start = "watch=true&allowWatchBookmarks=true"
    assert sorted(server.watches) == [
        f"GET /apis/apps/v1/deployments?{start}{label}{STREAMING}",
        f"GET /apis/apps/v1/replicasets?{start}{label}{STREAMING}",
        f"GET /apis/sluice.dev/v1alpha1/rollouts?{start}{STREAMING}",
    ]
    assert all(request.startswith("GET /api") for request in server.requests)
    lists = [r for r in server.requests if r.split("?")[0].endswith(("s", "rollouts"))]
    assert set(lists) == {*server.watches, "GET /apis"}


async def test_one_namespace_is_watched_alone() -> None:
    async with watching("ns") as bench:
        watches = bench.server.watches
    assert all("/namespaces/ns/" in watch for watch in watches)
    assert len(watches) == 3


async def test_events_come_home_in_order() -> None:
    async with watching() as bench:
        await until(seen(bench, "rollouts", None, "first-rollouts"))
        assert bench.watch.lost_seconds == 0
        assert bench.watch.open_seconds > 0
        for number in range(20):
            bench.server.send("rollouts", "MODIFIED", thing("a", 200 + number))
        bench.server.send("rollouts", "DELETED", thing("a", 300))
        await until(seen(bench, "rollouts", "DELETED", "a"))
        of_a = [kind for _, kind, name in bench.listener.events if name == "a"]
        assert of_a == ["MODIFIED"] * 20 + ["DELETED"]


async def test_a_stream_that_ends_is_resumed_within_the_same_life() -> None:
    async with watching() as bench:
        await until(seen(bench, "deployments", None, "first-deployments"))
        await asyncio.sleep(0.1)
        bench.server.drop("deployments")
        await until(lambda: "deployments" in bench.server.streams)
        bench.server.send("deployments", "MODIFIED", thing("a", 200))
        await until(seen(bench, "deployments", "MODIFIED", "a"))
        assert bench.listener.opened == [1]
        assert bench.server.watches[-1].endswith("&resourceVersion=100")


async def test_a_watch_that_starts_anew_after_410_makes_the_cache_doubtful() -> None:
    async with watching() as bench:
        await until(seen(bench, "replicasets", None, "first-replicasets"))
        expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
        bench.server.send("replicasets", "ERROR", expired)
        bench.server.streams.pop("replicasets")
        await until(lambda: bench.listener.opened == [1, 2])
        assert bench.listener.closed == 0


async def test_an_error_in_one_stream_ends_the_life_and_the_next_one_starts() -> None:
    async with watching() as bench:
        await until(seen(bench, "rollouts", None, "first-rollouts"))
        error = {"kind": "Status", "code": 500, "reason": "InternalError", "message": "etcd"}
        bench.server.send("rollouts", "ERROR", error)
        await until(lambda: bench.listener.opened == [1, 2])
        assert bench.listener.closed == 1
        bench.server.send("rollouts", "MODIFIED", thing("a", 200))
        await until(seen(bench, "rollouts", "MODIFIED", "a"))


@pytest.mark.parametrize("code", [403, 503])
async def test_one_kind_that_is_refused_does_not_leave_the_rest_alive_for_ever(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kopf_watch, "_ERROR_BACKOFFS", (0.05, 0.05))
    async with watching() as bench:
        bench.server.refuse["deployments"] = code
        bench.server.drop("deployments")
        await until(lambda: bench.listener.closed == 1)
        assert bench.watch.lost_seconds > 0
        bench.server.refuse.clear()
        await until(lambda: bench.listener.opened == [1, 2])


async def test_what_is_missing_is_awaited_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with watching(None, "no CRD", "no CRD", "no CRD") as bench:
        assert bench.listener.opened == [1]
    assert caplog.messages.count("Not watching yet: no CRD") == 1


def test_the_pause_between_lives_grows_to_a_limit() -> None:
    assert 0.5 <= pause_seconds(1) <= 1.0
    assert 15 <= pause_seconds(100) <= 30
