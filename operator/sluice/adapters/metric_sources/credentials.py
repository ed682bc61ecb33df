"""Whom a source trusts and who Sluice is to it, as the files say that the configuration names.

Files rotate: Secrets and tokens that Kubernetes mounts are swapped behind a symlink. What a header
needs is read for every request; TLS is set up anew when one of its files is another one.
"""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Final

from sluice.api.config import TLS, FromFile, Source, is_header_text
from sluice.core.readings import Reason, Unknown

_MAX_BYTES: Final = 64 << 10
# What tells one content of a file from another: time, inode, size. None: there is no such file.
Stamp = tuple[int, int, int] | None


class Unusable(Exception):
    """A file cannot be used. `sentence` names the path, for the operator's log; `unknown` does not,
    for a Rollout's status.
    """

    def __init__(self, reason: Reason, field: str, path: Path, problem: str) -> None:
        self.sentence = f"{field}: {path} {problem}"
        self.unknown = Unknown(reason, f"the file of the source's {field} {problem}")
        super().__init__(self.sentence)


def stamp_of(path: Path | None) -> Stamp:
    """What the file looks like from outside, behind all symlinks."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino, found.st_size) if found else None


class Credentials:
    """What a request to one source carries. Every method may raise Unusable."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._context: ssl.SSLContext | None = None
        self._stamps: tuple[Stamp, ...] = ()

    def headers(self) -> dict[str, str]:
        """The headers of the next request."""
        source = self._source
        headers = {
            name: _header(f"headers.{name}", value.path) if isinstance(value, FromFile) else value
            for name, value in source.headers.items()
        }
        if source.bearer_token_file:
            token = _header("bearerTokenFile", source.bearer_token_file)
            headers["Authorization"] = f"Bearer {token}"
        if source.basic_auth:
            password = _text("basicAuth.passwordFile", source.basic_auth.password_file)
            pair = f"{source.basic_auth.username}:{password}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return headers

    def tls(self) -> ssl.SSLContext | None:
        """How to speak TLS; None for a source without it. The same object while no file changes."""
        if not self._source.url.startswith("https:"):
            return None
        tls = self._source.tls
        stamps = tuple(stamp_of(path) for path in (tls.ca_file, tls.cert_file, tls.key_file))
        if self._context is None or stamps != self._stamps:
            # Stamped before it is read: a change in between is seen at the next request.
            self._context, self._stamps = _context(tls), stamps
        return self._context


def _header(field: str, path: Path) -> str:
    text = _text(field, path).strip()
    if not is_header_text(text):
        raise Unusable(Reason.UNAUTHORIZED, field, path, "does not hold one line of ASCII")
    return text


def _text(field: str, path: Path) -> str:
    """The content without the line break that editors leave at the end."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise Unusable(Reason.UNAUTHORIZED, field, path, problem) from None
    except UnicodeDecodeError:
        raise Unusable(Reason.UNAUTHORIZED, field, path, "is not UTF-8") from None
    if not text:
        raise Unusable(Reason.UNAUTHORIZED, field, path, "is empty")
    if len(content) > _MAX_BYTES:
        raise Unusable(Reason.UNAUTHORIZED, field, path, f"has more than {_MAX_BYTES} bytes")
    return text


def _context(tls: TLS) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ValueError) as error:
        assert tls.ca_file is not None, "without one there is nothing to read"
        problem = _problem(error, "does not hold certificates in PEM form")
        raise Unusable(Reason.TLS, "tls.caFile", tls.ca_file, problem) from None
    # Python 3.13 refuses CA certificates without an Authority Key Identifier, which other clients
    # accept, and which exist.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if tls.cert_file is not None:
        try:
            # Without a password to give OpenSSL would ask for one at the terminal.
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
        except (OSError, ValueError) as error:
            problem = _problem(error, "does not hold a certificate that fits the keyFile, both PEM")
            raise Unusable(Reason.TLS, "tls.certFile", tls.cert_file, problem) from None
    return context


def _problem(error: OSError | ValueError, sentence: str) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return f"cannot be read: {error.strerror}"
    return sentence
