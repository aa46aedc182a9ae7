"""How fast a channel's samples come, against bioread, NeuroKit2 and the bytes alone; and the peak of memory.

    python benchmarks/read.py            # simulated recordings of one hour at 2000 Hz, and the real ones
    python benchmarks/read.py --quick    # of three minutes: what the headers cost weighs more there

Every side reads headers and samples. ecgkit, bioread (in its own size of chunk, the best for it) and the
plain read of the bytes run in turn in one process, on one thread: medians of CPU time. NeuroKit2 is too slow
for that: it runs once, in a process of its own. So does each measurement of memory: the peak while reading,
over what was held before. Only the ratios carry over to another machine.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bioread
import numpy as np
from numpy.typing import NDArray

import ecgkit
from ecgkit.simulate import acq_writer
from ecgkit.simulate.acq_writer import AcqChannel, write_acq

FS = 2000
BUFFER = bytearray(1 << 20)
MB = 1e6
MOST_OVER_MB = 20


@dataclass(frozen=True, slots=True)
class Layout:
    """A generated recording: its channels, and how many times faster than bioread one of them should come."""

    name: str
    dtypes: Sequence[str]
    dividers: Sequence[int]
    compressed: bool = False
    goal: float | None = None


MIXED = (1, 1, 2, 2, 4, 4, 8, 8, *[16] * 8)
LAYOUTS = (
    Layout("1 channel int16", ["int16"], [1], goal=20),
    Layout("4 channels int16", ["int16"] * 4, [1] * 4, goal=20),
    Layout("16 channels int16", ["int16"] * 16, [1] * 16, goal=20),
    Layout("16 channels int16, mixed dividers", ["int16"] * 16, MIXED, goal=12),
    Layout("4 channels int16/float64", ["int16", "float64"] * 2, [1] * 4, goal=20),
    Layout("16 channels int16, compressed", ["int16"] * 16, [1] * 16, compressed=True),
)
REAL = ("physio/physio-4.4.0", "physio/physio-4.4.0-c", "nojournal/nojournal-4.1.0", "misc/iso_8859_1")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="recordings of three minutes, fewer rounds")
    parser.add_argument("--alone", nargs=2, metavar=("SIDE", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        print(*measure_alone(*args.alone))
        return
    minutes, rounds = (3, 5) if args.quick else (60, 9)
    print(f"{minutes} minutes at {FS} Hz; CPU ms, median of {rounds} rounds (real files: {3 * rounds})\n")
    print(
        "| file | MB | bytes once | channel 0: ecgkit, raw | ecgkit, scaled | bioread | bioread / raw "
        "| all channels: ecgkit | bioread | bioread / ecgkit | NeuroKit2 | NeuroKit2 / ecgkit |"
    )
    print("|---" * 12 + "|", flush=True)
    memory: list[str] = []
    goals: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for layout in LAYOUTS:
            path = Path(folder) / "file.acq"
            write_recording(path, layout, minutes)
            measure(path, layout.name, rounds, memory, goals, goal=layout.goal)
    for path in real_files():
        measure(path, path.stem, 3 * rounds, memory, goals, goal=None)
    print(
        "\n| MB | raw samples | peak over them | scaled samples | peak over them "
        "| bioread, channel 0: peak | NeuroKit2: peak |"
    )
    print("|---" * 7 + "|")
    print("\n".join([*memory, "", *goals]))


def measure(
    path: Path, name: str, rounds: int, memory: list[str], goals: list[str], *, goal: float | None
) -> None:
    """Print a file's row of times; append its row of memory, and what became of the goals."""
    sides = ("bytes", "one", "scaled", "bioread", "all", "bioread all")
    ms = alternate({side: SIDES[side] for side in sides}, path, rounds)
    alone = {side: run_alone(side, path) for side in ("one", "scaled", "bioread", "neurokit")}
    over = {side: alone[side].peak_mb - alone[side].output_mb for side in ("one", "scaled")}
    ratio = ms["bioread"] / ms["one"]
    print(
        f"| {name} | {path.stat().st_size / MB:.1f} | {ms['bytes']:.2f} "
        f"| {ms['one']:.2f} | {ms['scaled']:.2f} | {ms['bioread']:.1f} | **{ratio:.1f}** "
        f"| {ms['all']:.1f} | {ms['bioread all']:.1f} | {ms['bioread all'] / ms['all']:.1f} "
        f"| {alone['neurokit'].ms:.0f} | {alone['neurokit'].ms / ms['all']:.0f} |",
        flush=True,
    )
    memory.append(
        f"| {name} | {alone['one'].output_mb:.1f} | {over['one']:+.1f} | {alone['scaled'].output_mb:.1f} "
        f"| {over['scaled']:+.1f} | {alone['bioread'].peak_mb:.0f} | {alone['neurokit'].peak_mb:.0f} |"
    )
    if goal is not None:
        verdict = "reached" if ratio >= goal else f"short by {goal - ratio:.1f}"
        goals.append(f"{name}: a channel {ratio:.1f} times as fast as bioread, goal {goal:g}: {verdict}")
    peak = max(over.values())
    verdict = "reached" if peak <= MOST_OVER_MB else f"short by {peak - MOST_OVER_MB:.1f} MB"
    goals.append(f"{name}: peak {peak:+.1f} MB over the output, goal {MOST_OVER_MB:+d}: {verdict}")


