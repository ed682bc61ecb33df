"""How soon bad versions are found on the test cluster: `make detection`.

The operator in the cluster and its Prometheus judge real pods under real traffic; a table of what
was seen is printed and, after whole runs, written into docs/study.md. `--only errors-5s --runs 3`
for a part of it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

TESTS = Path(__file__).resolve().parent
# What pytest is told by pyproject.toml, for a program of its own.
sys.path[:0] = [str(TESTS), str(TESTS.parent / "deploy" / "demo")]

from e2e.detection import REPLICAS, WEIGHT, Found, analysis, bad_release, set_error_ratio  # noqa: E402
from stage import manifests  # noqa: E402
from stage.cluster import Cluster, WrongCluster  # noqa: E402
from stage.manifests import step  # noqa: E402
from stage.story import Story  # noqa: E402
from study import DOCUMENT, markdown, written  # noqa: E402

INCIDENT_SECONDS: Final = 300


@dataclass(frozen=True)
class Case:
    """A bad version beside a stable one: what both are like, and how it is looked for."""

    title: str
    stable: dict[str, str]
    canary: dict[str, str]
    rate: float = 80
    interval: str = "5s"


CASES: Final = {
    "errors-5s": Case("5 % errors over 0.1 %", {"ERROR_RATIO": "0.001"}, {"ERROR_RATIO": "0.05"}),
    "errors-1s": Case(
        "5 % errors over 0.1 %",
        {"ERROR_RATIO": "0.001"},
        {"ERROR_RATIO": "0.05"},
        interval="1s",
    ),
    "few-errors": Case(
        "0.8 % errors over 0.1 %", {"ERROR_RATIO": "0.001"}, {"ERROR_RATIO": "0.008"}, rate=200
    ),
    "latency": Case(
        "answers in 40 ms over 20 ms", {"LATENCY_SECONDS": "0.02"}, {"LATENCY_SECONDS": "0.04"}
    ),
}
HEAD: Final = [
    "canary",
    "requests/s",
    "interval",
    "runs",
    "found after (median)",
    "at most",
    "failed answers (median)",
    "at most",
]


@contextmanager
def stage(cluster: Cluster, case: Case, duration: str) -> Iterator[Story]:
    """A namespace with the stable version under load, scraped every 5 s, and its Rollout."""
    story = Story(cluster, f"detection-{secrets.token_hex(3)}")
    app = manifests.app(
        story.namespace, replicas=REPLICAS, environment=case.stable, scrape_interval="5s"
    )
    try:
        story.apply(*app)
        story.until_serving("v1", REPLICAS)
        story.apply(*manifests.load(story.namespace, rate=case.rate))
        story.eventually(lambda: story.traffic().totals, 60, "the load runs")
        story.adopt(steps=[step(WEIGHT, duration)], analysis=analysis(case.interval))
        yield story
        story.kubectl("delete", "slr/web", "--timeout=60s")
    finally:
        story.close()
        cluster.delete(f"/api/v1/namespaces/{story.namespace}")


def find(cluster: Cluster, case: Case, runs: int) -> list[str]:
    """So many bad versions one after another, as a row of the table."""
    found: list[Found] = []
    with stage(cluster, case, "30m") as story:
        for number in range(1, runs + 1):
            found.append(bad_release(story, f"v{number + 1}", 600, **case.canary))
            print(f"  {found[-1]}", flush=True)
    seconds = [each.seconds for each in found]
    failed = [each.failed for each in found]
    return [
        case.title,
        f"{case.rate:g}",
        case.interval,
        str(runs),
        f"{median(seconds):.1f} s",
        f"{max(seconds):.1f} s",
        f"{median(failed):g}",
        str(max(failed)),
    ]


def incident(cluster: Cluster) -> list[str]:
    """Both versions fail one request of five for five minutes: no rollback."""
    case = CASES["errors-5s"]
    with stage(cluster, case, "6m") as story:
        typed_at = story.set_env(VERSION="v2")
        story.until_serving("v2", 1)
        end = set_error_ratio(story, 0.2) + INCIDENT_SECONDS
        story.eventually(lambda: time.time() > end, 400, "the incident is over")
        set_error_ratio(story, 0.001)
        story.until_now("Healthy", "v2", timeout_seconds=240)
        phases = {moment.phase for moment in story.moments(typed_at)}
    print(f"  promoted, phases {', '.join(sorted(phases))}", flush=True)
    assert not phases & {"RollingBack", "RolledBack", "Paused"}, phases
    title = f"as good, 20 % errors on both sides for {INCIDENT_SECONDS} s"
    return [title, f"{case.rate:g}", case.interval, "1", "not rolled back", "-", "-", "-"]


def main() -> int:
    """Run what the arguments ask for; the exit code of the process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--only", choices=[*CASES, "incident"], action="append")
    arguments = parser.parse_args()
    try:
        cluster = Cluster()
    except WrongCluster as error:
        print(error, file=sys.stderr)
        return 2
    rows: dict[str, Callable[[], list[str]]] = {
        name: partial(find, cluster, case, arguments.runs) for name, case in CASES.items()
    }
    rows["incident"] = lambda: incident(cluster)
    table = [HEAD]
    for name in arguments.only or rows:
        print(f"{name}:", flush=True)
        table.append(rows[name]())
    cluster.close()
    print(f"\n{markdown(table)}")
    if not arguments.only and arguments.runs >= 10:
        DOCUMENT.write_text(written(DOCUMENT.read_text(), "measured", markdown(table)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
