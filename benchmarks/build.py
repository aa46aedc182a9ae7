"""From a recording to windows, from a study to its data set: how fast, in how much memory, on two workers.

    python benchmarks/build.py            # an hour at 2000 Hz, 16 channels; some minutes
    python benchmarks/build.py --quick    # three minutes, fewer rounds

First: one lead of an `.acq` file as windows of 3 s at 100 Hz, against bioread with scipy's filters, and
against NeuroKit2. ecgkit and bioread run in turn in one process, on one thread: medians of CPU time.
NeuroKit2 is too slow for that: it runs once, in a process of its own, as each measurement of memory does (the
peak over what was held before). "Windows alone" is what the others give too; "all that a data set holds" adds
R peaks, heart rate and quality of each window, found anew or taken from a session file.

Then: the same study's data set on one worker and on two, processes and a dask cluster of this machine, all
started before: medians of the time on the clock, so the machine should do nothing else.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import bioread
import numpy as np
from numpy.typing import NDArray
from read import MB, resident_mb
from scipy.signal import butter, filtfilt, iirnotch, resample_poly, sosfiltfilt
from threadpoolctl import threadpool_limits

import ecgkit
from ecgkit.config import PipelineConfig
from ecgkit.preprocess.clean import clean
from ecgkit.preprocess.cut import cut, time_starts
from ecgkit.preprocess.mains import plan_mains
from ecgkit.preprocess.scale import apply_scale, scale_constants
from ecgkit.progress import Silent
from ecgkit.records import Recording, Tags
from ecgkit.simulate.acq_writer import AcqChannel, write_acq
from ecgkit.simulate.study import simulate_recording
from ecgkit.stages import build_dataset, ingest
from ecgkit.stages.build_dataset.cutting import cut_all
from ecgkit.stages.windows import cut_recording
from ecgkit.study.folder import open_study
from ecgkit.study.session_file import read_headers, read_observations, read_session

Counts = NDArray[np.int16]
Floats = NDArray[np.float64]
Windows = NDArray[np.float32]

FS, TO_FS, WINDOW_S = 2000, 100, 3
MV_PER_COUNT = 0.000305
N_CHANNELS = 16
PIPELINE = PipelineConfig()
BIOREAD_GOAL, NEUROKIT_GOAL, WORKERS_GOAL, DASK_GOAL = 10, 80, 1.8, 0.9
DAY_GOAL_MB = 300  # over the output
SESSION_TAGS = Tags("01", "rest")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three minutes, fewer rounds")
    parser.add_argument("--alone", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    with threadpool_limits(1):
        if args.alone:
            print(*measure_alone(args.alone[0], Path(args.alone[1])))
            return
        with tempfile.TemporaryDirectory() as folder:
            one_recording(Path(folder), minutes=3 if args.quick else 60, rounds=3 if args.quick else 7)
        with tempfile.TemporaryDirectory() as folder:
            one_study(Path(folder), n_sessions=6 if args.quick else 24, minutes=3 if args.quick else 30)


def one_recording(folder: Path, *, minutes: float, rounds: int) -> None:
    """Print what the windows of one recording cost on each side, and what became of the goals."""
    counts = simulated_counts(minutes, seed=1)
    write_recording(folder / "many.acq", counts, n_channels=N_CHANNELS)
    write_recording(folder / "one.acq", counts, n_channels=1)
    ingest.run(folder / "one.acq", SESSION_TAGS, study_folder=folder / "study")
    in_turn = {name: side for name, side in SIDES.items() if name not in NEUROKIT}
    cpu_ms = alternate(in_turn, folder, rounds)
    alone = {name: run_alone(name, folder) for name in (*SIDES, DAY)}
    cpu_ms |= {name: alone[name][0] for name in NEUROKIT}
    print(
        f"{minutes:g} minutes at {FS} Hz, {N_CHANNELS} channels int16, one lead as windows of {WINDOW_S} s "
        f"at {TO_FS} Hz; CPU ms, median of {rounds} rounds (NeuroKit2: once)\n"
    )
    print("| | CPU ms | bioread + scipy / this | NeuroKit2 / this | peak, MB |")
    print("|---" * 5 + "|")
    for name, ms in cpu_ms.items():
        ratios = (cpu_ms[other] / ms for other in (REFERENCE, *NEUROKIT[:1]))
        print(
            f"| {name} | {ms:.0f} | {' | '.join(f'{ratio:.1f}' for ratio in ratios)} | {alone[name][1]:.0f} |"
        )
    print()
    ours = cpu_ms[OURS]
    for other, goal in ((REFERENCE, BIOREAD_GOAL), (NEUROKIT[0], NEUROKIT_GOAL)):
        print(verdict(f"windows against {other}", cpu_ms[other] / ours, goal))
    for other in (REFERENCE, NEUROKIT[0]):
        print(verdict(f"peak memory against {other}", alone[other][1] / alone[OURS][1], 1))
    _, peak_mb, output_mb = alone[DAY]
    over_mb = peak_mb - output_mb
    print(
        f"a day, 24 times as much as an hour: peak {over_mb:.0f} MB over the {output_mb:.0f} MB of windows, "
        f"goal {DAY_GOAL_MB}: "
        f"{'reached' if over_mb <= DAY_GOAL_MB else f'short by {over_mb - DAY_GOAL_MB:.0f} MB'}"
    )


def simulated_counts(minutes: float, *, seed: int) -> Counts:
    """Return an ECG with hum and wander as int16."""
    made = simulate_recording(
        seed, "rest", 1, fs=FS, seed=seed, duration_s=60 * minutes, mains_hz=PIPELINE.mains_hz
    )
    return np.clip(np.rint(made.ecg_mv / MV_PER_COUNT), -32768, 32767).astype(np.int16)


def write_recording(path: Path, counts: Counts, *, n_channels: int) -> None:
    """Write an ECG channel, and others that hold the same, later."""
    channels = [
        AcqChannel(np.roll(counts, 1000 * i), f"Analog {i}" if i else "ECG", "mV", MV_PER_COUNT)
        for i in range(n_channels)
    ]
    write_acq(path, channels, fs=FS)


def windows_alone(folder: Path) -> Windows:
    """Give what the others give: scaled windows, and the constants."""
    channel = ecgkit.read(folder / "many.acq").channels[0]
    mains = plan_mains(channel.fs, to_fs=TO_FS, mains_hz=PIPELINE.mains_hz, mode=PIPELINE.mains)
    cleaned = channel.scale * clean(
        channel.read_raw(),
        channel.fs,
        to_fs=TO_FS,
        mains=mains,
        high_pass_hz=PIPELINE.high_pass_hz,
        order=PIPELINE.high_pass_order,
    )
    starts = time_starts(len(cleaned), TO_FS, window_s=WINDOW_S, stride_s=WINDOW_S)
    windows = cut(cleaned[None], starts, size=WINDOW_S * TO_FS)
    return apply_scale(windows, *scale_constants(windows, cleaned[None], scale=PIPELINE.scale))


def all_found_anew(folder: Path) -> Windows:
    return cut_recording(ecgkit.read(folder / "many.acq"), [0], PIPELINE).windows


def all_from_a_session(folder: Path) -> Windows:
    path = folder / "study" / "sessions" / f"{SESSION_TAGS.key}.h5"
    session, seen = read_session(path), read_observations(path)
    return cut_recording(
        session.recording, session.ecg, PIPELINE, session.excluded, beats_s=seen.beats_s
    ).windows


def by_bioread_and_scipy(folder: Path) -> Windows:
    """Do what one would write: scale, filter at the recorded rate, resample, scale to 0-1, cut."""
    ecg_mv = bioread.read(str(folder / "many.acq"), channel_indexes=[0]).channels[0].data
    ecg_mv = sosfiltfilt(butter(5, 0.5, "highpass", fs=FS, output="sos"), ecg_mv)
    ecg_mv = filtfilt(*iirnotch(60, 30, fs=FS), ecg_mv)
    return cut_simply(resample_poly(ecg_mv, 1, FS // TO_FS))


def by_neurokit(folder: Path) -> Windows:
    import neurokit2

    table, fs = neurokit2.read_acqknowledge(str(folder / "many.acq"))
    return cut_simply(
        neurokit_resampled(neurokit2.ecg_clean(table["ECG"], sampling_rate=fs, powerline=60), fs)
    )


def all_by_neurokit(folder: Path) -> Windows:
    """Find R peaks and quality as well, as NeuroKit2 does at the recorded rate."""
    import neurokit2

    table, fs = neurokit2.read_acqknowledge(str(folder / "many.acq"))
    cleaned = neurokit2.ecg_clean(table["ECG"], sampling_rate=fs, powerline=60)
    _, found = neurokit2.ecg_peaks(cleaned, sampling_rate=fs)
    neurokit2.ecg_rate(found["ECG_R_Peaks"], sampling_rate=fs, desired_length=len(cleaned))
    neurokit2.ecg_quality(cleaned, rpeaks=found["ECG_R_Peaks"], sampling_rate=fs)
    return cut_simply(neurokit_resampled(cleaned, fs))


def neurokit_resampled(cleaned: Floats, fs: int) -> Floats:
    import neurokit2

    resampled: Floats = neurokit2.signal_resample(cleaned, sampling_rate=fs, desired_sampling_rate=TO_FS)
    return resampled


def cut_simply(signal: Floats) -> Windows:
    scaled = (signal - signal.min()) / np.ptp(signal)
    size = WINDOW_S * TO_FS
    return scaled[: len(scaled) // size * size].reshape(-1, 1, size).astype(np.float32)


def a_day(folder: Path) -> Windows:
    """Cut 24 times the counts of one recording, which are held once."""
    once = ecgkit.read(folder / "one.acq")
    counts = once.channels[0].read_raw()
    n_samples = len(counts) * 24

    def tiled(start: int, stop: int) -> Counts:
        return counts[np.arange(start, stop) % len(counts)]

    channel = replace(once.channels[0], n_samples=n_samples, sample_reader=tiled, chunk_reader=None)
    day: Recording = replace(once, channels=(channel,))
    return cut_recording(day, [0], PIPELINE).windows


OURS, REFERENCE, DAY = "ecgkit, windows alone", "bioread + scipy, windows alone", "day"
NEUROKIT = ("NeuroKit2, windows alone", "NeuroKit2, with R peaks, rate and quality")
SIDES: dict[str, Callable[[Path], Windows]] = {
    OURS: windows_alone,
    "ecgkit, all that a data set holds, found anew": all_found_anew,
    "ecgkit, all that a data set holds, from a session file": all_from_a_session,
    REFERENCE: by_bioread_and_scipy,
    NEUROKIT[0]: by_neurokit,
    NEUROKIT[1]: all_by_neurokit,
}


def alternate(sides: Mapping[str, Callable[[Path], Windows]], folder: Path, rounds: int) -> dict[str, float]:
    """Return the median CPU milliseconds of each side, run in turn."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side(folder)  # imports, and filters that are designed once
    for _ in range(rounds):
        for name, side in sides.items():
            gc.collect()
            start = time.process_time()
            side(folder)
            taken[name].append(1e3 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in taken.items()}


