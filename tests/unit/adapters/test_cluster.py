"""What a pass sees and writes, against an API server in memory."""

from typing import Any

import pytest

from sluice.adapters import wire
from sluice.adapters.cluster import KubeCluster
from sluice.adapters.errors import AlreadyExists, Conflict, NotFound
from sluice.adapters.wire import Json
from sluice.core.objects import Deployment, Rollout
from sluice.core.plan import (
    CreateRecord,
    CreateReplicaSet,
    DeleteReplicaSet,
    Owner,
    PatchDeployment,
    PatchReplicaSet,
    PatchRollout,
)
from sluice.ports import Key, Stale
from unit.adapters.fake_api import FakeApi

KEY = Key("ns", "web")
MINE = {"sluice.dev/rollout": "web"}
APP = {"app": "web"}


def rollout_raw(name: str = "web", created: str = "2026-01-01T00:00:00Z", **meta: Any) -> Json:
    return {
        "metadata": {"name": name, "creationTimestamp": created, **meta},
        "spec": {"targetRef": {"name": "web"}},
    }


def deployment_raw(**meta: Any) -> Json:
    spec = {"selector": {"matchLabels": APP}, "replicas": 3, "template": {}}
    return {"metadata": {"name": "web", **meta}, "spec": spec}


def replica_set_raw(name: str, labels: Json) -> Json:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"replicas": 3, "template": {}}}


