"""Backbones: what turns a window into channels over a shorter time.

A backbone is built by ``factory(spec)``, takes (batch, lead, time), gives (batch, channels, steps), and
has the attribute `last_weight`: the parameter whose gradients are compared when losses are balanced.
"""

BACKBONES = {
    "resnet": "ecgkit.models.backbones.resnet:resnet",
    "cnn": "ecgkit.models.backbones.cnn:cnn",
}
