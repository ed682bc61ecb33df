"""Each reason why a metric is unknown, in mid-release: what is shown, and what follows.

A stub server stands before the cluster's Prometheus and has a switch for everything that can go
wrong. One release goes through all reasons: it waits for an approval, which it would ask for at
once if what is unknown passed for good.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from e2e.invariants import made, most_owned
from e2e.local_operator import LocalOperator
from faults.process import StubProcess
from sluice.core.readings import Reason
from stage.cluster import PROMETHEUS_URL, Json
from stage.manifests import ERROR_QUERY, step
from stage.story import Moment, Story

REPLICAS: Final = 3
INTERVAL_SECONDS: Final = 1
# Longer than the first readings of a fault take, which may be of another one: a connection that
# was open breaks otherwise than one that is made.
NO_DATA_SECONDS: Final = 5
QUERY: Final = {"name": "query", "query": ERROR_QUERY, "max": "0.5"}
COUNTERS: Final = {
    "name": "counters",
    "counters": {"bad": 'http_requests_total{code=~"5.."}', "total": "http_requests_total"},
}
# What both metrics together ask for in a round.
QUERIES: Final = 3


@dataclass(frozen=True)
class Case:
    """A switch of the stub, and what each metric says of it; without a switch the source is taken
    out of the configuration.
    """

    switch: str | None
    query: str
    counters: str


def both(switch: str | None, said: str) -> Case:
    return Case(switch, said, said)


CASES: Final[Mapping[Reason, Case]] = {
    Reason.UNREACHABLE: both("drop", "Unreachable: the connection broke"),
    Reason.TIMEOUT: both("hang", "Timeout: no answer within 1 s"),
    Reason.REFUSED: both("refused", "Refused: the connection was refused"),
    Reason.TLS: both(
        "other_ca", "TLS: the certificate of the server is from nobody who is trusted"
    ),
    Reason.UNAUTHORIZED: both(
        "unauthorized", "Unauthorized: HTTP 401: the credentials of the source do not suffice"
    ),
    Reason.BAD_QUERY: both("bad_query", "BadQuery: HTTP 400: the query cannot be evaluated"),
    Reason.EMPTY: both("empty", "Empty: the query gave no series"),
    Reason.NOT_FINITE: both("nan", "NotFinite: the query gave NaN"),
    # Counters are many series; twice the same one is no answer of a Prometheus.
    Reason.SEVERAL_SERIES: Case(
        "several",
        "SeveralSeries: the query gave 3 series; it must give one",
        "Malformed: the answer is not that of a Prometheus",
    ),
    Reason.WRONG_TYPE: Case(
        "wrong_type",
        "WrongType: the query must give one number (an instant vector or a scalar)",
        "WrongType: the query must give series over time (a matrix)",
    ),
    Reason.STALE: Case(
        "stale",
        "Stale: the value is 10 min old: a cache answers, or clocks differ",
        "Stale: the newest sample is 10 min old",
    ),
    Reason.PARTIAL: both(
        "warnings", "Partial: the answer came with warnings, so it may be incomplete"
    ),
    Reason.REDIRECT: both("redirect", "Redirect: HTTP 302: redirects are not followed"),
    # Small on its way, and more than is read of it.
    Reason.TOO_LARGE: Case(
        "bomb",
        "TooLarge: the answer has more than 1 MiB",
        "TooLarge: the answer has more than 8 MiB",
    ),
    Reason.MALFORMED: both("html", "Malformed: the answer is not that of a Prometheus"),
    Reason.SERVER_ERROR: both("failed", "ServerError: HTTP 500: the server has failed"),
    Reason.NO_SOURCE: both(None, "NoSource: no metric source 'stub' is configured"),
}


class Scene:
    """A Deployment under load, and an operator that asks the stub about its releases."""

    def __init__(
        self, story: Story, operator: LocalOperator, stub: StubProcess, source: Json
    ) -> None:
        self.story = story
        self.operator = operator
        self._stub = stub
        self._source = source

    def adopt(self, action: str, *steps: Json) -> None:
        """A Rollout with both metrics that does this when they are unknown."""
        analysis = {
            "source": "stub",
            "interval": f"{INTERVAL_SECONDS}s",
            "minRequests": 1,
            "noData": {"after": f"{NO_DATA_SECONDS}s", "action": action},
            "metrics": [QUERY, COUNTERS],
        }
        self.story.adopt(steps=list(steps), analysis=analysis)

    @contextlib.contextmanager
    def fault(self, case: Case) -> Iterator[float]:
        """Have it for so long; since when."""
        since = time.time()
        if case.switch is None:
            self.operator.configure()
        else:
            self._stub.switch(case.switch)
        try:
            yield since
        finally:
            if case.switch is None:
                self.operator.configure(stub=self._source)
            else:
                self._stub.switch("none")

    def counted(self, reason: Reason) -> int:
        """How many readings the operator's own metric has counted with this reason."""
        return self.operator.readings("" if reason is Reason.NO_SOURCE else "stub", reason)

    def until_asked(self, reason: Reason, rounds: int) -> None:
        """Wait for so many more rounds that are answered so."""
        wanted = self.counted(reason) + rounds * QUERIES
        self.story.eventually(
            lambda: self.counted(reason) >= wanted, 30, f"{rounds} more rounds with {reason}"
        )

    def until_told(self, reason: str, *said: str, since: float) -> Moment:
        """The first status from then on with this reason of Ready, where each metric says that."""

        def told() -> Moment | None:
            fitting = (moment for moment in self.story.moments(since) if tells(moment, said))
            return next((m for m in fitting if ready_reason(m) == reason), None)

        return self.story.eventually(told, 30, f"{reason} with {said}")

    def until_approval(self, since: float) -> Moment:
        """All is known and good, and a person is waited for."""
        return self.until_told("Approval", since=since)


