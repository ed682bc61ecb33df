"""When to look again, and which metrics and pods to bring along."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import START, World

from sluice.core import keys
from sluice.core.comparing import LAG
from sluice.core.objects import Container, Pod, Ref, ReplicaSet
from sluice.core.plan import Query, Span
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Known, Reason, Round, Unknown
from sluice.core.release_data import ReleaseData
from sluice.core.situation import Situation, State
from sluice.core.times import stamp
from sluice.core.waking import ask, pods_to_see, wake_at

QUERY = 'up{ns="{{namespace}}",d="{{name}}",c=~"{{canary}}",s=~"{{stable}}",p=~"{{pods}}"}'


def situation(world: World, **changes: object) -> Situation:
    assert world.rollout is not None
    assert world.rollout.policy is not None
    assert world.anchor is not None
    observed = replace(world.observed(), **changes)  # type: ignore[arg-type]
    return Situation(observed, world.d, world.rollout.policy, world.anchor.ref.uid)


def measured(interval: float = 10.0, delay: float = 0.0, step: float = 60.0) -> World:
    """A world whose canary was made at START and is in its first step."""
    metric = Metric("errors", QUERY, maximum=0.5)
    analysis = Analysis(interval_seconds=interval, initial_delay_seconds=delay, metrics=(metric,))
    world = World(policy=Policy("web", steps=(Step(10, step), Step(50, step)), analysis=analysis))
    world.settle()
    world.set_image("web:2")
    world.settle()
    assert situation(world).state is State.STEPPING
    return world


def canary_of(world: World) -> ReplicaSet:
    canary = situation(world).canary
    assert canary is not None
    return canary


def change_canary(world: World, **changes: object) -> None:
    canary = canary_of(world)
    world.replica_sets[canary.ref.name] = replace(canary, **changes)  # type: ignore[arg-type]


def annotate_canary(world: World, **changes: str | None) -> None:
    """None takes a key away; `GROW_STARTED="…"`."""
    named = {getattr(keys, name): value for name, value in changes.items()}
    annotations = {**canary_of(world).annotations, **named}
    kept = {key: value for key, value in annotations.items() if value is not None}
    change_canary(world, annotations=kept)


def at(world: World, seconds: float, answered: int | None = None) -> Situation:
    release = situation(world).release_key
    latest = None
    if answered is not None:
        latest = Round(release, answered, START, (("errors", Known(0.0)),))
    return situation(world, now=START + timedelta(seconds=seconds), latest_round=latest)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 3000), st.integers(1, 20))
def test_ticks_are_whole_intervals_since_the_release_began(tenths: int, interval: int) -> None:
    asked = ask(at(measured_once(float(interval)), tenths / 10))
    assert asked is not None
    assert asked.tick == tenths // (10 * interval)


WORLDS: dict[float, World] = {}


def measured_once(interval: float) -> World:
    """One world for each interval: these tests only look at it."""
    return WORLDS.setdefault(interval, measured(interval))


@pytest.mark.parametrize(("seconds", "answered"), [(0.0, 0), (9.9, 0), (10.0, 1), (25.0, 2)])
def test_a_tick_is_asked_for_once(seconds: float, answered: int) -> None:
    world = measured_once(10.0)
    asked = ask(at(world, seconds, answered - 1))
    assert asked is not None
    assert asked.tick == answered
    assert ask(at(world, seconds, answered)) is None


def test_a_round_of_an_earlier_release_answers_nothing() -> None:
    world = measured_once(10.0)
    now = situation(world)
    same_id = f"{now.release}@{stamp(START - timedelta(days=1))}"
    for key in ("1-other-1", now.release, same_id):
        old = Round(key, 0, START, (("errors", Known(0.0)),))
        assert ask(situation(world, now=START, latest_round=old)) is not None, key
    own = Round(now.release_key, 0, START, (("errors", Known(0.0)),))
    assert ask(situation(world, now=START, latest_round=own)) is None


def test_an_unknown_answer_is_an_answer_until_the_next_tick() -> None:
    world = measured_once(10.0)
    values = (("errors", Unknown(Reason.TIMEOUT)),)
    latest = Round(situation(world).release_key, 0, START, values)
    assert ask(situation(world, now=START, latest_round=latest)) is None
    later = START + timedelta(seconds=10)
    assert ask(situation(world, now=later, latest_round=latest)) is not None


@pytest.mark.parametrize(("seconds", "asks"), [(0.0, False), (29.9, False), (30.0, True)])
def test_nothing_is_asked_within_the_initial_delay_of_a_step(seconds: float, asks: bool) -> None:
    assert (ask(at(measured(delay=30.0), seconds)) is not None) is asks


@pytest.mark.parametrize("delay", [0.0, 30.0])
def test_while_the_canary_grows_it_is_only_measured_without_a_delay(delay: float) -> None:
    world = measured(delay=delay)
    annotate_canary(world, GROW_STARTED=stamp(START))
    assert situation(world).state is State.GROWING
    assert (ask(at(world, 100.0)) is not None) is (delay == 0.0)


def test_a_canary_without_an_available_pod_is_not_measured() -> None:
    world = measured()
    annotate_canary(world, GROW_STARTED=stamp(START))
    change_canary(world, status_available=0)
    assert ask(at(world, 100.0)) is None


def test_a_canary_that_grows_to_full_size_is_measured() -> None:
    world = measured()
    annotate_canary(world, RAISE_STARTED=stamp(START), GROW_STARTED=stamp(START))
    assert situation(world).state is State.RAISING
    assert ask(at(world, 100.0)) is not None


def test_nothing_is_asked_without_metrics_or_without_a_release() -> None:
    world = World()
    world.settle()
    assert ask(situation(world)) is None
    world.set_image("web:2")
    world.settle()
    assert ask(situation(world)) is None


@pytest.mark.parametrize(("interval", "timeout"), [(1.0, 1.0), (5.0, 5.0), (60.0, 5.0)])
def test_a_query_never_takes_longer_than_its_interval(interval: float, timeout: float) -> None:
    asked = ask(at(measured(interval), 0.0))
    assert asked is not None
    assert asked.timeout_seconds == timeout


def test_the_placeholders_name_namespace_deployment_and_the_pods_of_both_sides() -> None:
    world = measured_once(10.0)
    asked = ask(at(world, 0.0))
    assert asked is not None
    canary = f"{canary_of(world).ref.name}-[a-z0-9]{{5}}"
    stable = "web-aaaa-[a-z0-9]{5}"
    text = f'up{{ns="shop",d="web",c=~"{canary}",s=~"{stable}",p=~"{stable}|{canary}"}}'
    assert asked.queries == (Query("errors", text),)
    key = f"{canary_of(world).annotations[keys.RELEASE]}@{stamp(START)}"
    assert (asked.release, asked.source) == (key, "default")


def long_named() -> World:
    """Both ReplicaSets' names are alike in their first 58 characters."""
    world = measured()
    for rs, end in ((world.replica_sets["web-aaaa"], "a"), (canary_of(world), "b")):
        del world.replica_sets[rs.ref.name]
        name = "w" * 60 + end
        world.replica_sets[name] = replace(rs, ref=Ref(name, rs.ref.uid, rs.ref.resource_version))
    return world


