"""The operator's processes in the node, as the kernel accounts for them."""

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


class OperatorProcesses:
    """The processes of the operator in the cluster: the leader, and who would take over."""

    def __init__(self) -> None:
        found = in_node("sh", "-c", FIND).split()
        if not found:
            raise RuntimeError("No process of the operator runs in the node.")
        self._folders = [f"/proc/{pid}" for pid in found]

    def cpu_seconds(self) -> float:
        """CPU time of all of them since their start, user and system."""
        ticks = 0
        for folder in self._folders:
            # The name in parentheses may hold spaces; the fields after it are counted from 3.
            fields = in_node("cat", f"{folder}/stat").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_PER_SECOND

    def rss_mib(self) -> float:
        """Resident memory of the largest."""
        return max(self._rss_mib(folder) for folder in self._folders)

    def _rss_mib(self, folder: str) -> float:
        lines = in_node("cat", f"{folder}/status").splitlines()
        line = next(line for line in lines if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024
