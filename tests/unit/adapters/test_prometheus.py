"""Every fault of a metric server becomes Unknown with its reason; only what is sound is Known."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from faults.replies import PODS, REPLIES, SECRET
from faults.stub_prometheus import CONNECTIONS, FAULTS, LISTENERS, Stub
from sluice.adapters.prometheus import PrometheusSources
from sluice.api.config import TLS, Source
from sluice.core.plan import Query, Span
from sluice.core.readings import Answer, Known, Matrix, Reason, Unknown

NOW = datetime.now(UTC)
SPAN = Span(NOW - timedelta(seconds=20), NOW, 5.0)
INSTANT = Query("m", "sum(m)")
RANGE = Query("m", 'm{code="5.."}', SPAN, "shop", "web-[ab]")
QUERIES = {"instant": INSTANT, "range": RANGE}


@asynccontextmanager
async def sources(**configured: Source) -> AsyncIterator[PrometheusSources]:
    made = PrometheusSources(configured)
    try:
        yield made
    finally:
        await made.close()


async def ask(query: Query, url: str, within_seconds: float = 20.0, **more: Any) -> Answer:
    source = Source(url=url, **{"timeout_seconds": 30.0, **more})
    async with asyncio.timeout(60), sources(default=source) as made:
        [(name, answer)] = await made.ask("default", [query], within_seconds)
    assert name == query.name
    return answer


# --- what is sound


@pytest.mark.parametrize("switch", ["none", "infos", "old_infos", "gzip"])
async def test_a_sound_answer_is_read(switch: str) -> None:
    async with Stub() as stub:
        await stub.switch(switch)
        assert await ask(INSTANT, stub.url) == Known(1.0)
        matrix = await ask(RANGE, stub.url)

    assert isinstance(matrix, Matrix)
    assert tuple(series.pod for series in matrix.series) == PODS
    for series in matrix.series:
        assert series.labels == (("__name__", "m"),)
        start = round(SPAN.start.timestamp(), 3)
        assert [at for at, _ in series.samples] == [round(start + 5 * k, 3) for k in range(5)]
        assert all(value == at for at, value in series.samples)


async def test_the_server_is_asked_as_prometheus_documents_it() -> None:
    async with Stub() as stub:
        await ask(INSTANT, stub.url + "/prom", parameters={"dedup": ("true",)})
        await ask(RANGE, stub.url)

    instant, ranged = stub.requests
    assert (instant.method, instant.path) == ("POST", "/prom/api/v1/query")
    left = instant.form["timeout"]
    assert 9_000 <= int(left.removesuffix("ms")) <= 18_000, "the server gives up first"
    # No `time`: the server's own clock is the right one.
    assert dict(instant.form) == {"query": "sum(m)", "timeout": left, "dedup": "true"}
    assert ranged.path == "/api/v1/query_range"
    assert ranged.form["query"] == 'm{code="5..",namespace="shop",pod=~"web-[ab]"}'
    assert float(ranged.form["start"]) == pytest.approx(SPAN.start.timestamp(), abs=0.001)
    assert float(ranged.form["end"]) == pytest.approx(SPAN.end.timestamp(), abs=0.001)
    assert ranged.form["step"] == "5.000"


# --- the matrix of faults


def because(reason: Reason, sentence: str) -> Unknown:
    return Unknown(reason, sentence)


MALFORMED = because(Reason.MALFORMED, "the answer is not that of a Prometheus")
GARBLED = because(Reason.MALFORMED, "the body is not encoded as its headers say")
NO_HTTP = because(Reason.MALFORMED, "what answers does not speak HTTP")
BROKEN = because(Reason.UNREACHABLE, "the connection broke")
TIMEOUT = because(Reason.TIMEOUT, "no answer within 0.4 s")
EMPTY = because(Reason.EMPTY, "the query gave no series")
NAN = because(Reason.NOT_FINITE, "the query gave NaN")
INFINITE = because(Reason.NOT_FINITE, "the query gave +Inf")
OVERFLOW = because(Reason.NOT_FINITE, "the query gave more than a number can hold")
ONE_VALUE = because(
    Reason.WRONG_TYPE, "the query must give one number (an instant vector or a scalar)"
)
NO_MATRIX = because(Reason.WRONG_TYPE, "the query must give series over time (a matrix)")
NO_POD = because(Reason.WRONG_TYPE, 'a series has no label "pod" to tell whose it is')
HISTOGRAM = because(
    Reason.WRONG_TYPE, "the query gives native histograms; only numbers can be read"
)
PARTIAL = because(Reason.PARTIAL, "the answer came with warnings, so it may be incomplete")
SEVERAL = because(Reason.SEVERAL_SERIES, "the query gave 3 series; it must give one")
OLD_VALUE = because(Reason.STALE, "the value is 10 min old: a cache answers, or clocks differ")
OLD_SERIES = because(Reason.STALE, "the newest sample is 10 min old")
LARGE = because(Reason.TOO_LARGE, "the answer has more than 1 MiB")
LARGE_RANGE = because(Reason.TOO_LARGE, "the answer has more than 8 MiB")
UNAUTHORIZED = because(
    Reason.UNAUTHORIZED, "HTTP 401: the credentials of the source do not suffice"
)
FORBIDDEN = because(Reason.UNAUTHORIZED, "HTTP 403: the credentials of the source do not suffice")
BAD_QUERY = because(Reason.BAD_QUERY, "HTTP 400: the query cannot be evaluated")
NOT_EXECUTABLE = because(Reason.BAD_QUERY, "HTTP 422: the query cannot be evaluated")
STORE_OUT = because(Reason.SERVER_ERROR, "HTTP 422: a part of the data cannot be reached")
BAD_REQUEST = because(Reason.SERVER_ERROR, "HTTP 400: there is no Prometheus API at this URL")
NOT_FOUND = because(Reason.SERVER_ERROR, "HTTP 404: there is no Prometheus API at this URL")
TOO_MANY = because(Reason.SERVER_ERROR, "HTTP 429: the server is asked too much")
FAILED = because(Reason.SERVER_ERROR, "HTTP 500: the server has failed")
BAD_GATEWAY = because(Reason.SERVER_ERROR, "HTTP 502: the server cannot answer now")
UNAVAILABLE = because(Reason.SERVER_ERROR, "HTTP 503: the server cannot answer now")
TIME_IS_UP = because(Reason.TIMEOUT, "HTTP 503: the server could not evaluate the query in time")
GATEWAY_TIMEOUT = because(Reason.TIMEOUT, "HTTP 504: the server did not answer in time")
REDIRECT = because(Reason.REDIRECT, "HTTP 302: redirects are not followed")
REDIRECT_POST = because(Reason.REDIRECT, "HTTP 307: redirects are not followed")
NO_CONTENT = because(Reason.MALFORMED, "HTTP 204: the answer is not that of a Prometheus")

# Fault -> how often it is asked, what an instant query gives, what a query over a span gives.
MATRIX: dict[str, tuple[int, Unknown, Unknown]] = {
    "unauthorized": (1, UNAUTHORIZED, UNAUTHORIZED),
    "forbidden": (1, FORBIDDEN, FORBIDDEN),
    "bad_query": (1, BAD_QUERY, BAD_QUERY),
    "not_executable": (1, NOT_EXECUTABLE, NOT_EXECUTABLE),
    "store_out": (1, STORE_OUT, STORE_OUT),
    "bad_request": (1, BAD_REQUEST, BAD_REQUEST),
    "not_found": (1, NOT_FOUND, NOT_FOUND),
    "too_many": (4, TOO_MANY, TOO_MANY),
    "too_many_wait_99": (1, TOO_MANY, TOO_MANY),
    "failed": (1, FAILED, FAILED),
    "bad_gateway": (4, BAD_GATEWAY, BAD_GATEWAY),
    "unavailable": (4, UNAVAILABLE, UNAVAILABLE),
    "time_is_up": (1, TIME_IS_UP, TIME_IS_UP),
    "gateway_timeout": (1, GATEWAY_TIMEOUT, GATEWAY_TIMEOUT),
    "redirect": (1, REDIRECT, REDIRECT),
    "redirect_post": (1, REDIRECT_POST, REDIRECT_POST),
    "no_content": (1, NO_CONTENT, NO_CONTENT),
    "empty": (1, EMPTY, EMPTY),
    "nan": (1, NAN, NAN),
    "infinite": (1, INFINITE, INFINITE),
    "overflow": (1, OVERFLOW, OVERFLOW),
    # Over a span several series are meant; the same one twice is not.
    "several": (1, SEVERAL, MALFORMED),
    "wrong_type": (1, ONE_VALUE, NO_MATRIX),
    "no_pod": (1, ONE_VALUE, NO_POD),
    "histogram": (1, HISTOGRAM, HISTOGRAM),
    "stale": (1, OLD_VALUE, OLD_SERIES),
    "warnings": (1, PARTIAL, PARTIAL),
    "too_large": (1, LARGE, LARGE_RANGE),
    "bomb": (1, LARGE, LARGE_RANGE),
    "html": (1, MALFORMED, MALFORMED),
    "nothing": (1, MALFORMED, MALFORMED),
    "not_utf8": (1, MALFORMED, MALFORMED),
    "deep": (1, MALFORMED, MALFORMED),
    "status_error": (1, MALFORMED, MALFORMED),
    "json_number": (1, MALFORMED, MALFORMED),
    "underscores": (1, MALFORMED, MALFORMED),
    "shuffled": (1, MALFORMED, MALFORMED),
    "bad_gzip": (1, GARBLED, GARBLED),
    "cut_gzip": (1, GARBLED, GARBLED),
    "more_than_gzip": (1, GARBLED, GARBLED),
    "unknown_encoding": (1, GARBLED, GARBLED),
    "no_http": (1, NO_HTTP, NO_HTTP),
    "drop": (4, BROKEN, BROKEN),
    "cut": (4, BROKEN, BROKEN),
    "trickled_refusal": (1, UNAUTHORIZED, UNAUTHORIZED),
    "hang": (1, TIMEOUT, TIMEOUT),
    "trickled_headers": (1, TIMEOUT, TIMEOUT),
    "trickled_body": (1, TIMEOUT, TIMEOUT),
}
SOUND = {"none", "infos", "old_infos", "gzip"}
# Headers without end are cut by number; what they are then is the HTTP library's to say.
ELSEWHERE = {"too_many_wait_1", "unavailable_wait_1", "endless_headers", *LISTENERS}


def test_the_matrix_holds_every_fault() -> None:
    assert set(MATRIX) | SOUND | ELSEWHERE == FAULTS
    assert set(REPLIES) | CONNECTIONS | LISTENERS == FAULTS


@pytest.mark.parametrize("kind", ["instant", "range"])
@pytest.mark.parametrize("fault", MATRIX)
async def test_a_fault_is_unknown_with_its_reason(fault: str, kind: str) -> None:
    times, instant, ranged = MATRIX[fault]
    within_seconds = 0.4 if instant is TIMEOUT else 20.0
    async with Stub() as stub:
        await stub.switch(fault)
        answer = await ask(QUERIES[kind], stub.url, within_seconds)
    assert answer == (instant if kind == "instant" else ranged)
    assert SECRET not in str(answer)
    assert len(stub.requests) == times


async def test_headers_without_end_end() -> None:
    async with Stub() as stub:
        await stub.switch("endless_headers")
        answer = await ask(INSTANT, stub.url, within_seconds=0.3)
    assert isinstance(answer, Unknown)
    assert answer.reason in (Reason.TIMEOUT, Reason.MALFORMED)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_a_server_that_is_not_there_has_refused(query: Query) -> None:
    async with Stub() as stub:
        await stub.switch("refused")
        answer = await ask(query, stub.url)
    assert answer == Unknown(Reason.REFUSED, "the connection was refused")


async def test_a_name_that_nobody_knows_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = await ask(INSTANT, "http://prometheus.invalid:9090")
    expected = "the name of the server cannot be resolved"
    assert answer == Unknown(Reason.UNREACHABLE, expected)


async def test_a_name_look_up_that_hangs_is_bounded_and_holds_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, calls = threading.Event(), []

    def hang(host: str, *_: object, **__: object) -> None:
        calls.append(host)
        release.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    async with sources(default=Source(url="http://prometheus.invalid:9090")) as made:
        queries = [Query(str(n), f"up{n}") for n in range(8)]
        answers = await made.ask("default", queries, 0.3)
        release.set()
    assert {answer for _, answer in answers} == {Unknown(Reason.TIMEOUT, "no answer within 0.3 s")}
    assert calls == ["prometheus.invalid"]


async def test_a_connection_that_nobody_takes_is_unreachable() -> None:
    with socket.socket() as mute:
        # TCP is accepted by the kernel, TLS by nobody.
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        answer = await ask(INSTANT, f"https://127.0.0.1:{mute.getsockname()[1]}", 1.0)
    assert answer == Unknown(Reason.UNREACHABLE, "no connection can be made")


async def test_a_source_that_nobody_configured_has_a_reason_of_its_own() -> None:
    async with sources() as made:
        answers = await made.ask("other", [INSTANT, RANGE], 1.0)
    missing = Unknown(Reason.NO_SOURCE, "no metric source 'other' is configured")
    assert answers == (("m", missing), ("m", missing))


# --- TLS


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("other_ca", "the certificate of the server is from nobody who is trusted"),
        ("expired", "the certificate of the server has expired"),
        ("other_name", "the certificate of the server is for another address"),
    ],
)
async def test_a_certificate_that_is_wrong_is_a_fault_of_tls(
    tmp_path: Path, fault: str, sentence: str, query: Query
) -> None:
    async with Stub(tls=True) as stub:
        tls = TLS(ca_file=written(tmp_path, stub.ca))
        assert not isinstance(await ask(query, stub.url, tls=tls), Unknown)
        await stub.switch(fault)
        assert await ask(query, stub.url, tls=tls) == Unknown(Reason.TLS, sentence)


async def test_a_server_without_tls_cannot_be_asked_over_tls() -> None:
    async with Stub() as stub:
        answer = await ask(INSTANT, stub.url.replace("http:", "https:"))
    assert answer == Unknown(Reason.TLS, "the TLS connection cannot be made")


async def test_a_server_with_tls_does_not_speak_http_without() -> None:
    async with Stub(tls=True) as stub:
        answer = await ask(INSTANT, stub.url.replace("https:", "http:"))
    assert isinstance(answer, Unknown)
    assert answer.reason in (Reason.UNREACHABLE, Reason.MALFORMED)


async def test_a_client_certificate_is_shown_and_missed(tmp_path: Path) -> None:
    clients = trustme.CA()
    async with Stub(tls=True, client_ca=clients) as stub:
        ca_file = written(tmp_path, stub.ca)
        missed = await ask(INSTANT, stub.url, tls=TLS(ca_file=ca_file))
        assert isinstance(missed, Unknown)
        # The server may close before its complaint has been read.
        assert missed.reason in (Reason.TLS, Reason.UNREACHABLE)
        leaf = clients.issue_cert("sluice")
        cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
        leaf.cert_chain_pems[0].write_to_path(str(cert))
        leaf.private_key_pem.write_to_path(str(key))
        tls = TLS(ca_file=ca_file, cert_file=cert, key_file=key)
        assert await ask(INSTANT, stub.url, tls=tls) == Known(1.0)


async def test_an_authority_that_rotates_is_read_anew(tmp_path: Path) -> None:
    async with Stub(tls=True) as stub:
        path = written(tmp_path, trustme.CA())
        async with sources(default=Source(url=stub.url, tls=TLS(ca_file=path))) as made:
            [(_, before)] = await made.ask("default", [INSTANT], 20.0)
            written(tmp_path, stub.ca)
            [(_, after)] = await made.ask("default", [INSTANT], 20.0)
    assert isinstance(before, Unknown)
    assert before.reason is Reason.TLS
    assert after == Known(1.0)


def written(folder: Path, authority: trustme.CA) -> Path:
    """The CA in a file, swapped in behind a symlink as the kubelet does it."""
    target = folder / f"ca-{time.monotonic_ns()}.pem"
    authority.cert_pem.write_to_path(str(target))
    link, fresh = folder / "ca.pem", folder / "fresh"
    fresh.symlink_to(target)
    fresh.replace(link)
    return link
