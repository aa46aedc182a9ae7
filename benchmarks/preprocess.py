"""What the filters let through, and how fast they are, against scipy's in float64.

    python benchmarks/preprocess.py            # an hour of a simulated recording
    python benchmarks/preprocess.py --quick    # three minutes, fewer tones

Both sides get the same int16 counts and run in turn in one process: medians of CPU time, not of time on the
clock, since the machine may be busy. The reference chain is what one would write with scipy: scale,
sosfiltfilt (0.5 Hz, order 5) and a 60 Hz notch (filtfilt) at the recorded rate, resample_poly. Matrix
products gain more from a newer processor than scipy's loops do: the first line says for which one the BLAS
chose its kernels (OPENBLAS_CORETYPE=Haswell or SkylakeX chooses others).
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, chirp, filtfilt, iirnotch, resample_poly, sosfiltfilt
from threadpoolctl import threadpool_info, threadpool_limits

from ecgkit.preprocess.clean import clean
from ecgkit.preprocess.mains import plan_mains
from ecgkit.preprocess.resample import anti_alias_taps, rate_ratio
from ecgkit.simulate.study import simulate_recording

Floats = NDArray[np.float64]

MV_PER_COUNT = 0.0003
HIGH_PASS_HZ, ORDER = 0.5, 5
IN_BAND_HZ = (0.7, 38.0)
TIMED = ((2000, 100), (1000, 100), (500, 100), (250, 100), (360, 100), (256, 100), (2000, 250), (1000, 250))
MEASURED = (
    (250, 100),
    (500, 100),
    (1000, 100),
    (2000, 100),
    (250, 250),
    (500, 250),
    (1000, 250),
    (2000, 250),
)
PHASES = np.linspace(0, np.pi, 9)[:-1]  # of hum: near half a rate, what is left depends on it
RATIO_GOAL, ERROR_GOAL = 20, 1e-3  # at 2000 Hz to 100 Hz


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three minutes, fewer rounds and tones")
    quick = parser.parse_args().quick
    kernels = {pool["architecture"] for pool in threadpool_info() if pool["internal_api"] == "openblas"}
    print(f"BLAS kernels for {', '.join(sorted(kernels)) or 'unknown'}; one thread\n")
    with threadpool_limits(1):
        speed(minutes=3 if quick else 60, rounds=5 if quick else 9)
    responses(n_tones=40 if quick else 200)
    mains()
    ends()


def ours(signal: NDArray[np.generic], fs: float, to_fs: float, *, lines: int = 1, hz: float = 60.0) -> Floats:
    plan = plan_mains(fs, to_fs=to_fs, mains_hz=hz, mode="auto", lines=lines)
    return clean(signal, fs, to_fs=to_fs, mains=plan, high_pass_hz=HIGH_PASS_HZ, order=ORDER)


def reference(counts: NDArray[np.int16], fs: float, to_fs: float) -> Floats:
    ecg_mv = counts * MV_PER_COUNT
    ecg_mv = sosfiltfilt(butter(ORDER, HIGH_PASS_HZ, "highpass", fs=fs, output="sos"), ecg_mv)
    ecg_mv = filtfilt(*iirnotch(60, 30, fs=fs), ecg_mv)
    resampled: Floats = resample_poly(ecg_mv, *rate_ratio(fs, to_fs))
    return resampled


def same_filters(signal: NDArray[np.generic], fs: float, to_fs: float) -> Floats:
    """Compute what `clean` does without a notch by scipy in float64."""
    up, down = rate_ratio(fs, to_fs)
    signal = signal.astype(float)
    if up != down:
        taps = anti_alias_taps(fs * up, to_fs)
        pad = -(-len(taps) // (2 * up * down)) * down
        first, n = pad * up // down, -(-len(signal) * up // down)
        signal = resample_poly(np.pad(signal, pad, mode="reflect"), up, down, window=taps)
        signal = signal[first : first + n]
    sos = butter(ORDER, HIGH_PASS_HZ, "highpass", fs=to_fs, output="sos")
    filtered: Floats = sosfiltfilt(sos, signal, padtype="even", padlen=round(3 * to_fs / HIGH_PASS_HZ))
    return filtered


def speed(*, minutes: int, rounds: int) -> None:
    print(
        f"{minutes} minutes, int16 counts to mV at the new rate; CPU ms, median of {rounds} rounds. Error: "
        f"greatest difference to the reference in {IN_BAND_HZ[0]:g}-{IN_BAND_HZ[1]:g} Hz, and to the same "
        "filters by scipy in float64, of the range. Memory: the peak over what was held and the result.\n"
    )
    print("| from | to | reference | from int16 | ratio | from float64 | ratio | error | same filters | MB |")
    print("|---" * 10 + "|", flush=True)
    for fs, to_fs in TIMED:
        counts = recording(fs, minutes=minutes)
        ecg_mv = counts * MV_PER_COUNT
        sides: list[Callable[[], Floats]] = [
            partial(reference, counts, fs, to_fs),
            partial(scaled, counts, fs, to_fs),
            partial(ours, ecg_mv, fs, to_fs),
        ]
        ref_ms, int_ms, float_ms = alternated(sides, rounds)
        wanted, got = sides[0](), sides[1]()
        error = np.abs(in_band(got - wanted, to_fs)).max() / np.ptp(wanted)
        exact = float(np.abs(ours_unnotched(ecg_mv, fs, to_fs) - same_filters(ecg_mv, fs, to_fs)).max())
        print(
            f"| {fs} | {to_fs} | {ref_ms:.1f} | {int_ms:.1f} | {ref_ms / int_ms:.1f} | {float_ms:.1f} | "
            f"{ref_ms / float_ms:.1f} | {error:.0e} | {exact / np.ptp(wanted):.0e} | "
            f"{peak_mb(sides[1], got.nbytes):.1f} |",
            flush=True,
        )
        if (fs, to_fs) == TIMED[0]:
            reached = ref_ms / int_ms >= RATIO_GOAL and error < ERROR_GOAL
            verdict = (
                f"goal >= {RATIO_GOAL} times, error < {ERROR_GOAL:g}: {'' if reached else 'not '}reached"
            )
    print(f"\n{TIMED[0][0]} to {TIMED[0][1]} Hz, from int16: {verdict}\n")


def scaled(counts: NDArray[np.int16], fs: float, to_fs: float) -> Floats:
    cleaned = ours(counts, fs, to_fs)
    cleaned *= MV_PER_COUNT
    return cleaned


def ours_unnotched(signal: NDArray[np.generic], fs: float, to_fs: float) -> Floats:
    none = plan_mains(fs, to_fs=to_fs, mains_hz=60, mode="none")
    return clean(signal, fs, to_fs=to_fs, mains=none, high_pass_hz=HIGH_PASS_HZ, order=ORDER)


def recording(fs: float, *, minutes: int) -> NDArray[np.int16]:
    """Return counts of a simulated ECG with 60 Hz hum, three minutes over and over."""
    ecg_mv = simulate_recording(1, "rest", 1, fs=fs, seed=1, duration_s=180.0, mains_hz=60.0).ecg_mv
    return np.tile(np.rint(ecg_mv / MV_PER_COUNT).astype(np.int16), minutes // 3)


def alternated(sides: list[Callable[[], Floats]], rounds: int) -> list[float]:
    """Return the median CPU milliseconds of each side, run in turn."""
    taken: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds + 1):
        for side, times in zip(sides, taken, strict=True):
            start = time.process_time()
            side()
            times.append(1e3 * (time.process_time() - start))
    return [statistics.median(times[1:]) for times in taken]  # the first one imports and designs


def peak_mb(side: Callable[[], Floats], result_bytes: int) -> float:
    tracemalloc.start()
    side()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (peak - result_bytes) / 1e6


def in_band(signal: Floats, fs: float) -> Floats:
    """Take what lies in `IN_BAND_HZ`, without the first and last five seconds."""
    inner = signal[round(5 * fs) : -round(5 * fs)]
    spectrum, hz = np.fft.rfft(inner), np.fft.rfftfreq(len(inner), 1 / fs)
    spectrum[(hz < IN_BAND_HZ[0]) | (hz > IN_BAND_HZ[1])] = 0
    band: Floats = np.fft.irfft(spectrum, len(inner))
    return band


def responses(*, n_tones: int) -> None:
    print(
        "Response of the whole chain, no notch: one tone after the other, int16, a minute each, the middle "
        "half taken. Sweep: greatest difference to the same filters by scipy in float64, of the amplitude, "
        "for a sine swept from 0.1 Hz to half the recorded rate, ends included.\n"
    )
    print(
        "| from | to | pass band, Hz | ripple, dB | -3 dB at, Hz | -6 dB at, Hz | stop band from, Hz "
        "| worst there, dB | greatest delay, us | sweep |"
    )
    print("|---" * 10 + "|", flush=True)
    for fs, to_fs in MEASURED:
        nyquist_hz = to_fs / 2
        edge_hz = 0.8 * nyquist_hz if fs > to_fs else 0.999 * nyquist_hz
        passed = [tone(fs, to_fs, hz) for hz in np.linspace(1.0, edge_hz - 0.05, n_tones)]
        ripple = 20 * np.log10(np.abs([gain for gain, _ in passed]))
        delay_us = max(abs(delay_us) for _, delay_us in passed)
        stop = f"{nyquist_hz:g} | {worst_stopped_db(fs, to_fs, n_tones):.1f}" if fs > to_fs else "- | -"
        corners = [[crossing(fs, to_fs, level, *span) for span in spans(fs, to_fs)] for level in (-3, -6)]
        print(
            f"| {fs} | {to_fs} | 1-{edge_hz:g} | {ripple.min():+.3f} to {ripple.max():+.3f} | "
            f"{' and '.join(f'{hz:.2f}' for hz in corners[0])} | "
            f"{' and '.join(f'{hz:.2f}' for hz in corners[1])} | {stop} | {delay_us:.2f} | "
            f"{sweep(fs, to_fs):.0e} |",
            flush=True,
        )
    print()


def tone(fs: float, to_fs: float, hz: float) -> tuple[complex, float]:
    """Return the chain's gain for a tone below half the new rate, and its delay in microseconds."""
    out, t = toned(fs, to_fs, hz)
    basis = np.stack([np.cos(2 * np.pi * hz * t), np.sin(2 * np.pi * hz * t)], axis=1)
    cosine, sine = np.linalg.lstsq(basis, out, rcond=None)[0]
    gain = complex(sine, cosine)  # of sin(2 pi hz t)
    return gain, -1e6 * float(np.angle(gain)) / (2 * np.pi * hz)


