"""What the API server may answer instead of what was asked for.

ClusterError (sluice.ports)
└── ApiError
    ├── NotFound        Stale        404, 410
    ├── Conflict        Stale        409 without another reason; a uid that is another's (422)
    ├── AlreadyExists   Stale        409 of that reason
    ├── Invalid         Denied       400, 422
    ├── Forbidden       Denied       403
    ├── Unsupported     Denied       other 4xx; 500 without a reason to a server-side apply
    ├── Unauthorized    Unreachable  401: tokens rotate, the next request may have a new one
    └── Unavailable     Unreachable  429, 5xx, time-outs, broken connections
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sluice.ports import ClusterError, Denied, Stale, Unreachable

# A refusal of an unknown field quotes the whole object; nobody reads on after this much.
MESSAGE_LIMIT: Final = 400


class ApiError(ClusterError):
    """An answer that is no success. `code` is the HTTP status, 0 when there was no answer."""

    def __init__(self, call: str, code: int, reason: str, message: str) -> None:
        self.call = call
        self.code = code
        self.reason = reason
        text = message if len(message) <= MESSAGE_LIMIT else f"{message[:MESSAGE_LIMIT]}…"
        super().__init__(f"{call}: {f'{code} ' if code else ''}{reason}: {text}")


class NotFound(ApiError, Stale):
    """There is no such object, or no such kind."""


class Conflict(ApiError, Stale):
    """The object has changed since it was read, or is another one by now."""


class AlreadyExists(ApiError, Stale):
    """An object of that name is there."""


class Invalid(ApiError, Denied):
    """The object was refused by its schema or its rules."""


class Forbidden(ApiError, Denied):
    """Not allowed: a missing permission, a quota, an admission webhook, a namespace that ends."""


class Unsupported(ApiError, Denied):
    """The API server cannot do this; asking again changes nothing."""


class Unauthorized(ApiError, Unreachable):
    """The credentials were not accepted."""


class Unavailable(ApiError, Unreachable):
    """No answer in time, or the server is in trouble. A write may have been done all the same."""


_BY_CODE: Final[Mapping[int, type[ApiError]]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    410: NotFound,
    422: Invalid,
    429: Unavailable,
}


def error_of(
    call: str, code: int, status: Mapping[str, Any], *, applied: bool, tested: bool = False
) -> ApiError:
    """The error for an answer; `status` is its body (metav1.Status), empty when it was none.

    `applied` says that the request was a server-side apply: there an undeclared field is answered
    with a 500 that has no reason, and it would be for ever. `tested`: it was a JSON patch, whose
    tests of uid and resourceVersion are answered with 422 when they fail.
    """
    reason = str(status.get("reason") or "")
    if tested and code == 422:
        return Conflict(call, code, reason or "Invalid", "the object has changed")
    return _kind(code, reason, status, applied=applied)(
        call, code, reason or "no reason given", str(status.get("message") or "")
    )


def _kind(code: int, reason: str, status: Mapping[str, Any], *, applied: bool) -> type[ApiError]:
    if code == 409 and reason == "AlreadyExists":
        return AlreadyExists
    if code == 422 and "metadata.uid" in _fields(status):
        return Conflict
    if code == 500 and applied and not reason:
        return Unsupported
    return _BY_CODE.get(code) or (Unavailable if code >= 500 else Unsupported)


def _fields(status: Mapping[str, Any]) -> set[str]:
    causes = (status.get("details") or {}).get("causes") or ()
    return {str(cause.get("field")) for cause in causes}
