"""The operator's process in the node, as the kernel accounts for it."""

from __future__ import annotations

from typing import Final

from e2e.audit import in_node

# USER_HZ: the unit of /proc/<pid>/stat, 100 on every Linux of these days.
TICKS_PER_SECOND: Final = 100
# Prints the process ids whose command line runs the operator; the brackets keep it from finding
# itself.
FIND: Final = r"""
for folder in /proc/[0-9]*; do
  if tr '\0' ' ' < "$folder/cmdline" 2>/dev/null | grep -qE '(-m [s]luice|/[s]luice-operator)( |$)'
  then echo "${folder#/proc/}"; fi
done
"""


class OperatorProcess:
    """The one process of the operator in the cluster."""

    def __init__(self) -> None:
        found = in_node("sh", "-c", FIND).split()
        if len(found) != 1:
            raise RuntimeError(f"Expected one process of the operator in the node, found {found}.")
        self._folder = f"/proc/{found[0]}"

    def cpu_seconds(self) -> float:
        """CPU time since its start, user and system."""
        # The name in parentheses may hold spaces; the fields after it are counted from 3.
        fields = in_node("cat", f"{self._folder}/stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def rss_mib(self) -> float:
        """Resident memory."""
        lines = in_node("cat", f"{self._folder}/status").splitlines()
        line = next(line for line in lines if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024