def test_pods_of_long_names_that_begin_alike_are_told_apart_by_their_full_names() -> None:
    world = long_named()
    stable, canary = "aaaa", canary_of(world).pod_hash
    pods = tuple(Pod(f"{'w' * 58}{n}", h) for n, h in (("x", canary), ("y", stable), ("z", canary)))
    asked = ask(situation(world, now=START, pods=pods, latest_round=None))
    assert asked is not None
    found = re.findall(r'([csp])=~"([^"]*)"', asked.queries[0].text)
    x, y, z = (pod.name for pod in pods)
    assert dict(found) == {"c": f"{x}|{z}", "s": y, "p": f"{y}|{x}|{z}"}
    assert set(pods_to_see(situation(world))[0]) == {stable, canary}


def test_a_side_whose_pods_nobody_has_seen_yet_matches_none() -> None:
    asked = ask(situation(long_named(), now=START, pods=None, latest_round=None))
    assert asked is not None
    assert 'c=~"none-yet"' in asked.queries[0].text


def test_pods_are_looked_at_often_while_they_come_up() -> None:
    world = measured_once(10.0)
    canary = canary_of(world)
    assert pods_to_see(situation(world)) == ((canary.pod_hash,), 10.0)
    growing = measured()
    change_canary(growing, status_available=0)
    assert pods_to_see(situation(growing)) == ((canary_of(growing).pod_hash,), 2.0)


