"""How a metric source is asked: again, in turn, once, with credentials; and how it is replaced."""

import asyncio
import base64
import time
from pathlib import Path

import pytest

from faults.stub_prometheus import Stub
from sluice.adapters.metric_sources import client
from sluice.adapters.metric_sources.faults import Passing, of_status
from sluice.adapters.prometheus import PrometheusSources
from sluice.api.config import TLS, ConfigError, Source
from sluice.core.plan import Query
from sluice.core.readings import Known, Reason, Unknown
from unit.adapters.test_prometheus import (
    INSTANT,
    QUERIES,
    RANGE,
    SPAN,
    TOO_MANY,
    UNAVAILABLE,
    ask,
    sources,
)

# --- again, in turn, once


@pytest.mark.parametrize("fault", ["drop", "cut", "too_many", "bad_gateway", "unavailable"])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_what_may_pass_is_asked_again(fault: str, query: Query) -> None:
    async with Stub() as stub:
        await stub.switch(fault, times=2)
        assert not isinstance(await ask(query, stub.url), Unknown)
    assert len(stub.requests) == 3


async def test_a_server_that_comes_back_is_found_within_the_time() -> None:
    async with Stub() as stub:
        await stub.switch("refused")
        waiting = asyncio.create_task(ask(INSTANT, stub.url))
        await asyncio.sleep(0.02)
        await stub.switch("none")
        assert await waiting == Known(1.0)


@pytest.mark.parametrize("fault", ["too_many_wait_1", "unavailable_wait_1"])
async def test_retry_after_is_honoured(fault: str) -> None:
    async with Stub() as stub:
        await stub.switch(fault, times=1)
        started = time.monotonic()
        assert await ask(INSTANT, stub.url) == Known(1.0)
    assert time.monotonic() - started >= 1.0


async def test_a_server_that_asks_to_be_left_alone_is_asked_by_no_other_query_either() -> None:
    async with (
        Stub() as stub,
        Stub() as other,
        sources(default=Source(url=stub.url), other=Source(url=other.url)) as made,
    ):
        await stub.switch("too_many_wait_99")
        for query in (INSTANT, RANGE, INSTANT):
            assert await made.ask("default", [query], 5.0) == ((query.name, TOO_MANY),)
        [(_, elsewhere)] = await made.ask("other", [INSTANT], 5.0)
    assert len(stub.requests) == 1
    assert elsewhere == Known(1.0)


async def test_queries_that_find_a_server_left_alone_wait_and_are_answered() -> None:
    async with Stub() as stub, sources(default=Source(url=stub.url, max_in_flight=1)) as made:
        await stub.switch("too_many_wait_1", times=1)
        answers = await made.ask("default", [INSTANT, RANGE, Query("n", "max(m)")], 20.0)
    assert not any(isinstance(answer, Unknown) for _, answer in answers)
    first, *later = (request.at for request in stub.requests)
    assert len(later) == 3
    assert min(later) - first >= 1.0


async def test_no_server_is_left_alone_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_MOST_QUIET_SECONDS", 0.2)
    async with Stub() as stub, sources(default=Source(url=stub.url)) as made:
        await stub.switch("too_many_wait_99", times=1)
        assert await made.ask("default", [INSTANT], 0.1) == ((INSTANT.name, TOO_MANY),)
        assert await made.ask("default", [INSTANT], 5.0) == ((INSTANT.name, Known(1.0)),)
    assert len(stub.requests) == 2


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7, 7),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1e11, 1e12),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0),
        (None, 0, 0),
        ("", 0, 0),
        ("-7", 0, 0),
        ("soon", 0, 0),
    ],
)
@pytest.mark.parametrize("status", [429, 502, 503])
def test_retry_after_is_seconds_or_an_instant(
    status: int, text: str | None, least: float, most: float
) -> None:
    fault = of_status(status, b"", text)
    assert isinstance(fault, Passing)
    assert least <= fault.after_seconds <= most


async def test_the_fault_that_was_seen_is_told_when_the_time_is_up() -> None:
    async with Stub() as stub:
        await stub.switch("unavailable", then="hang", times=1)
        assert await ask(INSTANT, stub.url, 1.5) == UNAVAILABLE


