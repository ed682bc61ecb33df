"""The demo: five acts under real traffic, told as they happen, with the figures at the end.

Run by `make demo` on the test cluster, after `make deploy`. Exits with 1 when an act did not end as
it should.
"""

from __future__ import annotations

import sys
import time

import requests

from stage import load_act, manifests
from stage.acts import ACTS, Act, Result, play
from stage.cluster import Cluster, KubectlFailed, WrongCluster, kubectl, path_of
from stage.load_act import LoadAct, LoadResult
from stage.narrator import say, typed
from stage.story import Story

NAMESPACE = "demo"
REPLICAS = 8
RATE = 80

EXPLAINED = {
    "a good release": (
        "Version 2 is good. It should pass the three steps of the Rollout (10, 25 and 50 % of the "
        "pods, 15 s each) and become the stable version."
    ),
    "5 % of the answers are errors": (
        "Version 3 answers each 20th request with an error; the Rollout accepts 1 %. It should be "
        "taken away, and version 2 should not notice."
    ),
    "it crashes at its start": (
        "Version 4 ends with an error as soon as it starts. The third restart is the proof: its "
        "deadline of ten minutes is not waited for."
    ),
    "rollback by command": (
        "Version 2 was promoted, and still somebody wants version 1 back. One command, no steps."
    ),
}


def set_the_stage(cluster: Cluster) -> Story:
    """The demo's namespace with version 1 at rest under load, whatever was there before."""
    say(f"The stage: {REPLICAS} replicas of version 1, {RATE} requests per second.")
    remove_namespace(cluster)
    typed("apply", "-f", "deploy/demo/")
    kubectl("apply", "-f", str(manifests.FOLDER))
    story = Story(cluster, NAMESPACE)
    story.until_serving("v1", REPLICAS, timeout_seconds=120)
    story.until("Healthy", timeout_seconds=60)
    story.eventually(lambda: sum(story.traffic().totals.values()) > RATE, 60, "the load runs")
    say("The Rollout has adopted the Deployment: paused, otherwise as it was.")
    return story


def remove_namespace(cluster: Cluster) -> None:
    """Remove what an earlier demo left, and wait until it is gone."""
    for item in cluster.items("rollouts", NAMESPACE):
        cluster.delete(path_of("rollouts", NAMESPACE, item["metadata"]["name"]))
    deadline = time.monotonic() + 120
    while cluster.request("GET", f"/api/v1/namespaces/{NAMESPACE}").status_code != 404:
        if not cluster.items("rollouts", NAMESPACE):
            cluster.delete(f"/api/v1/namespaces/{NAMESPACE}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"Namespace {NAMESPACE} is still there after 120 s.")
        time.sleep(0.5)


def perform(story: Story, number: int, act: Act) -> Result:
    """Play one act with its words before and after."""
    print(f"\n--- Act {number}: {act.title}", flush=True)
    say(EXPLAINED[act.title])
    typed("-n", NAMESPACE, *act.typed)
    result = play(story, act)
    say(in_words(result))
    for problem in result.problems:
        say(f"NOT AS IT SHOULD: {problem}.")
    return result


def in_words(result: Result) -> str:
    """What the act came to, in one sentence."""
    if result.decided_seconds is None:
        return "No decision was seen."
    return (
        f"Decided after {result.decided_seconds:.1f} s: {result.decided}. Answered by it: "
        f"{result.served} requests. Of all requests failed: {result.failed}, lost: {result.lost}."
    )


def table(results: list[Result]) -> str:
    """The figures of all acts, in 80 columns."""
    lines = [
        "act                              decided      done  served failed  lost  pods",
        "                                   after     after   by it               made",
        "-" * 78,
    ]
    for number, result in enumerate(results, start=1):
        decided = _seconds(result.decided_seconds)
        lines.append(
            f"{number} {result.act.title:<30} {decided:>8} {result.done_seconds:>7.1f} s "
            f"{result.served:>7} {result.failed:>6} {result.lost:>5} {result.pods_created:>5}"
        )
    return "\n".join(lines)


def perform_load(story: Story, number: int, act: LoadAct) -> LoadResult:
    """Play the act of the load with its words before and after."""
    print(f"\n--- Act {number}: {load_act.TITLE}", flush=True)
    say(
        f"So far somebody had to know that {REPLICAS} pods are needed. From now on the load says "
        f"it: {act.per_pod:g} requests per second for a pod, {act.min_replicas} to "
        f"{act.max_replicas} pods. It is {act.calm:g} requests per second at first."
    )
    typed("-n", NAMESPACE, *act.typed)
    result = load_act.play(story, act)
    say(load_in_words(result))
    for problem in result.problems:
        say(f"NOT AS IT SHOULD: {problem}.")
    return result


def load_in_words(result: LoadResult) -> str:
    """What the act of the load came to, in one sentence."""
    followed = result.followed
    return (
        f"The first pod more was made {_seconds(followed.first_more_seconds)} after the rise, all "
        f"were ready {_seconds(followed.all_ready_seconds)} after it; the last one too many was "
        f"gone {_seconds(followed.last_gone_seconds)} after the fall. Of all requests failed: "
        f"{result.failed}, lost: {result.lost}."
    )


def load_table(number: int, result: LoadResult) -> str:
    """The figures of the act of the load, in 80 columns."""
    followed = result.followed
    seconds = (
        followed.first_more_seconds,
        followed.all_ready_seconds,
        followed.last_gone_seconds,
    )
    pods = f"{followed.fewest} to {followed.most}"
    lines = [
        "act                        first pod   all pods   last pod   pods failed lost",
        "                                more      ready       gone",
        "-" * 78,
        f"{number} {load_act.TITLE:<24}"
        + "".join(f"{_seconds(each):>11}" for each in seconds)
        + f"{pods:>7} {result.failed:>6} {result.lost:>4}",
    ]
    return "\n".join(lines)


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


def main() -> int:
    """Play all acts; the exit code of the process."""
    try:
        cluster = Cluster()
    except WrongCluster as error:
        print(error, file=sys.stderr)
        return 2
    story = None
    try:
        story = set_the_stage(cluster)
        results = [perform(story, number, act) for number, act in enumerate(ACTS, start=1)]
        load = perform_load(story, len(ACTS) + 1, load_act.demo_act())
    except (KubectlFailed, AssertionError, TimeoutError, requests.RequestException) as error:
        print(f"The demo could not go on: {error}", file=sys.stderr)
        return 1
    finally:
        if story is not None:
            story.close()
        cluster.close()
    print(f"\n{table(results)}\n\n{load_table(len(ACTS) + 1, load)}\n")
    say(
        "Served by it: requests that the act's own version answered. Failed and lost: of all "
        "requests in the act. First pod more and all pods ready: after the load had risen. Last "
        f"pod gone: after it had fallen. Namespace {NAMESPACE} is still there: "
        f"kubectl -n {NAMESPACE} get slr,deploy,rs,pods"
    )
    return 1 if load.problems or any(result.problems for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
