"""A metric server with a switch for everything that can go wrong.

In a test's own loop: `async with Stub() as stub: stub.switch("hang")`. As a process:

    python -m faults.stub_prometheus --port 9099 --control-port 9098 --upstream http://prometheus:9090
    curl -X PUT 127.0.0.1:9098/fault -d '{"fault": "unavailable", "times": 2}'
    curl 127.0.0.1:9098/requests

With an upstream, all that has no fault is answered by it. It speaks HTTP by hand, since a proper
server library refuses to do what is needed here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import trustme
from aiohttp import web

from faults.replies import REPLIES, Reply

# The first byte of TLS.
_TLS_HELLO: Final = b"\x16"
_DRIP_SECONDS: Final = 0.02
# What a connection does instead of answering.
CONNECTIONS: Final = frozenset(
    {"drop", "cut", "hang", "trickled_headers", "trickled_body", "endless_headers", "no_http"}
    | {"trickled_refusal"}
)
# What becomes of the listening socket.
LISTENERS: Final = frozenset({"refused", "other_ca", "expired", "other_name"})
FAULTS: Final = frozenset(REPLIES) | CONNECTIONS | LISTENERS


@dataclass(frozen=True, slots=True)
class Request:
    """What came, and `at` which Unix second; `form` holds what the URL and the body ask for."""

    method: str
    path: str
    form: Mapping[str, str]
    headers: Mapping[str, str]
    at: float = field(default_factory=time.time)


class Stub:
    """The server. `requests` are all that came, `most_open` is how many were open at once."""

    def __init__(
        self,
        *,
        port: int = 0,
        upstream: str = "",
        tls: bool = False,
        client_ca: trustme.CA | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.most_open = 0
        self._port = port
        self._upstream = upstream
        self._context = self._tls(client_ca) if tls else None
        self._fault = "none"
        self._times: int | None = None
        self._then = "none"
        self._delay_seconds = 0.0
        self._open = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._heard = asyncio.Condition()

    @property
    def url(self) -> str:
        """Where the answers are."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._port}"

    @cached_property
    def ca(self) -> trustme.CA:
        """Who has signed the certificate; made only where there is TLS, since that takes long."""
        return trustme.CA()

    async def until_open(self, requests: int = 1) -> None:
        """Wait until so many requests wait for their answers."""
        async with self._heard:
            await self._heard.wait_for(lambda: self._open >= requests)

    async def switch(
        self, fault: str, times: int | None = None, then: str = "none", delay_seconds: float = 0.0
    ) -> None:
        """Answer so from now on; after so many requests, if a number is given, otherwise. What is
        answered, and be it soundly, comes after the delay.
        """
        for name in (fault, then):
            if name not in FAULTS:
                raise ValueError(f"{name!r} is none of {', '.join(sorted(FAULTS))}")
        self._fault, self._times, self._then = fault, times, then
        self._delay_seconds = delay_seconds
        if self._context:
            self._certify(fault)
        if fault in LISTENERS:
            # What is open already would go on as if nothing were.
            await self._close()
        if fault != "refused":
            await self._listen()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._connected, "127.0.0.1", self._port, ssl=self._context
            )
            self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    # --- TLS

    def _tls(self, client_ca: trustme.CA | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("127.0.0.1").configure_cert(context)
        if client_ca is not None:
            client_ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _certify(self, fault: str) -> None:
        assert self._context is not None
        issuer = trustme.CA() if fault == "other_ca" else self.ca
        name = "other.example" if fault == "other_name" else "127.0.0.1"
        end = datetime.now(UTC) - timedelta(days=1) if fault == "expired" else None
        issuer.issue_cert(
            name, not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=end
        ).configure_cert(self._context)

    # --- connections

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._serve(reader, writer):
                pass
        except _NotHTTP:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            # The stub ends. Until Python 3.12 streams report this as an error of theirs.
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection may carry another one."""
        request = await _request(reader)
        self.requests.append(request)
        fault = self._next_fault()
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        async with self._heard:
            self._heard.notify_all()
        try:
            if fault in CONNECTIONS:
                await _misbehave(fault, reader, writer)
                return False
            await asyncio.sleep(self._delay_seconds)
            _write(writer, await self._reply(fault, request))
            await writer.drain()
        finally:
            self._open -= 1
        return True

    def _next_fault(self) -> str:
        if self._times is not None:
            if self._times == 0:
                return self._then
            self._times -= 1
        return self._fault

    async def _reply(self, fault: str, request: Request) -> Reply:
        if fault in REPLIES and (fault != "none" or not self._upstream):
            return REPLIES[fault](request.form)
        try:
            async with (
                aiohttp.ClientSession(trust_env=False) as session,
                session.post(self._upstream + request.path, data=request.form) as answer,
            ):
                return Reply(answer.status, await answer.read())
        except aiohttp.ClientError:
            return REPLIES["bad_gateway"](request.form)


class _NotHTTP(Exception):
    """A client that speaks TLS to a server that does not."""


async def _request(reader: asyncio.StreamReader) -> Request:
    first = await reader.readexactly(1)
    if first == _TLS_HELLO:
        raise _NotHTTP
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    url = urlsplit(target)
    form = dict(parse_qsl(url.query) + parse_qsl(body.decode()))
    return Request(method, url.path, form, headers)


def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    headers = {"Content-Length": str(len(reply.body)), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {text}" for name, text in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body)


async def _misbehave(
    fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """What is no answer; returns when the connection shall be closed."""
    match fault:
        case "cut":
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"status":')
        case "no_http":
            writer.write(b"220 mail.example ESMTP\r\n\r\n")
        case "hang":
            # Until the client has gone.
            await reader.read()
        case "trickled_headers":
            writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            await _drip(writer, b"x")
        case "endless_headers":
            writer.write(b"HTTP/1.1 200 OK\r\n")
            await _drip(writer, b"X-More: x\r\n")
        case "trickled_refusal":
            writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000000\r\n\r\n")
            await _drip(writer, b" ")
        case "trickled_body":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            await _drip(writer, b" ")


async def _drip(writer: asyncio.StreamWriter, drop: bytes) -> None:
    while True:
        writer.write(drop)
        await writer.drain()
        await asyncio.sleep(_DRIP_SECONDS)


# --- as a process


def _control(stub: Stub) -> web.Application:
    async def put_fault(request: web.Request) -> web.Response:
        order: dict[str, Any] = await request.json()
        try:
            await stub.switch(**order)
        except (TypeError, ValueError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response()

    async def get_requests(_: web.Request) -> web.Response:
        found = [{"at": r.at, "path": r.path, "form": dict(r.form)} for r in stub.requests]
        return web.json_response(found)

    control = web.Application()
    control.router.add_put("/fault", put_fault)
    control.router.add_get("/requests", get_requests)
    return control


async def _main(arguments: argparse.Namespace) -> None:
    tls = arguments.write_ca is not None
    async with Stub(port=arguments.port, upstream=arguments.upstream, tls=tls) as stub:
        if tls:
            stub.ca.cert_pem.write_to_path(str(arguments.write_ca))
        runner = web.AppRunner(_control(stub), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", arguments.control_port).start()
        # The starter reads this line to know the ports, and that both are open.
        print(stub.url, f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stub_prometheus")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--upstream", default="", help="the Prometheus that really answers")
    parser.add_argument("--write-ca", type=Path, help="speak TLS, and leave the CA in this file")
    return parser.parse_args()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(_arguments()))
