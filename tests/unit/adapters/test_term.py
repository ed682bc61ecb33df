"""No write after the term is over: not one that is new, that waits, or that is under way."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sluice.adapters import wire
from sluice.adapters.errors import Unavailable
from sluice.adapters.kube import Kube
from sluice.ports import ClusterError, NotLeading, Stale
from sluice.runtime.lease import Term

GET = wire.get(wire.ROLLOUTS, "shop", "web")
WRITES = [
    wire.patch(wire.DEPLOYMENTS, "shop", "web", {}),
    wire.create(wire.REPLICA_SETS, "shop", {}),
    wire.delete(wire.REPLICA_SETS, "shop", "web-1", uid="u", version="1"),
    wire.apply_status(wire.ROLLOUTS, "shop", "web", {}),
    wire.replace(wire.ROLLOUTS, "shop", "web", {}),
]


class Server:
    """Notes which requests have arrived; answers after `seconds`."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self.seconds = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        self.arrived.append(request.method)
        await asyncio.sleep(self.seconds)
        return web.json_response({})


class Desk:
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.server = Server()
        self.term = Term(time.monotonic)
        self.kube = Kube(url, session, term=self.term)

    def lead(self, seconds: float) -> None:
        self.term.extend(time.monotonic() + seconds)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as found:
        # One connection: a second request waits for it.
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            made = Desk(str(found.make_url("")).rstrip("/"), session)
            made.server = server
            yield made


@pytest.mark.parametrize("write", WRITES, ids=str)
async def test_a_write_without_a_term_is_not_sent(desk: Desk, write: wire.Request) -> None:
    with pytest.raises(NotLeading, match="not sent"):
        await desk.kube.send(write)
    assert desk.server.arrived == []


async def test_reads_go_on_without_a_term(desk: Desk) -> None:
    await desk.kube.send(GET)
    assert desk.server.arrived == ["GET"]


async def test_a_write_within_the_term_is_sent(desk: Desk) -> None:
    desk.lead(5)
    await desk.kube.send(WRITES[0])
    assert desk.server.arrived == ["PATCH"]


async def test_a_write_that_is_under_way_is_given_up_with_the_term(desk: Desk) -> None:
    desk.lead(0.2)
    desk.server.seconds = 5
    with pytest.raises(NotLeading, match="given up"):
        await desk.kube.send(WRITES[0])


async def test_a_write_that_waits_for_a_connection_is_never_sent_after_the_term(
    desk: Desk,
) -> None:
    desk.lead(0.2)
    desk.server.seconds = 0.5
    reading = asyncio.create_task(desk.kube.send(GET))
    await asyncio.sleep(0.05)
    with pytest.raises(NotLeading):
        await desk.kube.send(WRITES[0])
    await reading
    await asyncio.sleep(0.1)
    assert desk.server.arrived == ["GET"]


async def test_a_write_that_hangs_while_the_term_goes_on_is_merely_unanswered(desk: Desk) -> None:
    desk.lead(0.2)
    desk.server.seconds = 5
    asyncio.get_running_loop().call_later(0.1, desk.lead, 5)
    with pytest.raises(Unavailable):
        await desk.kube.send(WRITES[0])


def test_not_leading_is_tried_again_later_and_not_at_once() -> None:
    assert issubclass(NotLeading, ClusterError)
    assert not issubclass(NotLeading, Stale)
