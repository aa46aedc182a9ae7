"""From a recording to windows: the one pipeline that building and predicting share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.heart_rate import window_heart_rates_bpm
from ecgkit.analysis.quality import INDICES, VERDICTS, WindowQuality, joined
from ecgkit.config import PipelineConfig
from ecgkit.errors import ConfigError, SignalError
from ecgkit.exclusions import ROUNDING, Exclusion, used_samples
from ecgkit.preprocess.cut import cut
from ecgkit.preprocess.mains import MainsPlan
from ecgkit.preprocess.scale import apply_scale, scale_constants
from ecgkit.readers.ecg_channel import physical_unit
from ecgkit.records import Channel, Recording
from ecgkit.stages import mains_check
from ecgkit.stages.cleaning import Beats, Stretch, clean_stretch, turned_upright
from ecgkit.stages.stretches import common_rate, gap_free

FLAT = 1e-9  # mV: what the filters leave of a level line
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
    turned
        Names of the channels that were turned upright.
    warnings
        What to look at: mains that is set wrong, or is still there; one sentence each, without numbers of
        this recording.
    n_excluded, n_too_poor
        How many more there would be, but for what is excluded, and for their quality. Of windows by beats
        those count whose R peak is not itself excluded.
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
    turned: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    n_excluded: int = 0
    n_too_poor: int = 0


def cut_recording(
    recording: Recording,
    ecg: Sequence[int],
    pipeline: PipelineConfig,
    excluded: Sequence[Exclusion] = (),
    *,
    beats_s: Beats | None = None,
) -> CutWindows:
    """Clean a recording's ECG, scale it and cut it into windows; no window crosses a gap.

    In this order: mains removed and resampled with anti-aliasing from the recorded rate, high-pass at
    the new rate, both over whole stretches, then turning, scaling and cutting (docs/pipeline.md). A gap is a
    pause of the recording, a sample that is not a number or absurdly large, or what is excluded: that reaches
    neither a filter nor the scale.

    Parameters
    ----------
    ecg
        Indexes of the ECG channels, in lead order, all of one rate.
    excluded
        What is not to be used.
    beats_s
        R peaks of the first lead where they are known, seconds from the recording's start, as
        `Observations.beats_s` has them; they are looked for where this is None.

    Raises
    ------
    SignalError
        The signal is flat, no stretch is as long as a window, or the rate does not allow the pipeline.
    ConfigError
        Two settings do not go together.
    """
    if pipeline.r_peak_at_s is not None and pipeline.stride_s is not None:
        raise ConfigError("pipeline.stride_s and pipeline.r_peak_at_s: cut by time or by beats, not both")
    channels = [recording.channels[index] for index in ecg]
    fs = common_rate(recording, channels)
    shortest = round(pipeline.window_s * fs)
    whole = gap_free(recording, channels, shortest=shortest)
    used = [
        span
        for start, stop in whole
        for span in used_samples(excluded, fs, start=start, stop=stop)
        if _length(span) >= shortest
    ]
    if not used:
        _refuse_nothing_long(recording, channels, pipeline, excluded=bool(whole))
    mains = mains_check.plan(channels, pipeline, max(used, key=_length))
    stretches = [clean_stretch(channels, span, pipeline, mains, beats_s) for span in used]
    _refuse_nothing_in_it(recording, channels, stretches)
    warnings = _warnings(channels, stretches, pipeline)
    stretches, turned = turned_upright(channels, stretches, pipeline)
    return replace(
        _cut(stretches, pipeline, fs, unit=_unit(channels), mains=mains),
        turned=turned,
        warnings=warnings,
        n_excluded=_n_excluded(whole, stretches, pipeline, fs, excluded),
    )


def _unit(channels: Sequence[Channel]) -> str:
    """Return the physical unit of all leads, and of each where they differ."""
    units = [physical_unit(channel.unit) for channel in channels]
    return units[0] if len(set(units)) == 1 else f"as recorded (leads differ: {', '.join(units)})"


def _length(span: tuple[int, int]) -> int:
    return span[1] - span[0]


def _cut(
    stretches: Sequence[Stretch], pipeline: PipelineConfig, fs: float, *, unit: str, mains: MainsPlan
) -> CutWindows:
    """Cut the stretches, and scale their windows by what the whole recording spans."""
    to_fs, size = pipeline.fs, round(pipeline.window_s * pipeline.fs)
    cleaned = _in_one([stretch.cleaned for stretch in stretches], axis=1)  # (lead, n)
    windows = _in_one([cut(stretch.cleaned, stretch.starts, size=size) for stretch in stretches])
    start_s = _in_one([stretch.span[0] / fs + stretch.starts / to_fs for stretch in stretches])
    rates_bpm = [
        window_heart_rates_bpm(stretch.beats_s, stretch.starts / to_fs, window_s=pipeline.window_s)
        for stretch in stretches
    ]
    offset, gain = scale_constants(windows, cleaned, scale=pipeline.scale)
    return CutWindows(
        windows=apply_scale(windows, offset, gain),
        start_s=start_s,
        start_sample=np.rint(start_s * to_fs).astype(np.int64),
        heart_rate_bpm=_in_one(rates_bpm),
        quality=joined([stretch.quality for stretch in stretches]),
        scale_offset=offset,
        scale_gain=gain,
        unit=unit,
        mains=mains,
    )


def _in_one(arrays: Sequence[NDArray[np.float64]], *, axis: int = 0) -> NDArray[np.float64]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=axis)


def _n_excluded(
    whole: Sequence[tuple[int, int]],
    stretches: Sequence[Stretch],
    pipeline: PipelineConfig,
    fs: float,
    excluded: Sequence[Exclusion],
) -> int:
    """Count the windows that touch what is excluded, if they were cut as if nothing was."""
    if pipeline.r_peak_at_s is None:
        return sum(_n_touched(*span, pipeline, fs, excluded) for span in whole)
    n, near_s = 0, 0.5 / pipeline.fs
    for start, stop in whole:
        for stretch in stretches:
            first, last = stretch.span
            if start <= first < stop:
                begins_s = first / fs + stretch.beats_s - pipeline.r_peak_at_s
                ends_s = begins_s + pipeline.window_s
                inside = (begins_s >= first / fs - near_s) & (ends_s <= last / fs + near_s)
                n += int(np.count_nonzero((begins_s >= start / fs) & (ends_s <= stop / fs) & ~inside))
    return n


def _n_touched(
    start: int, stop: int, pipeline: PipelineConfig, fs: float, excluded: Sequence[Exclusion]
) -> int:
    """Count the windows by time of the samples [start, stop) that touch what is excluded."""
    stride, size = (pipeline.stride_s or pipeline.window_s) * fs, pipeline.window_s * fs
    length_s = math.ceil((stop - start) * pipeline.fs / fs - ROUNDING) / pipeline.fs
    n_windows = max(0, 1 + math.floor((length_s - pipeline.window_s) * fs / stride + ROUNDING))
    windows = start + np.arange(n_windows) * stride
    ends = np.minimum(windows + size, stop)
    touched = np.ones(n_windows, dtype=np.bool_)
    for first, last in used_samples(excluded, fs, start=start, stop=stop):
        touched &= (windows < first - ROUNDING) | (ends > last + ROUNDING)
    return int(np.count_nonzero(touched))


def _warnings(
    channels: Sequence[Channel], stretches: Sequence[Stretch], pipeline: PipelineConfig
) -> tuple[str, ...]:
    longest = max(stretches, key=lambda stretch: _length(stretch.span))
    return tuple(
        sentence
        for channel, cleaned in zip(channels, longest.cleaned, strict=True)
        for sentence in mains_check.mains_warnings(channel, cleaned, longest.span, pipeline)
    )


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


def _refuse_nothing_long(
    recording: Recording, channels: Sequence[Channel], pipeline: PipelineConfig, *, excluded: bool
) -> None:
    """Refuse a recording without a stretch that is as long as a window."""
    names = ", ".join(repr(channel.name) for channel in channels)
    where = f"{recording.path}, channel {names}"
    if not any(channel.n_samples for channel in channels):
        raise SignalError(
            f"{where}: not one sample (the source was cut before them); leave this recording out"
        )
    raise SignalError(
        f"{where}: no stretch of {pipeline.window_s:g} s without a gap"
        f"{' that is not excluded' if excluded else ''} (the recording lasts "
        f"{channels[0].duration_s:.1f} s); choose a shorter pipeline.window_s or leave this session out"
    )


def _refuse_nothing_in_it(
    recording: Recording, channels: Sequence[Channel], stretches: Sequence[Stretch]
) -> None:
    """Refuse a recording with a flat lead, or one cut by beats that has none."""
    for lead, channel in enumerate(channels):
        if not any(np.ptp(stretch.cleaned[lead]) > FLAT for stretch in stretches):
            raise SignalError(
                f"{recording.path}, channel {channel.name!r}: flat from start to end; an electrode or the "
                "wrong channel? Name another with --channel, or leave this recording out"
            )
    if not any(len(stretch.starts) for stretch in stretches):
        raise SignalError(
            f"{recording.path}, channel {channels[0].name!r}: no heart beat with a window around it; cut by "
            "time (pipeline.r_peak_at_s: none), or leave this recording out"
        )
