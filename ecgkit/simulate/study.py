"""A simulated study like the paper's: subjects, conditions and visits in, signals with their truth out.

Every draw comes from a seed sequence of its own (person; person and visit; person, visit and condition),
so that a recording stays the same however many others are made. Nothing here is measured on anyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from ecgkit.errors import ConfigError
from ecgkit.lookup import unknown
from ecgkit.records import SEGMENT_STYLE, Marker
from ecgkit.simulate import beat, heart, noise
from ecgkit.simulate.noise import Artefact, Signal

CONDITIONS = ("rest", "exercise", "deep_breathing")
RAIL_MV = 10.0
MIN_DURATION_S, MAX_DURATION_S = 10.0, 7200.0
MIN_FS, MAX_FS = 100.0, 10_000.0
RESPIRATION_MIN_FS = 50.0
FLAG_DELAY_S = 0.5
FIRST_DAY = datetime(2020, 1, 6, 9, tzinfo=UTC)

_PERSON, _VISIT, _RECORDING, _SKIN, _NOISE = range(5)


@dataclass(frozen=True, slots=True)
class Spread:
    """How far what a lead sees of the same heart differs; standard deviations.

    The built-in values, with the noise levels, make the study about as hard as the paper's Table I: on
    random windows a plain CNN finds nearly every person, but not every state.

    Attributes
    ----------
    visit_turn_deg, visit_wave
        Electrodes placed anew: turn of the lead, relative height of each wave.
    recording_turn_deg, recording_wave
        From recording to recording of one visit: posture, skin.
    drift_turn_deg, drift_wave
        Within a recording, slowly.
    beat_wave
        From beat to beat.
    """

    visit_turn_deg: float = 7.0
    visit_wave: float = 0.10
    recording_turn_deg: float = 0.2
    recording_wave: float = 0.003
    drift_turn_deg: float = 5.0
    drift_wave: float = 0.13
    beat_wave: float = 0.04


@dataclass(frozen=True, slots=True)
class ConditionEffect:
    """What a condition does to the signal besides the rhythm.

    Attributes
    ----------
    breath_turn_deg
        Turn of the heart's axis between breathing out and in (Einthoven), half of peak to peak.
    """

    breath_turn_deg: float
    breath_factor: float
    muscle_factor: float
    motion_factor: float


EFFECTS = {
    "rest": ConditionEffect(breath_turn_deg=2.0, breath_factor=1.0, muscle_factor=1.0, motion_factor=1.0),
    "exercise": ConditionEffect(
        breath_turn_deg=3.0, breath_factor=1.4, muscle_factor=1.15, motion_factor=2.0
    ),
    "deep_breathing": ConditionEffect(
        breath_turn_deg=4.0, breath_factor=1.8, muscle_factor=1.0, motion_factor=1.2
    ),
}
SPREAD = Spread()


@dataclass(frozen=True, slots=True)
class Span:
    """Where in a recording a condition lies, seconds."""

    condition: str
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class SimulatedRecording:
    """One recording and the truth about it.

    Attributes
    ----------
    spans
        Its conditions, in order of time.
    ecg_mv
        Shape (n,), as the amplifier gives it, before the converter.
    respiration
        Volts, shape (ceil(n / divider),).
    respiration_divider
        `fs` divided by the rate of the respiration channel; a power of two.
    r_peaks_s
        Times of the R peaks inside the recording, shape (beat,).
    heart_rate_bpm
        The rate that the beats were made from, at `heart_rate_fs`, from time 0.
    artefacts
        In order of time.
    start_time
        Made up from the seed, never from the clock.
    """

    subject: int
    visit: int
    spans: tuple[Span, ...]
    seed: int
    fs: float
    mains_hz: float
    ecg_mv: Signal
    respiration: Signal
    respiration_divider: int
    r_peaks_s: Signal
    heart_rate_bpm: Signal
    heart_rate_fs: float
    artefacts: tuple[Artefact, ...]
    markers: tuple[Marker, ...]
    start_time: datetime

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.ecg_mv.size / self.fs


def simulate_recording(
    subject: int,
    condition: str,
    visit: int,
    *,
    fs: float,
    seed: int,
    duration_s: float,
    mains_hz: float,
    clean: bool = False,
    pause: int | None = None,
) -> SimulatedRecording:
    """Simulate one recording of one subject.

    Parameters
    ----------
    subject, visit
        From 1.
    condition
        One of `CONDITIONS`.
    mains_hz
        Frequency of the hum.
    clean
        Leave out everything that `ecgkit.simulate.noise` adds.
    pause
        Draw what is recorded in this pause of the visit, from 0, as if it were the condition.

    Raises
    ------
    ConfigError
        A number is outside what can be simulated, or the condition is unknown.
    """
    if condition not in CONDITIONS:
        raise ConfigError(unknown("condition", condition, CONDITIONS))
    _check_range("subject", subject, 1, 9999)
    _check_range("visit", visit, 1, 9999)
    check_options(fs=fs, seed=seed, duration_s=duration_s, mains_hz=mains_hz)
    part = CONDITIONS.index(condition) if pause is None else len(CONDITIONS) + pause
    now = (subject, visit, part)
    rng, person = _generator(seed, _RECORDING, *now), _generator(seed, _PERSON, subject)
    traits, shape = heart.draw_traits(person), beat.draw_shape(person)
    rhythm = heart.simulate_rhythm(traits, condition, duration_s=duration_s, rng=rng)
    n = round(duration_s * fs)
    electrodes = _generator(seed, _VISIT, subject, visit)
    ecg_mv = _ecg(shape, rhythm, condition, fs, n=n, electrodes=electrodes, rng=rng)
    artefacts: tuple[Artefact, ...] = ()
    if not clean:
        chance = _generator(seed, _NOISE, *now)
        levels = _levels(condition, skin=_generator(seed, _SKIN, subject, visit), rng=chance)
        ecg_mv, artefacts = _electrodes(ecg_mv, rhythm, fs, levels=levels, mains_hz=mains_hz, rng=chance)
    divider = respiration_divider(fs)
    on_grid = slice(round(heart.MARGIN_S * heart.GRID_HZ), None)
    inside = (rhythm.r_peaks_s >= 0) & (rhythm.r_peaks_s < n / fs)
    start_time = _start_time(seed, subject, condition, visit)
    return SimulatedRecording(
        subject=subject,
        visit=visit,
        spans=(Span(condition, 0.0, n / fs),),
        seed=seed,
        fs=fs,
        mains_hz=mains_hz,
        ecg_mv=ecg_mv,
        respiration=_respiration(rhythm, condition, fs / divider, n=-(-n // divider), rng=rng),
        respiration_divider=divider,
        r_peaks_s=rhythm.r_peaks_s[inside],
        heart_rate_bpm=rhythm.rate_bpm[on_grid][: round(duration_s * heart.GRID_HZ)],
        heart_rate_fs=heart.GRID_HZ,
        artefacts=artefacts,
        markers=_markers(rhythm, condition, fs, n=n, start_time=start_time),
        start_time=start_time,
    )


def check_options(*, fs: float, seed: int, duration_s: float, mains_hz: float) -> None:
    """Check what all recordings of a study share.

    Raises
    ------
    ConfigError
        A number is outside what can be simulated.
    """
    _check_range("seed", seed, 0, 2**63 - 1)
    _check_range("fs", fs, MIN_FS, MAX_FS)
    _check_range("duration_s", duration_s, MIN_DURATION_S, MAX_DURATION_S)
    _check_range("mains_hz", mains_hz, 40, 70)
    if mains_hz >= fs / 2:
        raise ConfigError(f"simulate: mains of {mains_hz:g} Hz can't be sampled at {fs:g} Hz; raise fs")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"simulate: {name} is {value:g}; expected {low:g} to {high:g}")


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _ecg(
    shape: tuple[beat.Wave, ...],
    rhythm: heart.Rhythm,
    condition: str,
    fs: float,
    *,
    n: int,
    electrodes: np.random.Generator,
    rng: np.random.Generator,
) -> Signal:
    """Return what the lead sees without noise, mV, shape (n,); `electrodes` draws what the visit shares."""
    placement = beat.combine(
        beat.draw_placement(
            len(shape), turn_deg=SPREAD.visit_turn_deg, wave_spread=SPREAD.visit_wave, rng=electrodes
        ),
        beat.draw_placement(
            len(shape), turn_deg=SPREAD.recording_turn_deg, wave_spread=SPREAD.recording_wave, rng=rng
        ),
    )
    turn_deg, wander = _wander(rhythm, condition, n_waves=len(shape), rng=rng)
    return beat.synthesise(
        shape,
        rhythm.r_peaks_s,
        fs,
        n=n,
        turn_deg=placement.turn_deg + turn_deg,
        gains=placement.gain * np.asarray(placement.wave_gain) * wander,
    )


def _wander(
    rhythm: heart.Rhythm, condition: str, *, n_waves: int, rng: np.random.Generator
) -> tuple[Signal, Signal]:
    """Draw how turn (beat,) and wave heights (beat, wave) change within a recording."""
    at = rhythm.r_peaks_s

    def slowly() -> Signal:
        slow = noise.slow_noise(rhythm.time_s.size, heart.GRID_HZ, high_hz=0.05, rng=rng)
        return np.interp(at, rhythm.time_s, slow)

    breath = np.interp(at, rhythm.time_s, rhythm.breath)
    turn_deg = EFFECTS[condition].breath_turn_deg * breath + SPREAD.drift_turn_deg * slowly()
    log_gain = SPREAD.drift_wave * np.stack([slowly() for _ in range(n_waves)], axis=1)  # (beat, wave)
    log_gain += SPREAD.beat_wave * rng.standard_normal((at.size, n_waves))
    return turn_deg, np.exp(log_gain)


def _levels(condition: str, *, skin: np.random.Generator, rng: np.random.Generator) -> noise.NoiseLevels:
    """Draw how noisy a recording is: the skin of the visit, times the condition, times chance."""
    effect = EFFECTS[condition]
    contact, hum_mv = np.exp(skin.normal(0, 0.35)), skin.uniform(0.005, 0.03)
    chance = np.exp(rng.normal(0, 0.06, size=4))
    return noise.NoiseLevels(
        offset_mv=rng.normal(0, 0.1),
        breath_mv=0.05 * effect.breath_factor * chance[0],
        drift_mv=0.06 * contact * chance[1],
        contact_mv=0.052 * contact * chance[2],
        muscle_mv=0.012 * effect.muscle_factor * chance[3],
        mains_mv=hum_mv,
        motion_per_min=0.4 * effect.motion_factor,
        detached=bool(rng.random() < 0.06),
    )


def _electrodes(
    ecg_mv: Signal,
    rhythm: heart.Rhythm,
    fs: float,
    *,
    levels: noise.NoiseLevels,
    mains_hz: float,
    rng: np.random.Generator,
) -> tuple[Signal, tuple[Artefact, ...]]:
    """Add what electrodes and amplifier add; the signal stays within the amplifier's range."""
    n = ecg_mv.size
    breath = np.interp(np.arange(n) / fs, rhythm.time_s, rhythm.breath)
    bumps, artefacts = noise.motion(n, fs, per_min=levels.motion_per_min, rng=rng)
    noisy = (
        ecg_mv
        + noise.baseline(n, fs, breath=breath, levels=levels, rng=rng)
        + noise.contact(n, fs, rms_mv=levels.contact_mv, rng=rng)
        + noise.mains(n, fs, mains_hz=mains_hz, amplitude_mv=levels.mains_mv, rng=rng)
        + noise.muscle(n, fs, rms_mv=levels.muscle_mv, rng=rng)
        + bumps
    )
    if levels.detached:
        noisy, off = noise.detach(noisy, fs, rail_mv=RAIL_MV, rng=rng)
        artefacts = tuple(sorted(artefacts + off, key=lambda span: span.start_s))
    return np.clip(noisy, -RAIL_MV, RAIL_MV), artefacts


