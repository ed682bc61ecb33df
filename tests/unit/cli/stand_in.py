"""A script in the place of kubectl."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sluice.core.checking.report import wire
from unit.cli.objects import Json
from unit.cli.reports import GOOD


class Kubectl:
    """A program that is run in the place of another one, and what it was given."""

    def __init__(self, folder: Path) -> None:
        self.file, self._said, self._log = folder / "kubectl", folder / "said", folder / "log"
        self.answers(wire(GOOD))

    def answers(self, out: object = "", *, err: str = "", code: int = 0) -> None:
        """What it says from now on; a text as it is, anything else as JSON."""
        text = out if isinstance(out, str) else json.dumps(out)
        self._said.write_text(json.dumps([text, err, code]))
        self.file.write_text(
            f"#!{sys.executable}\n"
            "import json, pathlib, sys\n"
            f"said = json.loads(pathlib.Path({str(self._said)!r}).read_text())\n"
            f"log = pathlib.Path({str(self._log)!r})\n"
            "log.write_text(json.dumps([sys.argv[1:], sys.stdin.read()]))\n"
            "sys.stdout.write(said[0]); sys.stderr.write(said[1]); sys.exit(said[2])\n"
        )
        self.file.chmod(0o755)

    @property
    def words(self) -> list[str]:
        found = json.loads(self._log.read_text())[0]
        assert isinstance(found, list)
        return found

    @property
    def request(self) -> Json:
        found = json.loads(json.loads(self._log.read_text())[1])
        assert isinstance(found, dict)
        return found

    @property
    def ran(self) -> bool:
        return self._log.exists()