def run_alone(side: str, folder: Path) -> tuple[float, float, float]:
    command = [sys.executable, __file__, "--alone", side, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    ms, peak_mb, output_mb = map(float, done.stdout.split()[-3:])
    return ms, peak_mb, output_mb


def measure_alone(side: str, folder: Path) -> tuple[float, float, float]:
    """Return CPU milliseconds, the peak of memory over what was held before, and the output, in MB."""
    if side in NEUROKIT:
        import neurokit2  # noqa: F401
    ecgkit.read(folder / "one.acq").channels[0].read_raw(0, 1000)  # imports
    held = resident_mb("VmRSS")
    start = time.process_time()
    output = a_day(folder) if side == DAY else SIDES[side](folder)
    return 1e3 * (time.process_time() - start), resident_mb("VmHWM") - held, output.nbytes / MB


def one_study(folder: Path, *, n_sessions: int, minutes: float, rounds: int = 3) -> None:
    """Print how a build scales from one worker to two."""
    study = folder / "study"
    for i in range(n_sessions):
        write_recording(folder / "one.acq", simulated_counts(minutes, seed=i + 1), n_channels=1)
        tags = Tags(f"{i // 3 + 1:02}", ("rest", "exercise", "deep_breathing")[i % 3])
        ingest.run(folder / "one.acq", tags, study_folder=study)
    print(f"\n{n_sessions} sessions of {minutes:g} minutes at {FS} Hz; seconds, median of {rounds} rounds\n")
    print("| | cutting all sessions | whole build | bytes |")
    print("|---" * 4 + "|")
    cutting: dict[str, list[float]] = {}
    building: dict[str, list[float]] = {}
    hashes: dict[str, str] = {}
    with started_workers() as workers:
        for turn in range(rounds + 1):
            for name, executor in workers.items():
                cut_s, build_s, hashes[name] = build_once(study, folder, executor)
                if turn:  # the first warms the workers up
                    cutting.setdefault(name, []).append(cut_s)
                    building.setdefault(name, []).append(build_s)
    cut_s, build_s = (
        {name: statistics.median(values) for name, values in times.items()} for times in (cutting, building)
    )
    for name in workers:
        print(f"| {name} | {cut_s[name]:.2f} | {build_s[name]:.2f} | {hashes[name][:12]} |")
    print(verdict("\ntwo workers, cutting", cut_s[ONE] / cut_s[TWO], WORKERS_GOAL))
    print(f"two workers, whole build: {build_s[ONE] / build_s[TWO]:.2f} times as fast")
    if DASK in workers:
        print(verdict("dask against processes, cutting", cut_s[TWO] / cut_s[DASK], DASK_GOAL))
    print(f"the same bytes: {len(set(hashes.values())) == 1}")


ONE, TWO, DASK = "this process", "two processes", "dask, two workers"


@contextmanager
def started_workers() -> Iterator[dict[str, Executor | None]]:
    """Give executors that are running; dask's where it is installed."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        if find_spec("distributed") is None:
            yield {ONE: None, TWO: pool}
            return
        import dask
        from distributed import Client, LocalCluster

        # dask tells its workers' malloc to give memory back at once, which costs NumPy as much again
        malloc = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
        with (
            dask.config.set(malloc),
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield {ONE: None, TWO: pool, DASK: client.get_executor(pure=False)}


def build_once(study: Path, folder: Path, executor: Executor | None) -> tuple[float, float, str]:
    """Return the seconds of cutting alone and of the whole build, and the data set's hash."""
    parts = folder / "parts"
    parts.mkdir()
    headers = read_headers(open_study(study))
    start = time.perf_counter()
    cut_all(headers, PIPELINE, parts, {}, executor=executor, progress=Silent())
    cut_s = time.perf_counter() - start
    shutil.rmtree(parts)
    start = time.perf_counter()
    options = build_dataset.BuildOptions(out=folder / "dataset.h5", jobs=1)
    built = build_dataset.run(study, options, executor=executor)
    return cut_s, time.perf_counter() - start, built.sha256


def verdict(what: str, ratio: float, goal: float) -> str:
    reached = "reached" if ratio >= goal else f"short by {goal - ratio:.2g}"
    return f"{what}: {ratio:.2f} times, goal {goal:g}: {reached}"


if __name__ == "__main__":
    main()
