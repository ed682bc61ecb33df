"""`python -m sluice.check`: asks the metric sources what a release would ask them.

The second of the operator's programs. `kubectl sluice check` runs it where the sources can be
reached, and where the credentials for them are: in a pod of the operator; or, with `--url`, beside
itself. A request stands on the standard input, the report goes to the standard output, both JSON.

    {"namespace": ..., "spec": <a Rollout's>, "replicaSet": ..., "replicas": 8, "otherPods": 0,
     "pods": [{"name": ..., "startedAt": <RFC 3339>}]}

The answer is the report (`sluice.core.checking.report.wire`), or {"error": <a sentence>}, with the
exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from sluice.adapters.prometheus import PrometheusSources
from sluice.api import config
from sluice.api.config import Config, Source
from sluice.api.convert import InvalidSpec, policy_of
from sluice.core import times
from sluice.core.checking.check import questions, report
from sluice.core.checking.report import Json, Report, wire
from sluice.core.checking.subject import Labels, StablePod, Subject
from sluice.core.policy import Policy
from sluice.core.readings import Answer

# As in `sluice.__main__`, which it would take long to import.
CONFIG: Final = "SLUICE_CONFIG"
# For a query with its repetitions, where its source has no shorter limit.
_TIMEOUT_SECONDS: Final = 10.0
_OOM_SCORE: Final = Path("/proc/self/oom_score_adj")


class Refused(Exception):
    """The request cannot be answered; the message is for who has asked."""


def main(given: Sequence[str] | None = None) -> int:
    """Answers the request on the standard input; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sluice.check", description=__doc__)
    parser.add_argument("--url", help="of a Prometheus that is asked in place of any source")
    arguments = parser.parse_args(given)
    _die_first()
    try:
        request = _read(sys.stdin)
        answer = wire(asyncio.run(_checked(request, arguments.url)))
    except (Refused, config.ConfigError) as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)
    return int("error" in answer)


def _die_first() -> None:
    """It shares the memory of the operator's container: should that run out, this one may go."""
    with suppress(OSError):  # no Linux
        _OOM_SCORE.write_text("1000", encoding="ascii")


def _read(file: TextIO) -> Json:
    try:
        request = json.load(file)
    except ValueError as error:
        raise Refused("the request is no JSON") from error
    if not isinstance(request, dict):
        raise Refused("the request is no JSON object")
    return request


async def _checked(request: Json, url: str | None) -> Report:
    settings = _settings(url, request)
    subject = _subject(request, settings)
    sources = PrometheusSources(settings.sources)
    answers: dict[str, Answer] = {}
    try:
        while queries := questions(subject, answers):
            values = await sources.ask(subject.analysis.source, queries, _TIMEOUT_SECONDS)
            answers |= dict(values)
    finally:
        await sources.close()
    return report(subject, answers)


def _settings(url: str | None, request: Json) -> Config:
    if url is None:
        path = os.environ.get(CONFIG)
        return config.load(Path(path)) if path else Config()
    name = _policy(request).analysis.source
    try:
        return Config(sources={name: Source(url=url)})
    except ValueError as error:
        raise Refused("--url: write a URL such as http://localhost:9090") from error


def _policy(request: Json) -> Policy:
    try:
        return policy_of(request.get("spec"))
    except InvalidSpec as error:
        raise Refused(str(error)) from error


def _subject(request: Json, settings: Config) -> Subject:
    policy = _policy(request)
    source = settings.sources.get(policy.analysis.source)
    if source is None:
        known = ", ".join(sorted(settings.sources)) or "there is none"
        name = policy.analysis.source
        raise Refused(f"no metric source {name!r} is configured (those that are: {known})")
    try:
        return Subject(
            namespace=str(request["namespace"]),
            name=policy.target,
            analysis=policy.analysis,
            steps=policy.steps,
            replica_set=str(request["replicaSet"]),
            pods=tuple(_pod(each) for each in request["pods"]),
            replicas=int(request["replicas"]),
            now=datetime.now(UTC),
            other_pods=int(request.get("otherPods", 0)),
            labels=Labels(source.labels.pod, source.labels.namespace),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"the request lacks something: {error!r}") from error


def _pod(raw: Json) -> StablePod:
    started = times.parse(str(raw["startedAt"]))
    if started is None:
        raise Refused(f"pod {raw['name']}: startedAt is no time")
    return StablePod(str(raw["name"]), started)


if __name__ == "__main__":
    sys.exit(main())
