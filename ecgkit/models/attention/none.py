"""No attention: what comes from the backbone goes on as it is."""

from torch import nn


def none(_channels: int, _n_steps: int) -> nn.Identity:
    """Build what changes nothing."""
    return nn.Identity()
