"""What a lab must know before it trusts a channel: every check of the signal, in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.heart_rate import mean_heart_rate_bpm
from ecgkit.readers.ecg_channel import millivolts_per_unit
from ecgkit.records import Channel, Recording
from ecgkit.stages.signal_facts import SignalFacts, gather_facts
from ecgkit.stages.signal_findings import CHECKS, Finding, nothing_in_it

__all__ = ["Finding", "SignalCheck", "check_channel"]


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
        return {
            "channel": self.channel,
            "heart_rate_bpm": self.heart_rate_bpm,
            "r_amplitude_mv": self.r_amplitude_mv,
            "findings": [
                {
                    "name": finding.name,
                    "severity": finding.severity,
                    "text": finding.text,
                    "values": dict(finding.values),
                    "spans_s": [list(span_s) for span_s in finding.spans_s],
                }
                for finding in self.findings
            ],
            "skipped": dict(self.skipped),
        }


def check_channel(recording: Recording, channel: Channel) -> SignalCheck:
    """Make every check on a channel, reading it in blocks of at most ten minutes.

    Raises
    ------
    ReadError
        The file no longer holds what its header says. Whatever the samples are, they are no error.
    """
    facts = gather_facts(recording, channel)
    findings, skipped = _judge(facts)
    stretches = facts.per_stretch(facts.beats_s)
    rate_bpm = mean_heart_rate_bpm(stretches)
    height_mv = facts.qrs_height * (millivolts_per_unit(channel.unit) or math.nan)
    return SignalCheck(
        channel=channel.index,
        heart_rate_bpm=None if math.isnan(rate_bpm) else rate_bpm,
        r_amplitude_mv=None if math.isnan(height_mv) else height_mv,
        findings=findings,
        skipped=skipped,
        peaks_s=tuple(stretches),
    )


def _judge(facts: SignalFacts) -> tuple[tuple[Finding, ...], dict[str, str]]:
    """Make the checks in their order; a channel with nothing in it is spared the others."""
    nothing = nothing_in_it(facts)
    if nothing is not None:
        return (nothing,), {name: "there is no signal" for name in CHECKS if name != nothing.name}
    answers = {name: check(facts) for name, check in CHECKS.items()}
    findings = tuple(answer for answer in answers.values() if isinstance(answer, Finding))
    skipped = {name: answer for name, answer in answers.items() if isinstance(answer, str)}
    return findings, skipped
