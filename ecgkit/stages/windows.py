"""From a recording to windows: the one pipeline that building and predicting share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.heart_rate import window_heart_rates_bpm
from ecgkit.analysis.qrs_choice import LARGEST
from ecgkit.analysis.quality import INDICES, VERDICTS, WindowQuality, finite_runs, window_quality
from ecgkit.analysis.rpeaks import find_r_peaks
from ecgkit.config import PipelineConfig
from ecgkit.errors import SignalError
from ecgkit.exclusions import ROUNDING, Exclusion, used_samples
from ecgkit.preprocess.clean import clean
from ecgkit.preprocess.cut import cut
from ecgkit.preprocess.mains import MainsPlan, plan_mains
from ecgkit.preprocess.scale import apply_scale, scale_constants
from ecgkit.readers.ecg_channel import millivolts_per_unit, physical_unit
from ecgkit.records import Channel, Recording

ROWS = ("windows", "start_s", "start_sample", "heart_rate_bpm", "scale_offset", "scale_gain")


@dataclass(frozen=True, slots=True)
class CutWindows:
    """The windows of one recording and what is known of each.

    Attributes
    ----------
    windows
        (N, lead, T) float32, scaled.
    start_s, start_sample
        From the recording's start: seconds, and samples at the windows' rate, (N,).
    heart_rate_bpm
        (N,); see docs/format.md.
    quality
        Of the lead that is worst in the window, (N,) each.
    scale_offset, scale_gain
        ``physical = window * scale_gain + scale_offset``, (N, lead).
    unit
        Physical unit: mV, or the recorded one where it is not a voltage that we know.
    mains
        How mains was removed.
    n_excluded, n_too_poor
        How many more there would be, but for what is excluded, and for their quality.
    """

    windows: NDArray[np.float32]
    start_s: NDArray[np.float64]
    start_sample: NDArray[np.int64]
    heart_rate_bpm: NDArray[np.float64]
    quality: WindowQuality
    scale_offset: NDArray[np.float64]
    scale_gain: NDArray[np.float64]
    unit: str
    mains: MainsPlan
    n_excluded: int = 0
    n_too_poor: int = 0


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Windows, not yet scaled, of one stretch without a gap; `cleaned` is (lead, n)."""

    cleaned: NDArray[np.float64]
    windows: NDArray[np.float64]
    start_s: NDArray[np.float64]
    heart_rate_bpm: NDArray[np.float64]
    quality: WindowQuality


def cut_recording(
    recording: Recording,
    ecg: Sequence[int],
    pipeline: PipelineConfig,
    excluded: Sequence[Exclusion] = (),
) -> CutWindows:
    """Clean a recording's ECG, scale it and cut it into windows; no window crosses a gap.

    In this order: mains removed and resampled with anti-aliasing from the recorded rate, high-pass at
    the new rate, both over whole stretches, then scaling and cutting. A gap is a pause of the recording,
    a sample that is not a number or absurdly large, or what is excluded: that reaches neither a filter nor
    the scale.

    Parameters
    ----------
    ecg
        Indexes of the ECG channels, in lead order, all of one rate.
    excluded
        What is not to be used.

    Raises
    ------
    SignalError
        The signal is flat, no stretch is as long as a window, or the rate does not allow the pipeline.
    """
    channels = [recording.channels[index] for index in ecg]
    fs = _common_rate(recording, channels)
    mains = plan_mains(
        fs,
        to_fs=pipeline.fs,
        mains_hz=pipeline.mains_hz,
        mode=pipeline.mains,
        lines=pipeline.mains_lines,
    )
    usable, n_excluded = _usable(recording, channels, pipeline, excluded)
    stretches = [
        _cut_stretch(signal, fs, start_s=first / fs, pipeline=pipeline, mains=mains)
        for first, signal in usable
    ]
    _refuse_what_has_no_signal(recording, channels, stretches, pipeline, n_excluded=n_excluded)
    cleaned = np.concatenate([stretch.cleaned for stretch in stretches], axis=1)  # (lead, n)
    windows = np.concatenate([stretch.windows for stretch in stretches])  # (N, lead, T)
    start_s = np.concatenate([stretch.start_s for stretch in stretches])
    offset, gain = scale_constants(windows, cleaned, scale=pipeline.scale)
    return CutWindows(
        windows=apply_scale(windows, offset, gain),
        start_s=start_s,
        start_sample=np.rint(start_s * pipeline.fs).astype(np.int64),
        heart_rate_bpm=np.concatenate([stretch.heart_rate_bpm for stretch in stretches]),
        quality=_joined([stretch.quality for stretch in stretches]),
        scale_offset=offset,
        scale_gain=gain,
        unit=physical_unit(channels[0].unit),
        mains=mains,
        n_excluded=n_excluded,
    )


