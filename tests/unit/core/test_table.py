"""The table of a release, its predicates, moves and sentences: they fit each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import START, World, hashed, template

from sluice.core import events, keys, moves, story
from sluice.core.decide import decide
from sluice.core.objects import Anchor, Container, Observed, Pod, Record, Ref, ReplicaSet, Role
from sluice.core.plan import PatchReplicaSet, Plan
from sluice.core.policy import Analysis, Metric, Policy, Step
from sluice.core.readings import Known, Reason, Round, Unknown
from sluice.core.release_data import Failure, ReleaseData
from sluice.core.situation import Situation, State
from sluice.core.table import TABLE, Event, Move, Phase, rule_of
from sluice.core.templates import template_hash
from sluice.core.times import stamp

E = Event
_REST: Final = {E.UNCHANGED, E.TEMPLATE_REJECTED, E.KNOWN_TEMPLATE, E.NEW_TEMPLATE}
_SWAP: Final = {E.GAP_READY, E.GAP_UNREADY, E.GAP_TRIED, E.NOT_READY}
_JUDGED: Final = {E.CRASHED, E.FAILED, E.NO_DATA, E.FAILURE_HELD, E.NO_DATA_HELD, E.UNKNOWN}
_STEPS: Final = {
    E.RUNNING, E.LOW_TRAFFIC, E.LOW_TRAFFIC_HELD, E.APPROVAL, E.PASSED, E.LAST_PASSED, E.LOST
}  # fmt: skip
_GROWTH: Final = {
    E.RESIZED, E.OUTGROWN, E.OVERDUE, E.UNAVAILABLE, E.AVAILABLE, E.TO_BE_TRIED, E.READY
}  # fmt: skip
_ENDS: Final = {E.ABORTED, E.WITHDRAWN, E.REPLACED}

# What a state has no rule for, on purpose: it cannot be, or it is for another state to act on.
NOT_FOR: Final[Mapping[State, set[Event]]] = {
    # Nothing rises: there is nothing to measure, to size, or to take back.
    State.SETTLED: _SWAP | _JUDGED | _STEPS | _GROWTH | _ENDS | {E.OTHERWISE},
    # spec.paused stops no growth that has begun; what is Unknown is judged once the step runs.
    State.GROWING: _REST | _SWAP | _STEPS
    | {E.READY, E.OUTGROWN, E.HALTED, E.NO_DATA_HELD, E.UNKNOWN, E.OTHERWISE},
    # All pods are there, else the state is Growing again.
    State.STEPPING: _REST | _SWAP
    | {E.OVERDUE, E.UNAVAILABLE, E.AVAILABLE, E.READY, E.OUTGROWN, E.OTHERWISE},
    # As Growing and Stepping; but the canary has the Deployment's size, and its place already.
    State.FILLING: _REST | _SWAP | _STEPS
    | {E.READY, E.RESIZED, E.TO_BE_TRIED, E.HALTED, E.NO_DATA_HELD, E.UNKNOWN, E.OTHERWISE},
    State.TRYING: _REST | _SWAP | {
        E.OVERDUE, E.UNAVAILABLE, E.AVAILABLE, E.READY, E.RESIZED, E.TO_BE_TRIED, E.OTHERWISE
    },
    # There is one way: nothing stops it, and what comes next waits for its end.
    State.RECLAIMING: _REST | _SWAP | _STEPS | _JUDGED | _ENDS | {
        E.CALLED_BACK, E.AVAILABLE, E.TO_BE_TRIED, E.OUTGROWN, E.HALTED, E.EMPTY, E.OTHERWISE
    },
    # The last step is over.
    State.RAISING: _REST | _SWAP | _STEPS
    | {E.AVAILABLE, E.TO_BE_TRIED, E.OUTGROWN, E.OTHERWISE},
    # No analysis, only pods that crash; a rollback under way is not paused, but may be called
    # back to yet another version.
    State.RETURNING: _REST | _SWAP | _STEPS | (_JUDGED - {E.CRASHED}) | {
        E.WITHDRAWN, E.AVAILABLE, E.TO_BE_TRIED, E.OUTGROWN, E.HALTED, E.EMPTY, E.OTHERWISE
    },
    # Announced: it is finished or taken back, whatever else there is.
    State.SWAPPING: _REST | _STEPS | _JUDGED | _ENDS | (_GROWTH - {E.READY})
    | {E.CALLED_BACK, E.HALTED, E.EMPTY, E.OTHERWISE},
    # The old side goes by `tidy.shrink`, beside the table.
    State.SHRINKING: _REST | _SWAP | _JUDGED | _STEPS | _GROWTH | _ENDS | {E.HALTED, E.EMPTY},
}  # fmt: skip


def test_every_state_has_a_row() -> None:
    assert set(TABLE) == set(State)


@pytest.mark.parametrize("state", State)
def test_every_event_is_in_the_row_of_a_state_or_known_not_to_be(state: State) -> None:
    assert set(TABLE[state]) | NOT_FOR[state] == set(Event)
    assert not set(TABLE[state]) & NOT_FOR[state]


def test_every_event_has_a_predicate_and_a_sentence_and_is_used() -> None:
    assert set(events.HOLDS) == set(Event)
    assert set(story._SENTENCES) == set(Event)
    assert {event for row in TABLE.values() for event in row} == set(Event)


def test_every_move_has_an_implementation_and_is_used() -> None:
    assert set(moves.MOVES) | set(moves.ENDINGS) == set(Move)
    assert not set(moves.MOVES) & set(moves.ENDINGS)
    assert {rule.move for row in TABLE.values() for rule in row.values()} == set(Move)


def test_a_pair_that_cannot_be_is_refused() -> None:
    with pytest.raises(KeyError):
        rule_of(State.SETTLED, Event.OVERDUE)


@pytest.mark.parametrize("state", State)
def test_staying_is_doing_nothing_and_nothing_is_staying(state: State) -> None:
    for event, rule in TABLE[state].items():
        if rule.move is Move.NOTHING:
            assert rule.next is state, event


@pytest.mark.parametrize(
    "state", [State.GROWING, State.STEPPING, State.RAISING, State.FILLING, State.TRYING]
)
def test_what_is_certain_comes_before_what_waits(state: State) -> None:
    row = list(TABLE[state])
    certain = {E.CALLED_BACK, E.ABORTED, E.CRASHED, E.FAILED, E.NO_DATA, E.WITHDRAWN, E.REPLACED}
    first_other = min(i for i, event in enumerate(row) if event not in certain)
    assert set(row[:first_other]) == certain


def test_a_rollback_that_is_called_back_rejects_neither_of_its_goals() -> None:
    rule = rule_of(State.RETURNING, E.CALLED_BACK)
    assert (rule.next, rule.move) == (State.SHRINKING, Move.WITHDRAW)


def test_a_state_is_left_only_for_one_that_can_follow() -> None:
    follows = {
        state: {rule.next for rule in row.values() if rule.next is not state}
        for state, row in TABLE.items()
    }
    assert follows == {
        State.SETTLED: {State.GROWING, State.RETURNING},
        State.GROWING: {State.STEPPING, State.SWAPPING, State.SHRINKING},
        State.STEPPING: {State.GROWING, State.RAISING, State.SWAPPING, State.SHRINKING},
        State.FILLING: {State.TRYING, State.RECLAIMING},
        State.TRYING: {State.FILLING, State.SHRINKING, State.RECLAIMING},
        State.RECLAIMING: {State.SWAPPING},
        State.RAISING: {State.SWAPPING, State.SHRINKING},
        State.RETURNING: {State.SWAPPING, State.SHRINKING},
        State.SWAPPING: {State.RAISING, State.FILLING, State.SHRINKING},
        State.SHRINKING: {State.RETURNING},
    }


# --- arbitrary situations

NOW = START + timedelta(minutes=10)
STARTED = stamp(NOW - timedelta(minutes=14))
BODIES = {image: template(image) for image in ("web:1", "web:2", "web:3")}
HASHES = {image: template_hash(body) for image, body in BODIES.items()}
OWNERS = {"deployment": "uid-d", "anchor": "uid-a", "none": None}

T = TypeVar("T")


def mostly(usual: T, *others: T) -> st.SearchStrategy[T]:
    return st.sampled_from([usual] * 8 + list(others))


images = st.sampled_from(sorted(BODIES))
small = st.integers(0, 4)
times_of_day = st.integers(-900, 60).map(lambda s: stamp(NOW + timedelta(seconds=s)))
policies = st.builds(
    Policy,
    st.just("web"),
    paused=mostly(False, True),
    steps=st.sampled_from(
        [
            (Step(10),),
            (Step(10, 10.0), Step(50, 10.0)),
            (Step(50, 30.0, approval_required=True),),
            (Step(10, 10.0), Step(60, 10.0), Step(99, 10.0)),
        ]
    ),
    progress_deadline_seconds=st.sampled_from([1.0, 600.0]),
    analysis=st.builds(
        Analysis,
        initial_delay_seconds=st.sampled_from([0.0, 60.0]),
        no_data_action=st.sampled_from(["Pause", "Rollback", "Continue"]),
        on_failure=st.sampled_from(["Rollback", "Pause"]),
        metrics=st.sampled_from([(), (Metric("errors", "q", maximum=0.5),)]),
    ),
)


@st.composite
def data(draw: st.DrawFn, policy: Policy) -> str:
    maybe_failed = st.none() | st.just(Failure("errors", "bad"))
    since = st.none() | st.just(NOW - timedelta(minutes=5))
    pairs = st.sampled_from([(), ((10, "FailureHeld"),)])
    return ReleaseData(
        policy.analysis,
        tick=3,
        failure=draw(maybe_failed),
        unknown_since=draw(since),
        overrides=draw(pairs),
        approved=draw(st.sampled_from([(), (50,)])),
    ).dump()


# By number: a stable one of web:1 that the Deployment owns, a rising one of web:2, then anything.
USUAL = {
    1: ("web:1", "deployment", Role.STABLE, {keys.STABLE_AT, keys.REVISION}),
    2: ("web:2", "anchor", Role.CANARY, {keys.RELEASE, keys.RELEASE_DATA, keys.STEP_WEIGHT}),
    3: ("web:1", "anchor", Role.RETIRED, {keys.STABLE_AT}),
    4: ("web:3", "none", Role.REJECTED, {keys.REJECTED_AT}),
}
OFTEN = {keys.STEP_STARTED, keys.STABLE_AT, keys.RELEASE, keys.RELEASE_STARTED, keys.STEP}
SELDOM = {keys.GROW_STARTED, keys.RAISE_STARTED, keys.SWAP, keys.REJECTED_AT, keys.REASON}


@st.composite
def replica_sets(draw: st.DrawFn, number: int, policy: Policy) -> ReplicaSet:
    image, owner, role, always = USUAL[number]
    image, owner = draw(mostly(image, *BODIES)), draw(mostly(owner, *OWNERS))
    pod_hash, n = f"hash{number}", draw(mostly(1, 0, 2, 4))
    values = {
        keys.ROLE: mostly(role, Role.RETURNING, Role.RETURNING, *Role, "unheard"),
        keys.STABLE_AT: times_of_day,
        keys.REJECTED_AT: times_of_day,
        keys.RELEASE: st.just("2-abcde-1"),
        keys.RELEASE_STARTED: mostly(STARTED, stamp(NOW)),
        keys.STEP: mostly("1", "2", "7", "x"),
        keys.STEP_WEIGHT: mostly("10", "50", "99"),
        keys.GROW_STARTED: times_of_day,
        keys.STEP_STARTED: times_of_day,
        keys.RAISE_STARTED: times_of_day,
        keys.REASON: st.just("because"),
        keys.SWAP: st.sampled_from(["uid-1", "uid-2", "uid-lost"]),
        keys.REVISION: small.map(str),
        keys.RELEASE_DATA: data(policy),
    }
    chosen = {keys.ROLE} | {key for key in always if draw(mostly(True, False))}
    chosen |= {key for key in sorted(OFTEN) if draw(st.booleans())}
    chosen |= {key for key in sorted(SELDOM) if draw(st.integers(0, 5)) == 5}
    return ReplicaSet(
        Ref(f"web-{pod_hash}", f"uid-{number}", str(number)),
        START,
        OWNERS[owner],
        n,
        hashed(BODIES[image], pod_hash),
        HASHES[image],
        labels={"app": "web", keys.HASH_LABEL: pod_hash, keys.ROLLOUT_LABEL: "web"},
        annotations={key: draw(values[key]) for key in sorted(chosen)},
        observed_generation=draw(mostly(1, 0)),
        status_replicas=draw(mostly(n, 0)),
        status_available=draw(mostly(n, *range(n + 1))),
        deleting=draw(mostly(False, True)),
    )


@st.composite
def records(draw: st.DrawFn, image: str) -> Record:
    maybe = st.none() | times_of_day
    return Record(
        Ref(f"sluice-web-{HASHES[image]}", f"uid-{image}", "1"),
        HASHES[image],
        f"hash{image[-1]}",
        BODIES[image],
        "uid-a",
        draw(maybe),
        draw(maybe),
        "because",
        draw(small),
    )


orders = st.fixed_dictionaries(
    {
        "id": st.just("a/1"),
        "verb": st.sampled_from(["promote", "abort", "rollback", "rollback=1", "dance"]),
        "at": st.just(""),
        "release": st.sampled_from(["2-abcde-1", "other"]),
        "step": st.integers(1, 2),
        "source": st.sampled_from(sorted(HASHES.values())),
        "target": st.sampled_from(["", *sorted(HASHES.values())]),
        "done": st.booleans(),
    }
).map(json.dumps)
pods = st.lists(
    st.builds(
        Pod,
        st.just("web-x"),
        st.sampled_from(["hash1", "hash2"]),
        deleting=st.booleans(),
        unschedulable=st.sampled_from(["", "no room"]),
        containers=st.sampled_from([(), (Container("app", 3, "CrashLoopBackOff"),)]),
    ),
    max_size=3,
).map(tuple)


@st.composite
def snapshots(draw: st.DrawFn) -> Observed:
    """Whatever annotations, owners and counts there may be, also such as nobody ever wrote."""
    world, policy = World(), draw(policies)
    assert world.rollout is not None
    image, n = draw(mostly("web:2", *BODIES)), draw(mostly(1, 0, 2, 4))
    deployment = replace(
        world.d,
        ref=Ref("web", "uid-d", "1"),
        template=BODIES[image],
        template_hash=HASHES[image],
        replicas=n,
        paused=draw(mostly(True, False)),
        observed_generation=draw(mostly(1, 0)),
        labels={keys.ROLLOUT_LABEL: "web"},
        progress_deadline_seconds=keys.ENDLESS_DEADLINE_SECONDS,
        revision_history_limit=draw(st.sampled_from([0, 1, 10])),
    )
    commands = (
        st.fixed_dictionaries(
            {},
            optional={
                keys.ACCEPTED: orders,
                keys.COMMAND: st.sampled_from(["abort", "rollback", "promote"]),
            },
        )
        if draw(st.booleans())
        else st.just({})
    )
    value = st.sampled_from([Known(0.1), Known(0.9), Unknown(Reason.EMPTY)])
    asked_at = draw(st.sampled_from([NOW, NOW - timedelta(minutes=14)]))
    answers = st.builds(
        Round,
        st.just(f"2-abcde-1@{STARTED}"),
        small,
        st.just(asked_at),
        st.builds(lambda v: (("errors", v),), value),
        st.sampled_from([None, NOW - timedelta(minutes=14), NOW]),
    )
    return Observed(
        NOW,
        replace(
            world.rollout,
            policy=policy,
            annotations=draw(commands),
            finalizers=(keys.FINALIZER,),
            deleting=draw(mostly(False, True)),
        ),
        deployment,
        tuple(
            draw(replica_sets(number, policy))
            for number in range(1, draw(mostly(2, 0, 1, 3, 4)) + 1)
        ),
        Anchor(
            Ref("sluice-web", "uid-a", "1"),
            "uid-d",
            adopted=draw(mostly(True, False)),
            given_back=draw(mostly(False, True)),
        ),
        tuple(draw(records(known)) for known in sorted(draw(st.sets(images)))),
        draw(st.none() | pods),
        draw(st.none() | answers),
        fresh=draw(mostly(True, False)),
    )


def situation_of(observed: Observed) -> Situation:
    deployment, policy = observed.deployment, observed.rollout.policy
    assert deployment is not None
    assert policy is not None
    return Situation(observed, deployment, policy, "uid-a")


@settings(deadline=None)
@given(snapshots())
def test_some_event_always_holds_and_has_a_rule_and_a_sentence(observed: Observed) -> None:
    situation = situation_of(observed)
    event = events.first(situation)
    assert rule_of(situation.state, event).phase in set(Phase)
    assert story.why(situation, event).strip()
    assert 1 <= situation.step_number <= len(situation.policy.steps)


@settings(deadline=None)
@given(snapshots())
def test_every_snapshot_has_one_plan_that_is_safe_to_carry_out(observed: Observed) -> None:
    plan = decide(observed)
    assert plan == decide(observed)
    if plan.status is not None:
        assert plan.status.phase in set(Phase)
        assert plan.status.message
    if plan.actions:
        assert plan.again_at in (None, observed.now)
        names_each_object_once_as_it_was_seen(observed, plan)
        takes_no_serving_pod_unmarked(observed, plan)
    elif plan.again_at is not None and not plan.needs_fresh:
        assert plan.again_at > observed.now, "a plan without a write would be made over and over"


def patches(plan: Plan) -> list[PatchReplicaSet]:
    return [action for action in plan.actions if isinstance(action, PatchReplicaSet)]


def names_each_object_once_as_it_was_seen(observed: Observed, plan: Plan) -> None:
    seen = [rs.ref for rs in observed.replica_sets]
    refs = [patch.ref for patch in patches(plan)]
    assert len(refs) == len({ref.uid for ref in refs})
    assert all(ref in seen for ref in refs)


def takes_no_serving_pod_unmarked(observed: Observed, plan: Plan) -> None:
    """What lowers a size, or takes from the Deployment what it owns, rests on a fresh snapshot."""
    known = {rs.ref.uid: rs for rs in observed.replica_sets}
    for patch in patches(plan):
        rs = known[patch.ref.uid]
        lowered = patch.replicas is not None and patch.replicas < rs.replicas
        parted = patch.owner is not None and rs.owner_uid == "uid-d" != patch.owner.uid
        assert patch.dangerous or not (lowered or parted)
