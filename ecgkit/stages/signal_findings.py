"""The checks: each judges what was measured on a channel, and says what it found in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.faults import JUMP_STEP_S, LONGEST_RR_S, stretches_without_beats
from ecgkit.analysis.median_beat import BeatShape, is_pulse, points_down
from ecgkit.analysis.qrs_choice import LOWEST_FS, SHORTEST_S
from ecgkit.analysis.spectrum import SEGMENT_S
from ecgkit.preprocess.mains import alias_hz
from ecgkit.readers.ecg_channel import lead_of, millivolts_per_unit
from ecgkit.stages.signal_facts import LEAST_BEATS, SignalFacts

R_RANGE_MV = (0.1, 5.0)
USUAL_R_MV = 1.0
MAY_BE_SMALL = ("III", "aVR", "aVL", "aVF", "V1")  # by the heart's axis, whatever the gain
UNIT_NAMES = {1e-3: "microvolts", 1.0: "millivolts", 1e3: "volts"}
AMPLIFIER_GAINS = (500, 1000, 2000, 5000)  # of BIOPAC's ECG100C
HUM_SHARE = 0.05  # of the QRS's height: from peak to peak as high as a P wave, a tenth of it
HUM_TIME_SHARE = 0.1
LEAST_LIKENESS = 0.66  # Orphanidou et al. (2015)
LEAST_LIKENESS_OF_A_BEAT = 0.5


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
    spans_s
        Where it is, (start, stop) in seconds; none where it concerns the whole channel.
    """

    name: str
    severity: Literal["warning", "unusable"]
    text: str
    values: Mapping[str, float]
    spans_s: tuple[tuple[float, float], ...] = ()


def nothing_in_it(facts: SignalFacts) -> Finding | None:
    """Find that there is no signal at all."""
    n = facts.channel.n_samples
    name_another = "name another channel, or leave this recording out"
    if facts.n_bad == n:
        text = f"not one sample is a number ({n} samples); {name_another}"
        return Finding("samples", "unusable", text, {"bad_samples": n})
    if facts.lowest == facts.highest:
        text = (
            f"flat from start to end, {facts.channel.duration_s:.1f} s at {facts.lowest:.4g}; an electrode, "
            f"a cable, or the wrong channel? Look at the electrodes, or {name_another}"
        )
        return Finding("flat", "unusable", text, {"flat_s": facts.channel.duration_s})
    return None


def _check_pulses(facts: SignalFacts) -> Finding | str | None:
    """Find the output of an R-wave detector."""
    shape = _shape(facts)
    if isinstance(shape, str):
        return shape
    if not is_pulse(shape):
        return None
    width_ms = 1000 * shape.width_s
    text = (
        f"one smooth pulse of {width_ms:.0f} ms a beat and no P, Q, S or T wave: the amplifier's R-wave "
        "mode. It holds the heart rate and nothing of the person; set the ECG100C to NORM and record again"
    )
    return Finding("r-wave-mode", "warning", text, {"width_ms": width_ms})


def _check_beats(facts: SignalFacts) -> Finding | str | None:
    """Find that there are no beats, or none that can be told from noise."""
    if facts.channel.fs < LOWEST_FS:
        return f"beats can't be found at {facts.channel.fs:g} Hz, {LOWEST_FS:g} Hz or more are needed"
    if len(facts.stretches) == 0:
        return f"no stretch of {SHORTEST_S:g} s without a gap"
    n, duration_s = len(facts.beats_s), _seconds(facts.stretches, facts)
    if n == 0:
        text = f"no heart beats were found in {duration_s:.1f} s; is this the ECG channel?"
        return Finding("beats", "warning", text, {"beats": 0, "duration_s": duration_s})
    if len(facts.heights) < LEAST_BEATS:
        if duration_s < LEAST_BEATS * LONGEST_RR_S:
            return None
        text = f"no more than {n} heart beats were found in {duration_s:.1f} s; is this the ECG channel?"
        return Finding("beats", "warning", text, {"beats": n, "duration_s": duration_s})
    if facts.mean_likeness >= LEAST_LIKENESS:
        return None
    text = (
        f"the {n} beats found are unlike each other (mean correlation {facts.mean_likeness:.2f}, expected "
        f"{LEAST_LIKENESS:g} or more): much noise, or no ECG; look at the signal before you use it"
    )
    return Finding("beats", "warning", text, {"beats": n, "likeness": facts.mean_likeness})


