"""What a lab must know before it trusts a channel: every check of the signal, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecgkit.records import Channel, Recording


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a signal, or looks so.

    Attributes
    ----------
    name
        The check that found it, as docs/checks.md lists them.
    severity
        "unusable": nothing can be done with this channel; "warning": look before you use it.
    text
        One sentence: what, how much, where, and what to do.
    values
        Its numbers, units in the names.
    """

    name: str
    severity: Literal["warning", "unusable"]
    text: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class SignalCheck:
    """What the checks say of one channel.

    Attributes
    ----------
    channel
        Its index.
    heart_rate_bpm
        Mean over the recording; None where no beats were found.
    r_amplitude_mv
        Median height of the R waves; None without beats or a unit of voltage.
    findings
        The worst first; none for a good signal.
    skipped
        Check -> why it could not be made here.
    peaks_s
        Times of the R peaks in seconds from the recording's start, one array for each stretch without a gap.
    """

    channel: int
    heart_rate_bpm: float | None
    r_amplitude_mv: float | None
    findings: tuple[Finding, ...]
    skipped: Mapping[str, str]
    peaks_s: tuple[NDArray[np.float64], ...]

    def as_json(self) -> dict[str, Any]:
        """Return the check as plain values, without the peaks."""
        raise NotImplementedError


def check_channel(recording: Recording, channel: Channel) -> SignalCheck:
    """Make every check on a channel, reading it in blocks of at most ten minutes."""
    raise NotImplementedError
