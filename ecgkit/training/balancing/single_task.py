"""One task: nothing to balance."""

from __future__ import annotations

from ecgkit.training.balancing.equal import Equal


class SingleTask(Equal):
    """Weigh the only task by 1."""

    for_one_task = True
