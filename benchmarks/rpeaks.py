"""How well R peaks are found, beside NeuroKit2's methods and XQRS of wfdb.

    python benchmarks/rpeaks.py [FOLDER]

FOLDER holds the real recordings, as `ecgiddb/` and `wrist/`; without it only simulated ones are used. A beat
is found where a peak lies within 100 ms of it, one to one. Methods that mark another place of the QRS than
its tip are shifted by their median offset over the set before that; the table states it. Beats within 100 ms
of an end need not be found, nor those where the lead is flat. CPU time is that of the whole set.
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.qrs_detectors import NARROW, WIDE, peaks_of
from ecgkit.analysis.rpeaks import find_r_peaks
from ecgkit.readers import read
from ecgkit.simulate import beat, noise
from ecgkit.simulate.study import CONDITIONS, simulate_recording

Floats = NDArray[np.float64]
Detector = Callable[[Floats, float], NDArray[np.int64]]

TOLERANCE_S, END_S = 0.1, 0.1
CHOOSING = ("s2", "s4", "s6", "s8")  # persons of the wrist set whom settings were chosen on; s3, s5, s9 not
CHOOSING_SEED, TEST_SEED = 1, 2
NEUROKIT = {  # method -> the filter that goes with it
    "neurokit": "neurokit",
    "pantompkins1985": "pantompkins1985",
    "hamilton2002": "hamilton2002",
    "elgendi2010": "elgendi2010",
    "kalidas2017": "neurokit",
    "rodrigues2021": "neurokit",
}


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A recording and its beats, seconds; what is found outside of `judged_s` is not counted."""

    signal: Floats
    fs: float
    beats_s: Floats
    needed: NDArray[np.bool_]
    judged_s: tuple[float, float]


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for title, cases in sets(folder).items():
        held = list(cases)
        print(f"\n{title}: {len(held)} recordings, {sum(case.needed.sum() for case in held)} beats")
        print(
            f"{'':<18}{'Se %':>8}{'PPV %':>8}{'F1 %':>8}{'missed':>8}{'false':>7}"
            f"{'offset ms':>11}{'error ms':>10}{'CPU s':>8}"
        )
        for name, detector in detectors().items():
            print(f"{name:<18}" + row(detector, held))
    print()
    for fs, hours in ((2000.0, 1), (250.0, 24)):
        print(f"ecgkit, {hours} h at {fs:g} Hz {cpu_s(fs, hours):8.2f} s")


def cpu_s(fs: float, hours: int) -> float:
    """Return the CPU seconds that a long recording takes."""
    ecg = simulate_recording(1, "rest", 1, fs=fs, seed=1, duration_s=600.0, mains_hz=50.0).ecg_mv
    find_r_peaks(ecg, fs)  # imports
    long = np.tile(ecg, 6 * hours)
    start_s = time.process_time()
    find_r_peaks(long, fs)
    return time.process_time() - start_s


def sets(folder: Path | None) -> dict[str, Iterator[Case]]:
    """Return the sets by title; each makes its cases when it is gone through."""
    made = {
        "simulated": simulated(TEST_SEED),
        "simulated, 500 and 2000 Hz, upside down": simulated(
            TEST_SEED, n_subjects=3, rates=(500.0, 2000.0), sign=-1
        ),
        "simulated, strong noise": simulated(TEST_SEED, n_subjects=5, louder=6.0),
        "simulated, irregular": irregular(TEST_SEED),
        "chosen on: simulated": simulated(CHOOSING_SEED),
        "chosen on: simulated, strong noise": simulated(CHOOSING_SEED, n_subjects=5, louder=6.0),
        "chosen on: simulated, irregular": irregular(CHOOSING_SEED),
    }
    if folder is None:
        return made
    return {
        "wrist, persons 3, 5, 9": wrist(folder / "wrist", chosen=False),
        "ECG-ID, unfiltered": ecg_id(folder / "ecgiddb"),
        **made,
        "chosen on: wrist, persons 2, 4, 6, 8": wrist(folder / "wrist", chosen=True),
    }