def respiration_divider(fs: float) -> int:
    """Return the largest power of two that leaves at least `RESPIRATION_MIN_FS`."""
    return 1 << max(int(np.floor(np.log2(fs / RESPIRATION_MIN_FS))), 0)


def _respiration(
    rhythm: heart.Rhythm, condition: str, fs: float, *, n: int, rng: np.random.Generator
) -> Signal:
    """Return a chest belt's signal, volts, shape (n,)."""
    depth_v = 0.4 * EFFECTS[condition].breath_factor * np.exp(rng.normal(0, 0.2))
    breath = np.interp(np.arange(n) / fs, rhythm.time_s, rhythm.breath)
    belt_v: Signal = depth_v * breath + 0.05 * noise.slow_noise(n, fs, high_hz=0.05, rng=rng)
    return belt_v


def _start_time(seed: int, subject: int, condition: str, visit: int) -> datetime:
    """Make up a date: a subject a day, a visit a week, half an hour between conditions."""
    return FIRST_DAY + timedelta(
        days=seed % 365 + subject - 1 + 7 * (visit - 1), minutes=30 * CONDITIONS.index(condition)
    )


def _markers(
    rhythm: heart.Rhythm, condition: str, fs: float, *, n: int, start_time: datetime
) -> tuple[Marker, ...]:
    """Return the segment's marker, the flags of who recorded it, and the pacing of deep breathing."""
    label, duration_s = condition.replace("_", " "), n / fs
    events = [(FLAG_DELAY_S, f"{label} start", "flag"), (duration_s - FLAG_DELAY_S, f"{label} stop", "flag")]
    if condition == "deep_breathing":
        events += [(time_s, "inspire", "rein") for time_s in rhythm.inspire_s.tolist()]
        events += [(time_s, "expire", "reot") for time_s in rhythm.expire_s.tolist()]
    placed = sorted(event for event in events if FLAG_DELAY_S <= event[0] <= duration_s - FLAG_DELAY_S)
    segment = Marker(sample=0, time_s=0.0, text="Segment 1", style=SEGMENT_STYLE, created=start_time)
    return segment, *(timed_marker(event, fs, start_time) for event in placed)


def timed_marker(event: tuple[float, str, str], fs: float, start_time: datetime) -> Marker:
    """Return the marker of an event: seconds, text and style."""
    time_s, text, style = event
    sample = round(time_s * fs)
    created = start_time + timedelta(milliseconds=round(time_s * 1000))
    return Marker(sample=sample, time_s=sample / fs, text=text, style=style, created=created)