async def test_equal_queries_are_asked_once() -> None:
    named = [
        Query("a", "sum(m)"),
        Query("b", "max(m)"),
        Query("c", "sum(m)"),
        Query("d", "m", SPAN, "shop", "web-a"),
        Query("e", "m", SPAN, "shop", "web-a"),
        Query("f", "m", SPAN, "shop", "web-b"),
    ]
    async with Stub() as stub, sources(default=Source(url=stub.url)) as made:
        answers = await made.ask("default", named, 20.0)
    assert [name for name, _ in answers] == list("abcdef")
    assert not any(isinstance(answer, Unknown) for _, answer in answers)
    assert len(stub.requests) == 4


async def test_so_many_queries_are_in_flight_and_the_others_wait_for_their_turn() -> None:
    queries = [Query(str(n), f"up{n}") for n in range(20)]
    async with (
        Stub() as stub,
        sources(default=Source(url=stub.url, max_in_flight=3, timeout_seconds=60.0)) as made,
    ):
        await stub.switch("hang")
        first = asyncio.create_task(made.ask("default", queries[:3], 60.0))
        await stub.until_open(3)
        late = await made.ask("default", queries[3:], 0.3)
        no_turn = Unknown(Reason.TIMEOUT, "no turn within 0.3 s: too many queries in flight")
        assert {answer for _, answer in late} == {no_turn}
        assert len(stub.requests) == 3
        first.cancel()
        await stub.switch("none")
        answers = await made.ask("default", queries, 20.0)
        assert {answer for _, answer in answers} == {Known(1.0)}
        assert stub.most_open <= 3


@pytest.mark.parametrize("fault", ["hang", "trickled_headers", "trickled_body"])
async def test_a_slow_source_delays_nobody_else(fault: str) -> None:
    async with Stub() as stub, Stub() as slow:
        await slow.switch(fault)
        configured = {"a": Source(url=stub.url), "slow": Source(url=slow.url, timeout_seconds=60.0)}
        async with sources(**configured) as made:
            hangs = [Query(str(n), f"up{n}") for n in range(20)]
            waiting = asyncio.create_task(made.ask("slow", hangs, 60.0))
            await slow.until_open(8)
            assert await made.ask("a", [INSTANT], 20.0) == (("m", Known(1.0)),)
            assert not waiting.done()
            waiting.cancel()


async def test_the_sources_own_limit_holds() -> None:
    async with Stub() as stub:
        await stub.switch("hang")
        answer = await ask(INSTANT, stub.url, 60.0, timeout_seconds=0.2)
    assert answer == Unknown(Reason.TIMEOUT, "no answer within 0.2 s")


async def test_what_is_cancelled_gives_its_place_back() -> None:
    async with Stub() as stub, sources(default=Source(url=stub.url, max_in_flight=1)) as made:
        await stub.switch("hang", times=1)
        task = asyncio.create_task(made.ask("default", [INSTANT], 60.0))
        await stub.until_open()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await made.ask("default", [INSTANT], 20.0) == (("m", Known(1.0)),)


async def test_how_long_a_query_took_is_heard() -> None:
    heard: list[tuple[str, float]] = []
    async with Stub() as stub:
        made = PrometheusSources(
            {"default": Source(url=stub.url)}, asked=lambda name, s: heard.append((name, s))
        )
        await made.ask("default", [INSTANT, INSTANT, RANGE], 20.0)
        await made.close()
    assert [name for name, _ in heard] == ["default", "default"]
    assert all(0 < seconds < 2 for _, seconds in heard)


# --- credentials