def detectors() -> dict[str, Detector]:
    """Return all detectors by name."""
    return {
        "ecgkit": find_r_peaks,
        "  narrow alone": functools.partial(peaks_of, band=NARROW),
        "  wide alone": functools.partial(peaks_of, band=WIDE),
        **{name: neurokit(name) for name in NEUROKIT},
        "xqrs (wfdb)": xqrs,
    }


def simulated(
    seed: int,
    *,
    n_subjects: int = 15,
    rates: tuple[float, ...] = (250.0,),
    sign: int = 1,
    louder: float = 0.0,
) -> Iterator[Case]:
    """Simulate recordings of 3 minutes; `louder` adds that many times the usual contact and muscle noise."""
    for fs, subject, condition in itertools.product(rates, range(1, n_subjects + 1), CONDITIONS):
        made = simulate_recording(subject, condition, 1, fs=fs, seed=seed, duration_s=180.0, mains_hz=50.0)
        rng = np.random.default_rng((seed, subject, CONDITIONS.index(condition)))
        n, beats_s, ecg = len(made.ecg_mv), made.r_peaks_s, made.ecg_mv
        if louder:
            ecg = ecg + louder * noise.contact(n, fs, rms_mv=0.05, rng=rng)
            ecg += louder * noise.muscle(n, fs, rms_mv=0.02, rng=rng)
            ecg += noise.motion(n, fs, per_min=4 * louder, rng=rng)[0]
        seen = np.ones(len(beats_s), dtype=bool)
        for span in made.artefacts:
            if span.kind != "motion":
                seen &= (beats_s < span.start_s - END_S) | (beats_s > span.stop_s + END_S)
        yield Case(sign * ecg, fs, beats_s, seen, (0.0, n / fs))


def irregular(seed: int, *, n_each: int = 3, fs: float = 250.0, duration_s: float = 180.0) -> Iterator[Case]:
    """Simulate what the protocol's hearts don't do: fibrillation, extrasystoles, pauses, slow and fast."""
    for kind, row_of in enumerate(RHYTHMS.values()):
        for take in range(n_each):
            rng = np.random.default_rng((seed, kind, take))
            rr_s, wide = row_of(rng, round(duration_s / 0.25))
            beats_s = np.cumsum(rr_s) - 1.0
            wide, beats_s = wide[beats_s < duration_s + 1], beats_s[beats_s < duration_s + 1]
            ecg = two_foci(beats_s, wide, fs, n=round(duration_s * fs), rng=rng)
            inside = (beats_s >= 0) & (beats_s < duration_s)
            yield Case(ecg, fs, beats_s[inside], np.ones(inside.sum(), dtype=bool), (0.0, duration_s))


def two_foci(
    beats_s: Floats, wide: NDArray[np.bool_], fs: float, *, n: int, rng: np.random.Generator
) -> Floats:
    """Return an ECG with some noise whose wide beats, (beat,), start in a ventricle, mV, (n,)."""
    shape = beat.draw_shape(rng)
    gains = np.repeat(~wide[:, None], len(shape), axis=1) * 1.0  # (beat, wave)
    ecg = beat.synthesise(shape, beats_s, fs, n=n, turn_deg=np.zeros(len(beats_s)), gains=gains)
    at_s = np.arange(n) / fs
    for time_s in beats_s[wide]:
        ecg -= 1.1 * np.exp(-0.5 * ((at_s - time_s) / 0.028) ** 2)
        ecg += 0.4 * np.exp(-0.5 * ((at_s - time_s - 0.28) / 0.06) ** 2)
    return ecg + noise.contact(n, fs, rms_mv=0.05, rng=rng) + noise.muscle(n, fs, rms_mv=0.02, rng=rng)


