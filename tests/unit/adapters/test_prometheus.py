"""Every fault of a metric server becomes Unknown with its reason; only a number is Known."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sluice.adapters import prometheus
from sluice.adapters.prometheus import PrometheusSources
from sluice.api.config import Source
from sluice.core.readings import Known, Reason, Unknown


class Fake(ThreadingHTTPServer):
    """Answers with what the query says; `queries` and `headers` tell what came."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.timeouts: list[str] = []
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what is tested here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Fake

    def do_GET(self) -> None:
        parameters = parse_qs(urlsplit(self.path).query)
        query = parameters["query"][0]
        self.server.queries.append(query)
        self.server.timeouts += parameters["timeout"]
        verb, _, rest = query.partition(" ")
        getattr(self, f"_{verb}")(rest)

    def _answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _code(self, rest: str) -> None:
        self._answer(int(rest), b"secret of the server", Location="http://127.0.0.1:1/")

    def _raw(self, rest: str) -> None:
        self._answer(200, rest.encode())

    def _data(self, rest: str) -> None:
        self._answer(200, json.dumps({"status": "success", "data": json.loads(rest)}).encode())

    def _big(self, _: str) -> None:
        self._answer(200, b"[" + b"1," * (1 << 20) + b"1]")

    def _cut(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"status":')
        self.close_connection = True

    def _hang(self, _: str) -> None:
        self.server.release.wait(30)
        self.close_connection = True

    def _dribble(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self._drop_by_drop()

    def _dribble_headers(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        self._drop_by_drop()

    def _drop_by_drop(self) -> None:
        self.close_connection = True
        while not self.server.release.wait(0.05):
            self.wfile.write(b" ")
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[Fake]:
    with running() as fake:
        yield fake


@contextmanager
def running() -> Iterator[Fake]:
    fake = Fake()
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        fake.release.set()
        fake.shutdown()
        thread.join()
        fake.server_close()


@contextmanager
def sources(url: str, timeout_seconds: float = 5.0) -> Iterator[PrometheusSources]:
    made = PrometheusSources({"default": Source(url=url, timeout_seconds=timeout_seconds)})
    try:
        yield made
    finally:
        made.close()


async def ask(url: str, query: str, timeout_seconds: float = 2.0) -> Known | Unknown:
    with sources(url) as made:
        [(name, value)] = await made.ask("default", [("m", query)], timeout_seconds)
    assert name == "m"
    return value


def vector(*samples: Any) -> str:
    result = [{"metric": {}, "value": [1.5, sample]} for sample in samples]
    return "data " + json.dumps({"resultType": "vector", "result": result})


def result(kind: str, value: Any) -> str:
    return "data " + json.dumps({"resultType": kind, "result": value})


@pytest.mark.parametrize(
    ("query", "value"),
    [
        (vector("0.05"), 0.05),
        (vector("0"), 0.0),
        (vector("-1e3"), -1000.0),
        (result("scalar", [1.5, "7"]), 7.0),
    ],
)
async def test_one_finite_number_is_known(server: Fake, query: str, value: float) -> None:
    assert await ask(server.url, query) == Known(value)


HISTOGRAM = [{"metric": {}, "histogram": [1.5, {"count": "1"}]}]
MATRIX = [{"metric": {}, "values": [[1.5, "1"]]}]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("code 400", Reason.BAD_QUERY),
        ("code 422", Reason.BAD_QUERY),
        ("code 401", Reason.UNAUTHORIZED),
        ("code 403", Reason.UNAUTHORIZED),
        ("code 404", Reason.SERVER_ERROR),
        ("code 429", Reason.SERVER_ERROR),
        ("code 500", Reason.SERVER_ERROR),
        ("code 503", Reason.SERVER_ERROR),
        ("code 302", Reason.SERVER_ERROR),
        ("code 307", Reason.SERVER_ERROR),
        (vector(), Reason.EMPTY),
        (vector("1", "2"), Reason.SEVERAL_SERIES),
        (vector("NaN"), Reason.NOT_FINITE),
        (vector("+Inf"), Reason.NOT_FINITE),
        (vector("-Inf"), Reason.NOT_FINITE),
        (result("scalar", [1.5, "NaN"]), Reason.NOT_FINITE),
        (result("vector", HISTOGRAM), Reason.WRONG_TYPE),
        (result("matrix", MATRIX), Reason.WRONG_TYPE),
        (result("matrix", []), Reason.WRONG_TYPE),
        (result("string", [1.5, "7"]), Reason.WRONG_TYPE),
        (vector(7), Reason.MALFORMED),
        (vector("seven"), Reason.MALFORMED),
        (vector("1_0"), Reason.MALFORMED),
        (vector(None), Reason.MALFORMED),
        (result("vector", None), Reason.EMPTY),
        (result("vector", 5), Reason.MALFORMED),
        (result("vector", [5]), Reason.MALFORMED),
        (result("vector", [{}]), Reason.WRONG_TYPE),
        (result("scalar", []), Reason.MALFORMED),
        (result("scalar", None), Reason.MALFORMED),
        ('raw {"status":"error","errorType":"bad_data","error":"secret"}', Reason.MALFORMED),
        ('raw {"status":"success","data":[]}', Reason.MALFORMED),
        ("raw <html>log in here</html>", Reason.MALFORMED),
        ("raw []", Reason.MALFORMED),
        ("raw 5", Reason.MALFORMED),
        ("raw ", Reason.MALFORMED),
        ('raw {"data":{"resultType":"vector","result":[]},"warnings":["w"]}', Reason.SERVER_ERROR),
        ("big", Reason.MALFORMED),
        ("cut", Reason.UNREACHABLE),
        ("hang", Reason.TIMEOUT),
        ("dribble", Reason.TIMEOUT),
        ("dribble_headers", Reason.TIMEOUT),
    ],
)
async def test_everything_else_is_unknown_with_its_reason(
    server: Fake, query: str, reason: Reason
) -> None:
    value = await ask(server.url, query, timeout_seconds=0.5)
    assert isinstance(value, Unknown)
    assert value.reason is reason
    assert value.detail
    assert "secret" not in value.detail
    assert server.queries == [query], "one question, no hidden retries"


async def test_a_server_that_is_not_there_has_refused() -> None:
    value = await ask("http://127.0.0.1:1", "up")
    assert isinstance(value, Unknown)
    assert value.reason is Reason.REFUSED


async def test_a_name_that_is_unknown_is_unreachable() -> None:
    value = await ask("http://no-such-host.invalid", "up")
    assert isinstance(value, Unknown)
    # A resolver that takes its time is not told from a server that does.
    assert value.reason in (Reason.UNREACHABLE, Reason.TIMEOUT)


async def test_a_server_without_tls_cannot_be_asked_over_tls(server: Fake) -> None:
    value = await ask(server.url.replace("http:", "https:"), "up")
    assert isinstance(value, Unknown)
    assert value.reason is Reason.TLS


async def test_a_source_that_nobody_configured_has_a_reason_of_its_own(server: Fake) -> None:
    with sources(server.url) as made:
        answers = await made.ask("other", [("a", "up"), ("b", "up")], 1.0)
    assert [name for name, _ in answers] == ["a", "b"]
    assert all(
        isinstance(value, Unknown) and value.reason is Reason.NO_SOURCE for _, value in answers
    )


async def test_equal_queries_are_asked_once(server: Fake) -> None:
    named = [("a", vector("1")), ("b", vector("2")), ("c", vector("1"))]
    with sources(server.url) as made:
        answers = await made.ask("default", named, 2.0)
    assert answers == (("a", Known(1.0)), ("b", Known(2.0)), ("c", Known(1.0)))
    assert sorted(server.queries) == sorted({query for _, query in named})


async def test_the_server_is_told_the_time_out(server: Fake) -> None:
    await ask(server.url, vector("1"), timeout_seconds=2.0)
    assert server.timeouts == ["1800ms"]


async def test_the_sources_own_limit_holds(server: Fake) -> None:
    started = time.monotonic()
    with sources(server.url, timeout_seconds=0.2) as made:
        [(_, value)] = await made.ask("default", [("a", "hang")], 60.0)
    assert isinstance(value, Unknown)
    assert value.reason is Reason.TIMEOUT
    assert time.monotonic() - started < 2


async def test_a_slow_source_does_not_delay_another_one(server: Fake) -> None:
    with running() as slow:
        made = PrometheusSources({"a": Source(url=server.url), "slow": Source(url=slow.url)})
        hangs = [(str(n), f"hang {n}") for n in range(20)]
        waiting = asyncio.create_task(made.ask("slow", hangs, 1.0))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        assert await made.ask("a", [("m", vector("1"))], 2.0) == (("m", Known(1.0)),)
        assert time.monotonic() - started < 0.5
        answers = await waiting
        made.close()
    reasons = {value.reason for _, value in answers if isinstance(value, Unknown)}
    assert (len(answers), reasons) == (20, {Reason.TIMEOUT})


async def test_threads_that_hang_are_replaced_and_at_most_so_many(
    server: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "MOST_LOST", 2 * prometheus.WORKERS)
    with sources(server.url) as made:

        async def flood(mark: str) -> None:
            hangs = [(str(n), f"dribble_headers {mark}{n}") for n in range(prometheus.WORKERS)]
            await made.ask("default", hangs, 0.2)

        await flood("a")
        assert await made.ask("default", [("m", vector("1"))], 2.0) == (("m", Known(1.0)),)
        await flood("b")
        [(_, value)] = await made.ask("default", [("m", vector("1"))], 2.0)
        assert isinstance(value, Unknown)
        server.release.set()
        for _ in range(100):
            [(_, value)] = await made.ask("default", [("m", vector("1"))], 2.0)
            if value == Known(1.0):
                break
            await asyncio.sleep(0.05)
        assert value == Known(1.0)
