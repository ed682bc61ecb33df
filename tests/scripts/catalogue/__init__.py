"""Every script there is, by theme."""

from __future__ import annotations

from typing import Final

from scripts.catalogue.deployments import DEPLOYMENTS
from scripts.catalogue.edits import EDITS
from scripts.catalogue.gate import GATE
from scripts.catalogue.releases import RELEASES
from scripts.catalogue.rollbacks import ROLLBACKS
from scripts.script import Script

SCRIPTS: Final[tuple[Script, ...]] = (*RELEASES, *ROLLBACKS, *EDITS, *DEPLOYMENTS, *GATE)