def _extrasystoles(rng: np.random.Generator, n: int, *, share: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return intervals before each beat, and which beats are ventricular: early, with a pause after it."""
    wide = rng.random(n) < share
    wide[1:] &= ~wide[:-1]
    rr_s = 0.85 * (1 + 0.03 * rng.standard_normal(n))
    rr_s[wide] *= 0.62
    rr_s[1:][wide[:-1]] *= 1.38
    return rr_s, wide


def _steady(rr_s: float) -> Callable[[np.random.Generator, int], tuple[Floats, NDArray[np.bool_]]]:
    return lambda rng, n: (rr_s * (1 + 0.03 * rng.standard_normal(n)), np.zeros(n, dtype=bool))


def _bigeminy(rng: np.random.Generator, n: int) -> tuple[Floats, NDArray[np.bool_]]:
    wide = np.arange(n) % 2 == 1
    return np.where(wide, 0.5, 1.1) * (1 + 0.03 * rng.standard_normal(n)), wide


def _fibrillation(rng: np.random.Generator, n: int) -> tuple[Floats, NDArray[np.bool_]]:
    return np.clip(0.7 * np.exp(0.25 * rng.standard_normal(n)), 0.33, 1.8), np.zeros(n, dtype=bool)


def _pauses(rng: np.random.Generator, n: int) -> tuple[Floats, NDArray[np.bool_]]:
    rr_s = 0.9 * (1 + 0.03 * rng.standard_normal(n))
    rr_s[rng.random(n) < 0.05] = 2.6
    return rr_s, np.zeros(n, dtype=bool)


def _sudden(rng: np.random.Generator, n: int) -> tuple[Floats, NDArray[np.bool_]]:
    rr_s = np.where(np.arange(n) // 60 % 2 == 0, 0.85, 0.36)
    return rr_s * (1 + 0.02 * rng.standard_normal(n)), np.zeros(n, dtype=bool)


RHYTHMS = {
    "fibrillation": _fibrillation,
    "extrasystoles": lambda rng, n: _extrasystoles(rng, n, share=0.15),
    "bigeminy": _bigeminy,
    "pauses": _pauses,
    "sudden tachycardia": _sudden,
    "38 beats a minute": _steady(60 / 38),
    "215 beats a minute": _steady(60 / 215),
}


def wrist(folder: Path, *, chosen: bool) -> Iterator[Case]:
    """Read the chest ECG of those on foot and on a bicycle; annotations count samples at 256 Hz."""
    for path in sorted(folder.glob("*.edf")):
        if path.name.startswith(CHOOSING) is not chosen:
            continue
        channel = read(path).channel("chest_ecg")
        lines = (folder / "ecg_annotations" / f"{path.stem}.txt").read_text().splitlines()[1:]
        fields = [line.split() for line in lines]
        beats_s = np.array([int(field[1]) for field in fields if len(field) > 2 and field[2] == "N"]) / 256
        yield annotated(channel.read(), channel.fs, beats_s)


def ecg_id(folder: Path) -> Iterator[Case]:
    """Read the unfiltered leads of ECG-ID; the first ten beats of each are marked, by a program.

    It worked on the filtered lead, which goes on where the unfiltered one is flat.
    """
    for path in sorted(folder.glob("Person_*/rec_*.hea")):
        recording = read(path)
        channel = recording.channels[0]
        beats_s = np.array([mark.time_s for mark in recording.markers if mark.text == "N"])
        if len(beats_s):
            yield annotated(channel.read(), channel.fs, beats_s)


def annotated(signal: Floats, fs: float, beats_s: Floats) -> Case:
    """Return a case that is judged from the first to the last beat that is marked."""
    judged_s = (float(beats_s[0]) - 2 * TOLERANCE_S, float(beats_s[-1]) + 2 * TOLERANCE_S)
    reach = round(END_S * fs)
    middles = np.clip(np.rint(beats_s * fs).astype(int), reach, len(signal) - reach - 1)
    beats = signal[middles[:, None] + np.arange(-reach, reach + 1)]  # (beat, time)
    return Case(signal, fs, beats_s, np.ptp(beats, axis=1) > 0, judged_s)


def neurokit(method: str) -> Detector:
    """Return a method of NeuroKit2 with the filter that goes with it."""

    def detect(signal: Floats, fs: float) -> NDArray[np.int64]:
        import neurokit2

        cleaned = neurokit2.ecg_clean(signal, sampling_rate=fs, method=NEUROKIT[method])
        found = neurokit2.ecg_findpeaks(cleaned, sampling_rate=fs, method=method)["ECG_R_Peaks"]
        return np.asarray(found, dtype=np.int64)

    return detect


def xqrs(signal: Floats, fs: float) -> NDArray[np.int64]:
    """Find peaks by wfdb's XQRS."""
    from wfdb.processing import xqrs_detect

    return np.asarray(xqrs_detect(signal, fs=fs, verbose=False), dtype=np.int64)


def row(detector: Detector, cases: list[Case]) -> str:
    """Return one detector's figures over all recordings of a set."""
    start_s = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found_s = [np.unique(detector(case.signal, case.fs)) / case.fs for case in cases]
    taken_s = time.process_time() - start_s
    late_s = np.median(np.concatenate([lateness(*pair) for pair in zip(cases, found_s, strict=True)]))
    counts, spreads = np.zeros(3), []
    for case, times_s in zip(cases, found_s, strict=True):
        error_s, missed, false = judge(case, times_s - late_s)
        counts += (len(error_s), missed, false)
        spreads.append(np.abs(error_s - np.median(error_s)) if len(error_s) else error_s)
    right, missed, false = counts
    sensitivity, ppv = right / (right + missed), right / max(right + false, 1)
    f1 = 2 * right / (2 * right + missed + false)
    return (
        f"{100 * sensitivity:>8.2f}{100 * ppv:>8.2f}{100 * f1:>8.2f}{missed:>8.0f}{false:>7.0f}"
        f"{1e3 * late_s:>11.1f}{1e3 * np.median(np.concatenate(spreads)):>10.1f}{taken_s:>8.1f}"
    )


def lateness(case: Case, found_s: Floats) -> Floats:
    """Return how late the nearest peak is after each beat, seconds, where one is near."""
    if len(found_s) == 0:
        return np.empty(0)
    after = np.clip(np.searchsorted(found_s, case.beats_s), 1, max(len(found_s) - 1, 1))
    both = np.stack([found_s[after - 1], found_s[np.minimum(after, len(found_s) - 1)]]) - case.beats_s
    nearest = both[np.abs(both).argmin(axis=0), np.arange(len(case.beats_s))]
    return nearest[np.abs(nearest) <= 2 * TOLERANCE_S]


def judge(case: Case, found_s: Floats) -> tuple[Floats, int, int]:
    """Return the errors of the beats found, seconds, and how many were missed and how many are false."""
    beats, found = matched(case.beats_s, found_s)
    missed = np.setdiff1d(np.arange(len(case.beats_s)), beats)
    first_s, last_s = END_S, len(case.signal) / case.fs - END_S
    inner = (case.beats_s[missed] >= first_s) & (case.beats_s[missed] <= last_s) & case.needed[missed]
    false_s = np.delete(found_s, found)
    judged = (false_s >= case.judged_s[0]) & (false_s <= case.judged_s[1])
    return found_s[found] - case.beats_s[beats], int(inner.sum()), int(judged.sum())


def matched(beats_s: Floats, found_s: Floats) -> tuple[list[int], list[int]]:
    """Pair beats and peaks that lie within the tolerance, in order, one to one."""
    beats, found, i, j = [], [], 0, 0
    while i < len(beats_s) and j < len(found_s):
        away_s = found_s[j] - beats_s[i]
        if abs(away_s) <= TOLERANCE_S:
            beats.append(i)
            found.append(j)
        i, j = i + int(away_s >= -TOLERANCE_S), j + int(away_s <= TOLERANCE_S)
    return beats, found


if __name__ == "__main__":
    main()
