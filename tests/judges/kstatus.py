"""The verdict of kstatus, which Flux waits by: the library itself, in the program tests/kstatus."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

BUILD: Final = Path(__file__).parents[1] / "kstatus" / "build.sh"


@cache
def program() -> Path:
    """Where the program is; compiled first where it is not."""
    done = subprocess.run([BUILD], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


def statuses(items: Sequence[Mapping[str, Any] | None]) -> list[str]:
    """InProgress, Failed, Current or Terminating for each object; NotFound for None."""
    stream = "\n".join(json.dumps(item) for item in items)
    done = subprocess.run(
        [program()], input=stream, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    found = [json.loads(line)["status"] for line in done.stdout.splitlines()]
    assert len(found) == len(items)
    return found