def bytes_once(path: Path) -> int:
    with path.open("rb", buffering=0) as file:
        while file.readinto(BUFFER):
            pass
    return 0


def ecgkit_one(path: Path) -> int:
    return ecgkit.read(path).channels[0].read_raw().nbytes


def ecgkit_scaled(path: Path) -> int:
    return ecgkit.read(path).channels[0].read().nbytes


def ecgkit_all(path: Path) -> int:
    return sum(channel.read_raw().nbytes for channel in ecgkit.read(path).channels)


def bioread_one(path: Path) -> int:
    return int(bioread.read(str(path), channel_indexes=[0]).channels[0].raw_data.nbytes)


def bioread_all(path: Path) -> int:
    return sum(channel.raw_data.nbytes for channel in bioread.read(str(path)).channels)


def neurokit(path: Path) -> int:
    import neurokit2

    return int(neurokit2.read_acqknowledge(str(path))[0].memory_usage().sum())


SIDES: dict[str, Callable[[Path], int]] = {
    "bytes": bytes_once,
    "one": ecgkit_one,
    "scaled": ecgkit_scaled,
    "all": ecgkit_all,
    "bioread": bioread_one,
    "bioread all": bioread_all,
    "neurokit": neurokit,
}


def alternate(sides: dict[str, Callable[[Path], int]], path: Path, rounds: int) -> dict[str, float]:
    """Return the median CPU milliseconds of each side, run in turn."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            gc.collect()  # each side pays for its own garbage: bioread leaves much
            start = time.process_time()
            side(path)
            taken[name].append(1e3 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in taken.items()}


@dataclass(frozen=True, slots=True)
class Alone:
    """What one reading took in a process of its own."""

    ms: float
    output_mb: float
    peak_mb: float


def run_alone(side: str, path: Path) -> Alone:
    command = [sys.executable, __file__, "--alone", side, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Alone(*map(float, done.stdout.split()[-3:]))


def measure_alone(side: str, path: str) -> tuple[float, float, float]:
    """Return CPU milliseconds, output in MB, and the peak of memory in MB over what was held before."""
    ecgkit.read(path)  # imports what reading headers needs
    if side == "neurokit":
        import neurokit2  # noqa: F401
    held = resident_mb("VmRSS")
    start = time.process_time()
    output = SIDES[side](Path(path))
    return 1e3 * (time.process_time() - start), output / MB, resident_mb("VmHWM") - held


def resident_mb(field: str) -> float:
    """Return a field of this process's memory; not a number where the system has no /proc."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 / MB for line in lines if line.startswith(field)), float("nan"))


def write_recording(path: Path, layout: Layout, minutes: int) -> None:
    """Write a simulated recording; the uncompressed samples of one minute are repeated."""
    repeats = minutes if layout.compressed else 1
    channels = [
        AcqChannel(np.tile(one_minute(i, dtype, divider), repeats), f"ECG {i}", "mV", 0.000305, 0.1, divider)
        for i, (dtype, divider) in enumerate(zip(layout.dtypes, layout.dividers, strict=True))
    ]
    write_acq(path, channels, fs=FS, compressed=layout.compressed)
    if layout.compressed:
        return
    data = bytearray(path.read_bytes())
    heads = acq_writer.GRAPH_BYTES + acq_writer.PADDING_BYTES
    start = heads + len(channels) * (acq_writer.CHANNEL_BYTES + 4) + acq_writer.FOREIGN_BYTES
    stop = start + sum(channel.samples.nbytes for channel in channels)
    for i, channel in enumerate(channels):
        struct.pack_into(
            "<i", data, heads + i * acq_writer.CHANNEL_BYTES + 88, minutes * len(channel.samples)
        )
    with path.open("wb") as file:
        file.write(data[:start])
        for _ in range(minutes):
            file.write(data[start:stop])
        file.write(data[stop:])


def one_minute(channel: int, dtype: str, divider: int) -> NDArray[np.generic]:
    """Return a minute of an ECG-like wave with noise, shape (60 * FS / divider,)."""
    seconds = np.arange(60 * FS) / FS
    noise = np.random.default_rng(channel).normal(0, 20, len(seconds))
    return (3000 * np.sin(np.pi * 1.1 * seconds) ** 60 + noise)[::divider].astype(dtype)


def real_files() -> list[Path]:
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ECGKIT_REAL_DATA", default)) / "acq"
    return [folder / f"{name}.acq" for name in REAL if (folder / f"{name}.acq").exists()]


if __name__ == "__main__":
    main()
