"""Backbones: what turns a window into channels over a shorter time.

A backbone is built by ``factory(spec)``, takes (batch, lead, time) of `MIN_SAMPLES` samples or more, gives
(batch, channels, steps), and has the attribute `last_weight`: the parameter whose gradients are compared
when losses are balanced. Where torch can't count what it computes it has `multiply_adds(n_samples)`. The
first line of its file is what ``ecgkit models list`` says of it.
"""

BACKBONES = {
    "resnet": "ecgkit.models.backbones.resnet:resnet",
    "cnn": "ecgkit.models.backbones.cnn:cnn",
    "mobilenet": "ecgkit.models.backbones.mobilenet:MobileNet",
    "efficientnet": "ecgkit.models.backbones.efficientnet:EfficientNet",
    "densenet": "ecgkit.models.backbones.densenet:DenseNet",
    "lstm": "ecgkit.models.backbones.lstm:Lstm",
    "mlp": "ecgkit.models.backbones.mlp:Mlp",
}

# These give one step, whatever the window: nothing is left that attention could weigh.
TIMELESS = frozenset({"lstm", "mlp"})

MIN_SAMPLES = 8


def takes(backbone: str, attention: str) -> bool:
    """Tell whether a backbone goes with an attention module; names are not checked."""
    return attention == "none" or backbone not in TIMELESS
