"""What is seen in a session's signal when it is taken in: checks, R peaks, rhythm, quality, breathing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.measures import Measures
from ecgkit.analysis.quality import INDICES, VERDICTS, WindowQuality, window_quality
from ecgkit.analysis.respiration import EDR_FS, breathing_rate, edr
from ecgkit.analysis.rhythm import measure_rhythm
from ecgkit.errors import SignalError
from ecgkit.exclusions import Exclusion, used_samples, used_spans
from ecgkit.records import Channel, Recording, Session
from ecgkit.stages.signal_blocks import Block, Samples, read_blocks
from ecgkit.stages.signal_check import SignalCheck, check_channel
from ecgkit.study.session_file import Observations, QualityTrack

QUALITY_WINDOW_S = 10.0  # long enough for several beats in each


def observe(session: Session) -> Observations:
    """Look at a session's signal once: what is in it that should be known, and the numbers of its checks.

    R peaks, rhythm, quality and breathing are those of the first lead; excluded spans are left out of them.

    Raises
    ------
    SignalError
        There is nothing in a lead: flat, no numbers, or no samples.
    ReadError
        The file no longer holds what its header says.
    """
    recording = session.recording
    leads = [recording.channels[index] for index in session.ecg]
    checks = [check_channel(recording, lead) for lead in leads]
    warnings = [*recording.warnings, *(f"lost: {sentence}" for sentence in recording.lost)]
    warnings += _findings(recording, leads, checks)
    used = used_spans(session.excluded, duration_s=leads[0].duration_s)
    beats_s = tuple(_outside(checks[0].peaks_s, used))
    quality, edr_hz = _look_along(recording, leads[0], checks[0], session.excluded)
    measures = Measures(
        rhythm=measure_rhythm(beats_s),
        duration_s=sum(stop_s - start_s for start_s, stop_s in used),
        quality_share=_share(quality),
        edr_hz=edr_hz,
        respiration_hz=_respiration_hz(session),
    )
    return Observations(measures, tuple(warnings), beats_s, quality)


def _findings(recording: Recording, leads: Sequence[Channel], checks: Sequence[SignalCheck]) -> Iterator[str]:
    """Say what the checks found in each lead, and which of them could not be made."""
    for channel, check in zip(leads, checks, strict=True):
        where = f"channel {channel.name!r}: " if len(checks) > 1 else ""
        for finding in check.findings:
            if finding.severity == "unusable":
                raise SignalError(
                    f"{recording.path}, channel {channel.name!r}: {finding.text}; --channel names another"
                )
            yield f"{where}{finding.text}"
        yield from (f"{where}{name} not checked: {why}" for name, why in check.skipped.items())


def _outside(
    stretches: Sequence[NDArray[np.float64]], used: Sequence[tuple[float, float]]
) -> Iterator[NDArray[np.float64]]:
    """Leave the beats of excluded spans out; what is before and after one are two stretches."""
    for times_s in stretches:
        for start_s, stop_s in used:
            first, last = np.searchsorted(times_s, (start_s, stop_s))
            if first < last:
                yield times_s[first:last]


def _look_along(
    recording: Recording, channel: Channel, check: SignalCheck, excluded: Sequence[Exclusion]
) -> tuple[QualityTrack, float]:
    """Measure the quality of each 10 s, and the breathing that the beats show; in blocks, to spare memory."""
    peaks_s = np.concatenate([np.empty(0), *check.peaks_s])
    tracks, rates_hz, weights = [], [], []
    for block in read_blocks(recording, channel):
        tracks.append(_quality(block, channel, peaks_s))
        for piece in _used(block.pieces, channel.fs, excluded):
            peaks = _inside(peaks_s, piece, channel.fs)
            series = edr(piece.samples, channel.fs, peaks)
            rate_hz, _ = breathing_rate(series, EDR_FS)
            if np.isfinite(rate_hz):
                rates_hz.append(rate_hz)
                weights.append(len(series))
    start_s = np.concatenate([start for start, _ in tracks])
    kept = ~_touched(start_s, excluded)
    indices = WindowQuality(
        *(np.concatenate([getattr(quality, name) for _, quality in tracks])[kept] for name in INDICES)
    )
    edr_hz = rates_hz[int(np.argmax(weights))] if rates_hz else float("nan")  # of the longest piece
    return QualityTrack(start_s[kept], QUALITY_WINDOW_S, indices), edr_hz


def _used(pieces: Sequence[Samples], fs: float, excluded: Sequence[Exclusion]) -> Iterator[Samples]:
    """Cut excluded spans out of pieces."""
    for piece in pieces:
        for start, stop in used_samples(excluded, fs, start=piece.start, stop=piece.stop):
            samples = piece.samples[start - piece.start : stop - piece.start]
            first, last = np.clip((piece.first, piece.last), start, stop).tolist()
            yield Samples(start, samples, first, last)


def _inside(peaks_s: NDArray[np.float64], piece: Samples, fs: float) -> NDArray[np.int64]:
    """Return the R peaks inside a piece as indexes into its samples."""
    peaks = np.rint(peaks_s * fs).astype(np.int64) - piece.start
    return peaks[(peaks >= 0) & (peaks < len(piece.samples))]


def _quality(
    block: Block, channel: Channel, peaks_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], WindowQuality]:
    """Judge a block's own windows of 10 s; one that does not lie in a piece as a whole is rejected.

    The last one of a channel may be shorter, but not by more than half.
    """
    fs, whole = channel.fs, block.whole
    size = round(QUALITY_WINDOW_S * fs)
    stop = whole.last if whole.last < channel.n_samples else whole.last - size // 2
    starts = np.arange(-(-whole.first // size) * size, stop, size)
    parts: dict[str, NDArray[Any]] = {name: np.zeros(len(starts)) for name in INDICES}
    parts["verdict"] = np.zeros(len(starts), dtype=np.int8)
    for piece in block.pieces:
        in_it = (starts >= piece.start) & (np.minimum(starts + size, whole.stop) <= piece.stop)
        judged = window_quality(
            piece.samples,
            fs,
            peaks=_inside(peaks_s, piece, fs),
            start_sample=starts[in_it] - piece.start,
            size=size,
        )
        for name, values in parts.items():
            values[in_it] = getattr(judged, name)
    return starts / fs, WindowQuality(**parts)


def _touched(start_s: NDArray[np.float64], excluded: Sequence[Exclusion]) -> NDArray[np.bool_]:
    touched = np.zeros(len(start_s), dtype=np.bool_)
    for item in excluded:
        touched |= (start_s < item.stop_s) & (start_s + QUALITY_WINDOW_S > item.start_s)
    return touched


def _share(quality: QualityTrack) -> float:
    """Return the share of the windows that are not rejected; NaN without any."""
    verdict = quality.indices.verdict
    return float(np.mean(verdict > VERDICTS.index("reject"))) if len(verdict) else float("nan")


def _respiration_hz(session: Session) -> float:
    """Return the breathing rate of the respiration channel's longest stretch; NaN where there is none."""
    if session.respiration is None:
        return float("nan")
    channel = session.recording.channels[session.respiration]
    blocks = read_blocks(session.recording, channel)
    pieces = [p.own for block in blocks for p in _used(block.pieces, channel.fs, session.excluded)]
    longest = max(pieces, key=len, default=np.empty(0))
    return breathing_rate(longest, channel.fs)[0]
