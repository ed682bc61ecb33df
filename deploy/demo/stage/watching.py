"""What happened, in order and with times: watches of one namespace, kept from beginning to end.

Polling would miss a pod that lives for a second, or an instant without ready endpoints; a watch is
told of every change. Times are those of this machine at the arrival of the event, in Unix seconds;
the cluster runs on the same clock and an event arrives within milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlencode

from stage.cluster import Cluster, Json, path_of

HASH_LABEL = "pod-template-hash"
# How long a server may answer "not now" (429 with Retry-After, which client-go waits for, too).
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Change:
    """One watch event: `kind` is ADDED, MODIFIED or DELETED."""

    at: float
    kind: str
    object: Json

    @property
    def uid(self) -> str:
        """The uid of the object that changed."""
        return str(self.object["metadata"]["uid"])


class Watch:
    """Every change of the objects of one kind in one namespace, from the moment of its making.

    The list that it starts from counts as ADDED. Raises nothing: `broken` tells of a lost watch,
    and `changes()` then refuses to answer, since it might have missed something.
    """

    def __init__(self, cluster: Cluster, resource: str, namespace: str) -> None:
        self._path = path_of(resource, namespace)
        self._connection: HTTPSConnection = cluster.connection()
        self._lock = threading.Lock()
        self._changes: list[Change] = []
        self._stopping = False
        self.broken = ""
        try:
            version = self._start()
        except BaseException:
            self._connection.close()
            raise
        name = f"watch-{namespace}-{resource}"
        self._thread = threading.Thread(target=self._run, args=(version,), name=name, daemon=True)
        self._thread.start()

    def _start(self) -> str:
        answer = self._ask({})
        listed = json.load(answer)
        now = time.time()
        self._changes = [Change(now, "ADDED", item) for item in listed["items"]]
        return str(listed["metadata"]["resourceVersion"])

    def _ask(self, parameters: dict[str, str]) -> HTTPResponse:
        """The answer, once the server has one: after a change of a CRD it asks to come again."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            self._connection.request("GET", f"{self._path}?{urlencode(parameters)}")
            answer = self._connection.getresponse()
            if answer.status == 200:
                return answer
            said = answer.read()[:300]
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() > deadline:
                raise HTTPException(f"{self._path}: {answer.status} {said!r}")
            time.sleep(float(answer.headers.get("Retry-After", "1")))

    def _run(self, version: str) -> None:
        try:
            while not self._stopping:
                version = self._follow(version)
        except (OSError, HTTPException, ValueError) as error:
            if not self._stopping:
                self.broken = f"{type(error).__name__}: {error}"

    def _follow(self, version: str) -> str:
        """One watch request to its end; the resourceVersion to go on from."""
        # The server ends it after 30 s: a quiet connection that died would else never be noticed.
        answer = self._ask(
            {
                "watch": "true",
                "resourceVersion": version,
                "allowWatchBookmarks": "true",
                "timeoutSeconds": "30",
            }
        )
        while line := answer.readline():
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise HTTPException(str(event["object"]))
            version = str(event["object"]["metadata"]["resourceVersion"])
            if event["type"] != "BOOKMARK":
                with self._lock:
                    self._changes.append(Change(time.time(), event["type"], event["object"]))
        return version

    def changes(self) -> list[Change]:
        """All changes so far, in the order of their arrival."""
        if self.broken:
            raise RuntimeError(f"The watch of {self._path} broke: {self.broken}")
        with self._lock:
            return list(self._changes)

    def stop(self) -> None:
        """End the watch and its thread."""
        self._stopping = True
        if self._connection.sock is not None:
            # Wakes the thread from its read; close alone would leave it waiting.
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=10)
        self._connection.close()


@dataclass
class PodSeen:
    """The life of one pod. `terminating_at` is when its deletion began, `gone_at` when it ended."""

    name: str
    uid: str
    hash: str
    seen_at: float
    ready_at: float | None = None
    unready_at: float | None = None
    terminating_at: float | None = None
    gone_at: float | None = None
    restarts: list[float] = field(default_factory=list)

    def serving_at(self, instant: float) -> bool:
        """Whether the pod was ready and not being deleted at that instant."""
        if self.ready_at is None or self.ready_at > instant:
            return False
        ends = (self.unready_at, self.terminating_at, self.gone_at)
        return all(end is None or end > instant for end in ends)


def is_ready(pod: Json) -> bool:
    """Whether the pod's Ready condition is True."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def pods_seen(changes: list[Change], app: str = "web") -> dict[str, PodSeen]:
    """The life of every pod labelled `app=<app>` that the watch of pods has seen, by uid."""
    seen: dict[str, PodSeen] = {}
    for change in changes:
        labels = change.object["metadata"].get("labels", {})
        if labels.get("app") != app:
            continue
        pod = seen.get(change.uid)
        if pod is None:
            name = change.object["metadata"]["name"]
            pod = PodSeen(name, change.uid, labels.get(HASH_LABEL, ""), change.at)
            seen[change.uid] = pod
        _note(pod, change)
    return seen


def _note(pod: PodSeen, change: Change) -> None:
    """Add what one change tells to the life of the pod."""
    if change.kind == "DELETED":
        pod.gone_at = change.at
        pod.terminating_at = pod.terminating_at or change.at
        return
    if is_ready(change.object):
        pod.ready_at = pod.ready_at or change.at
        pod.unready_at = None
    elif pod.ready_at and not pod.unready_at:
        pod.unready_at = change.at
    if change.object["metadata"].get("deletionTimestamp"):
        pod.terminating_at = pod.terminating_at or change.at
    statuses = change.object.get("status", {}).get("containerStatuses", [])
    count = sum(status["restartCount"] for status in statuses)
    while len(pod.restarts) < count:
        pod.restarts.append(change.at)


def ready_endpoints(changes: list[Change], service: str = "web") -> list[tuple[float, int]]:
    """How many ready endpoints the Service had, as (from when, how many), oldest first."""
    slices: dict[str, int] = {}
    series: list[tuple[float, int]] = []
    for change in changes:
        labels = change.object["metadata"].get("labels", {})
        if labels.get("kubernetes.io/service-name") != service:
            continue
        ready = sum(
            1
            for endpoint in change.object.get("endpoints") or []
            if endpoint.get("conditions", {}).get("ready")
        )
        slices[change.uid] = 0 if change.kind == "DELETED" else ready
        series.append((change.at, sum(slices.values())))
    return series


def fewest(series: list[tuple[float, int]], start: float, end: float) -> int:
    """The smallest value that a series of (from when, value) has between two instants."""
    before = [value for at, value in series if at <= start]
    within = [value for at, value in series if start < at <= end]
    return min(before[-1:] + within, default=0)
