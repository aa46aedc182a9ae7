"""Attention modules: (batch, channels, steps) to the same shape; built by ``factory(channels, n_steps)``."""

ATTENTIONS = {
    "none": "torch.nn:Identity",  # takes and ignores any arguments
    "sca": "ecgkit.models.attention.sca:SequenceChannelAttention",
}