@pytest.mark.parametrize(("interval", "seconds"), [(1.0, 1.0), (5.0, 5.0), (60.0, 10.0)])
def test_pods_are_looked_at_as_often_as_metrics_and_at_least_every_10_seconds(
    interval: float, seconds: float
) -> None:
    assert pods_to_see(situation(measured(interval)))[1] == seconds


def test_stable_pods_are_looked_at_from_the_first_crash_of_the_canarys_on() -> None:
    world = measured_once(10.0)
    pod_hash = canary_of(world).pod_hash
    for restarts, hashes in ((0, (pod_hash,)), (1, (pod_hash, "aaaa"))):
        pod = Pod("web-x", pod_hash, containers=(Container("app", restarts),))
        assert pods_to_see(situation(world, pods=(pod,)))[0] == hashes


def test_no_pods_are_looked_at_without_a_release() -> None:
    world = World()
    world.settle()
    assert pods_to_see(situation(world)) == ((), 0.0)
    assert wake_at(situation(world), 0.0) is None


def woken(world: World, seconds: float, every: float = 0.0) -> float | None:
    instant = wake_at(at(world, seconds), every)
    return None if instant is None else (instant - START).total_seconds()


def test_it_wakes_for_the_next_tick_for_pods_and_for_the_end_of_the_step() -> None:
    world = measured()
    assert woken(world, 0.0) == 10.0
    assert woken(world, 12.5) == 20.0
    assert woken(world, 12.5, every=2.0) == 14.5
    assert woken(measured(interval=45.0), 46.0) == 60.0


def test_it_wakes_at_the_end_of_the_initial_delay() -> None:
    assert woken(measured(interval=600.0, delay=30.0), 0.0) == 30.0


def test_it_wakes_at_the_progress_deadline_of_a_growth() -> None:
    world = measured(interval=600.0)
    annotate_canary(world, GROW_STARTED=stamp(START + timedelta(seconds=5)))
    change_canary(world, status_available=0)
    assert woken(world, 10.0) == 605.0
    assert woken(world, 605.0) is None


def test_it_wakes_when_no_data_is_due() -> None:
    world = measured(interval=600.0, step=900.0)
    key, values = situation(world).release_key, (("errors", Unknown(Reason.EMPTY)),)
    for since, due in ((None, 120), (START, 120), (START + timedelta(seconds=1), 121)):
        latest = Round(key, 0, START, values, since)
        now = START + timedelta(seconds=1)
        woken = wake_at(situation(world, now=now, latest_round=latest), 0.0)
        assert woken == START + timedelta(seconds=due)


def test_it_wakes_when_the_newest_reading_becomes_too_old() -> None:
    world = measured(interval=20.0, step=900.0)
    latest = Round(situation(world).release_key, 9, START, (("errors", Known(0.0)),))
    now = START + timedelta(seconds=41)
    woken = wake_at(situation(world, now=now, latest_round=latest), 0.0)
    assert woken == START + timedelta(seconds=45), "two intervals and a query's time"


@pytest.mark.parametrize(("replicas", "available"), [(0, 1), (4, 0)])
def test_nothing_is_asked_or_judged_while_no_canary_pod_serves(
    replicas: int, available: int
) -> None:
    world = measured()
    world.deployment = replace(world.d, replicas=replicas)
    change_canary(world, status_available=available)
    key, values = situation(world).release_key, (("errors", Known(9.0)),)
    now = situation(world, latest_round=Round(key, 3, START, values))
    assert ask(now) is None
    assert now.judgements == ()
    assert now.data.failure is None


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 10_000).map(lambda tenths: START + timedelta(seconds=tenths / 10)),
    st.sampled_from([0.0, 1.0, 2.5, 10.0]),
    st.sampled_from([1.0, 2.5, 10.0, 600.0]),
)
def test_it_never_wakes_in_the_past_and_never_misses_a_tick(
    now: datetime, every: float, interval: float
) -> None:
    world = measured_once(interval)
    instant = wake_at(situation(world, now=now), every)
    assert instant is not None
    assert now < instant <= now + timedelta(seconds=interval)
    if every:
        assert instant <= now + timedelta(seconds=every)


