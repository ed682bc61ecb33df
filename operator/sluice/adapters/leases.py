"""The record of the leader election as a coordination.k8s.io/v1 Lease.

Compare-and-swap is a PUT with the resourceVersion that was read: in any other state the API server
answers 409.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from sluice.adapters import wire
from sluice.adapters.errors import NotFound
from sluice.adapters.kube import Kube
from sluice.adapters.lenient import int_of, map_of, text_of
from sluice.adapters.wire import Json
from sluice.ports import Clock, ClusterError, Stale
from sluice.runtime.lease import Lease, Refused, Seen, Unanswered

NAME: Final = "sluice"
# Of a Lease that was written by hand and names no duration.
_DEFAULT_SECONDS: Final = 15


class KubeLeases:
    """Satisfies `sluice.runtime.lease.LeaseStore`.

    `kube` must have no term of its own: these are the writes that bring one.
    """

    def __init__(self, kube: Kube, namespace: str, clock: Clock) -> None:
        self._kube = kube
        self._namespace = namespace
        # For the times on the Lease, which are for people: nothing is decided by them.
        self._clock = clock

    async def read(self) -> Seen | None:
        """The Lease as it is now: a GET without a resourceVersion is answered by the quorum."""
        try:
            return _seen(await self._kube.send(wire.get(wire.LEASES, self._namespace, NAME)))
        except NotFound:
            return None
        except ClusterError as error:
            raise Unanswered(str(error)) from error

    async def create(self, lease: Lease) -> Seen:
        """Make it."""
        body = _body(lease, acquired=self._now())
        return await self._write(wire.create(wire.LEASES, self._namespace, body))

    async def replace(self, lease: Lease, before: Seen) -> Seen:
        """Write over that very state of it."""
        same = before.acquired and before.lease.holder == lease.holder
        body = _body(lease, acquired=before.acquired if same else self._now())
        body["metadata"]["resourceVersion"] = before.version
        body["spec"]["renewTime"] = self._now()
        return await self._write(wire.replace(wire.LEASES, self._namespace, NAME, body))

    def _now(self) -> str:
        return microseconds(self._clock.now())

    async def _write(self, request: wire.Request) -> Seen:
        try:
            return _seen(await self._kube.send(request))
        except Stale as error:
            raise Refused(str(error)) from error
        except ClusterError as error:
            raise Unanswered(str(error)) from error


def microseconds(instant: datetime) -> str:
    """The API's MicroTime: it wants the fraction even where it is 0."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _body(lease: Lease, *, acquired: str) -> Json:
    return {
        "metadata": {"name": NAME},
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": math.ceil(lease.duration_seconds),
            "leaseTransitions": lease.transitions,
            "acquireTime": acquired,
            "renewTime": acquired,
        },
    }


def _seen(raw: Json) -> Seen:
    spec = map_of(raw, "spec")
    lease = Lease(
        holder=text_of(spec, "holderIdentity"),
        duration_seconds=int_of(spec, "leaseDurationSeconds", _DEFAULT_SECONDS),
        transitions=int_of(spec, "leaseTransitions"),
    )
    version = text_of(map_of(raw, "metadata"), "resourceVersion")
    return Seen(lease, version, text_of(spec, "acquireTime"))
