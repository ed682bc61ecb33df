"""The study of the verdicts: `make study` simulates releases and writes docs/study.md.

    uv run python tests/study.py              in full, a few minutes on one core
    uv run python tests/study.py --share 0.05 a twentieth of the runs, on the screen

Every row has a random stream of its own, so that a row does not change when another is added.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENT: Final = ROOT / "docs" / "study.md"
# What pytest is told by pyproject.toml, for a program of its own.
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "operator")]

from simulation import (  # noqa: E402
    FIXED,
    NEVER,
    Course,
    Findings,
    Floats,
    World,
    simulate,
    simulate_ceiling,
)

SEED: Final = 20_261
RATIOS: Final = (0.001, 0.005, 0.01)
RATES: Final = (1.0, 10.0, 100.0, 1000.0)
FACTORS: Final = (2.0, 5.0, 10.0, 50.0)

INCIDENT: Final[Course] = ((0.0, 1.0), (100.0, 200.0), (220.0, 1.0))
OUTAGE: Final[Course] = ((0.0, 1.0), (100.0, 1000.0), (130.0, 1.0))


def default_steps(world: World) -> World:
    """The default steps with eight pods: 10 % for two minutes, then 50 % for three."""
    return replace(world, more_canary_pods=7, more_after_seconds=120.0)


@dataclass
class Study:
    """How much is simulated: the seed, and the share of the runs of the full study."""

    seed: int = SEED
    share: float = 1.0

    def runs(self, full: int) -> int:
        """How many runs a row has that has so many in the full study."""
        return max(20, round(full * self.share))

    def random(self, *row: object) -> np.random.Generator:
        """The row's own random numbers."""
        return np.random.default_rng([self.seed, crc32(repr(row).encode())])

    def releases(self, world: World, full: int, **options: Any) -> Findings:
        """Simulated releases of a world."""
        return simulate(world, self.runs(full), self.random(world), **options)


Table = list[list[str]]


def good_releases(study: Study) -> Table:
    """False rollbacks of canaries that are as good as the stable side."""
    rows = [["stable ratio", "requests/s", "Sluice", *FIXED]]
    for ratio in RATIOS:
        for rate in RATES:
            world = World(rate, ratio, seconds=600.0)
            rows.append([f"{ratio:.1%}", f"{rate:g}", *_failed(study.releases(world, 10_000))])
    world = default_steps(World(100.0, 0.005))
    rows.append(["0.5%, default steps", "100", *_failed(study.releases(world, 10_000))])
    return rows


def bad_releases(study: Study) -> Table:
    """How long it takes to find a worse canary."""
    rows = [["stable ratio", "canary", "requests/s", "Sluice", *FIXED]]
    for ratio in RATIOS:
        for factor in FACTORS:
            for rate in RATES:
                world = World(rate, ratio, factor, seconds=1800.0)
                found = study.releases(world, 2_000)
                times = [_time(each) for each in (found.sequential, *found.fixed.values())]
                rows.append([f"{ratio:.1%}", f"x{factor:g}", f"{rate:g}", *times])
    return rows


