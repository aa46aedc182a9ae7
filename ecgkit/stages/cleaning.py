"""A stretch of a recording without a gap: cleaned, with its beats and its windows' places and quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.quality import WindowQuality, worst
from ecgkit.config import PipelineConfig
from ecgkit.preprocess.clean import clean_resampled
from ecgkit.preprocess.cut import beat_starts, time_starts
from ecgkit.preprocess.mains import MainsPlan
from ecgkit.preprocess.polarity import upright
from ecgkit.preprocess.resample import resampled_size
from ecgkit.records import Channel
from ecgkit.stages.stretches import read_stretch
from ecgkit.stages.window_facts import beats_between, find_beats, judge, qrs_sign

Beats = Sequence[NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """One stretch without a gap.

    Attributes
    ----------
    span
        (start, stop), samples as recorded.
    cleaned
        (lead, n)
    beats_s
        R peaks of the first lead, seconds from its start.
    starts
        Of its windows, samples at the windows' rate, (N,).
    """

    span: tuple[int, int]
    cleaned: NDArray[np.float64]
    beats_s: NDArray[np.float64]
    starts: NDArray[np.int64]
    quality: WindowQuality


def clean_stretch(
    channels: Sequence[Channel],
    span: tuple[int, int],
    pipeline: PipelineConfig,
    mains: MainsPlan,
    known_s: Beats | None,
) -> Stretch:
    """Clean a stretch and judge its windows, lead after lead: one at a time is held at a higher rate."""
    fs, to_fs = channels[0].fs, pipeline.fs
    start_s, stop_s = span[0] / fs, span[1] / fs
    beats_s = beats_between(known_s or (), start_s=start_s, stop_s=stop_s)
    cleaned = np.empty((len(channels), resampled_size(span[1] - span[0], fs, to_fs=to_fs)))
    quality = []
    for lead, channel in enumerate(channels):
        reading = read_stretch(channel, *span, to_fs=to_fs)
        if lead == 0 and known_s is None:
            beats_s = find_beats(reading, start_s=start_s, fs=fs)
        starts = _starts(cleaned.shape[1], beats_s, pipeline)
        quality.append(judge(reading, beats_s, starts / to_fs, fs=fs, window_s=pipeline.window_s))
        resampled, gain = reading.resampled, reading.gain
        del reading  # what it holds at 250 Hz is more than all that follows needs
        cleaned[lead] = clean_resampled(
            resampled,
            to_fs,
            mains=mains,
            high_pass_hz=pipeline.high_pass_hz,
            order=pipeline.high_pass_order,
            low_pass_hz=pipeline.low_pass_hz,
        )
        cleaned[lead] *= gain
    return Stretch(span, cleaned, beats_s, starts, worst(quality))


def _starts(n_samples: int, beats_s: NDArray[np.float64], pipeline: PipelineConfig) -> NDArray[np.int64]:
    """Return where the windows of a cleaned stretch begin, samples."""
    if pipeline.r_peak_at_s is not None:
        return beat_starts(
            n_samples,
            pipeline.fs,
            r_peaks_s=beats_s,
            window_s=pipeline.window_s,
            r_peak_at_s=pipeline.r_peak_at_s,
        )
    stride_s = pipeline.stride_s or pipeline.window_s
    return time_starts(n_samples, pipeline.fs, window_s=pipeline.window_s, stride_s=stride_s)


def turned_upright(
    channels: Sequence[Channel], stretches: Sequence[Stretch], pipeline: PipelineConfig
) -> tuple[list[Stretch], tuple[str, ...]]:
    """Turn the leads that are upside down, if asked for; return the stretches, and these leads' names."""
    if pipeline.polarity == "as-recorded":
        return list(stretches), ()
    beats_s = [stretch.beats_s for stretch in stretches]
    signs = [
        qrs_sign([stretch.cleaned[lead] for stretch in stretches], beats_s, pipeline.fs, name=channel.name)
        for lead, channel in enumerate(channels)
    ]
    turned = [replace(stretch, cleaned=upright(stretch.cleaned, qrs_sign=signs)) for stretch in stretches]
    return turned, tuple(channel.name for channel, sign in zip(channels, signs, strict=True) if sign < 0)