class World:
    """An adopted Rollout with its stable ReplicaSet, anchor and one record."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.changed: list[Key] = []
        self.cluster = KubeCluster(self.api, changed=self.changed.append)
        self.api.add("rollouts", rollout_raw())
        self.api.add("deployments", deployment_raw(labels=MINE))
        self.api.add("replicasets", replica_set_raw("web-1", {**APP, **MINE}))
        self.api.add("controllerrevisions", {"metadata": {"name": "sluice-web", "labels": MINE}})
        labels = {**MINE, "sluice.dev/template": "h1"}
        self.api.add(
            "controllerrevisions", {"metadata": {"name": "sluice-web-h1", "labels": labels}}
        )

    def watch(self) -> None:
        """Open the streams: they bring what there is."""
        self.cluster.streams_opened(1)
        for (plural, _, _), raw in self.api.objects.items():
            resource = {r.plural: r for r in (wire.ROLLOUTS, wire.DEPLOYMENTS, wire.REPLICA_SETS)}
            if plural in resource and (plural == "rollouts" or "labels" in raw["metadata"]):
                self.cluster.event(resource[plural], None, raw)
        self.api.calls.clear()

    async def rollout(self) -> Rollout:
        found = await self.cluster.rollout(KEY)
        assert found is not None
        return found

    async def deployment(self) -> Deployment:
        parts = await self.cluster.around(await self.rollout(), fresh=False)
        assert parts.deployment is not None
        return parts.deployment

    async def settle(self) -> None:
        """Watch, and read everything once, so that the next read may be cached."""
        self.watch()
        await self.cluster.around(await self.rollout(), fresh=False)
        self.api.calls.clear()


@pytest.fixture
def world() -> World:
    return World()


# --- Rollouts


async def test_a_rollout_that_the_watch_has_brought_costs_no_request(world: World) -> None:
    world.watch()
    assert (await world.rollout()).ref.name == "web"
    assert world.api.calls == []
    assert KEY in world.changed


async def test_a_rollout_that_is_not_known_is_asked_for(world: World) -> None:
    assert (await world.rollout()).target == "web"
    assert await world.cluster.rollout(Key("ns", "other")) is None


async def test_a_rollout_that_is_gone_is_gone(world: World) -> None:
    world.watch()
    world.cluster.event(wire.ROLLOUTS, "DELETED", world.api.remove("rollouts", "web"))
    assert await world.cluster.rollout(KEY) is None


async def test_after_the_last_finalizer_the_rollout_is_read_again(world: World) -> None:
    world.watch()
    rollout = await world.rollout()
    await world.cluster.apply(rollout, PatchRollout(rollout.ref, finalizers=()))
    world.api.remove("rollouts", "web")
    assert await world.cluster.rollout(KEY) is None


async def test_the_oldest_rollout_of_a_target_is_the_rival_of_all_others(world: World) -> None:
    world.api.add("rollouts", rollout_raw("older", created="2025-01-01T00:00:00Z"))
    world.api.add("rollouts", rollout_raw("same", created="2026-01-01T00:00:00Z"))
    world.watch()
    assert await world.cluster.rival(await world.rollout()) == "older"
    older = await world.cluster.rollout(Key("ns", "older"))
    same = await world.cluster.rollout(Key("ns", "same"))
    assert older is not None
    assert same is not None
    assert await world.cluster.rival(older) is None
    assert await world.cluster.rival(same) == "older"


async def test_without_a_watch_rivals_are_listed(world: World) -> None:
    world.api.add("rollouts", rollout_raw("older", created="2025-01-01T00:00:00Z"))
    assert await world.cluster.rival(await world.rollout()) == "older"


# --- what is around one


async def test_the_first_look_is_fresh_and_the_next_one_costs_nothing(world: World) -> None:
    world.watch()
    rollout = await world.rollout()
    first = await world.cluster.around(rollout, fresh=False)
    assert first.fresh
    assert len(world.api.calls) == 4
    world.api.calls.clear()
    second = await world.cluster.around(rollout, fresh=False)
    assert world.api.calls == []
    assert not second.fresh
    assert second.deployment == first.deployment
    assert second.replica_sets == first.replica_sets
    assert (second.anchor, second.records) == (first.anchor, first.records)
    assert first.anchor is not None
    assert [record.template_hash for record in first.records] == ["h1"]


async def test_a_fresh_look_costs_three_requests(world: World) -> None:
    await world.settle()
    parts = await world.cluster.around(await world.rollout(), fresh=True)
    assert parts.fresh
    assert world.api.calls == [
        "get deployments ns/web",
        "list replicasets ns app=web",
        "list controllerrevisions ns sluice.dev/rollout=web",
    ]


async def test_without_a_watch_every_look_is_fresh(world: World) -> None:
    rollout = await world.rollout()
    for _ in range(2):
        assert (await world.cluster.around(rollout, fresh=False)).fresh


async def test_new_streams_make_what_was_cached_doubtful(world: World) -> None:
    await world.settle()
    world.cluster.streams_closed()
    world.api.remove("replicasets", "web-1")
    world.watch()
    world.cluster.streams_opened(2)
    parts = await world.cluster.around(await world.rollout(), fresh=False)
    assert parts.fresh
    assert parts.replica_sets == ()


async def test_events_change_what_is_cached(world: World) -> None:
    await world.settle()
    world.changed.clear()
    raw = world.api.change("replicasets", "web-1", lambda raw: raw["spec"].update(replicas=5))
    world.cluster.event(wire.REPLICA_SETS, "MODIFIED", raw)
    world.cluster.event(wire.REPLICA_SETS, "MODIFIED", raw)
    assert world.changed == [KEY]
    parts = await world.cluster.around(await world.rollout(), fresh=False)
    assert [item.replicas for item in parts.replica_sets] == [5]
    world.cluster.event(wire.REPLICA_SETS, "DELETED", world.api.remove("replicasets", "web-1"))
    parts = await world.cluster.around(await world.rollout(), fresh=False)
    assert parts.replica_sets == ()
    assert world.api.calls == []


async def test_replica_sets_without_our_label_are_seen_and_never_cached(world: World) -> None:
    world.api.add("replicasets", replica_set_raw("web-old", APP))
    world.watch()
    rollout = await world.rollout()
    for _ in range(2):
        parts = await world.cluster.around(rollout, fresh=False)
        assert parts.fresh
        assert {item.ref.name for item in parts.replica_sets} == {"web-1", "web-old"}


async def test_ours_that_the_selector_does_not_match_are_seen(world: World) -> None:
    world.api.add("replicasets", replica_set_raw("other-1", MINE))
    world.watch()
    parts = await world.cluster.around(await world.rollout(), fresh=True)
    assert {item.ref.name for item in parts.replica_sets} == {"web-1", "other-1"}


async def test_a_deployment_that_lost_its_label_is_read_and_still_there(world: World) -> None:
    await world.settle()
    last = world.api.objects["deployments", "ns", "web"]
    world.api.change("deployments", "web", lambda raw: raw["metadata"].pop("labels"))
    gone = {**last, "metadata": {**last["metadata"], "resourceVersion": "150"}}
    world.cluster.event(wire.DEPLOYMENTS, "DELETED", gone)
    parts = await world.cluster.around(await world.rollout(), fresh=False)
    assert parts.fresh
    assert parts.deployment is not None
    assert parts.deployment.labels == {}


async def test_a_deployment_that_is_gone_is_none_and_ours_are_seen(world: World) -> None:
    await world.settle()
    world.cluster.event(wire.DEPLOYMENTS, "DELETED", world.api.remove("deployments", "web"))
    parts = await world.cluster.around(await world.rollout(), fresh=False)
    assert parts.deployment is None
    assert parts.fresh
    assert [item.ref.name for item in parts.replica_sets] == ["web-1"]


async def test_a_new_deployment_with_another_selector_is_read_by_its_own(world: World) -> None:
    await world.settle()

    def renew(raw: Json) -> None:
        raw["metadata"]["uid"] = "another"
        raw["spec"]["selector"] = {"matchLabels": {"app": "new"}}

    world.api.change("deployments", "web", renew)
    world.api.add("replicasets", replica_set_raw("new-1", {"app": "new"}))
    parts = await world.cluster.around(await world.rollout(), fresh=True)
    assert {item.ref.name for item in parts.replica_sets} == {"web-1", "new-1"}


async def test_an_anchor_on_its_way_out_is_no_anchor(world: World) -> None:
    raw = world.api.objects["controllerrevisions", "ns", "sluice-web"]
    raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    parts = await world.cluster.around(await world.rollout(), fresh=True)
    assert parts.anchor is None


async def test_a_label_that_moves_wakes_both_rollouts(world: World) -> None:
    await world.settle()
    world.changed.clear()
    label = {"sluice.dev/rollout": "other"}
    raw = world.api.change("replicasets", "web-1", lambda raw: raw["metadata"].update(labels=label))
    world.cluster.event(wire.REPLICA_SETS, "MODIFIED", raw)
    assert set(world.changed) == {KEY, Key("ns", "other")}


# --- pods


async def test_pods_are_listed_by_selector_and_hash_and_kept_for_a_while(world: World) -> None:
    await world.settle()
    labels = {**APP, "pod-template-hash": "p1"}
    world.api.add("pods", {"metadata": {"name": "web-p1-a", "labels": labels}})
    rollout, deployment = await world.rollout(), await world.deployment()
    for _ in range(2):
        pods = await world.cluster.pods(rollout, deployment, ("p1",), max_age_seconds=60)
        assert [pod.name for pod in pods] == ["web-p1-a"]
    assert world.api.calls == ["list pods ns app=web,pod-template-hash in (p1)"]
    await world.cluster.pods(rollout, deployment, ("p1",), max_age_seconds=-1)
    await world.cluster.pods(rollout, deployment, ("p2",), max_age_seconds=60)
    assert len(world.api.calls) == 3
    assert await world.cluster.pods(rollout, deployment, (), max_age_seconds=60) == ()


# --- writes


async def test_the_next_look_sees_what_was_written(world: World) -> None:
    await world.settle()
    rollout, deployment = await world.rollout(), await world.deployment()
    cluster = world.cluster
    await cluster.apply(rollout, PatchDeployment(deployment.ref, paused=True))
    await cluster.apply(rollout, PatchRollout(rollout.ref, annotations={"a": "1"}))
    owner = Owner("apps/v1", "ControllerRevision", "sluice-web", "uid-sluice-web")
    await cluster.apply(
        rollout,
        CreateReplicaSet("web-2", owner, 1, "p2", {}, {}, 0, {**APP, **MINE}, {}),
    )
    await cluster.apply(rollout, CreateRecord("sluice-web-h2", MINE, {}, owner))
    old = next(
        item
        for item in (await cluster.around(rollout, fresh=False)).replica_sets
        if item.ref.name == "web-1"
    )
    await cluster.apply(rollout, DeleteReplicaSet(old.ref))
    world.api.calls.clear()
    parts = await cluster.around(rollout, fresh=False)
    assert parts.deployment is not None
    assert parts.deployment.paused
    assert [item.ref.name for item in parts.replica_sets] == ["web-2"]
    assert {record.ref.name for record in parts.records} == {"sluice-web-h1", "sluice-web-h2"}
    assert (await world.rollout()).annotations == {"a": "1"}
    assert world.api.calls == []


async def test_own_writes_are_no_news_when_the_watch_brings_them(world: World) -> None:
    await world.settle()
    rollout = await world.rollout()
    await world.cluster.apply(rollout, PatchRollout(rollout.ref, annotations={"a": "1"}))
    world.changed.clear()
    world.cluster.event(wire.ROLLOUTS, "MODIFIED", world.api.objects["rollouts", "ns", "web"])
    assert world.changed == []


async def test_a_stale_write_is_refused_and_the_next_look_is_fresh(world: World) -> None:
    await world.settle()
    rollout, deployment = await world.rollout(), await world.deployment()
    world.api.change("deployments", "web", lambda raw: raw["spec"].update(replicas=9))
    with pytest.raises(Conflict):
        await world.cluster.apply(rollout, PatchDeployment(deployment.ref, paused=True))
    assert (await world.deployment()).replicas == 9


async def test_a_stale_write_to_the_rollout_reads_it_again(world: World) -> None:
    await world.settle()
    rollout = await world.rollout()
    world.api.change("rollouts", "web", lambda raw: raw["metadata"].update(annotations={"b": "2"}))
    with pytest.raises(Conflict):
        await world.cluster.apply(rollout, PatchRollout(rollout.ref, annotations={"a": "1"}))
    assert (await world.rollout()).annotations == {"b": "2"}


async def test_a_name_that_is_taken_and_an_object_that_is_gone_are_stale(world: World) -> None:
    await world.settle()
    rollout = await world.rollout()
    found = (await world.cluster.around(rollout, fresh=False)).replica_sets[0]
    with pytest.raises(AlreadyExists):
        await world.cluster.apply(rollout, CreateRecord("sluice-web", MINE, {}))
    world.api.remove("replicasets", "web-1")
    with pytest.raises(NotFound):
        await world.cluster.apply(rollout, PatchReplicaSet(found.ref, replicas=0))
    assert (await world.cluster.around(rollout, fresh=False)).replica_sets == ()


async def test_the_status_is_written_only_when_it_differs(world: World) -> None:
    world.watch()
    rollout = await world.rollout()
    await world.cluster.apply(rollout, PatchRollout(rollout.ref, annotations={"a": "1"}))
    world.api.calls.clear()
    # The Rollout as it was before the own write above: its version is old, the guard is not.
    await world.cluster.apply_status(rollout, {"phase": "Healthy"})
    await world.cluster.apply_status(rollout, {"phase": "Healthy"})
    assert world.api.calls == ["apply rollouts/status ns/web"]
    assert (await world.rollout()).status == {"phase": "Healthy"}


async def test_the_status_of_another_rollout_of_that_name_is_left_alone(world: World) -> None:
    world.watch()
    rollout = await world.rollout()
    raw = world.api.change("rollouts", "web", lambda raw: raw["metadata"].update(uid="new"))
    world.cluster.event(wire.ROLLOUTS, "ADDED", raw)
    with pytest.raises(Stale):
        await world.cluster.apply_status(rollout, {"phase": "Healthy"})


async def test_forgetting_leaves_nothing_behind(world: World) -> None:
    await world.settle()
    world.cluster.forget(KEY)
    parts = await world.cluster.around(await world.rollout(), fresh=False)
    assert parts.fresh