def metrics(moment: Moment) -> list[Json]:
    found: list[Json] = moment.status.get("release", {}).get("metrics", [])
    return found


def tells(moment: Moment, said: tuple[str, ...]) -> bool:
    """Whether each metric is unknown and says so; without anything to say all have passed."""
    shown = [(metric.get("verdict"), metric["message"]) for metric in metrics(moment)]
    if not said:
        return [verdict for verdict, _ in shown] == ["Pass", "Pass"]
    return shown == [("Unknown", sentence) for sentence in said]


def ready_reason(moment: Moment) -> str:
    conditions: list[Json] = moment.status.get("conditions", [])
    return next((str(c["reason"]) for c in conditions if c["type"] == "Ready"), "")


def place(moment: Moment) -> tuple[int, int, int]:
    """Where the release is: the step, the weight, and the pods of the canary."""
    release = moment.status["release"]
    return release["step"], release["weight"], release["canaryReplicas"]


def sentences(reason: Reason) -> tuple[str, str]:
    """What both metrics say."""
    case = CASES[reason]
    then = "; correct it in the Rollout, then abort and retry" * (reason is Reason.BAD_QUERY)
    return (
        f'metric "query" is unknown ({case.query}){then}',
        f'metric "counters" is unknown ({case.counters}){then}',
    )


@pytest.fixture
def scene(
    new_story: Callable[..., Story], new_operator: Callable[..., LocalOperator], tmp_path: Path
) -> Iterator[Callable[[str], Scene]]:
    """Makes a scene, with the stub speaking TLS."""
    ca_file = tmp_path / "ca.pem"
    with StubProcess(PROMETHEUS_URL, ca_file) as stub:

        def new(name: str) -> Scene:
            story = new_story(f"solo-{name}", replicas=REPLICAS, rate=20)
            source = {"url": stub.url, "tls": {"caFile": str(ca_file)}}
            operator = new_operator(story, stub=source)
            operator.start()
            return Scene(story, operator, stub, source)

        yield new


def test_every_reason_has_a_case() -> None:
    assert set(CASES) == set(Reason)


def test_whatever_is_unknown_holds_the_release_pauses_it_and_lets_it_go_on(
    scene: Callable[[str], Scene], subtests: pytest.Subtests
) -> None:
    # Given a release that has passed its step by both metrics and waits for an approval
    there = scene("faults-pause")
    story = there.story
    there.adopt("Pause", step(25, "1s", approval="Required"))
    typed_at = story.set_env(VERSION="v2")
    held_at = place(there.until_approval(typed_at))

    for reason in Reason:
        with subtests.test(reason.value):
            check_pause(there, reason, held_at)

    # Then it has kept its only pod all the time, and goes on to its end
    assert len(made(story, "v2")) == 1
    story.command("promote")
    story.until_now("Healthy", "v2")
    assert most_owned(story) == 1