_TWO_SIDES: Final = World(800.0, 0.001)
HARD_CASES: Final[Sequence[tuple[str, World]]] = (
    *(
        (
            f"pods differ (sigma 0.25), {k}+{c}, {ratio:.1%}",
            World(800.0, ratio, stable_pods=k, canary_pods=c, spread=0.25),
        )
        for k, c in ((2, 1), (3, 1), (8, 1), (16, 2))
        for ratio in (0.001, 0.005, 0.02)
    ),
    *(
        (
            f"pods differ (sigma 0.25), default steps, {ratio:.1%}",
            default_steps(World(800.0, ratio, spread=0.25)),
        )
        for ratio in (0.001, 0.005, 0.02)
    ),
    ("pods differ (sigma 0.25), 8+1, 0.5%, 80/s", World(80.0, 0.005, spread=0.25)),
    (
        "pods differ (sigma 0.25), 8+1, 0.5%, 30 minutes",
        World(800.0, 0.005, spread=0.25, seconds=1800.0),
    ),
    ("pods differ (sigma 0.5), 8+1, 0.5%", World(800.0, 0.005, spread=0.5)),
    *(
        (f"errors come ten at a time, {ratio:.1%}, {rate:g}/s", World(rate, ratio, batch=10))
        for ratio in (0.001, 0.005, 0.01)
        for rate in (80.0, 800.0)
    ),
    ("errors come fifty at a time, 0.5%", World(800.0, 0.005, batch=50)),
    (
        "pods differ, and errors come five at a time, 0.5%",
        World(800.0, 0.005, spread=0.25, batch=5),
    ),
    ("incident of both sides: 20% for 2 minutes", replace(_TWO_SIDES, both=INCIDENT)),
    ("the same, scraped every 15 s", replace(_TWO_SIDES, both=INCIDENT, scrape_seconds=15.0)),
    ("the same, and pods differ", replace(_TWO_SIDES, both=INCIDENT, spread=0.25)),
    ("outage of both sides: 100% for 30 s", replace(_TWO_SIDES, both=OUTAGE)),
    ("low traffic: a request in 10 s, 1%", World(0.1, 0.01, seconds=1800.0)),
    ("low traffic: 1/s, errors come ten at a time, 1%", World(1.0, 0.01, batch=10, seconds=1800.0)),
)


def hard_cases(study: Study) -> Table:
    """False rollbacks where requests are not independent or pods differ."""
    rows = [
        ["good releases, 5 minutes, 800 requests/s", "Sluice", "without phi", "without cap", *FIXED]
    ]
    for title, world in HARD_CASES:
        full, *fixed = _failed(study.releases(world, 10_000))
        no_phi = _failed(study.releases(world, 10_000, phi=False))[0]
        no_cap = _failed(study.releases(world, 10_000, cap=False))[0]
        rows.append([title, full, no_phi, no_cap, *fixed])
    return rows


def cold_pods(study: Study) -> Table:
    """Canaries that are ten times as bad in their first seconds, and good from then on."""
    rows = [["bad for its first", "histogram (30 s)", "the same, default steps", "counters (0 s)"]]
    for seconds in (10.0, 20.0, 30.0, 40.0, 60.0):
        cold: Course = ((0.0, 10.0), (seconds, 1.0))
        counters = replace(_TWO_SIDES, cold=cold)
        histogram = replace(counters, delay_seconds=30.0)
        worlds = (histogram, default_steps(histogram), counters)
        found = [study.releases(world, 10_000).sequential for world in worlds]
        rows.append([f"{seconds:g} s", *(_share(each) for each in found)])
    return rows


def special_cases(study: Study) -> Table:
    """Single questions about the time to detect."""
    rows = [["canary", "Sluice", "without phi"]]
    two_metrics = {"log_height": log(200.0)}
    issue = World(80.0, 0.001, 50.0, seconds=120.0)
    slow = World(200.0, 0.001, 8.0, seconds=600.0)
    cases: list[tuple[str, World, dict[str, float]]] = [
        ("5% over 0.1%, 80/s, two metrics, interval 10 s", issue, two_metrics),
        ("the same, interval 5 s", replace(issue, interval_seconds=5.0), two_metrics),
        ("the same, interval 1 s", replace(issue, interval_seconds=1.0), two_metrics),
        ("0.8% over 0.1%, 200/s, two metrics, interval 10 s", slow, two_metrics),
        ("the same, interval 5 s", replace(slow, interval_seconds=5.0), two_metrics),
    ]
    cases += [
        (f"x2 over 0.5%, 100/s, {k}+1 pods", World(100.0, 0.005, 2.0, k, seconds=1800.0), {})
        for k in (1, 2, 3, 8, 16)
    ]
    cases += [
        (f"x5 over 0.5%, 100/s, 8+1, {title}", world, {})
        for title, world in (
            ("independent", World(100.0, 0.005, 5.0, seconds=1800.0)),
            ("pods differ", World(100.0, 0.005, 5.0, spread=0.25, seconds=1800.0)),
            ("errors ten at a time", World(100.0, 0.005, 5.0, batch=10, seconds=1800.0)),
        )
    ]
    for title, world, options in cases:
        found = [
            study.releases(world, 2_000, phi=phi, **options).sequential for phi in (True, False)
        ]
        rows.append([title, *(_time(each) for each in found)])
    for minutes in (1.0, 2.0, 5.0, 10.0, 30.0):
        turn = 60.0 * minutes
        course: Course = ((0.0, 1.0), (turn, 10.0))
        world = World(100.0, 0.005, canary=course, seconds=turn + 1800.0)
        found = [study.releases(world, 2_000, phi=phi).sequential - turn for phi in (True, False)]
        title = f"good for {minutes:g} min, then x10 over 0.5%, 100/s: time since then"
        rows.append([title, *(_time(each) for each in found)])
    incident: Course = ((0.0, 1.0), (100.0, 40.0), (220.0, 1.0))
    after = replace(world, both=incident, canary=((0.0, 1.0), (260.0, 10.0)), seconds=2060.0)
    found = [study.releases(after, 2_000, phi=phi).sequential - 260.0 for phi in (True, False)]
    title = "20% on both sides for 2 min, then x10 over 0.5%, 100/s: time since then"
    rows.append([title, *(_time(each) for each in found)])
    return rows


