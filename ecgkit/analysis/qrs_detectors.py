"""Where a QRS may be: two detectors, each by how far the power of its band stands out from beat to beat.

Both follow the energy detectors of Pan & Tompkins (IEEE Trans Biomed Eng 32:230, 1985) and Elgendi et al.
(PLoS One 9:e84018, 2014): band-pass, square, moving average. Power has no sign, so leads that point down are
found as well. The narrow detector's band, 10 to 30 Hz, leaves out T waves and most of what movement does to
electrodes, and with them the wide beats that start in a ventricle; the wide detector's, 5 to 15 Hz, has these
and the movement too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ORDER = 2
TOP_SHARE = 0.45  # of the rate: up to where a band may reach
BLOCK_S = 2.0  # has a beat at 30 beats/min and more
BLOCKS = 11  # outlast an artefact
SMALLEST = 1e-5  # of the signal's range: below a step of 16 bits, there is nothing
APART_S = 0.12
FOUND = 0.5  # of a usual beat, for a detector alone
FOUND_APART_S = 0.25
NOISE_COSTS = 1.5  # a band whose noise is two thirds as high as beats says nothing
CLEARLY = 0.15
WIDE_GAIN, WIDE_MOST = 1.1, 0.7  # not enough for a T wave that is as sharp


@dataclass(frozen=True, slots=True)
class Band:
    """A detector: its band, Hz, and over how long it averages, s."""

    low_hz: float
    high_hz: float
    average_s: float


NARROW = Band(10.0, 30.0, 0.1)
WIDE = Band(5.0, 15.0, 0.1)


def band_pass(signal: Floats, fs: float, *, band: Band) -> Floats:
    """Filter to a band in both directions, so that nothing moves in time; (n,) to (n,)."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(
        ORDER, [band.low_hz, min(band.high_hz, TOP_SHARE * fs)], "bandpass", fs=fs, output="sos"
    )
    passed: Floats = sosfiltfilt(sections, signal)
    return passed


def relative_power(signal: Floats, fs: float, *, band: Band) -> Floats:
    """Return the amplitude in a band, where 1 is what a usual beat nearby has; (n,).

    Usual is the median, over 22 s, of the highest in each 2 s that is not flat.
    """
    from scipy.ndimage import uniform_filter1d

    squared = band_pass(signal, fs, band=band) ** 2
    mean = uniform_filter1d(squared, round(band.average_s * fs / 2) * 2 + 1)
    amplitude = np.sqrt(np.maximum(mean, 0))  # a running sum may end a little below 0
    least = SMALLEST * float(np.ptp(signal))
    relative: Floats = amplitude / np.maximum(_per_block(amplitude, fs, np.max, least=least), least)
    return relative


def evidence(signal: Floats, fs: float) -> Floats:
    """Return how much speaks for a QRS at each sample: 1 as much as in a usual beat; (n,).

    The larger of what the two detectors say, of which one counts only as far as its band is quiet between
    beats: the wide one, or the narrow one where that has clearly more noise, as on the smooth pulses of an
    R-wave detector.

    Parameters
    ----------
    signal
        (n,), finite, not flat.
    fs
        Rate, Hz; made for 250.
    """
    narrow, wide = (relative_power(signal, fs, band=band) for band in (NARROW, WIDE))
    narrow_noise, wide_noise = (_per_block(relative, fs, np.median) for relative in (narrow, wide))
    noisier = narrow_noise > wide_noise + CLEARLY
    narrow *= np.where(noisier, np.maximum(1 - NOISE_COSTS * narrow_noise, 0), 1)
    wide *= np.maximum(1 - NOISE_COSTS * wide_noise, 0)
    return np.maximum(narrow, np.minimum(WIDE_GAIN * wide, WIDE_MOST))


def local_peaks(values: Floats, fs: float, *, apart_s: float) -> NDArray[np.int64]:
    """Return the samples that are the highest within half of `apart_s` on both sides, and above 0."""
    from scipy.ndimage import maximum_filter1d

    reach = round(apart_s * fs / 2)
    peaks = np.flatnonzero((values > 0) & (values == maximum_filter1d(values, 2 * reach + 1)))
    first = np.diff(peaks, prepend=-reach - 1) > reach  # of a plateau
    return peaks[first].astype(np.int64)


def peaks_of(signal: Floats, fs: float, *, band: Band) -> NDArray[np.int64]:
    """Find QRS complexes by one detector alone: peaks of at least half a usual beat; sample indexes."""
    relative = relative_power(signal, fs, band=band)
    peaks = local_peaks(relative, fs, apart_s=FOUND_APART_S)
    return peaks[relative[peaks] >= FOUND]


def _per_block(values: Floats, fs: float, measure: Callable[..., Floats], *, least: float = 0.0) -> Floats:
    """Measure each 2 s, take the median over 22 s, and return it at each sample, (n,).

    What is not above `least` is left out of the median.
    """
    n_blocks = max(int(len(values) / (BLOCK_S * fs)), 1)
    size = len(values) // n_blocks
    measured = measure(values[: n_blocks * size].reshape(n_blocks, size), axis=1)  # (block,)
    padded = np.pad(np.where(measured > least, measured, np.nan), BLOCKS // 2, mode="symmetric")
    around = np.lib.stride_tricks.sliding_window_view(padded, BLOCKS)  # (block, 11)
    seen = np.isfinite(around).any(axis=1)
    if not seen.any():
        return np.zeros(len(values))
    middles = (np.arange(n_blocks) + 0.5) * size
    median: Floats = np.nanmedian(around[seen], axis=1)
    return np.interp(np.arange(len(values)), middles[seen], median)
