"""The operator's own HTTP pages: /healthz, /readyz and /metrics on one port.

An answer at all shows that the event loop is alive. Health then is that the watch has not been
lost for minutes: what tries again by itself needs no restart, but a restart is the last remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import web

from sluice.adapters.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PORT: Final = 8080
LOST_LIMIT_SECONDS: Final = 300.0


class Watch(Protocol):
    """What the pages must know of the watch."""

    @property
    def lost_seconds(self) -> float:
        """For how long the streams have not all been open; 0 while they are."""
        ...


@asynccontextmanager
async def serving(
    watch: Watch, page: Callable[[], bytes], *, port: int = PORT
) -> AsyncIterator[None]:
    """Serve the pages within the context. OSError when the port is taken."""
    runner = web.AppRunner(application(watch, page), access_log=None)
    await runner.setup()
    try:
        # All interfaces: the kubelet and Prometheus come from outside.
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()


def application(watch: Watch, page: Callable[[], bytes]) -> web.Application:
    """The pages."""

    async def healthz(_: web.Request) -> web.Response:
        lost = watch.lost_seconds
        if lost > LOST_LIMIT_SECONDS:
            return web.Response(status=503, text=f"the watch has been lost for {lost:.0f} s\n")
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if watch.lost_seconds:
            return web.Response(status=503, text="the watch is not open\n")
        return web.Response(text="ok\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=page(), headers={"Content-Type": CONTENT_TYPE})

    pages = web.Application()
    pages.router.add_get("/healthz", healthz)
    pages.router.add_get("/readyz", readyz)
    pages.router.add_get("/metrics", metrics)
    return pages
