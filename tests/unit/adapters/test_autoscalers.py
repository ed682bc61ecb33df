"""Who else sets replicas, against an API server in memory, in virtual time."""

import asyncio
from typing import Any

import pytest

from sluice.adapters.autoscalers import LIST_SECONDS, Autoscalers
from sluice.adapters.wire import Json
from sluice.ports import Denied, Unreachable
from unit.adapters.fake_api import FakeApi

pytestmark = pytest.mark.looptime


def scaler(name: str, target: Json, **meta: Any) -> Json:
    return {"metadata": {"name": name, **meta}, "spec": {"scaleTargetRef": target}}


def deployment(name: str = "web") -> Json:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}


async def test_nothing_scales_what_nobody_names() -> None:
    api = FakeApi()
    api.add("horizontalpodautoscalers", scaler("other", deployment("other")))
    assert await Autoscalers(api).of("ns", "web") is None


@pytest.mark.parametrize("fresh", [True, False])
async def test_an_autoscaler_is_named_by_kind_and_name(fresh: bool) -> None:
    api = FakeApi()
    api.add("horizontalpodautoscalers", scaler("mine", deployment()))
    found = await Autoscalers(api).of("ns", "web", fresh=fresh)
    assert found == "HorizontalPodAutoscaler mine"


async def test_what_keda_has_made_is_called_by_keda_s_own_object() -> None:
    api = FakeApi()
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "orders"}
    hpa = scaler("keda-hpa-orders", deployment(), ownerReferences=[owner])
    api.add("horizontalpodautoscalers", hpa)
    assert await Autoscalers(api).of("ns", "web") == "ScaledObject orders"


async def test_a_scaled_object_needs_no_kind_and_no_version() -> None:
    api = FakeApi()
    api.add("scaledobjects", scaler("orders", {"name": "web"}))
    assert await Autoscalers(api).of("ns", "web") == "ScaledObject orders"


@pytest.mark.parametrize(
    "target",
    [
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"},
        {"apiVersion": "other.dev/v1", "kind": "Deployment", "name": "web"},
    ],
)
async def test_other_kinds_of_the_same_name_are_no_rivals(target: Json) -> None:
    api = FakeApi()
    api.add("horizontalpodautoscalers", scaler("mine", target))
    assert await Autoscalers(api).of("ns", "web") is None


async def test_one_in_another_namespace_is_no_rival() -> None:
    api = FakeApi()
    api.add("horizontalpodautoscalers", scaler("mine", deployment(), namespace="elsewhere"))
    assert await Autoscalers(api).of("ns", "web") is None


async def test_lists_are_shared_and_read_again_after_a_while() -> None:
    api = FakeApi()
    scalers = Autoscalers(api)
    await asyncio.gather(*(scalers.of("ns", f"web-{number}") for number in range(20)))
    assert len(api.calls) == 2
    api.add("horizontalpodautoscalers", scaler("mine", deployment()))
    assert await scalers.of("ns", "web") is None
    assert await scalers.of("ns", "web", fresh=True) == "HorizontalPodAutoscaler mine"
    await asyncio.sleep(LIST_SECONDS)
    assert await scalers.of("ns", "web") == "HorizontalPodAutoscaler mine"


async def test_without_keda_its_kind_is_asked_for_once_a_minute() -> None:
    api = FakeApi()
    scalers = Autoscalers(api)
    absent = (404, {"reason": "NotFound"})
    api.answers = [(200, {"items": []}), absent]
    assert await scalers.of("ns", "web") is None
    for _ in range(3):
        await asyncio.sleep(LIST_SECONDS)
        assert await scalers.of("ns", "web") is None
    assert sum("scaledobjects" in call for call in api.calls) == 1
    await asyncio.sleep(LIST_SECONDS)
    await scalers.of("ns", "web")
    assert sum("scaledobjects" in call for call in api.calls) == 2


async def test_a_list_that_cannot_be_read_for_a_moment_will_do_as_it_was() -> None:
    api = FakeApi()
    scalers = Autoscalers(api)
    api.add("horizontalpodautoscalers", scaler("mine", deployment()))
    assert await scalers.of("ns", "web") == "HorizontalPodAutoscaler mine"
    await asyncio.sleep(LIST_SECONDS)
    busy = (503, {"reason": "ServiceUnavailable"})
    api.answers = [busy]
    assert await scalers.of("ns", "web") == "HorizontalPodAutoscaler mine"

    # Not for the moment before replicas are written, and not for ever
    api.answers = [busy]
    with pytest.raises(Unreachable):
        await scalers.of("ns", "web", fresh=True)
    await asyncio.sleep(200)
    api.answers = [busy]
    with pytest.raises(Unreachable):
        await scalers.of("ns", "web")


async def test_a_list_that_is_refused_is_not_asked_for_in_every_pass() -> None:
    api = FakeApi()
    scalers = Autoscalers(api)
    api.answers = [(403, {"reason": "Forbidden"})]
    for _ in range(20):
        with pytest.raises(Denied):
            await scalers.of("ns", "web")
    assert len(api.calls) == 1
    await asyncio.sleep(LIST_SECONDS)
    assert await scalers.of("ns", "web") is None
