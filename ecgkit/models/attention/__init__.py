"""Attention modules: (batch, channels, steps) to the same shape; built by ``factory(channels, n_steps)``.

A network has one, after the last block of its backbone. The first line of a module's file is what
``ecgkit models list`` says of it.
"""

ATTENTIONS = {
    "none": "ecgkit.models.attention.none:none",
    "se": "ecgkit.models.attention.se:se",
    "mha": "ecgkit.models.attention.mha:mha",
    "cbam": "ecgkit.models.attention.cbam:cbam",
    "sca": "ecgkit.models.attention.sca:SequenceChannelAttention",
}
