"""The operator's process: everything is made here, wired, run, and taken down."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from sluice.adapters import access, kopf_watch, wire
from sluice.adapters.cluster import KubeCluster
from sluice.adapters.errors import ApiError, NotFound
from sluice.adapters.health import PORT, serving
from sluice.adapters.journal import LogJournal
from sluice.adapters.kopf_watch import KopfWatch
from sluice.adapters.kube import TIMEOUT, Call, Hook, Kube
from sluice.adapters.metrics import Metrics
from sluice.adapters.prometheus import PrometheusSources
from sluice.adapters.rounds import RoundBoard
from sluice.api import config
from sluice.ports import ClusterError, Key
from sluice.reconcile import Reconciler
from sluice.runtime.clock import SystemClock
from sluice.runtime.queue import Outcome, WorkQueue

log = logging.getLogger("sluice")

CONFIG: Final = "SLUICE_CONFIG"
IGNORED_NAMESPACES: Final = "SLUICE_IGNORE_NAMESPACES"
EXIT_AFTER_WRITES: Final = "SLUICE_TEST_EXIT_AFTER_WRITES"
KILLED: Final = 137


def main() -> None:
    """Run the operator until SIGTERM or SIGINT."""
    arguments = _arguments()
    _log_to_stderr(arguments.log_level)
    # Watched objects are many small containers that live long: with the default thresholds the
    # cyclic collector takes most of the time that reading them costs.
    gc.set_threshold(50_000, 20, 100)
    try:
        asyncio.run(_run(arguments))
    except (config.ConfigError, OSError) as error:
        sys.exit(f"sluice: {error}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sluice-operator", description=__doc__)
    parser.add_argument("--namespace", help="serve one namespace; without it all of them")
    parser.add_argument("--context", help="context of the kubeconfig; without it the pod's account")
    parser.add_argument("--port", type=int, default=PORT, help="of /healthz, /readyz and /metrics")
    parser.add_argument("--log-level", default="INFO", help="DEBUG, INFO, WARNING or ERROR")
    return parser.parse_args()


def _log_to_stderr(level: str) -> None:
    form = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%FT%T")
    form.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(form)
    logging.basicConfig(level=level.upper(), handlers=[handler])
    kopf_watch.quieten()


async def _run(arguments: argparse.Namespace) -> None:
    path = os.environ.get(CONFIG)
    settings = config.load(Path(path)) if path else config.Config()
    found = await access.load(arguments.context)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics()
    sources = PrometheusSources(settings.sources)
    async with found.session(TIMEOUT) as session:
        kube = Kube(found.server, session, hooks=[*_test_switch(), metrics.called])
        served = _served(_patterns())
        operator = _Operator(kube, sources, metrics, served)
        watch = KopfWatch(
            found,
            namespace=arguments.namespace,
            listener=operator.cluster,
            ready=lambda: _missing(kube, arguments.namespace),
        )
        operator.show(watch)
        async with serving(watch, metrics.page, port=arguments.port):
            log.info("Sluice is up; the API server is %s.", found.server)
            await _until(stop, operator.queue, watch)
    sources.close()


async def _until(stop: asyncio.Event, queue: WorkQueue[Key], watch: KopfWatch) -> None:
    """Run watch and queue until the event, or until one of them fails, which is a bug."""
    watching = asyncio.create_task(watch.run(), name="watch")
    working = asyncio.create_task(queue.run(), name="queue")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    tasks = (watching, working, stopping)
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    log.info("Stopping.")
    # The queue first: what is being written now shall end well, nothing new shall begin.
    queue.stop()
    watching.cancel()
    stopping.cancel()
    await asyncio.wait(tasks)
    for task in done - {stopping}:
        task.result()


class _Operator:
    """Queue, cluster, rounds and the passes: they know one another through callbacks."""

    def __init__(
        self,
        kube: Kube,
        sources: PrometheusSources,
        metrics: Metrics,
        served: Callable[[str], bool],
    ) -> None:
        self._metrics = metrics
        self._served = served
        clock = SystemClock()
        self.cluster = KubeCluster(kube, changed=self._add)
        rounds = RoundBoard(sources, clock, self._add, heard=metrics.heard)
        journal = LogJournal(metrics.decided)
        work = _counted(Reconciler(self.cluster, rounds, clock, journal), metrics)
        self.queue: WorkQueue[Key] = WorkQueue(work, expected=(ClusterError,))

    def show(self, watch: KopfWatch) -> None:
        """Have the metrics tell of queue and watch."""
        gauge, queue = self._metrics.gauge, self.queue
        gauge("sluice_queue_depth", "Rollouts that wait for a pass.", lambda: queue.depth)
        gauge("sluice_passes_running", "Passes that are under way.", lambda: queue.busy)
        gauge("sluice_watch_lost_seconds", "0 while all is watched.", lambda: watch.lost_seconds)

    def _add(self, key: Key) -> None:
        if self._served(key.namespace):
            self.queue.add(key)


def _counted(
    work: Callable[[Key], Awaitable[Outcome]], metrics: Metrics
) -> Callable[[Key], Awaitable[Outcome]]:
    async def count(key: Key) -> Outcome:
        started, outcome = time.monotonic(), "Cancelled"
        try:
            result = await work(key)
            outcome = type(result).__name__
        except Exception as error:
            outcome = type(error).__name__
            raise
        finally:
            metrics.passed(outcome, time.monotonic() - started)
        return result

    return count


async def _missing(kube: Kube, namespace: str | None) -> str | None:
    """What is missing to watch Rollouts; None when nothing is.

    Kopf would wait in silence for a kind that is not there, also when it comes later.
    """
    try:
        await kube.send(wire.listing(wire.ROLLOUTS, namespace, limit=1))
    except NotFound:
        return "the API server knows no Rollouts; apply crds/rollouts.yaml"
    except ApiError as error:
        return str(error)
    return None


def _patterns() -> tuple[str, ...]:
    text = os.environ.get(IGNORED_NAMESPACES, "")
    return tuple(pattern.strip() for pattern in text.split(",") if pattern.strip())


def _served(ignored: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a namespace is ours: Rollouts in ignored ones are left to another operator."""
    return lambda namespace: not any(fnmatchcase(namespace, pattern) for pattern in ignored)


def _test_switch() -> list[Hook]:
    """For tests only: die without a word right after the n-th write has been answered."""
    limit = os.environ.get(EXIT_AFTER_WRITES)
    if not limit:
        return []
    left = int(limit)

    def count(call: Call) -> None:
        nonlocal left
        left -= call.wrote
        if left <= 0:
            os._exit(KILLED)

    return [count]


if __name__ == "__main__":
    main()