def read_physical(channel: Channel, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
    """Read a channel in mV, or as recorded where its unit is not a voltage that we know."""
    return channel.read(start, stop) * (millivolts_per_unit(channel.unit) or 1.0)


def _common_rate(recording: Recording, channels: Sequence[Channel]) -> float:
    rates = {channel.fs for channel in channels}
    if len(rates) > 1:
        names = ", ".join(f"{channel.name!r} at {channel.fs:g} Hz" for channel in channels)
        raise SignalError(f"{recording.path}: the leads differ in rate ({names}); take leads of one rate")
    return rates.pop()


def _usable(
    recording: Recording,
    channels: Sequence[Channel],
    pipeline: PipelineConfig,
    excluded: Sequence[Exclusion],
) -> tuple[list[tuple[int, NDArray[np.float64]]], int]:
    """Return the first sample and the signal (lead, n) of each stretch that can hold a window.

    And how many windows touch what is excluded, if they were cut as if nothing was.
    """
    fs, found, n_excluded = channels[0].fs, [], 0
    stride, size = (pipeline.stride_s or pipeline.window_s) * fs, pipeline.window_s * fs
    for start, signal in _stretches(recording, channels):
        stop = start + signal.shape[1]
        windows = start + np.arange(_n_windows(stop - start, fs, pipeline)) * stride
        ends = np.minimum(windows + size, stop)
        touched = np.ones(len(windows), dtype=np.bool_)
        for first, last in used_samples(excluded, fs, start=start, stop=stop):
            touched &= (windows < first - ROUNDING) | (ends > last + ROUNDING)
            if _n_windows(last - first, fs, pipeline):
                found.append((first, signal[:, first - start : last - start]))
        n_excluded += int(np.count_nonzero(touched))
    return found, n_excluded


def _stretches(
    recording: Recording, channels: Sequence[Channel]
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield the first sample and the signal (lead, n) of each stretch without a gap."""
    n_samples = min(channel.n_samples for channel in channels)
    for first, last in recording.segments(channels[0]):
        end = min(last, n_samples)
        if first < end:
            signal = np.stack([read_physical(channel, first, end) for channel in channels])  # (lead, n)
            usable = np.where(np.abs(signal) < LARGEST, signal, np.nan)
            yield from ((first + start, signal[:, start:stop]) for start, stop in finite_runs(usable))


def _n_windows(n_samples: int, fs: float, pipeline: PipelineConfig) -> int:
    """Return how many windows a stretch of so many samples as recorded gives."""
    if n_samples < round(pipeline.window_s * fs):
        return 0
    length_s = math.ceil(n_samples * pipeline.fs / fs - ROUNDING) / pipeline.fs
    strides = (length_s - pipeline.window_s) / (pipeline.stride_s or pipeline.window_s)
    return max(0, 1 + math.floor(strides + ROUNDING))


def _cut_stretch(
    signal: NDArray[np.float64], fs: float, *, start_s: float, pipeline: PipelineConfig, mains: MainsPlan
) -> _Stretch:
    cleaned = np.stack(
        [
            clean(
                lead,
                fs,
                to_fs=pipeline.fs,
                mains=mains,
                high_pass_hz=pipeline.high_pass_hz,
                order=pipeline.high_pass_order,
                low_pass_hz=pipeline.low_pass_hz,
            )
            for lead in signal
        ]
    )
    windows, start_sample = cut(
        cleaned, pipeline.fs, window_s=pipeline.window_s, stride_s=pipeline.stride_s or pipeline.window_s
    )
    peaks = find_r_peaks(signal[0], fs)
    inside_s = start_sample / pipeline.fs
    quality = _quality(signal, fs, peaks=peaks, start_s=inside_s, window_s=pipeline.window_s)
    rates = window_heart_rates_bpm(peaks / fs, inside_s, window_s=pipeline.window_s)
    return _Stretch(cleaned, windows, start_s + inside_s, rates, quality)


def _quality(
    signal: NDArray[np.float64],
    fs: float,
    *,
    peaks: NDArray[np.int64],
    start_s: NDArray[np.float64],
    window_s: float,
) -> WindowQuality:
    """Judge windows as recorded, unfiltered: each by its worst lead, since a model is given all of them."""
    start_sample, size = np.rint(start_s * fs).astype(np.int64), round(window_s * fs)
    leads = [window_quality(lead, fs, peaks=peaks, start_sample=start_sample, size=size) for lead in signal]
    worst = np.argmin([lead.verdict for lead in leads], axis=0)  # (N,)
    return WindowQuality(*(np.choose(worst, [getattr(lead, name) for lead in leads]) for name in INDICES))


def _joined(parts: Sequence[WindowQuality]) -> WindowQuality:
    return WindowQuality(*(np.concatenate([getattr(part, name) for part in parts]) for name in INDICES))


def at_least(cut: CutWindows, verdict: str | None) -> CutWindows:
    """Keep the windows of this quality or a better one; of None all.

    Raises
    ------
    SignalError
        There is none.
    """
    if verdict is None:
        return cut
    good = cut.quality.verdict >= VERDICTS.index(verdict)
    if not good.any():
        raise SignalError(f"not one of {len(good)} windows is of quality {verdict!r}")
    rows = {name: getattr(cut, name)[good] for name in ROWS}
    quality = WindowQuality(*(getattr(cut.quality, name)[good] for name in INDICES))
    return replace(cut, **rows, quality=quality, n_too_poor=int(np.count_nonzero(~good)))


def _refuse_what_has_no_signal(
    recording: Recording,
    channels: Sequence[Channel],
    stretches: Sequence[_Stretch],
    pipeline: PipelineConfig,
    *,
    n_excluded: int,
) -> None:
    names = ", ".join(repr(channel.name) for channel in channels)
    where = f"{recording.path}, channel {names}"
    if not any(channel.n_samples for channel in channels):
        raise SignalError(
            f"{where}: not one sample (the source was cut before them); leave this recording out"
        )
    if not any(len(stretch.windows) for stretch in stretches):
        raise SignalError(
            f"{where}: no stretch of {pipeline.window_s:g} s without a gap"
            f"{' that is not excluded' if n_excluded else ''} (the recording lasts "
            f"{channels[0].duration_s:.1f} s); choose a shorter pipeline.window_s or leave this session out"
        )
    for lead, channel in enumerate(channels):
        if not any(np.ptp(stretch.cleaned[lead]) > 1e-9 for stretch in stretches):
            raise SignalError(
                f"{recording.path}, channel {channel.name!r}: flat from start to end; an electrode or the "
                "wrong channel? Name another with --channel, or leave this recording out"
            )
