"""How much memory there is for this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ASSUMED_BYTES = 8 << 30  # where the system does not say (Windows)
CGROUPS = Path("/proc/self/cgroup")
CGROUP_ROOT = Path("/sys/fs/cgroup")


def memory_bytes(groups: Path = CGROUPS, root: Path = CGROUP_ROOT) -> int:
    """Return the machine's memory, or what a container or a cluster's job may have of it.

    Parameters
    ----------
    groups
        Which control groups this process is in, as Linux writes it.
    root
        Where control groups of either version are mounted.
    """
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):
        found = []
    return min([*found, *_limits(groups, root)], default=ASSUMED_BYTES)


def _limits(groups: Path, root: Path) -> Iterator[int]:
    """Read the limits of this process's control groups, and of the groups around them."""
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        mounted, name = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
        # inside of a container the group's own folder may not be there: its limit is the mount's
        for folder in (Path(place), *Path(place).parents):
            try:
                text = (mounted / str(folder).lstrip("/") / name).read_text(encoding="ascii").strip()
            except OSError:
                continue
            if text.isdigit():
                yield int(text)
