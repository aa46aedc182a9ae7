"""From a recording to windows: the one pipeline that building and predicting share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.heart_rate import window_heart_rates_bpm
from ecgkit.analysis.quality import finite_runs, template_correlation
from ecgkit.analysis.rpeaks import find_r_peaks
from ecgkit.config import PipelineConfig
from ecgkit.errors import SignalError
from ecgkit.preprocess.cut import cut
from ecgkit.preprocess.high_pass import high_pass
from ecgkit.preprocess.mains import MainsPlan, notch, plan_mains
from ecgkit.preprocess.resample import resample
from ecgkit.preprocess.scale import apply_scale, scale_constants
from ecgkit.readers.ecg_channel import millivolts_per_unit, physical_unit
from ecgkit.records import Channel, Recording


@dataclass(frozen=True, slots=True)
class CutWindows:
    """The windows of one recording and what is known of each.

    Attributes
    ----------
    windows
        (N, lead, T) float32, scaled.
    start_s, start_sample
        From the recording's start: seconds, and samples at the windows' rate, (N,).
    heart_rate_bpm, quality
        (N,); see docs/format.md.
    scale_offset, scale_gain
        ``physical = window * scale_gain + scale_offset``, (N, lead).
    unit
        Physical unit: mV, or the recorded one where it is not a voltage that we know.
    mains
        How mains was removed.
    """

    windows: NDArray[np.float32]
    start_s: NDArray[np.float64]
    start_sample: NDArray[np.int64]
    heart_rate_bpm: NDArray[np.float64]
    quality: NDArray[np.float64]
    scale_offset: NDArray[np.float64]
    scale_gain: NDArray[np.float64]
    unit: str
    mains: MainsPlan


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Windows, not yet scaled, of one stretch without a gap; `cleaned` is (lead, n)."""

    cleaned: NDArray[np.float64]
    windows: NDArray[np.float64]
    start_s: NDArray[np.float64]
    heart_rate_bpm: NDArray[np.float64]
    quality: NDArray[np.float64]


def cut_recording(recording: Recording, ecg: Sequence[int], pipeline: PipelineConfig) -> CutWindows:
    """Clean a recording's ECG, scale it and cut it into windows; no window crosses a gap.

    In this order: mains removed and resampled with anti-aliasing from the recorded rate, high-pass at
    the new rate, both over whole stretches, then scaling and cutting. A gap is a pause of the recording
    or a sample that is not a number.

    Parameters
    ----------
    ecg
        Indexes of the ECG channels, in lead order, all of one rate.

    Raises
    ------
    SignalError
        The signal is flat, no stretch is as long as a window, or the rate does not allow the pipeline.
    """
    channels = [recording.channels[index] for index in ecg]
    fs = _common_rate(recording, channels)
    mains = plan_mains(fs, to_fs=pipeline.fs, mains_hz=pipeline.mains_hz, mode=pipeline.mains)
    stretches = [
        _cut_stretch(signal, fs, start_s=start / fs, pipeline=pipeline, mains=mains)
        for start, signal in _stretches(recording, channels, shortest=round(pipeline.window_s * fs))
    ]
    _refuse_what_has_no_signal(recording, channels, stretches, pipeline)
    cleaned = np.concatenate([stretch.cleaned for stretch in stretches], axis=1)  # (lead, n)
    windows = np.concatenate([stretch.windows for stretch in stretches])  # (N, lead, T)
    start_s = np.concatenate([stretch.start_s for stretch in stretches])
    offset, gain = scale_constants(windows, cleaned, scale=pipeline.scale)
    return CutWindows(
        windows=apply_scale(windows, offset, gain),
        start_s=start_s,
        start_sample=np.rint(start_s * pipeline.fs).astype(np.int64),
        heart_rate_bpm=np.concatenate([stretch.heart_rate_bpm for stretch in stretches]),
        quality=np.concatenate([stretch.quality for stretch in stretches]),
        scale_offset=offset,
        scale_gain=gain,
        unit=physical_unit(channels[0].unit),
        mains=mains,
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


def _stretches(
    recording: Recording, channels: Sequence[Channel], *, shortest: int
) -> list[tuple[int, NDArray[np.float64]]]:
    """Return (first sample, signal (lead, n)) of each stretch without a gap that can hold a window."""
    n_samples = min(channel.n_samples for channel in channels)
    found = []
    for first, last in recording.segments(channels[0]):
        end = min(last, n_samples)
        if end - first < shortest:
            continue
        signal = np.stack([read_physical(channel, first, end) for channel in channels])  # (lead, n)
        found += [
            (first + start, signal[:, start:stop])
            for start, stop in finite_runs(signal)
            if stop - start >= shortest
        ]
    return found


def _cut_stretch(
    signal: NDArray[np.float64], fs: float, *, start_s: float, pipeline: PipelineConfig, mains: MainsPlan
) -> _Stretch:
    cleaned = np.stack([_clean(lead, fs, pipeline=pipeline, mains=mains) for lead in signal])
    windows, start_sample = cut(
        cleaned, pipeline.fs, window_s=pipeline.window_s, stride_s=pipeline.stride_s or pipeline.window_s
    )
    peaks_s = find_r_peaks(signal[0], fs) / fs
    inside_s = start_sample / pipeline.fs
    quality = template_correlation(
        cleaned[0],
        pipeline.fs,
        peaks=np.rint(peaks_s * pipeline.fs).astype(np.int64),
        start_sample=start_sample,
        size=windows.shape[2],
    )
    rates = window_heart_rates_bpm(peaks_s, inside_s, window_s=pipeline.window_s)
    return _Stretch(cleaned, windows, start_s + inside_s, rates, quality)


def _clean(
    signal: NDArray[np.float64], fs: float, *, pipeline: PipelineConfig, mains: MainsPlan
) -> NDArray[np.float64]:
    if mains.notch_hz is not None:
        signal = notch(signal, fs, notch_hz=mains.notch_hz)
    signal = resample(signal, fs, to_fs=pipeline.fs)
    return high_pass(signal, pipeline.fs, high_pass_hz=pipeline.high_pass_hz, order=pipeline.high_pass_order)


def _refuse_what_has_no_signal(
    recording: Recording,
    channels: Sequence[Channel],
    stretches: Sequence[_Stretch],
    pipeline: PipelineConfig,
) -> None:
    names = ", ".join(repr(channel.name) for channel in channels)
    where = f"{recording.path}, channel {names}"
    if not any(channel.n_samples for channel in channels):
        raise SignalError(
            f"{where}: not one sample (the source was cut before them); leave this recording out"
        )
    if not any(len(stretch.windows) for stretch in stretches):
        raise SignalError(
            f"{where}: no stretch of {pipeline.window_s:g} s without a gap (the recording lasts "
            f"{channels[0].duration_s:.1f} s); choose a shorter pipeline.window_s or leave this session out"
        )
    for lead, channel in enumerate(channels):
        if not any(np.ptp(stretch.cleaned[lead]) > 1e-9 for stretch in stretches):
            raise SignalError(
                f"{recording.path}, channel {channel.name!r}: flat from start to end; an electrode or the "
                "wrong channel? Name another with --channel, or leave this recording out"
            )