def _check_electrode(facts: SignalFacts) -> Finding | str | None:
    """Find stretches without beats, and jumps, in a recording that has beats elsewhere."""
    shape = _shape(facts)
    if isinstance(shape, str):
        return shape
    spans_s, lost_s, jumps_s = *_lost(facts), _lone_jumps_s(facts)
    if len(spans_s) == 0 and len(jumps_s) == 0:
        return None
    told = [f"no beat like the others for {lost_s:.1f} s in all"] if len(spans_s) else []
    if len(jumps_s):
        plural = "s" * (len(jumps_s) > 1)
        told.append(f"{len(jumps_s)} jump{plural} of the baseline by more than five times the QRS")
    first_s = float(min([*spans_s[:, 0], *jumps_s]))
    text = (
        f"{' and '.join(told)}, the first at {first_s:.1f} s: an electrode or cable came loose, or strong "
        "movement; leave these stretches out, and look at the electrodes before the next recording"
    )
    values = {"lost_s": lost_s, "stretches": len(spans_s), "jumps": len(jumps_s), "first_s": first_s}
    return Finding(
        "electrode", "warning", text, values, _pairs(spans_s) + _pairs(jumps_s[:, None].repeat(2, 1))
    )


def _lost(facts: SignalFacts) -> tuple[NDArray[np.float64], float]:
    """Return the stretches without beats, (stretch, 2), and their length less what is flat there, seconds."""
    stretches_s = facts.stretches / facts.channel.fs
    beats, alike = facts.per_stretch(facts.beats_s), facts.per_stretch(facts.alike)
    found = [
        stretches_without_beats(times[like >= LEAST_LIKENESS_OF_A_BEAT], start_s=start_s, stop_s=stop_s)
        for times, like, (start_s, stop_s) in zip(beats, alike, stretches_s, strict=True)
    ]
    spans_s = np.concatenate([np.empty((0, 2)), *found])
    flat_s = facts.flat / facts.channel.fs
    # what is flat is told as that
    lengths_s = np.array([np.ptp(span) - np.diff(np.clip(flat_s, *span)).sum() for span in spans_s])
    is_lost = lengths_s >= LONGEST_RR_S
    return spans_s[is_lost], float(lengths_s[is_lost].sum())


def _lone_jumps_s(facts: SignalFacts) -> NDArray[np.float64]:
    """Return the times of the jumps, seconds, but for those to and from a flat stretch."""
    edges_s, jumps_s = facts.flat.ravel() / facts.channel.fs, facts.jumps / facts.channel.fs
    away_s = np.abs(jumps_s[:, None] - edges_s).min(axis=1, initial=np.inf)
    return np.asarray(jumps_s[away_s > JUMP_STEP_S])


def _check_upside_down(facts: SignalFacts) -> Finding | str | None:
    if lead_of(facts.channel.name) == "aVR":
        return "lead aVR points down by nature"
    shape = _shape(facts)
    if isinstance(shape, str):
        return shape
    if not points_down(shape):
        return None
    ratio = shape.down / max(shape.up, 1e-3 * shape.down)
    text = (
        f"upside down: the QRS points down, {ratio:.1f} times as far as up, and so does the T wave; change "
        "the two electrodes over, or turn the sign, unless the lead is aVR"
    )
    return Finding("inverted", "warning", text, {"down_to_up_ratio": ratio})


