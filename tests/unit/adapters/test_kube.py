"""The client against a real HTTP server on this machine: answers become objects or errors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sluice.adapters import errors, wire
from sluice.adapters.errors import ApiError
from sluice.adapters.kube import Call, Kube
from sluice.ports import Denied, Stale, Unreachable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler, calls: list[Call] | None = None) -> AsyncIterator[Kube]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    timeout = aiohttp.ClientTimeout(total=0.5)
    hooks = [calls.append] if calls is not None else []
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield Kube(site.name, session, hooks=hooks)
    finally:
        await runner.cleanup()


def always(code: int, body: Any = None, **more: Any) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        if isinstance(body, str):
            return web.Response(status=code, text=body, **more)
        return web.json_response(body or {}, status=code, **more)

    return handler


GET = wire.get(wire.ROLLOUTS, "shop", "web")
STATUS = wire.apply_status(wire.ROLLOUTS, "shop", "web", {})


@pytest.mark.parametrize(
    ("code", "body", "error", "port"),
    [
        (400, {"reason": "BadRequest"}, errors.Invalid, Denied),
        (401, {"reason": "Unauthorized"}, errors.Unauthorized, Unreachable),
        (403, {"reason": "Forbidden"}, errors.Forbidden, Denied),
        (404, {"reason": "NotFound"}, errors.NotFound, Stale),
        (405, {}, errors.Unsupported, Denied),
        (409, {"reason": "Conflict"}, errors.Conflict, Stale),
        (409, {"reason": "AlreadyExists"}, errors.AlreadyExists, Stale),
        (422, {"reason": "Invalid"}, errors.Invalid, Denied),
        (
            422,
            {"reason": "Invalid", "details": {"causes": [{"field": "metadata.uid"}]}},
            errors.Conflict,
            Stale,
        ),
        (429, {"reason": "TooManyRequests"}, errors.Unavailable, Unreachable),
        (500, {"reason": "InternalError"}, errors.Unavailable, Unreachable),
        (500, {}, errors.Unavailable, Unreachable),
        (502, "<html>bad gateway</html>", errors.Unavailable, Unreachable),
        (503, {"reason": "ServiceUnavailable"}, errors.Unavailable, Unreachable),
        (504, {"reason": "Timeout"}, errors.Unavailable, Unreachable),
        (302, "", errors.Unsupported, Denied),
    ],
)
async def test_each_refusal_is_an_error_of_its_kind(
    code: int, body: Any, error: type[ApiError], port: type[Exception]
) -> None:
    async with served(always(code, body)) as kube:
        with pytest.raises(error) as caught:
            await kube.send(GET)
    assert type(caught.value) is error
    assert isinstance(caught.value, port)
    assert caught.value.code == code
    assert str(caught.value).startswith(f"get rollouts shop/web: {code} ")


async def test_a_500_without_a_reason_to_a_server_side_apply_is_for_ever() -> None:
    async with served(always(500, {"message": "field not declared in schema"})) as kube:
        with pytest.raises(errors.Unsupported, match="not declared"):
            await kube.send(STATUS)


async def test_a_server_that_hangs_is_given_up() -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    async with served(hang) as kube:
        with pytest.raises(errors.Unavailable, match="TimeoutError"):
            await kube.send(GET)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(errors.Unavailable, match="ClientConnectorError"):
            await Kube("http://127.0.0.1:1", session).send(GET)


async def test_a_body_that_breaks_off_is_unavailable() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    async with served(cut) as kube:
        with pytest.raises(errors.Unavailable):
            await kube.send(GET)


async def test_a_long_message_is_cut() -> None:
    async with served(always(422, {"reason": "Invalid", "message": "x" * 5000})) as kube:
        with pytest.raises(errors.Invalid) as caught:
            await kube.send(GET)
    assert len(str(caught.value)) < 500


async def test_what_is_sent_is_what_the_request_says() -> None:
    seen: dict[str, Any] = {}

    async def note(request: web.Request) -> web.StreamResponse:
        seen.update(method=request.method, path=request.path, query=dict(request.query))
        seen.update(kind=request.content_type, body=await request.json())
        return web.json_response({"kind": "Rollout"})

    async with served(note) as kube:
        assert await kube.send(STATUS) == {"kind": "Rollout"}
    assert seen == {
        "method": "PATCH",
        "path": "/apis/sluice.dev/v1alpha1/namespaces/shop/rollouts/web/status",
        "query": {"fieldManager": "sluice", "force": "true"},
        "kind": "application/apply-patch+yaml",
        "body": {"apiVersion": "sluice.dev/v1alpha1", "kind": "Rollout"},
    }


async def test_a_list_has_the_version_that_it_was_made_at() -> None:
    body = {"metadata": {"resourceVersion": "99"}, "items": [{"metadata": {"name": "a"}}]}
    async with served(always(200, body)) as kube:
        listing = await kube.list(wire.PODS, "shop", "app=web")
    assert (listing.version, len(listing.items)) == ("99", 1)


async def test_hooks_hear_every_call_once_its_answer_is_there() -> None:
    calls: list[Call] = []
    async with served(always(200), calls) as kube:
        await kube.send(GET)
        await kube.send(STATUS)
        await kube.send(wire.create(wire.REPLICA_SETS, "shop", {}))
    async with served(always(409, {"reason": "Conflict"}), calls) as kube:
        with pytest.raises(errors.Conflict):
            await kube.send(STATUS)
    heard = [(call.verb, call.resource, call.code, call.wrote) for call in calls]
    assert heard == [
        ("get", "rollouts", 200, False),
        ("apply", "rollouts/status", 200, True),
        ("create", "replicasets", 200, True),
        ("apply", "rollouts/status", 409, False),
    ]
    assert all(call.seconds > 0 for call in calls)


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (wire.listing(wire.PODS, "shop", "a=b"), "/api/v1/namespaces/shop/pods"),
        (wire.listing(wire.ROLLOUTS, None), "/apis/sluice.dev/v1alpha1/rollouts"),
        (GET, "/apis/sluice.dev/v1alpha1/namespaces/shop/rollouts/web"),
    ],
)
def test_paths(request_: wire.Request, path: str) -> None:
    assert request_.path == path


async def test_a_json_patch_whose_tests_fail_is_one_of_an_outdated_object() -> None:
    """Seen on a real API server: 422, Invalid, without a word of what has failed."""
    tests = [{"op": "test"}]
    disown = wire.patch(wire.DEPLOYMENTS, "shop", "web", tests, content_type=wire.JSON_PATCH)
    async with served(always(422, {"reason": "Invalid"})) as kube:
        with pytest.raises(Stale):
            await kube.send(disown)