def test_a_step_that_is_being_played_is_asked_for_once_in_each_interval() -> None:
    world = measured(interval=5.0)
    ticks = []
    for _ in range(100):
        world.now += timedelta(seconds=0.5)
        if (asked := world.one_pass().ask) is not None:
            ticks.append(asked.tick)
    assert ticks == list(range(1, 11))


# --- comparisons


def comparing_world(interval: float = 10.0, *others: Metric) -> World:
    metric = Metric("errors", counters=('all_total{code="500"}', "all_total"))
    analysis = Analysis(interval_seconds=interval, metrics=(metric, *others))
    world = World(policy=Policy("web", steps=(Step(10, 600.0), Step(50)), analysis=analysis))
    world.settle()
    world.set_image("web:2")
    world.settle()
    return world


def test_counters_are_asked_for_a_moment_after_an_instant_of_the_grid() -> None:
    """A scrape that is under way at that instant is there then."""
    world = comparing_world()
    lag = LAG.total_seconds()
    assert ask(at(world, 10.0)) is None, "before the first interval there is nothing to count"
    asked = ask(at(world, 10.0 + lag))
    assert asked is not None
    assert asked.tick == 1
    assert {query.span.end for query in asked.queries if query.span} == {
        START + timedelta(seconds=10)
    }
    assert woken(world, 0.0) == lag
    assert woken(world, 10.0) == 10.0 + lag
    assert woken(world, 10.0 + lag) == 20.0 + lag


def test_values_and_counters_are_asked_for_together_on_one_grid() -> None:
    world = comparing_world(10.0, Metric("queue", "depth", maximum=3))
    asked = ask(at(world, 25.0))
    assert asked is not None
    assert asked.tick == 2
    names = [query.name for query in asked.queries]
    assert names == ["queue", "errors/bad", "errors/total"]
    first = ask(at(world, 5.0))
    assert first is not None
    assert [query.name for query in first.queries] == ["queue"]


def test_counters_are_read_in_the_initial_delay_too_which_is_each_pods_own() -> None:
    analysis = Analysis(
        initial_delay_seconds=60.0,
        metrics=(Metric("errors", counters=("b", "t")), Metric("queue", "depth", maximum=3)),
    )
    world = World(policy=Policy("web", steps=(Step(10, 600.0), Step(50)), analysis=analysis))
    world.settle()
    world.set_image("web:2")
    world.settle()
    asked = ask(at(world, 25.0))
    assert asked is not None
    assert [query.name for query in asked.queries] == ["errors/bad", "errors/total"]
    later = ask(at(world, 65.0))
    assert later is not None
    assert len(later.queries) == 3


def test_after_a_checkpoint_only_what_is_new_is_asked_for() -> None:
    world = comparing_world()
    world.run(65.0)
    index = situation(world).stored_data.standings[0][1].evidence.index
    assert index == 4, "30 s after the first reading"
    asked = ask(situation(world, now=START + timedelta(seconds=75), latest_round=None))
    assert asked is not None
    assert asked.queries[0].span == Span(
        START + timedelta(seconds=40), START + timedelta(seconds=70), 10.0
    )


def test_it_wakes_when_low_traffic_is_due() -> None:
    world = comparing_world(600.0)
    world.policy = replace(
        world.policy, analysis=replace(world.policy.analysis, low_traffic_after_seconds=900.0)
    )
    annotate_canary(
        world, RELEASE_DATA=ReleaseData(world.policy.analysis).dump(), STEP_STARTED=stamp(START)
    )
    assert woken(world, 700.0) == 900.0


def test_the_grid_stays_where_it_is_when_the_clock_is_set_back() -> None:
    """Also where the ReplicaSet is older than its release, as one that is taken up again is."""
    world = comparing_world()
    change_canary(world, created=START - timedelta(days=3))
    early = situation(world, now=START - timedelta(minutes=5), latest_round=None)
    assert early.began == START
    assert ask(early) is None, "there is nothing to count yet"
