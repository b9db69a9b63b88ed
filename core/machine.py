"""What this machine is, and what was measured on it."""

import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from core import workspace

FILE = "machine.json"
# Below this speed-up the second copy of every weight that bfloat16 needs is not worth it.
WORTHWHILE_SPEEDUP = 1.2
CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# Linux's two layouts: who names the group in OWN_CGROUP, where groups lie, limit, use, and cache that can be dropped.
LAYOUTS = (
    ("", "", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def processor() -> str:
    """The processor's name, as its maker gives it."""
    try:
        found = re.search(r"^model name\s*:\s*(\S.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except (OSError, ValueError):
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def memory_total() -> int:
    """Bytes of memory that this process may use: the machine's, or a container's share of it."""
    return min([psutil.virtual_memory().total, *(limit for limit, _ in _cgroup_limits())])


def memory_available() -> int:
    """Bytes that can still be had without anything being pushed out."""
    free = [psutil.virtual_memory().available, *(limit - used for limit, used in _cgroup_limits())]
    return max(min(free), 0)


def _cgroup_limits() -> Iterator[tuple[int, int]]:
    """(limit, bytes in use that cannot be dropped) of this process's group and of those it lies in, where limited."""
    for controller, place, limit_file, use_file, cache in LAYOUTS:
        group = Path(_own_group(controller).lstrip("/"))
        # A container sees its own group as the top one, whatever it is called outside.
        for folder in (CGROUPS / place / part for part in (group, *group.parents)):
            try:
                limit, used = (folder / limit_file).read_text().strip(), int((folder / use_file).read_text())
                spare = re.search(rf"^{cache} (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
            except (OSError, ValueError):
                continue
            # "max", or nearly 2^63 in the older layout, is no limit.
            if limit.isdecimal() and int(limit) < 2**60:
                yield int(limit), used - (int(spare[1]) if spare else 0)


def _own_group(controller: str) -> str:
    """Path of the group that /proc gives for the controller: lines such as 4:memory:/docker/1f, or 0::/user.slice."""
    try:
        lines = [line.split(":", 2) for line in OWN_CGROUP.read_text().splitlines()]
    except (OSError, ValueError):
        return "/"
    return next((line[2] for line in lines if len(line) == 3 and controller in line[1].split(",")), "/")


def measured() -> dict[str, Any]:
    """What was measured on this machine before: "precision" and "speed", see core.precision and core.probe."""
    known = workspace.read_json(workspace.root() / FILE)
    return known if isinstance(known, dict) else {}


def remember(values: dict[str, Any]) -> None:
    """Adds to what was measured. Raises UserError if the disk refuses."""
    workspace.make_folder(workspace.root())
    workspace.write_json(workspace.root() / FILE, measured() | values)