def _check_amplitude(facts: SignalFacts) -> Finding | str | None:
    to_mv = millivolts_per_unit(facts.channel.unit)
    if to_mv is None and not facts.channel.unit.strip():
        return "the file states no unit; if you know it, give it: --unit mV"
    if to_mv is None:
        return f"unit {facts.channel.unit!r} is no voltage that ecgkit knows: amplitudes are kept as they are"
    if math.isnan(facts.qrs_height):
        return "no heart beats were found"
    r_mv, (low, high) = facts.qrs_height * to_mv, R_RANGE_MV
    if low <= r_mv <= high or (r_mv < low and lead_of(facts.channel.name) in MAY_BE_SMALL):
        return None
    found, cause = float(f"{r_mv:.3g}"), _likely_cause(r_mv, to_mv)
    text = (
        f"R waves of {found:g} mV, expected {low:g} to {high:g} mV{cause}: check the gain and the unit that "
        "were set where it was recorded"
    )
    return Finding("amplitude", "warning", text, {"r_amplitude_mv": r_mv})


def _likely_cause(r_mv: float, to_mv: float) -> str:
    """Name the gain that leaves the most usual R wave, or the unit that was mistaken."""
    low, high = R_RANGE_MV
    stated, smaller, larger = (UNIT_NAMES.get(round(to_mv * factor, 9)) for factor in (1, 1e-3, 1e3))
    gains = [gain for gain in AMPLIFIER_GAINS if low <= r_mv / gain <= high]
    if gains:
        gain = min(gains, key=lambda gain: abs(math.log(r_mv / gain / USUAL_R_MV)))
        unit = f", or {smaller} had been taken for {stated}" if smaller and low <= r_mv / 1000 <= high else ""
        return f", as if an amplifier's gain of {gain} had not been undone{unit}"
    if larger and low <= r_mv * 1000 <= high:
        return f", as if {larger} had been taken for {stated}"
    return ""


def _check_clipped(facts: SignalFacts) -> Finding | str | None:
    fs, tops = facts.channel.fs, facts.tops
    if not isinstance(_shape(facts), str):
        lost_s, _ = _lost(facts)  # an amplifier at its end for want of an electrode is told as that
        edges = np.searchsorted(lost_s.ravel(), tops / fs)  # (top, 2), odd within a stretch
        tops = tops[(edges[:, 0] != edges[:, 1]) | (edges[:, 0] % 2 == 0)]
    if len(tops) == 0:
        return None
    cut_s, first_s, n = _seconds(tops, facts), float(tops[0, 0] / fs), len(tops)
    text = (
        f"stays at its highest or lowest value {n} time{'s' * (n > 1)}, {cut_s:.3g} s in all, first at "
        f"{first_s:.1f} s: cut off by amplifier or converter, or filled in; lower the gain, leave these out"
    )
    values = {"tops": n, "cut_s": cut_s, "share": cut_s / facts.channel.duration_s, "first_s": first_s}
    return Finding("clipped", "warning", text, values, _pairs(tops / fs))


def _check_flat(facts: SignalFacts) -> Finding | str | None:
    if len(facts.flat) == 0:
        return None
    lengths_s = np.diff(facts.flat, axis=1)[:, 0] / facts.channel.fs
    flat_s, first_s = float(lengths_s.sum()), float(facts.flat[0, 0] / facts.channel.fs)
    n, what = len(lengths_s), f"a flat stretch of {flat_s:.1f} s, at"
    if n > 1:
        what = f"{n} flat stretches, {flat_s:.1f} s in all, the first at"
    text = f"{what} {first_s:.1f} s: a detached electrode, or nothing stored there? Leave it out"
    values = {"flat_s": flat_s, "stretches": n, "longest_s": float(lengths_s.max()), "first_s": first_s}
    return Finding("flat", "warning", text, values, _pairs(facts.flat / facts.channel.fs))


