"""The program kubectl-sluice: from words to a command, and from what goes wrong to an exit code."""

from __future__ import annotations

import io
import os
import sys
from typing import Final

from sluice.cli.errors import CliError
from sluice.cli.exit_codes import Exit

# Options that may stand before the command, as kubectl users write them, with a value.
_VALUED: Final = ("-n", "--namespace", "--context", "--kubeconfig", "--as", "-o", "--output")
_FLAGS: Final = ("-A", "--all-namespaces")


def main() -> int:
    """Runs the command line; the exit code."""
    from sluice.cli.app import app  # noqa: PLC0415  (after the imports that cannot fail)

    words = options_last(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may know ASCII only
    try:
        app(words, prog_name="kubectl sluice", standalone_mode=True)
    except SystemExit as ended:
        return _flushed(ended.code if isinstance(ended.code, int) else 0)
    except CliError as error:
        sys.stderr.write(f"error: {error}\n")
        return _flushed(int(error.code))
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        return _deaf()
    return 0


def options_last(words: list[str]) -> list[str]:
    """`-n demo list` as `list -n demo`: kubectl takes its options on either side."""
    moved: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-"):
        if rest[0] in _VALUED and len(rest) > 1:
            moved += rest[:2]
            rest = rest[2:]
        elif rest[0] in _FLAGS or rest[0].startswith(tuple(f"{name}=" for name in _VALUED)):
            moved.append(rest.pop(0))
        else:
            break
    return [*rest[:1], *moved, *rest[1:]] if rest else words


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _deaf()
    return code


def _deaf() -> int:
    """The reader of the pipe is gone, as with `| head`: an end like any other."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
