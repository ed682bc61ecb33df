"""The configuration file, followed while the operator runs.

A change that cannot be used is refused: what was in force stays in force, the log says why, and
`last_reload_successful` tells it until the file is good again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from sluice.adapters.metric_sources.credentials import Stamp, stamp_of
from sluice.api import config
from sluice.api.config import Config, ConfigError, Source

log = logging.getLogger(__name__)

# The kubelet takes up to a minute to bring a change of a ConfigMap to its mount.
LOOK_EVERY_SECONDS: Final = 5.0


class Sources(Protocol):
    """What the configuration is for."""

    def replace(self, sources: Mapping[str, Source], /) -> None:
        """Take these from now on, or raise ConfigError and change nothing."""
        ...


class ConfigFollower:
    """Looks now and then whether the file is another one."""

    def __init__(self, path: Path, in_force: Config, sources: Sources) -> None:
        self._path = path
        self._in_force = in_force
        self._sources = sources
        self._refused = ""
        self._seen: Stamp | None = None

    @property
    def last_reload_successful(self) -> bool:
        """Whether what the file says is in force."""
        return not self._refused

    async def run(self, every_seconds: float = LOOK_EVERY_SECONDS) -> None:
        """Follow until cancelled."""
        while True:
            await asyncio.sleep(every_seconds)
            self.look()

    def look(self) -> None:
        """Take what the file says now, if that is another configuration and can be used."""
        stamp = stamp_of(self._path)
        # Also what was refused is tried again: a file that it names may come later.
        if stamp == self._seen and not self._refused:
            return
        self._seen = stamp
        try:
            found = config.load(self._path)
            if found != self._in_force:
                self._sources.replace(found.sources)
        except ConfigError as error:
            if str(error) != self._refused:
                log.warning("The configuration stays as it was, the new one is refused: %s", error)
            self._refused = str(error)
            return
        if found != self._in_force:
            log.info("The configuration was read anew; sources: %s.", ", ".join(found.sources))
        elif self._refused:
            log.info("The configuration file says again what is in force.")
        self._in_force, self._refused = found, ""
