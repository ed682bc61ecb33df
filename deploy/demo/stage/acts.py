"""The demo's four acts of releases, and what each of them measures.

`play` types what a user would, waits for the end and measures; `Result.problems` says in sentences
what did not go as it should. The end-to-end tests play the same acts and assert on the same result.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from stage.narrator import Narrator
from stage.story import COMMAND, Moment, Story
from stage.traffic import Traffic, answered_by, failed, lost
from stage.watching import PodSeen, fewest

PROMOTED = "promoted"
ROLLED_BACK = "rolled back"
# A decision shows in its first phase, or, when all is done within a moment, in the last.
DECISIONS = {
    "Promoting": PROMOTED,
    "Healthy": PROMOTED,
    "RollingBack": ROLLED_BACK,
    "RolledBack": ROLLED_BACK,
}
AT_REST = ("Healthy", "RolledBack")


@dataclass(frozen=True)
class Act:
    """One act: what is typed, which version it brings, which is stable at the end, and the phase.

    `serves_errors`: whether the version is meant to fail some of its requests.
    """

    title: str
    typed: tuple[str, ...]
    version: str
    stable_after: str
    phase_after: str
    timeout_seconds: float = 180.0
    serves_errors: bool = False


@dataclass
class Result:
    """What an act was seen to do. Times are seconds after the command was typed.

    `decided` is PROMOTED, ROLLED_BACK or empty; `decided_seconds` is None when it is empty.
    `served`, `failed` and `lost` count requests: those that the act's version answered, and those
    of any version that were answered with a 5xx or not at all.
    """

    act: Act
    typed_at: float
    done_at: float
    decided: str = ""
    decided_seconds: float | None = None
    message: str = ""
    served: int = 0
    failed: int = 0
    lost: int = 0
    pods_created: int = 0
    fewest_ready: int = 0
    moments: list[Moment] = field(default_factory=list)
    pods: list[PodSeen] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)
    problems: list[str] = field(default_factory=list)

    @property
    def done_seconds(self) -> float:
        """From the typing to the end: the phase reached and no superfluous pod left."""
        return self.done_at - self.typed_at


def set_env(*pairs: str) -> tuple[str, ...]:
    """The arguments of `kubectl set env deployment/web`."""
    return ("set", "env", "deployment/web", *pairs)


GOOD_RELEASE = Act(
    title="a good release",
    typed=set_env("VERSION=v2"),
    version="v2",
    stable_after="v2",
    phase_after="Healthy",
)
BAD_RELEASE = Act(
    title="5 % of the answers are errors",
    typed=set_env("VERSION=v3", "ERROR_RATIO=0.05"),
    version="v3",
    stable_after="v2",
    phase_after="RolledBack",
    serves_errors=True,
)
CRASHING_RELEASE = Act(
    title="it crashes at its start",
    typed=set_env("VERSION=v4", "ERROR_RATIO-", "CRASH=start"),
    version="v4",
    stable_after="v2",
    phase_after="RolledBack",
)
ROLLBACK = Act(
    title="rollback by command",
    typed=("annotate", "--overwrite", "slr/web", f"{COMMAND}=rollback"),
    version="v1",
    stable_after="v1",
    phase_after="RolledBack",
)
ACTS = (GOOD_RELEASE, BAD_RELEASE, CRASHING_RELEASE, ROLLBACK)


def play(story: Story, act: Act) -> Result:
    """Play one act to its end or to its timeout, and measure it.

    The story must have a load generator; its Rollout must be at rest.
    """
    before = story.traffic()
    narrator = Narrator(story)
    typed_at = time.time()
    story.kubectl(*act.typed)
    ended = narrator.tell_until(lambda: _ended(story, act, typed_at), act.timeout_seconds)
    done_at = time.time()
    result = Result(act, typed_at, done_at)
    _measure(story, result, before)
    if not ended:
        result.problems.append(
            f"not at its end after {act.timeout_seconds:g} s (wanted: {act.phase_after}, "
            f"{act.stable_after} stable, no pod of another version)"
        )
    result.problems += _judge(result)
    return result


def _ended(story: Story, act: Act, typed_at: float) -> bool:
    """Whether the act's release was seen, is over, and the right version alone has pods."""
    moments = story.moments(since=typed_at)
    if decision_of(moments) is None:
        return False
    if moments[-1].phase != act.phase_after:
        return False
    if story.stable_version() != act.stable_after:
        return False
    return len(story.pods(act.stable_after)) == len(story.pods()) > 0


def decision_of(moments: list[Moment]) -> Moment | None:
    """The first status that shows a decision; None before it.

    The phases at the beginning are those of the rest before the act.
    """
    moved = False
    for moment in moments:
        if moment.phase in DECISIONS and (moved or moment.phase not in AT_REST):
            return moment
        moved = moved or (moment.phase != "" and moment.phase not in AT_REST)
    return None


def _measure(story: Story, result: Result, before: Traffic) -> None:
    """Fill in what happened between the typing and the end."""
    # A request that was sent before the end may be answered after it.
    result.traffic = traffic_after(story, result.done_at)
    counts = result.traffic.since(before)
    result.served = answered_by(counts, result.act.version)
    result.failed = failed(counts)
    result.lost = lost(counts)
    result.pods = story.pods_seen(since=result.typed_at)
    result.pods_created = len(result.pods)
    result.fewest_ready = fewest(story.endpoints(), result.typed_at, result.done_at)
    result.moments = story.moments(since=result.typed_at)
    decided = decision_of(result.moments)
    if decided:
        result.decided = DECISIONS[decided.phase]
        result.decided_seconds = decided.at - result.typed_at
        result.message = decided.message


def traffic_after(story: Story, instant: float) -> Traffic:
    """The counts once every request sent up to `instant` is answered or lost."""

    def complete() -> Traffic | None:
        traffic = story.traffic()
        return traffic if traffic.now > instant + 1.0 else None

    return story.eventually(complete, 15, "the load generator answers with its counts")


def lost_in_words(number: int, traffic: Traffic) -> str:
    """How many requests were lost, and how."""
    kinds = sorted({str(entry["kind"]) for entry in traffic.lost})
    return f"{number} requests were lost ({', '.join(kinds)})"


def _judge(result: Result) -> list[str]:
    """What did not go as it should, as sentences; empty when all did."""
    problems = []
    act = result.act
    if result.lost:
        problems.append(lost_in_words(result.lost, result.traffic))
    if result.failed and not act.serves_errors:
        problems.append(f"{result.failed} requests were answered with an error")
    wanted = DECISIONS[act.phase_after]
    if result.decided != wanted:
        problems.append(f"it was {result.decided or 'not decided'}, not {wanted}")
    if result.fewest_ready < 1:
        problems.append("the Service had no ready pod for a moment")
    strangers = [pod.name for pod in result.pods if pod.hash != _hash_of_act(result)]
    if strangers:
        problems.append(f"pods of another version were made: {', '.join(strangers)}")
    return problems


def _hash_of_act(result: Result) -> str:
    """The pod template hash of the version that the act brought: that of its first pod."""
    return result.pods[0].hash if result.pods else ""