def toned(fs: float, to_fs: float, hz: float, *, phase: float = 0.0) -> tuple[Floats, Floats]:
    """Return the middle half of a cleaned tone of amplitude 1, and its times."""
    t = np.arange(round(60 * fs)) / fs
    counts = np.rint(30_000 * np.sin(2 * np.pi * hz * t + phase)).astype(np.int16)
    out = ours_unnotched(counts, fs, to_fs) / 30_000
    middle = slice(len(out) // 4, 3 * len(out) // 4)
    return out[middle], (np.arange(len(out)) / to_fs)[middle]


def worst_stopped_db(fs: float, to_fs: float, n_tones: int) -> float:
    """Return the gain of the tone from half the new rate on that comes through best, by its peak."""
    tones = np.linspace(to_fs / 2, fs / 2, n_tones + 1)[:-1]
    outs = [toned(fs, to_fs, hz, phase=phase)[0] for hz in tones for phase in (0.0, np.pi / 2)]
    return 20 * np.log10(np.abs(outs).max())


def spans(fs: float, to_fs: float) -> list[tuple[float, float]]:
    """Return between which frequencies the gain rises, and where it falls again."""
    return [(2.0, 0.3), *([(0.7 * to_fs / 2, to_fs / 2 - 0.01)] if fs > to_fs else [])]


def crossing(fs: float, to_fs: float, level_db: float, inside_hz: float, outside_hz: float) -> float:
    """Return where the gain falls to a level, by halving."""
    for _ in range(16):
        middle_hz = (inside_hz + outside_hz) / 2
        inside = 20 * np.log10(abs(tone(fs, to_fs, middle_hz)[0])) > level_db
        inside_hz, outside_hz = (middle_hz, outside_hz) if inside else (inside_hz, middle_hz)
    return inside_hz


def sweep(fs: float, to_fs: float) -> float:
    t = np.arange(round(120 * fs)) / fs
    swept = chirp(t, 0.1, t[-1], fs / 2, method="logarithmic", phi=-90)
    counts = np.rint(30_000 * swept).astype(np.int16)
    return float(np.abs(ours_unnotched(counts, fs, to_fs) - same_filters(counts, fs, to_fs)).max() / 30_000)


def mains() -> None:
    print(
        "Mains of amplitude 1, steady, 0.1 Hz off, and with multiples 2 to 5 of 0.5, 0.3, 0.2 and 0.1: what "
        "is left in the middle (peak, dB), and the peak of the steady one in the first and last 50 ms, and "
        "from there to half a second. The worst of 8 phases.\n"
    )
    print(
        "| from | to | mains, Hz | how | steady | 0.1 Hz off | with multiples | with multiples, lines=5 "
        "| ends, 50 ms | ends, to 0.5 s |"
    )
    print("|---" * 10 + "|", flush=True)
    for fs, to_fs in MEASURED:
        for hz in (50.0, 60.0):
            plan = plan_mains(fs, to_fs=to_fs, mains_hz=hz, mode="auto", lines=5)
            lefts = [
                left_db(fs, to_fs, hz, [1.0], lines=1),
                left_db(fs, to_fs, hz, [1.0], lines=1, off_hz=0.1),
                left_db(fs, to_fs, hz, [1.0, 0.5, 0.3, 0.2, 0.1], lines=1),
                left_db(fs, to_fs, hz, [1.0, 0.5, 0.3, 0.2, 0.1], lines=5),
            ]
            print(
                f"| {fs} | {to_fs} | {hz:g} | {plan.method} | "
                f"{' | '.join(f'{left:.0f} dB' for left in lefts)} | "
                f"{' | '.join(f'{peak:.2f}' for peak in at_the_ends(fs, to_fs, hz))} |",
                flush=True,
            )


def hum(fs: float, hz: float, amplitudes: list[float], *, phase: float) -> Floats:
    t = np.arange(round(60 * fs)) / fs
    hums = [
        amplitude * np.sin(2 * np.pi * k * hz * t + phase * k)
        for k, amplitude in enumerate(amplitudes, start=1)
        if k * hz < fs / 2
    ]
    return np.sum(hums, axis=0)  # type: ignore[no-any-return]


def left_db(
    fs: float, to_fs: float, hz: float, amplitudes: list[float], *, lines: int, off_hz: float = 0.0
) -> float:
    hums = [hum(fs, hz + off_hz, amplitudes, phase=phase) for phase in PHASES]
    outs = np.abs([ours(each, fs, to_fs, lines=lines, hz=hz) for each in hums])
    return 20 * np.log10(outs[:, outs.shape[1] // 4 : -outs.shape[1] // 4].max() + 1e-9)


def at_the_ends(fs: float, to_fs: float, hz: float) -> tuple[float, float]:
    """Return the greatest that is left of hum in the first and last 50 ms, and from there to 0.5 s."""
    edge, half_s = round(0.05 * to_fs), round(0.5 * to_fs)
    outs = [ours(hum(fs, hz, [1.0], phase=phase), fs, to_fs, hz=hz) for phase in PHASES]
    ends = np.abs([end for out in outs for end in (out[:half_s], out[::-1][:half_s])])
    return float(ends[:, :edge].max()), float(ends[:, edge:].max())


def ends() -> None:
    """Print how the ends of a stretch differ from the same seconds within a longer recording."""
    print(
        "\nEnds of a stretch of an ECG with wander and hum: greatest difference to the same seconds within a "
        "longer recording, of the range; 10 stretches of a minute, both ends.\n"
    )
    print("| from | to | first 0.1 s | to 0.5 s | to 1 s | to 3 s | to 6 s |")
    print("|---" * 7 + "|", flush=True)
    for fs, to_fs in MEASURED:
        ecg_mv = simulate_recording(1, "rest", 1, fs=fs, seed=1, duration_s=180.0, mains_hz=60.0).ecg_mv
        whole, differences = ours(ecg_mv, fs, to_fs), []
        for start_s in range(20, 120, 10):
            stretch = ours(ecg_mv[start_s * fs : (start_s + 60) * fs], fs, to_fs)
            difference = np.abs(stretch - whole[start_s * to_fs : (start_s + 60) * to_fs])
            differences += [difference, difference[::-1]]
        worst = np.max(differences, axis=0) / np.ptp(whole)
        edges = [round(edge_s * to_fs) for edge_s in (0, 0.1, 0.5, 1, 3, 6)]
        parts = [worst[first:last].max() for first, last in itertools.pairwise(edges)]
        print(f"| {fs} | {to_fs} | {' | '.join(f'{part:.0e}' for part in parts)} |", flush=True)


if __name__ == "__main__":
    main()
