"""The demo: four acts under real traffic, told as they happen, with the figures at the end.

Run by `make demo` on the test cluster, after `make deploy`. Exits with 1 when an act did not end as
it should.
"""

from __future__ import annotations

import sys
import time

import requests

from stage import manifests
from stage.acts import ACTS, Act, Result, play
from stage.cluster import Cluster, KubectlFailed, WrongCluster, kubectl, path_of
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
        seconds = result.decided_seconds
        decided = "never" if seconds is None else f"{seconds:.1f} s"
        lines.append(
            f"{number} {result.act.title:<30} {decided:>8} {result.done_seconds:>7.1f} s "
            f"{result.served:>7} {result.failed:>6} {result.lost:>5} {result.pods_created:>5}"
        )
    return "\n".join(lines)


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
    except (KubectlFailed, AssertionError, TimeoutError, requests.RequestException) as error:
        print(f"The demo could not go on: {error}", file=sys.stderr)
        return 1
    finally:
        if story is not None:
            story.close()
        cluster.close()
    print(f"\n{table(results)}\n")
    say(
        "Served by it: requests that the act's own version answered. Failed and lost: of all "
        f"requests in the act. Namespace {NAMESPACE} is still there: kubectl -n {NAMESPACE} "
        "get slr,deploy,rs,pods"
    )
    return 1 if any(result.problems for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