def ceilings(study: Study) -> Table:
    """The canary's own ratio against `max: 0.05`."""
    rows = [["canary's own ratio, 88 requests/s to it", "failed in 5 minutes", "median"]]
    cases = [
        (f"{ratio:.0%}{each}", ratio, batch)
        for ratio in (0.01, 0.03, 0.05, 0.06, 0.1, 0.3)
        for batch, each in ((1, ""), (10, ", ten at a time"))
    ]
    for title, ratio, batch in cases:
        world = World(800.0, ratio, batch=batch)
        found = simulate_ceiling(world, 0.05, study.runs(2_000), study.random("max", world))
        rows.append([title, _share(found), _time(found)])
    return rows


def _failed(found: Findings) -> list[str]:
    return [_share(each) for each in (found.sequential, *found.fixed.values())]


def _share(found: Floats) -> str:
    share = float(np.isfinite(found).mean())
    return f"{share:.2%}" if share else "0"


def _time(found: Floats) -> str:
    """Median and 90th percentile; where fewer are ever found, how many."""
    share = float(np.isfinite(found).mean())
    if share < 0.01:
        return "-"
    if share < 0.5:
        return f"{share:.0%}"
    median = float(np.quantile(found, 0.5, method="inverted_cdf"))
    high = float(np.quantile(found, 0.9, method="inverted_cdf"))
    return f"{median:.0f} s ({f'{high:.0f} s' if high < NEVER else f'{share:.0%}'})"


def markdown(table: Table) -> str:
    """The rows as a table; the first is its head."""
    head, *body = table
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]
    # As all documents here write it.
    return re.sub(r"(?<=\d)%", " %", "\n".join(lines))


TABLES: Final[dict[str, Callable[[Study], Table]]] = {
    "good": good_releases,
    "hard": hard_cases,
    "cold": cold_pods,
    "bad": bad_releases,
    "special": special_cases,
    "ceiling": ceilings,
}


def written(document: str, name: str, text: str) -> str:
    """The document with this text between the marks of the name."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = document.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"no place for {name!r} in the document")
    return f"{before}{begin}\n{text}\n{end}{after}"


def main() -> None:
    """Simulate, show the tables, and write them into the document when all runs were made."""
    parser = argparse.ArgumentParser(description="Simulate releases and judge them.")
    parser.add_argument("--share", type=float, default=1.0, help="of the runs of the full study")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    study = Study(arguments.seed, arguments.share)
    begin = time.process_time()
    document = DOCUMENT.read_text()
    for name, make in TABLES.items():
        table = markdown(make(study))
        document = written(document, name, table)
        print(f"{table}\n{time.process_time() - begin:.0f} s of CPU so far\n", flush=True)
    took = f"Seed {study.seed}; {time.process_time() - begin:.0f} s of one core."
    if study.share == 1.0:
        DOCUMENT.write_text(written(document, "settings", took))


if __name__ == "__main__":
    main()
