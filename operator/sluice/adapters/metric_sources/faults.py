"""What it means when there is no answer to read: exceptions and HTTP statuses as Unknown.

what may pass (asked again)   refused, name not resolved, no connection, connection broken,
                              429, 502, 503 (unless Prometheus says that the time was up)
what does not                 TLS, redirect, 401 and 403, a query that is wrong, all the rest
"""

from __future__ import annotations

import email.utils
import errno
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiohttp

from sluice.adapters.metric_sources.answers import error_of
from sluice.core.readings import Reason, Unknown


@dataclass(frozen=True, slots=True)
class Passing:
    """A fault that may be over in a moment; `after_seconds` is what the server asks to wait."""

    unknown: Unknown
    after_seconds: float = 0.0


Fault = Unknown | Passing

BROKEN: Final = Passing(Unknown(Reason.UNREACHABLE, "the connection broke"))
_REFUSED: Final = Passing(Unknown(Reason.REFUSED, "the connection was refused"))
_UNRESOLVED: Final = Passing(
    Unknown(Reason.UNREACHABLE, "the name of the server cannot be resolved")
)
_NO_CONNECTION: Final = Passing(Unknown(Reason.UNREACHABLE, "no connection can be made"))
_NO_ADDRESS: Final = Unknown(Reason.UNREACHABLE, "the URL of the source cannot be asked")
_NO_HTTP: Final = Unknown(Reason.MALFORMED, "what answers does not speak HTTP")
_NO_TLS: Final = Unknown(Reason.TLS, "the TLS connection cannot be made")

# X509_V_ERR_* of OpenSSL, whose own sentences differ from version to version.
_INVALID: Final = "the certificate of the server is not valid"
_CERTIFICATES: Final = {
    9: "the certificate of the server is not yet valid",
    10: "the certificate of the server has expired",
    18: "the certificate of the server is from nobody who is trusted",
    19: "the certificate of the server is from nobody who is trusted",
    20: "the certificate of the server is from nobody who is trusted",
    21: "the certificate of the server is from nobody who is trusted",
    62: "the certificate of the server is for another name",
    64: "the certificate of the server is for another address",
}

_BAD_QUERY: Final = (Reason.BAD_QUERY, "the query cannot be evaluated")
_STORE_IS_OUT: Final = (Reason.SERVER_ERROR, "a part of the data cannot be reached")
_TIME_IS_UP: Final = (Reason.TIMEOUT, "the server could not evaluate the query in time")
_CREDENTIALS: Final = (Reason.UNAUTHORIZED, "the credentials of the source do not suffice")
_GATEWAY: Final = (Reason.TIMEOUT, "the server did not answer in time")
_NOT_NOW: Final = (Reason.SERVER_ERROR, "the server cannot answer now")
_STATUSES: Final = {
    401: _CREDENTIALS,
    403: _CREDENTIALS,
    407: _CREDENTIALS,
    408: _GATEWAY,
    429: (Reason.SERVER_ERROR, "the server is asked too much"),
    502: _NOT_NOW,
    503: _NOT_NOW,
    504: _GATEWAY,
}
# Where the body tells what the status means; of all others it is not waited for.
SAY_MORE: Final = frozenset({400, 422, 503})
_MAY_PASS: Final = frozenset({429, 502, 503})
# All others, by their first digit.
_CLASSES: Final = {
    2: (Reason.MALFORMED, "the answer is not that of a Prometheus"),
    3: (Reason.REDIRECT, "redirects are not followed"),
    4: (Reason.SERVER_ERROR, "there is no Prometheus API at this URL"),
    5: (Reason.SERVER_ERROR, "the server has failed"),
}
# Thanos says 422 also when a store does not answer; its query is not to blame.
_OUTAGES: Final = ("expanding series", "rpc error")


def of_error(error: Exception) -> Fault:
    """What the HTTP client has raised."""
    chain = tuple(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in chain):
        # Only OpenSSL's own error has the code; the client's is of the same class.
        codes = [cause.verify_code for cause in chain if hasattr(cause, "verify_code")]
        return Unknown(Reason.TLS, _CERTIFICATES.get(next(iter(codes), 0), _INVALID))
    if any(isinstance(cause, ssl.SSLError) for cause in chain):
        return _NO_TLS
    if isinstance(error, ValueError):
        return _NO_ADDRESS
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _UNRESOLVED
    if any(isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED for cause in chain):
        return _REFUSED
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return _NO_CONNECTION
    if isinstance(error, aiohttp.ClientResponseError):
        return _NO_HTTP
    return BROKEN


def of_status(status: int, body: bytes, retry_after: str | None) -> Fault:
    """An HTTP status that is no success, with the beginning of its body."""
    kind, text = error_of(body)
    if status in (400, 422) and kind:
        outage = any(sign in text for sign in _OUTAGES)
        reason, sentence = _STORE_IS_OUT if outage else _BAD_QUERY
    elif status == 503 and kind == "timeout":
        reason, sentence = _TIME_IS_UP
    else:
        reason, sentence = _STATUSES.get(status) or _CLASSES[min(max(status // 100, 2), 5)]
    unknown = Unknown(reason, f"HTTP {status}: {sentence}")
    # What Prometheus could not do in all of the time will not be done in the rest of it.
    if status in _MAY_PASS and reason is not Reason.TIMEOUT:
        return Passing(unknown, _seconds(retry_after))
    return unknown


def _seconds(retry_after: str | None) -> float:
    """What a Retry-After says (RFC 9110, 10.2.3): seconds, or an instant."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made from; the HTTP client hides them in places of its own."""
    todo, seen = [error], set[int]()
    while todo:
        at = todo.pop(0)
        if id(at) in seen:
            continue
        seen.add(id(at))
        yield at
        hidden = [getattr(at, name, None) for name in ("os_error", "certificate_error")]
        inside = (at.__cause__, at.__context__, *hidden)
        todo += [cause for cause in inside if isinstance(cause, BaseException)]
