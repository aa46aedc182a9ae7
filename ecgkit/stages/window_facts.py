"""What is known of a stretch's beats and windows: R peaks, heart rate, quality, which way its QRS points."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.coarse import beat_times_s
from ecgkit.analysis.median_beat import cut_beats, likeness, points_down, shape_of
from ecgkit.analysis.quality import WindowQuality, window_quality
from ecgkit.exclusions import ROUNDING
from ecgkit.readers.ecg_channel import lead_of
from ecgkit.stages.signal_blocks import BLOCK_S, LEAST_SAMPLES, MARGIN_S, MOST_SAMPLES
from ecgkit.stages.signal_facts import LEAST_BEATS
from ecgkit.stages.signal_findings import LEAST_LIKENESS
from ecgkit.stages.stretches import Reading

MOST_BEATS = 4096  # of a recording are laid over each other


def beats_between(
    beats_s: Sequence[NDArray[np.float64]], *, start_s: float, stop_s: float
) -> NDArray[np.float64]:
    """Return the R peaks of a recording that lie in a stretch, in seconds from its start."""
    times_s = np.concatenate([np.empty(0), *beats_s])
    return times_s[(times_s >= start_s) & (times_s < stop_s)] - start_s


def find_beats(reading: Reading, *, start_s: float, fs: float) -> NDArray[np.float64]:
    """Find the R peaks of a stretch as ingest does, in the same blocks of ten minutes.

    Parameters
    ----------
    reading
        Of the first lead.
    start_s
        Where the stretch begins, from the recording's start, seconds.
    fs
        The recorded rate, Hz.

    Returns
    -------
    NDArray
        Seconds from the stretch's start, ascending.
    """
    thin, thin_fs, length_s = reading.thin, reading.thin_fs, len(reading.thin) / reading.thin_fs
    late_s = (1 / thin_fs - 1 / fs) / 2  # an average lies in the middle of its samples
    block_s = int(np.clip(BLOCK_S * fs, LEAST_SAMPLES, MOST_SAMPLES)) / fs
    found = [np.empty(0)]
    for block in range(int(start_s / block_s), math.ceil((start_s + length_s) / block_s - ROUNDING)):
        begin_s, end_s = block * block_s - start_s, (block + 1) * block_s - start_s
        first = max(round((begin_s - 2 * MARGIN_S) * thin_fs), 0)
        times_s = beat_times_s(thin[first : round(end_s * thin_fs)], thin_fs) + first / thin_fs + late_s
        own_to_s = end_s - MARGIN_S if end_s < length_s - ROUNDING else np.inf
        found.append(times_s[(times_s >= begin_s - MARGIN_S) & (times_s < own_to_s)])
    return np.concatenate(found)


def judge(
    reading: Reading,
    beats_s: NDArray[np.float64],
    start_s: NDArray[np.float64],
    *,
    fs: float,
    window_s: float,
) -> WindowQuality:
    """Judge the windows of a stretch as recorded, unfiltered.

    Parameters
    ----------
    beats_s, start_s
        R peaks and starts of the windows, (N,), seconds from the stretch's start.
    fs
        The recorded rate, Hz.
    """
    factor = round(fs / reading.thin_fs)
    tips = beats_s * reading.thin_fs - (1 - 1 / factor) / 2
    return window_quality(
        reading.thin,
        reading.thin_fs,
        peaks=np.rint(tips - ROUNDING).astype(np.int64),  # one half way is always the same one's
        start_sample=np.rint(start_s * fs).astype(np.int64) // factor,
        size=max(round(window_s * fs) // factor, 1),
    )


def qrs_sign(
    stretches: Sequence[NDArray[np.float64]], beats_s: Sequence[NDArray[np.float64]], fs: float, *, name: str
) -> int:
    """Tell whether a lead is upside down, from the median beat of the whole recording.

    Parameters
    ----------
    stretches, beats_s
        Cleaned signal of each, (n,), and its R peaks, seconds from its start.
    fs
        Rate of the cleaned signal, Hz.
    name
        The channel's; lead aVR points down by nature.

    Returns
    -------
    int
        1 upright, -1 upside down (`median_beat.points_down`), 0 where nobody can tell.
    """
    every = -(-sum(map(len, beats_s)) // MOST_BEATS) or 1
    cut = [
        cut_beats(signal, fs, beats_s=times_s[::every])[0]
        for signal, times_s in zip(stretches, beats_s, strict=True)
    ]
    beats = np.concatenate(cut)  # (beat, time)
    if lead_of(name) == "aVR" or len(beats) < LEAST_BEATS or likeness(beats, fs).mean() < LEAST_LIKENESS:
        return 0
    if not any(len(times_s) > 1 for times_s in beats_s):
        return 0
    rr_s = float(np.median(np.concatenate([np.diff(times_s) for times_s in beats_s])))
    return -1 if points_down(shape_of(np.median(beats, axis=0), fs, rr_s=rr_s)) else 1
