"""Training: the loop, the balancing of losses, and the run folder's weights."""
