"""Reports of checks, as they may come."""

from __future__ import annotations

from math import inf
from typing import Final

from sluice.core.checking.report import Finding, Grade, MetricReport, Report, StepOutlook

NEEDS: Final = ((2.0, 275.0), (5.0, 35.0), (10.0, 25.0))
STEPS: Final = (
    StepOutlook(1, 10, 1, 480.0, 15.0, 15.0, NEEDS),
    StepOutlook(2, 25, 1, 480.0, 60.0, 60.0, NEEDS),
    StepOutlook(3, 50, 3, 0.4, 150.0, inf, ((2.0, inf), (5.0, inf), (10.0, 3985.0))),
)
ERRORS: Final = MetricReport(
    "errors",
    "counters",
    "1,440 requests/min from 3 of 3 pods, 1% bad, scraped every 5s",
    asked='requests_total{code=~"5..",namespace="demo",pod=~"web-aaa-[a-z0-9]{5}"}\n'
    'requests_total{namespace="demo",pod=~"web-aaa-[a-z0-9]{5}"}',
    requests_per_minute=1440.0,
    bad_ratio=0.01,
    scrape_seconds=5.0,
    steps=STEPS[:2],
)
SHORT: Final = Finding(
    Grade.WARNING,
    "step 1 (10%) is too short for its own evidence: to see 10 times as many bad requests takes "
    "25s, and it lasts 15s",
)
GOOD: Final = Report("demo", "web", "default", 3, (), (ERRORS,))
SHORT_STEP: Final = Report(
    "demo",
    "web",
    "default",
    3,
    (),
    (
        MetricReport(
            "latency",
            "histogram",
            "1,440 requests/min from 3 of 3 pods, 10% slower than 0.1, scraped every 5s",
            (Finding(Grade.NOTE, "scraped every 30s, asked every 10s"), SHORT),
            cut=0.1,
            steps=STEPS,
        ),
    ),
)
MISSING: Final = Report(
    "demo",
    "web",
    "default",
    1,
    (Finding(Grade.NOTE, "2 other pods share the requests with the 1 stable ones now"),),
    (
        MetricReport(
            "errors",
            "counters",
            "unknown (Empty)",
            (
                SHORT,
                Finding(
                    Grade.PROBLEM,
                    "there are no series called request_total; there is requests_total",
                ),
            ),
            asked='request_total{namespace="demo",pod=~"web-aaa-[a-z0-9]{5}"}',
        ),
        MetricReport("up", "query", "1, within at least 1", asked="min(up)", value=1.0),
    ),
)
REPORTS: Final = {"good": GOOD, "short-step": SHORT_STEP, "missing": MISSING}
