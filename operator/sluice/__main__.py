"""The operator's process: everything is made here, wired, run, and taken down."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
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
from sluice.adapters.leases import KubeLeases
from sluice.adapters.metric_sources.following import ConfigFollower
from sluice.adapters.metrics import Metrics
from sluice.adapters.prometheus import PrometheusSources
from sluice.adapters.recorder import Recorder
from sluice.adapters.rounds import RoundBoard
from sluice.adapters.scaling_metrics import ScalingMetrics
from sluice.adapters.shared import SharedSource
from sluice.api import config
from sluice.ports import ClusterError, Key
from sluice.reconcile import Reconciler
from sluice.runtime.clock import SystemClock
from sluice.runtime.lease import Elector, Term, Timing, Unopposed
from sluice.runtime.queue import Outcome, WorkQueue

log = logging.getLogger("sluice")

CONFIG: Final = "SLUICE_CONFIG"
IGNORED_NAMESPACES: Final = "SLUICE_IGNORE_NAMESPACES"
POD_NAME: Final = "POD_NAME"
POD_NAMESPACE: Final = "POD_NAMESPACE"
SYSTEM_NAMESPACE: Final = "sluice-system"
EXIT_AFTER_WRITES: Final = "SLUICE_TEST_EXIT_AFTER_WRITES"
KILLED: Final = 137
# How long the end waits for Events that are queued; a hand-over waits as long.
_LAST_EVENTS_SECONDS: Final = 0.5


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


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sluice-operator", description=__doc__)
    parser.add_argument("--namespace", help="serve one namespace; without it all of them")
    parser.add_argument("--context", help="context of the kubeconfig; without it the pod's account")
    parser.add_argument("--port", type=int, default=PORT, help="of /healthz, /readyz and /metrics")
    parser.add_argument("--log-level", default="INFO", help="DEBUG, INFO, WARNING or ERROR")
    parser.add_argument(
        "--leader-election",
        action=argparse.BooleanOptionalAction,
        # A process on a developer's machine is alone as a rule; two pods must never be taken so.
        default=bool(os.environ.get(access.IN_CLUSTER_VARIABLE)),
        help="act only while holding the Lease `sluice`; the default in a cluster, not outside",
    )
    parser.add_argument(
        "--lease-seconds",
        type=float,
        default=Timing().lease_seconds,
        help="how long a leader that is not heard of is waited for",
    )
    return parser.parse_args(given)


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
    sources = PrometheusSources(settings.sources, asked=metrics.asked)
    follower = ConfigFollower(Path(path), settings, sources) if path else None
    term = Term() if arguments.leader_election else Term.endless()
    # The lease has connections of its own: behind slow requests a renewal would come too late.
    async with found.session(TIMEOUT) as session, found.session(TIMEOUT) as lease_session:
        heard = [metrics.called]
        kube = Kube(found.server, session, hooks=[*_test_switch(), *heard], term=term)
        recorder = Recorder(
            Kube(found.server, session, hooks=heard, term=term),
            SystemClock(),
            _instance(),
            metrics.told,
        )
        places = _Places(arguments.namespace, _patterns())
        operator = _Operator(kube, sources, metrics, recorder, places)
        watch = KopfWatch(
            found,
            namespace=arguments.namespace,
            listener=operator.cluster,
            ready=lambda: _missing(kube, arguments.namespace),
        )
        operator.show(watch, term)
        if follower:
            metrics.gauge(
                "sluice_config_last_reload_successful",
                "0 while the configuration file holds what was refused.",
                lambda: follower.last_reload_successful,
            )
        leases = Kube(found.server, lease_session, hooks=heard)
        elector = _elector(arguments, operator, term, leases)
        async with serving(watch, metrics.page, port=arguments.port):
            log.info("Sluice is up; the API server is %s.", found.server)
            await _until(stop, operator, watch, elector, follower)
    await sources.close()


def _elector(
    arguments: argparse.Namespace, operator: _Operator, term: Term, kube: Kube
) -> Elector | Unopposed:
    """Who says when the operator leads. Operators that serve other namespaces are no rivals."""
    if not arguments.leader_election:
        return Unopposed(operator)
    namespace = arguments.namespace or os.environ.get(POD_NAMESPACE) or SYSTEM_NAMESPACE
    # Another one in each life: the former one's writes may still be under way.
    identity = f"{_instance()}_{secrets.token_hex(4)}"
    log.info("Standing for election as %s, by Lease %s/sluice.", identity, namespace)
    store = KubeLeases(kube, namespace, SystemClock())
    return Elector(store, identity, term, operator, Timing.of(arguments.lease_seconds))


async def _until(
    stop: asyncio.Event,
    operator: _Operator,
    watch: KopfWatch,
    elector: Elector | Unopposed,
    follower: ConfigFollower | None = None,
) -> None:
    """Run everything until the event, or until one of the parts fails, which is a bug."""
    watching = asyncio.create_task(watch.run(), name="watch")
    working = asyncio.create_task(operator.queue.run(), name="queue")
    telling = asyncio.create_task(operator.recorder.run(), name="recorder")
    electing = asyncio.create_task(elector.run(), name="elector")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    following = asyncio.create_task(_follow(follower), name="configuration")
    tasks = (watching, working, telling, electing, stopping, following)
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    log.info("Stopping.")
    # The queue first: what is being written now shall end well, nothing new shall begin.
    operator.queue.stop()
    watching.cancel()
    stopping.cancel()
    following.cancel()
    await asyncio.wait((watching, working, stopping, following))
    await operator.recorder.drain(_LAST_EVENTS_SECONDS)
    # The lease last, when nothing is written any more.
    telling.cancel()
    electing.cancel()
    await asyncio.wait((telling, electing))
    await elector.release()
    for task in done - {stopping}:
        task.result()


async def _follow(follower: ConfigFollower | None) -> None:
    """For ever; an operator without a configuration file has nothing to follow."""
    await (follower.run() if follower else asyncio.Event().wait())


@dataclass(frozen=True, slots=True)
class _Places:
    """Where Rollouts are served: in one namespace, or in all but the ignored ones, which are left
    to another operator.
    """

    namespace: str | None = None
    ignored: tuple[str, ...] = ()

    def served(self, namespace: str) -> bool:
        """Whether Rollouts there are ours."""
        return not any(fnmatchcase(namespace, pattern) for pattern in self.ignored)


class _Operator:
    """Queue, cluster, rounds and the passes: they know one another through callbacks.

    It follows until `lead`: objects are watched and keys queued, but no pass begins.
    """

    def __init__(
        self,
        kube: Kube,
        sources: PrometheusSources,
        metrics: Metrics,
        recorder: Recorder,
        places: _Places,
    ) -> None:
        self._metrics = metrics
        self._places = places
        clock = SystemClock()
        self.recorder = recorder
        self.cluster = KubeCluster(kube, changed=self._add, scope=places.namespace)
        heard = metrics.heard
        self._rounds = RoundBoard(sources, clock, self._add, heard=heard)
        self._scaling = RoundBoard(SharedSource(sources), clock, self._add, heard=heard)
        self._shown = ScalingMetrics(metrics.registry)
        journal = LogJournal(metrics.decided, recorder.tell, self._shown)
        self._reconciler = Reconciler(
            self.cluster, self._rounds, clock, journal, scaling_rounds=self._scaling
        )
        work = _counted(self._reconciler, metrics)
        self.queue: WorkQueue[Key] = WorkQueue(work, expected=(ClusterError,))
        self.queue.hold()

    def lead(self) -> None:
        """Begin with passes over all Rollouts; nothing that was kept from before is trusted."""
        self._reconciler.new_term()
        self._rounds.new_term()
        self._scaling.new_term()
        self.cluster.new_term()
        self.queue.resume()

    def follow(self) -> None:
        """End the passes. What the watch brings is taken in as before, for the next term."""
        self.queue.hold()
        self._shown.clear()

    def show(self, watch: KopfWatch, term: Term) -> None:
        """Have the metrics tell of queue, watch and term."""
        gauge, queue = self._metrics.gauge, self.queue
        gauge("sluice_queue_depth", "Rollouts that wait for a pass.", lambda: queue.depth)
        gauge("sluice_passes_running", "Passes that are under way.", lambda: queue.busy)
        gauge("sluice_watch_lost_seconds", "0 while all is watched.", lambda: watch.lost_seconds)
        gauge("sluice_leader", "1 while this process leads, 0 while it follows.", term.valid)

    def _add(self, key: Key) -> None:
        if self._places.served(key.namespace):
            self.queue.add(key)


def _instance() -> str:
    """What people call this process: the pod's name, else the machine's."""
    return os.environ.get(POD_NAME) or socket.gethostname()


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
