"""How far a stretch of ECG can be trusted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.coarse import BEAT_FS, thinned, thinning
from ecgkit.analysis.qrs_choice import LOWEST_FS
from ecgkit.analysis.qrs_detectors import NARROW, Band, band_pass, peaks_of

HALF_BEAT_S = 0.25

SHAPE = Band(0.5, 40.0, 0.1)
QRS_HZ, BROAD_HZ = (5.0, 15.0), (5.0, 40.0)
BASELINE_HZ, ALL_HZ = (0.0, 1.0), (0.0, 40.0)
PARTNER_S = 0.15
AT_ONCE = 1000  # windows: as much memory as that takes
PART_S, AROUND_S = 3600.0, 5.0

VERDICTS = ("reject", "doubtful", "accept")
# Index -> from where on it is good, and from where on it can be used. From Zhao & Zhang (Front Physiol
# 9:727, 2018): b_sqi (their qSQI), p_sqi, and where k_sqi is good; from Orphanidou et al. (IEEE J Biomed
# Health Inform 19:832, 2015): where template is good. The others are ours: bas_sqi counts a wander that
# is taken away later, and theirs, 0.95 and 0.9, are for 10 s; of a fast heart k_sqi is lower.
THRESHOLDS = {
    "b_sqi": (0.9, 0.6),
    "template": (0.66, 0.5),
    "p_sqi": (0.5, 0.4),
    "k_sqi": (5.0, 3.0),
    "bas_sqi": (0.9, 0.5),
}
MOST_P_SQI = 0.9  # all power below 15 Hz: no sharp QRS


@dataclass(frozen=True, slots=True, eq=False)
class WindowQuality:
    """Signal quality indices of windows, (N,) each.

    Attributes
    ----------
    b_sqi
        Share of the beats on which two detectors agree within 0.15 s (Li et al., Physiol Meas 29:15, 2008).
    template
        How alike the beats are, `template_correlation`.
    p_sqi
        Power from 5 to 15 Hz over that from 5 to 40 Hz.
    k_sqi
        Kurtosis, 3 for noise, after a band-pass from 0.5 to 40 Hz.
    bas_sqi
        1 less the power up to 1 Hz over that up to 40 Hz, of the signal as recorded.
    verdict
        Index of `VERDICTS`.
    """

    b_sqi: NDArray[np.float64]
    template: NDArray[np.float64]
    p_sqi: NDArray[np.float64]
    k_sqi: NDArray[np.float64]
    bas_sqi: NDArray[np.float64]
    verdict: NDArray[np.int8]


INDICES = tuple(field.name for field in fields(WindowQuality))


def window_quality(
    raw: NDArray[np.float64],
    fs: float,
    *,
    peaks: NDArray[np.int64],
    start_sample: NDArray[np.int64],
    size: int,
) -> WindowQuality:
    """Judge how far each window of an ECG can be trusted.

    A stretch of more than an hour and a half is looked at in parts of about an hour: that bounds memory, and
    a beat of the night is held against the night's beats.

    Parameters
    ----------
    raw
        (n,), one stretch without a gap, as recorded, or averaged by `coarse.thinned`: nothing filtered, any
        unit.
    fs
        Rate, Hz.
    peaks
        Its R peaks as `find_r_peaks` finds them, sample indexes.
    start_sample, size
        Starts of the windows, (N,), ascending, and their length, in samples of `raw`.

    Returns
    -------
    WindowQuality
        A window is rejected where `b_sqi` or `template` can't be used, since then the beats can't be
        trusted; it is accepted where both are good and no two of the other three are unusable.
    """
    factor = thinning(fs, to_fs=BEAT_FS)
    thin, fs, peaks = thinned(raw, factor), fs / factor, peaks // factor
    start, size = start_sample // factor, max(size // factor, 1)
    around, n_parts = round(AROUND_S * fs), max(round(len(thin) / (PART_S * fs)), 1)
    edges = np.linspace(0, len(thin), n_parts + 1).astype(np.int64)
    parts = []
    for first, last in itertools.pairwise(edges.tolist()):
        mine = start[(start >= first) & ((start < last) | (last == len(thin)))]
        begin, end = max(first - around, 0), min(last + size + around, len(thin))
        inside = peaks[(peaks >= begin) & (peaks < end)] - begin
        parts.append(_part_quality(thin[begin:end], fs, peaks=inside, start=mine - begin, size=size))
    return joined(parts)


def joined(parts: Sequence[WindowQuality]) -> WindowQuality:
    """Return the quality of the windows of several parts, in their order."""
    return WindowQuality(*(np.concatenate([getattr(part, name) for part in parts]) for name in INDICES))


def worst(leads: Sequence[WindowQuality]) -> WindowQuality:
    """Return of each window the quality of its worst lead, the first one of equals."""
    at = np.argmin([lead.verdict for lead in leads], axis=0)  # (N,)
    return WindowQuality(*(np.choose(at, [getattr(lead, name) for lead in leads]) for name in INDICES))


def _part_quality(
    thin: NDArray[np.float64],
    fs: float,
    *,
    peaks: NDArray[np.int64],
    start: NDArray[np.int64],
    size: int,
) -> WindowQuality:
    if len(thin) < fs or fs < LOWEST_FS or np.ptp(thin) == 0:
        return _judged(*np.zeros((5, len(start))))
    shape = band_pass(thin / np.ptp(thin), fs, band=SHAPE)
    p_sqi, bas_sqi = np.concatenate(
        [np.empty((2, 0)), *(_power_ratios(rows, fs) for rows in _rows(thin, start, size))], axis=1
    )
    return _judged(
        _agreement(peaks, peaks_of(thin, fs, band=NARROW), fs, start=start, size=size),
        template_correlation(shape, fs, peaks=peaks, start_sample=start, size=size),
        p_sqi,
        np.concatenate([np.empty(0), *(_kurtosis(rows) for rows in _rows(shape, start, size))]),
        bas_sqi,
    )


def _judged(*indices: NDArray[np.float64]) -> WindowQuality:
    """Weigh the indices, in the order of `WindowQuality`, (N,) each."""
    usable, good = (
        [index >= levels[level] for index, levels in zip(indices, THRESHOLDS.values(), strict=True)]
        for level in (1, 0)
    )
    usable[2] &= indices[2] <= MOST_P_SQI
    accepted = good[0] & good[1] & (np.sum(usable[2:], axis=0) >= 2)
    verdict = np.where(usable[0] & usable[1], 1 + accepted, 0).astype(np.int8)
    b_sqi, template, p_sqi, k_sqi, bas_sqi = indices
    return WindowQuality(b_sqi, template, p_sqi, k_sqi, bas_sqi, verdict)


def _rows(signal: NDArray[np.float64], start: NDArray[np.int64], size: int) -> Iterator[NDArray[np.float64]]:
    """Cut windows, (window, time), some at a time; one that reaches beyond the end is moved back."""
    start = np.clip(start, 0, max(len(signal) - size, 0))
    within = np.minimum(np.arange(size), len(signal) - 1)
    for first in range(0, len(start), AT_ONCE):
        yield signal[start[first : first + AT_ONCE, None] + within]


def _power_ratios(rows: NDArray[np.float64], fs: float) -> NDArray[np.float64]:
    """Return pSQI and basSQI of windows (window, time), (2, window); 0 where there is no power."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(centred * np.hanning(rows.shape[1]), axis=1)) ** 2  # (window, frequency)
    at_hz = np.fft.rfftfreq(rows.shape[1], 1 / fs)
    qrs, broad, baseline, whole = (
        power[:, (at_hz >= low_hz) & (at_hz <= high_hz)].sum(axis=1)
        for low_hz, high_hz in (QRS_HZ, BROAD_HZ, BASELINE_HZ, ALL_HZ)
    )
    ratios = [
        np.divide(part, of, out=np.zeros(len(rows)), where=of > 0)
        for part, of in ((qrs, broad), (whole - baseline, whole))
    ]
    return np.stack(ratios)