def check_pause(there: Scene, reason: Reason, held_at: tuple[int, int, int]) -> None:
    """The exact states that follow a fault, and its end."""
    story, said, before = there.story, sentences(reason), there.counted(reason)
    mistake = reason is Reason.BAD_QUERY
    there.until_approval(since=story.moments()[-1].at)

    # When the fault is there
    with there.fault(CASES[reason]) as since:
        # Then both metrics say so, and the step holds
        told = there.until_told("BadQuery" if mistake else "Unknown", *said, since=since)
        assert told.phase == "Progressing"
        first, second = said
        until = "" if mistake else "; Pause at "
        assert told.message.startswith(f"step 1 of 1 (25%) holds: {first}; {second}{until}")
        if mistake:
            # It is no outage: nothing follows by itself, however long it lasts
            there.until_asked(reason, rounds=NO_DATA_SECONDS + 3)
        else:
            # And after noData.after the release is paused. A round that was under way at the
            # switch counts from when it was asked.
            paused = there.until_told("NoDataHeld", *said, since=since)
            assert paused.phase == "Paused"
            assert paused.at - since >= NO_DATA_SECONDS - INTERVAL_SECONDS
            assert paused.message == (
                f"{first}; {second}, for more than {NO_DATA_SECONDS}s (noData.after); "
                "goes on when they are known again"
            )
        until_now = [moment for moment in story.moments(since) if moment.at >= told.at]

    # And it never was anything else meanwhile, nor is it when the fault is over
    reasons = [ready_reason(moment) for moment in until_now]
    assert list(dict.fromkeys(reasons)) == (["BadQuery"] if mistake else ["Unknown", "NoDataHeld"])
    there.until_approval(since=told.at)
    for moment in story.moments(since):
        assert moment.phase in ("Progressing", "Paused")
        assert place(moment) == held_at
    assert there.counted(reason) >= before + QUERIES - (reason is Reason.SEVERAL_SERIES) * 2


@pytest.mark.parametrize("action", ["Rollback", "Continue"])
def test_no_data_does_what_the_rollout_says_but_a_mistake_in_the_spec_is_none(
    scene: Callable[[str], Scene], subtests: pytest.Subtests, action: str
) -> None:
    # Given a Rollout that does so when its metrics are unknown
    there = scene(f"faults-{action.lower()}")
    there.adopt(action, step(25, "1s"))
    story, stable = there.story, "v1"

    # When version after version comes while nothing is known
    for number, reason in enumerate((Reason.REFUSED, Reason.EMPTY, Reason.PARTIAL), start=2):
        version = f"v{number}"
        with subtests.test(reason.value), there.fault(CASES[reason]) as since:
            story.set_env(VERSION=version)
            held = there.until_told("Unknown", *sentences(reason), since=since)
            assert f"; {action} at " in held.message

            # Then each is rolled back for it, or goes on without
            if action == "Continue":
                story.until_now("Healthy", version)
                stable = version
            else:
                ended = story.until_now("RolledBack", stable)
                first, second = sentences(reason)
                assert (
                    f"{first}; {second}, for more than {NO_DATA_SECONDS}s (noData.after)"
                    in ended.message
                )
            story.until_gone(version if action == "Rollback" else f"v{number - 1}")

    # When a query is wrong, it is held and said, and nothing follows until it is mended
    with there.fault(CASES[Reason.BAD_QUERY]) as since:
        story.set_env(VERSION="v9")
        there.until_told("BadQuery", *sentences(Reason.BAD_QUERY), since=since)
        there.until_asked(Reason.BAD_QUERY, rounds=NO_DATA_SECONDS + 3)
        assert story.now().phase == "Progressing"
        assert story.stable_version() == stable
    story.until_now("Healthy", "v9")
    assert most_owned(story) == 1
