"""What every reader warns of: scales that give no values, markers that lie nowhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ecgkit.records import Channel, Marker


def scale_warnings(channels: Sequence[Channel]) -> Iterator[str]:
    """Name the channels whose scale or offset makes no values of their counts."""
    for channel in channels:
        if not (math.isfinite(channel.scale) and math.isfinite(channel.offset) and channel.scale != 0):
            yield (
                f"channel {channel.index} {channel.name!r}: scale {channel.scale} and offset "
                f"{channel.offset} give no usable values; only its raw samples can be used"
            )


def marker_warnings(markers: Sequence[Marker], channels: Sequence[Channel], *, fs: float) -> Iterator[str]:
    """Count the markers outside the recording; `fs` is the rate in Hz that they count in."""
    ticks = round(max(channel.n_samples * fs / channel.fs for channel in channels))
    if outside := sum(not 0 <= marker.sample <= ticks for marker in markers):
        yield f"{outside} of {len(markers)} markers lie outside the recording of {ticks} samples"
