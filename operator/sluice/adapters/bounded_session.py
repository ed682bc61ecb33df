"""An HTTP session that gives up: after so many seconds, after so many bytes, at a redirect.

The time-outs of `requests` bound the wait for the next byte, not the whole: a server that sends a
byte a second would hold its thread for ever.
"""

from __future__ import annotations

import time
from typing import Any, Final

import requests

MAX_BYTES: Final = 1 << 20
_CHUNK: Final = 1 << 16


class TooLarge(requests.RequestException):
    """The answer has more than MAX_BYTES."""


class BoundedSession(requests.Session):
    """One per thread. `seconds` is what the next request may take in all."""

    def __init__(self) -> None:
        super().__init__()
        # A netrc entry or a proxy variable must not change what is sent where.
        self.trust_env = False
        self.seconds = 5.0
        self.last: requests.Response | None = None

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None: an answer that points elsewhere stays the answer, credentials go nowhere else."""
        return None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As the base class, with the body read within the bounds."""
        deadline = time.monotonic() + self.seconds
        self.last = None
        response = super().send(request, **{**kwargs, "stream": True})
        try:
            body = _read(response, deadline)
        finally:
            response.close()
        # Where `requests` itself keeps a body that has been read (Response.content).
        vars(response).update(_content=body, _content_consumed=True)
        self.last = response
        return response


def _read(response: requests.Response, deadline: float) -> bytes:
    body = bytearray()
    # read1 returns what has come, where read would wait for the whole chunk.
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > MAX_BYTES:
            raise TooLarge(f"more than {MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise requests.Timeout("the answer did not end in time")
    return bytes(body)