def _kurtosis(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the kurtosis of each row, (window,); 0 for a flat one."""
    squared = (rows - rows.mean(axis=1, keepdims=True)) ** 2
    variance = squared.mean(axis=1)
    fourth = (squared**2).mean(axis=1)
    kurtosis: NDArray[np.float64] = np.divide(
        fourth, variance**2, out=np.zeros(len(rows)), where=variance**2 > 0
    )
    return kurtosis


def _agreement(
    peaks: NDArray[np.int64], others: NDArray[np.int64], fs: float, *, start: NDArray[np.int64], size: int
) -> NDArray[np.float64]:
    """Return the share of two detectors' beats in each window that the other one has too, (N,)."""
    agreed, total = np.zeros(len(start)), np.zeros(len(start))
    for own, other in ((peaks, others), (others, peaks)):
        has_partner = _nearest(own, other) <= PARTNER_S * fs
        count = np.concatenate([[0], np.cumsum(has_partner)])
        first, last = np.searchsorted(own, start), np.searchsorted(own, start + size)
        agreed += count[last] - count[first]
        total += last - first
    share: NDArray[np.float64] = np.divide(agreed, total, out=np.zeros(len(start)), where=total > 0)
    return share


def _nearest(own: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how far the nearest of other ascending numbers is from each."""
    edges = np.concatenate([[-np.inf], other, [np.inf]])
    after = np.searchsorted(edges, own)
    nearest: NDArray[np.float64] = np.minimum(own - edges[after - 1], edges[after] - own)
    return nearest


def template_correlation(
    signal: NDArray[np.float64],
    fs: float,
    *,
    peaks: NDArray[np.int64],
    start_sample: NDArray[np.int64],
    size: int,
) -> NDArray[np.float64]:
    """Return how alike a recording's beats are, window by window: 1 all alike, 0 none.

    The mean correlation of the window's beats (0.25 s on both sides of the R peak) with the median
    beat of the recording, negative ones taken as 0 (template matching of Orphanidou et al. 2015).

    Parameters
    ----------
    signal
        (n,), cleaned.
    fs
        Rate, Hz.
    peaks
        R peaks, sample indexes.
    start_sample
        Starts of the windows, sample indexes, (N,).
    size
        Length of a window, samples.

    Returns
    -------
    NDArray
        (N,) from 0 to 1; 0 for a window without a whole beat.
    """
    half = round(HALF_BEAT_S * fs)
    inner = peaks[(peaks >= half) & (peaks < len(signal) - half)]
    if len(inner) == 0:
        return np.zeros(len(start_sample))
    beats = signal[inner[:, None] + np.arange(-half, half + 1)]  # (beat, time)
    likeness = np.clip(_correlation(beats, np.median(beats, axis=0)), 0, 1)
    first = np.searchsorted(inner, start_sample)
    last = np.searchsorted(inner, start_sample + size)
    total = np.concatenate([[0.0], np.cumsum(likeness)])
    mean: NDArray[np.float64] = (total[last] - total[first]) / np.maximum(last - first, 1)
    return np.clip(mean, 0, 1)


def _correlation(rows: NDArray[np.float64], template: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate each row (beat, time) with a template (time,); 0 for a flat one."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    template = template - template.mean()
    norm = np.linalg.norm(rows, axis=1) * np.linalg.norm(template)
    products = np.einsum("ij,j->i", rows, template)  # no BLAS: the same sums on any number of threads
    out: NDArray[np.float64] = np.divide(products, norm, out=np.zeros(len(rows)), where=norm > 0)
    return out
