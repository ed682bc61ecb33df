"""What the load generator has counted, read through the API server's pod proxy."""

from __future__ import annotations

from dataclasses import dataclass, field

from stage.cluster import Cluster, Json, path_of


@dataclass(frozen=True)
class Traffic:
    """Counts of requests by `<version>/<status code>` or `lost/<kind>`; see `load.py`."""

    totals: dict[str, int] = field(default_factory=dict)
    seconds: dict[int, dict[str, int]] = field(default_factory=dict)
    lost: list[Json] = field(default_factory=list)
    started: float = 0.0
    now: float = 0.0
    unanswered: int = 0
    late_seconds: float = 0.0
    latest: dict[str, float] = field(default_factory=dict)

    def since(self, earlier: Traffic) -> dict[str, int]:
        """The totals that were added after `earlier` was read."""
        return {key: count - earlier.totals.get(key, 0) for key, count in self.totals.items()}

    def last_answer_of(self, version: str) -> float:
        """When the last request that the version answered was sent (Unix time); 0: never."""
        return max(
            (at for key, at in self.latest.items() if key.startswith(f"{version}/")), default=0.0
        )

    def last_second_with(self, version: str, since: float) -> int | None:
        """The last Unix second from `since` on in which a request that `version` answered was sent.

        None when it answered none.
        """
        hits = [
            second
            for second, counts in self.seconds.items()
            if second >= int(since) and any(key.startswith(f"{version}/") for key in counts)
        ]
        return max(hits, default=None)


def answered_by(counts: dict[str, int], version: str) -> int:
    """The requests that one version answered, errors included."""
    return sum(count for key, count in counts.items() if key.startswith(f"{version}/"))


def failed(counts: dict[str, int]) -> int:
    """The requests that were answered with a 5xx, by any version."""
    return sum(
        count for key, count in counts.items() if "/5" in key and not key.startswith("lost/")
    )


def lost(counts: dict[str, int]) -> int:
    """The requests without a whole answer."""
    return sum(count for key, count in counts.items() if key.startswith("lost/"))


def read_traffic(cluster: Cluster, namespace: str) -> Traffic:
    """What the load generator of the namespace has counted; empty while it isn't running."""
    pods = cluster.items("pods", namespace, "app=load")
    running = [pod for pod in pods if pod["status"].get("phase") == "Running"]
    if not running:
        return Traffic()
    path = path_of("pods", namespace, f"{running[0]['metadata']['name']}:8080")
    answer = cluster.request("GET", f"{path}/proxy/stats")
    if answer.status_code != 200:
        return Traffic()
    found: Json = answer.json()
    return Traffic(
        totals=found["totals"],
        seconds={int(second): counts for second, counts in found["seconds"].items()},
        lost=found["lost"],
        started=found["started"],
        now=found["now"],
        unanswered=found["sent"] - found["answered_or_lost"],
        late_seconds=found["late_seconds"],
        latest=found["latest"],
    )