async def test_headers_tokens_and_passwords_are_sent_and_read_anew(tmp_path: Path) -> None:
    key, token, password = (tmp_path / name for name in ("key", "token", "password"))
    key.write_text("k1\n")
    token.write_text("t1\n")
    password.write_text("p\u00e4ss 1\n")
    headers = {"X-Scope-OrgID": "shop", "X-Api-Key": {"file": str(key)}}
    auth = {"username": "sluice", "passwordFile": str(password)}
    async with Stub() as stub:
        common = {"url": stub.url, "headers": headers}
        bearer = Source.model_validate({**common, "bearerTokenFile": str(token)})
        basic = Source.model_validate({**common, "basicAuth": auth})
        async with sources(bearer=bearer, basic=basic) as made:
            await made.ask("bearer", [INSTANT], 20.0)
            await made.ask("basic", [INSTANT], 20.0)
            key.write_text("k2")
            token.write_text("t2")
            await made.ask("bearer", [INSTANT], 20.0)
    sent = [(one.headers["x-api-key"], one.headers["authorization"]) for one in stub.requests]
    pair = base64.b64encode("sluice:p\u00e4ss 1".encode()).decode()
    assert sent == [("k1", "Bearer t1"), ("k1", f"Basic {pair}"), ("k2", "Bearer t2")]
    assert {one.headers["x-scope-orgid"] for one in stub.requests} == {"shop"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"secret\nsecret", "does not hold one line of ASCII"),
        (b"secret\xff", "is not UTF-8"),
        (b"s" * (65 << 10), "has more than 65536 bytes"),
    ],
)
async def test_a_token_that_cannot_be_used_is_told_and_nothing_is_sent(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    token = tmp_path / "token"
    token.write_text("good")
    async with Stub() as stub:
        source = Source(url=stub.url, bearer_token_file=token)
        async with sources(default=source) as made:
            token.unlink()
            if content is not None:
                token.write_bytes(content)
            [(_, answer)] = await made.ask("default", [INSTANT], 20.0)
        sentence = f"the file of the source's bearerTokenFile {problem}"
        assert answer == Unknown(Reason.UNAUTHORIZED, sentence)
        assert not stub.requests
        with pytest.raises(ConfigError) as caught:
            PrometheusSources({"default": source})
        assert str(caught.value) == f"sources.default.bearerTokenFile: {token} {problem}"


async def test_files_of_tls_that_cannot_be_used_are_told_at_the_start(tmp_path: Path) -> None:
    missing, text = tmp_path / "missing", tmp_path / "text"
    text.write_text("no certificate")
    url = "https://127.0.0.1"
    with pytest.raises(ConfigError) as caught:
        PrometheusSources(
            {
                "a": Source(url=url, tls=TLS(ca_file=missing)),
                "b": Source(url=url, tls=TLS(ca_file=text)),
                "c": Source(url=url, tls=TLS(cert_file=text, key_file=text)),
            }
        )
    assert str(caught.value) == (
        f"sources.a.tls.caFile: {missing} cannot be read: No such file or directory; "
        f"sources.b.tls.caFile: {text} does not hold certificates in PEM form; "
        f"sources.c.tls.certFile: {text} does not hold a certificate that fits the keyFile, "
        "both PEM"
    )


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with Stub() as stub:
        assert await ask(INSTANT, stub.url) == Known(1.0)


# --- other sources, while some are being asked


async def test_sources_are_replaced_and_what_is_under_way_ends_well() -> None:
    async with Stub() as stub, Stub() as other:
        made = PrometheusSources({"a": Source(url=stub.url), "same": Source(url=stub.url)})
        await stub.switch("trickled_headers", times=1)
        waiting = asyncio.create_task(made.ask("a", [INSTANT], 0.5))
        await stub.until_open()
        made.replace({"a": Source(url=other.url), "same": Source(url=stub.url)})
        assert await made.ask("a", [INSTANT], 20.0) == (("m", Known(1.0)),)
        assert await made.ask("same", [INSTANT], 20.0) == (("m", Known(1.0)),)
        assert await waiting == (("m", Unknown(Reason.TIMEOUT, "no answer within 0.5 s")),)
        await made.close()
    assert (len(stub.requests), len(other.requests)) == (2, 1)


async def test_sources_that_cannot_be_used_replace_nothing(tmp_path: Path) -> None:
    async with Stub() as stub, sources(default=Source(url=stub.url)) as made:
        bad = Source(url="https://127.0.0.1", tls=TLS(ca_file=tmp_path / "missing"))
        with pytest.raises(ConfigError):
            made.replace({"other": bad})
        assert made.names == {"default"}
        assert await made.ask("default", [INSTANT], 20.0) == (("m", Known(1.0)),)


async def test_what_is_under_way_at_the_end_is_unknown() -> None:
    async with Stub() as stub:
        made = PrometheusSources({"default": Source(url=stub.url)})
        await stub.switch("hang")
        waiting = asyncio.create_task(made.ask("default", [INSTANT], 60.0))
        await stub.until_open()
        await made.close()
        [(_, answer)] = await asyncio.wait_for(waiting, 5)
    assert isinstance(answer, Unknown)
    assert answer.reason is Reason.UNREACHABLE