def _check_mains(facts: SignalFacts) -> Finding | str | None:
    """Find the stronger hum of the two."""
    reference, _ = _to_compare_with(facts)
    found = {}
    for mains_hz, hum in facts.hum.items():
        loud = hum[hum >= HUM_SHARE * reference]
        if len(loud) and len(loud) >= HUM_TIME_SHARE * len(hum):
            found[mains_hz] = float(np.median(loud))
    if not found:
        return _mains_that_cannot_be_seen(facts)
    mains_hz = max(found, key=lambda hz: found[hz])
    return _mains_finding(mains_hz, found[mains_hz], facts)


def _to_compare_with(facts: SignalFacts) -> tuple[float, str]:
    """Return a height to compare hum with, and its name."""
    if facts.qrs_height > 0:
        return facts.qrs_height, "the QRS's height"
    return (facts.highest - facts.lowest) / 2, "half the signal's range"


def _mains_that_cannot_be_seen(facts: SignalFacts) -> str | None:
    unseen = [hz for hz, hum in facts.hum.items() if len(hum) == 0]
    if not unseen:
        return None
    if _seconds(facts.stretches, facts) < SEGMENT_S:
        return f"no stretch of {SEGMENT_S:g} s without a gap"
    where = " and ".join(f"{hz} Hz" for hz in unseen)
    return f"at {facts.channel.fs:g} Hz, mains of {where} falls on an end of the spectrum and can't be told"


def _mains_finding(mains_hz: int, amplitude: float, facts: SignalFacts) -> Finding:
    fs, (reference, compared) = facts.channel.fs, _to_compare_with(facts)
    at_hz, to_mv = alias_hz(mains_hz, fs), millivolts_per_unit(facts.channel.unit)
    share, time_share = amplitude / reference, float(np.mean(facts.hum[mains_hz] >= HUM_SHARE * reference))
    what, remedy = f"{mains_hz} Hz mains", "building a data set removes it; look at electrodes and cables"
    if at_hz != mains_hz:
        what += f", aliased to {at_hz:g} Hz at {fs:g} Hz,"
        remedy = "set pipeline.mains to alias-notch, and record at 250 Hz or more"
    size = f"{amplitude * to_mv:.3g} mV, " if to_mv else ""
    text = f"{what} of {size}{share:.0%} of {compared}, in {time_share:.0%} of the recording; {remedy}"
    values = {"mains_hz": mains_hz, "at_hz": at_hz, "share": share, "time_share": time_share}
    values["amplitude_mv" if to_mv else "amplitude"] = amplitude * (to_mv or 1.0)
    return Finding("mains", "warning", text, values)


def _check_samples(facts: SignalFacts) -> Finding | str | None:
    if facts.n_bad == 0:
        return None
    first_s = facts.first_bad / facts.channel.fs
    text = f"{facts.n_bad} samples are not numbers, the first at {first_s:.1f} s; no window will cross them"
    values = {"bad_samples": facts.n_bad, "share": facts.n_bad / facts.channel.n_samples, "first_s": first_s}
    return Finding("samples", "warning", text, values, ((first_s, first_s),))


def _shape(facts: SignalFacts) -> BeatShape | str:
    """Return the median beat's shape, or why it means nothing."""
    if facts.shape is None:
        return f"{len(facts.heights)} whole beats were found, {LEAST_BEATS} or more are needed"
    if facts.mean_likeness < LEAST_LIKENESS:
        return "the beats found are too unlike each other"
    return facts.shape


def _pairs(spans_s: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple((float(start_s), float(stop_s)) for start_s, stop_s in spans_s)


def _seconds(spans: NDArray[np.int64], facts: SignalFacts) -> float:
    return float((spans[:, 1] - spans[:, 0]).sum() / facts.channel.fs)


# the worst first
CHECKS: dict[str, Callable[[SignalFacts], Finding | str | None]] = {
    "r-wave-mode": _check_pulses,
    "beats": _check_beats,
    "electrode": _check_electrode,
    "inverted": _check_upside_down,
    "amplitude": _check_amplitude,
    "clipped": _check_clipped,
    "flat": _check_flat,
    "mains": _check_mains,
    "samples": _check_samples,
}
