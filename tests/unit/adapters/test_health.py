"""The operator's own pages, and what is counted on them."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from sluice.adapters.health import application, serving
from sluice.adapters.journal import LogJournal
from sluice.adapters.kube import Call
from sluice.adapters.metrics import Metrics
from sluice.core.objects import Ref, Rollout
from sluice.core.plan import Decision
from sluice.core.readings import Known, Matrix, Reason, Series, Unknown
from unit.adapters.test_rounds import NOW

ROLLOUT = Rollout(Ref("web", "uid-web", "7"), "ns", 1, NOW, None, "web")


class Watch:
    lost_seconds = 0.0


class Pages:
    def __init__(self, client: TestClient[Request, Application]) -> None:
        self.client = client
        self.watch = Watch()

    async def code(self, path: str) -> int:
        async with self.client.get(path) as response:
            return response.status


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    watch = Watch()
    async with TestClient(TestServer(application(watch, lambda: b"x 1\n"))) as client:
        made = Pages(client)
        made.watch = watch
        yield made


async def test_a_watch_that_is_open_is_ready_and_healthy(pages: Pages) -> None:
    assert await pages.code("/healthz") == 200
    assert await pages.code("/readyz") == 200


async def test_a_watch_that_is_lost_for_a_while_is_not_ready_but_healthy(pages: Pages) -> None:
    pages.watch.lost_seconds = 60.0
    assert await pages.code("/healthz") == 200
    assert await pages.code("/readyz") == 503


async def test_a_watch_that_is_lost_for_minutes_is_not_healthy(pages: Pages) -> None:
    pages.watch.lost_seconds = 301.0
    assert await pages.code("/healthz") == 503


async def test_the_metrics_are_served(pages: Pages) -> None:
    async with pages.client.get("/metrics") as response:
        assert await response.text() == "x 1\n"
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with TestServer(application(Watch(), lambda: b"")) as server:
        assert server.port
        with pytest.raises(OSError, match="address already in use"):
            async with serving(Watch(), lambda: b"", port=server.port):
                pass


def test_everything_that_is_heard_is_counted() -> None:
    metrics = Metrics()
    metrics.passed("Done", 0.02)
    metrics.called(Call("patch", "deployments", 409, 0.1))
    metrics.heard("default", (("a", Known(1.0)), ("b", Unknown(Reason.EMPTY))))
    metrics.heard("default", (("c", Matrix((Series("p", (), ((1.0, 2.0),)),))),))
    metrics.heard("a user's text", (("d", Unknown(Reason.NO_SOURCE)),))
    metrics.asked("default", 0.02)
    metrics.gauge("sluice_queue_depth", "Waiting.", lambda: 3.0)
    journal = LogJournal(metrics.decided)
    journal.decided(ROLLOUT, Decision("Promoted", "all steps passed"))
    text = metrics.page().decode()
    for line in (
        'sluice_passes_total{outcome="Done"} 1.0',
        'sluice_api_requests_total{code="409",resource="deployments",verb="patch"} 1.0',
        'sluice_metric_readings_total{source="default",state="Known"} 2.0',
        'sluice_metric_readings_total{source="default",state="Empty"} 1.0',
        'sluice_metric_readings_total{source="",state="NoSource"} 1.0',
        'sluice_metric_query_seconds_bucket{le="0.025",source="default"} 1.0',
        'sluice_metric_query_seconds_count{source="default"} 1.0',
        'sluice_decisions_total{what="Promoted"} 1.0',
        "sluice_queue_depth 3.0",
    ):
        assert line in text


def test_a_decision_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    journal = LogJournal(lambda _: None)
    journal.decided(ROLLOUT, Decision("Promoted", "all steps passed"))
    assert caplog.messages == ["ns/web: Promoted: all steps passed"]
