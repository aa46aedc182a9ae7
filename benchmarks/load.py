"""How fast shuffled batches of windows come: against h5py with the file kept open, and past memory.

    python benchmarks/load.py            # a million windows, and ten million: 12 GB in the temporary folder
    python benchmarks/load.py --quick    # a tenth of it
    python benchmarks/load.py --folder D # on another disk than the temporary folder's

Batches of 256, simulated windows of 300 samples. What lies in the system's cache is a matter of computing:
sides in turn in one process, on one thread, medians of CPU time. Past memory the disk decides: the file's
part of the cache is dropped before each side, which runs in a process of its own; time on the clock, and the
peak of memory with everything that was imported. Only the ratios carry over to another machine, and past
memory only to one with such a disk.
"""

from __future__ import annotations

import argparse
import gc
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.batches import Batches, Batching
from ecgkit.dataset.shards import ShardedWindows
from ecgkit.dataset.stored import StoredWindows, window_file

N_WINDOWS, N_PAST_MEMORY, N_SAMPLES, BATCH = 1_000_000, 10_000_000, 300, 256
TILE = 20_000  # windows that are made; the files repeat them
RATIO_GOAL, RATE_GOAL, RESIDENT_GOAL_MB = 20, 1e6, 100
LONGEST_S = 5.0  # for the sides that would take hours
N_SHARDS = 8
BLOCKS = ((1024, 16), (256, 64), (128, 128))

Windows = NDArray[np.float32]
Batch = tuple[NDArray[np.int64], Windows]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the windows, fewer rounds")
    parser.add_argument("--folder", type=Path, help="where the files are written")
    parser.add_argument("--alone", nargs=2, metavar=("SIDE", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        print(*measure_alone(args.alone[0], Path(args.alone[1])))
        return
    share, rounds = (10, 3) if args.quick else (1, 7)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "windows.h5"
        write_windows(path, N_WINDOWS // share)
        cached(path, rounds)
        against_shards(path, rounds)
        path.unlink()
        room = shutil.disk_usage(folder).free // (2 * 4 * N_SAMPLES)
        if room < N_PAST_MEMORY // share:
            print(f"Disk for {room} windows only; --folder takes another")
        write_windows(path, min(room, N_PAST_MEMORY // share))
        past_memory(path, rounds=1 if args.quick else 3)


def cached(path: Path, rounds: int) -> None:
    """Compare what gives batches of windows that lie in the system's cache."""
    with h5py.File(path) as file:
        stored = file["windows"]
        print(f"{len(stored)} windows in the cache; CPU time, median of {rounds} rounds\n")
        plain = rates({**h5py_sides(stored), **our_sides(map_windows(path))}, rounds)
        table(plain, best=max(rate for name, rate in plain.items() if name.startswith("h5py")))
        loaders = rates({**h5py_loaders(stored), **our_loaders(map_windows(path))}, rounds)
        table(
            loaders, best=max(rate for name, rate in loaders.items() if name.startswith("DataLoader, h5py"))
        )


def against_shards(path: Path, rounds: int) -> None:
    """Compare windows in shards with the same ones in one file."""
    whole = map_windows(path)
    shards = write_shards(path, whole)
    for written in (path, *(file.path for file in shards.stored.files)):
        read_anew(written)
    print(f"| windows/s per core | one file | {N_SHARDS} shards | ratio |\n|---|---|---|---|")
    for way in ("memory", "mapped", "blocks"):
        both = [Batches(windows, Batching(batch_size=BATCH, seed=0), way=way) for windows in (whole, shards)]
        sides = {str(side): partial(count_epoch, batches) for side, batches in enumerate(both)}
        one, several = rates(sides, rounds).values()
        print(f"| {way} | {one / 1e3:,.0f}k | {several / 1e3:,.0f}k | {several / one:.2f} |")
    print(flush=True)
    for file in shards.stored.files:
        file.path.unlink()


def h5py_sides(stored: h5py.Dataset) -> dict[str, Callable[[], int]]:
    def one_by_one(n_batches: int = 40) -> int:
        return sum(len(np.stack([stored[row] for row in rows])) for rows in at_random(len(stored), n_batches))

    def at_once(n_batches: int = 40) -> int:
        return sum(len(stored[np.sort(rows)]) for rows in at_random(len(stored), n_batches))

    return {"h5py, a window at a time": one_by_one, "h5py, sorted rows at once": at_once}


def our_sides(windows: Windows) -> dict[str, Callable[[], int]]:
    sides = {
        way: Batches(windows, Batching(batch_size=BATCH, seed=0), way=way) for way in ("memory", "mapped")
    }
    for block, pool in BLOCKS:
        batching = Batching(batch_size=BATCH, seed=0, block_windows=block, pool_blocks=pool)
        sides[f"{pool} blocks of {block}"] = Batches(windows, batching, way="blocks")
    return {f"ecgkit, {name}": partial(count_epoch, batches) for name, batches in sides.items()}


def h5py_loaders(stored: h5py.Dataset) -> dict[str, Callable[[], int]]:
    """Return what is usually written for torch: a window an item, put together by the loader."""
    try:
        from torch.utils.data import DataLoader, Dataset
    except ImportError:
        return {}

    class Kept(Dataset[Windows]):
        def __getitem__(self, row: int) -> Windows:
            window: Windows = stored[row]
            return window

    def load(n_batches: int = 40) -> int:
        rows = np.concatenate(at_random(len(stored), n_batches)).tolist()
        return sum(len(windows) for windows in DataLoader(Kept(), batch_size=BATCH, sampler=rows))

    return {"DataLoader, h5py, a window at a time": load}


def our_loaders(windows: Windows) -> dict[str, Callable[[], int]]:
    try:
        from torch.utils.data import DataLoader
    except ImportError:
        return {}
    from ecgkit.dataset.torch_data import TorchBatches

    def loader(way: str) -> DataLoader[object]:
        batches = Batches(windows, Batching(batch_size=BATCH, seed=0), way=way)
        return DataLoader(TorchBatches(batches, np.zeros(len(windows), dtype=np.int32)), batch_size=None)

    return {f"DataLoader, ecgkit, {way}": partial(count, loader(way)) for way in ("mapped", "blocks")}


def count_epoch(batches: Batches) -> int:
    return count(batches.epoch(0))


def count(batches: Iterable[Sequence[Sized]]) -> int:
    return sum(len(batch[0]) for batch in batches)


def rates(sides: Mapping[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """Return each side's windows per second of CPU time: median of rounds in turn, after one to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, side in sides.items():
            gc.collect()
            start = time.process_time()
            n_windows = side()
            taken[name].append(n_windows / (time.process_time() - start))
    return {name: statistics.median(values[1:]) for name, values in taken.items()}


def table(found: Mapping[str, float], *, best: float) -> None:
    print("| shuffled batches of 256 | windows/s per core | times the best of h5py |\n|---|---|---|")
    for name, rate in found.items():
        print(f"| {name} | {rate / 1e3:,.0f}k | {rate / best:.1f} |")
    for name in (name for name in found if name.endswith(("ecgkit, memory", "ecgkit, mapped"))):
        rate = found[name]
        reached = rate >= max(RATIO_GOAL * best, RATE_GOAL)
        print(
            f"{name}: goal {RATIO_GOAL} times and {RATE_GOAL / 1e6:g}M/s: {'' if reached else 'not '}reached"
        )
    print(flush=True)


def past_memory(path: Path, *, rounds: int) -> None:
    """Compare ways to draw batches from a file that is not in the cache."""
    sides = ["mapped", "mapped, MADV_RANDOM", *(f"{pool} blocks of {block}" for block, pool in BLOCKS)]
    if not hasattr(mmap, "MADV_RANDOM") or not hasattr(os, "posix_fadvise"):
        print("Past memory: this system can't be told what to keep in its cache; not measured")
        return
    found: dict[str, list[list[float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            drop_from_cache(path)
            found[side].append(run_alone(side, path))
    print(
        f"{path.stat().st_size / 1e9:.1f} GB, not cached; time on the clock, median of {rounds} rounds; "
        "MB: the peak of memory and what was held before.\n"
    )
    print("| shuffled batches of 256 | windows/s | times MADV_RANDOM | windows/s per core | MB | before |")
    print("|---" * 6 + "|")
    medians = {
        side: [statistics.median(values) for values in zip(*runs, strict=True)]
        for side, runs in found.items()
    }
    random_rate = medians["mapped, MADV_RANDOM"][0]
    for side, (rate, per_core, peak_mb, before_mb) in medians.items():
        print(
            f"| {side} | {rate / 1e3:,.1f}k | {rate / random_rate:.1f} | {per_core / 1e3:,.0f}k "
            f"| {peak_mb:.0f} | {before_mb:.0f} |"
        )
    rate, _, peak_mb, _ = medians[sides[2]]
    reached = rate >= RATIO_GOAL * random_rate and peak_mb < RESIDENT_GOAL_MB
    print(
        f"goal {RATIO_GOAL} times, below {RESIDENT_GOAL_MB} MB resident: {'' if reached else 'not '}reached"
    )


def run_alone(side: str, path: Path) -> list[float]:
    command = [sys.executable, __file__, "--alone", side, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(number) for number in done.stdout.split()]


def measure_alone(side: str, path: Path) -> tuple[float, float, float, float]:
    """Return windows a second on the clock and of CPU time, peak of memory in MB, what was held before."""
    windows = map_windows(path)
    held = resident_mb("VmRSS")
    start, cpu = time.perf_counter(), time.process_time()
    n_windows = 0
    for rows, _ in draw(side, windows):
        n_windows += len(rows)
        if "blocks" not in side and time.perf_counter() - start > LONGEST_S:
            break
    rate = n_windows / (time.perf_counter() - start)
    return rate, n_windows / (time.process_time() - cpu), resident_mb("VmHWM"), held


def draw(side: str, windows: np.memmap) -> Iterator[Batch]:
    if "blocks" in side:
        pool, block = (int(word) for word in side.split() if word.isdigit())
        batching = Batching(batch_size=BATCH, seed=0, block_windows=block, pool_blocks=pool)
        yield from Batches(windows, batching, way="blocks").epoch(0)
        return
    if side.endswith("MADV_RANDOM"):
        owner: object = windows.base
        if isinstance(owner, mmap.mmap):
            owner.madvise(mmap.MADV_RANDOM)
    random = np.random.default_rng(0)
    for _ in range(len(windows) // BATCH):  # no permutation: this side shall pay for the disk alone
        rows = random.integers(0, len(windows), BATCH)
        yield rows, windows[rows]


def at_random(n: int, n_batches: int) -> NDArray[np.int64]:
    """Return rows of so many batches, each row once, (n_batches, BATCH)."""
    rows = np.random.default_rng(0).choice(n, n_batches * BATCH, replace=False, shuffle=True)
    return rows.reshape(n_batches, BATCH)


def map_windows(path: Path) -> np.memmap:
    with h5py.File(path) as file:
        stored = file["windows"]
        return np.memmap(path, dtype="<f4", mode="r", offset=stored.id.get_offset(), shape=stored.shape)


def write_windows(path: Path, n_windows: int) -> None:
    """Write simulated windows as a data set has them: contiguous, uncompressed."""
    windows = ecg_like()
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        stored = file.create_dataset("windows", shape=(n_windows, 1, N_SAMPLES), dtype="<f4")
        for start in range(0, n_windows, TILE):
            stored[start : start + TILE] = windows[: n_windows - start]
        file.flush()
    with path.open("rb+") as written:
        os.fsync(written.fileno())


def write_shards(path: Path, windows: Windows) -> ShardedWindows:
    """Write windows as shards beside a file."""
    files = []
    for number, rows in enumerate(np.array_split(np.arange(len(windows)), N_SHARDS)):
        shard = path.with_name(f"shard-{number}.h5")
        with h5py.File(shard, "w", libver=("v110", "v110")) as file:
            file["windows"] = windows[rows[0] : rows[-1] + 1]
        mapped = map_windows(shard)
        files.append(window_file(shard, mapped.offset, mapped.shape, shard.stat()))
    return ShardedWindows(StoredWindows(tuple(files)))


def ecg_like() -> Windows:
    """Return windows of an ECG-like wave with noise, scaled to 0-1, (TILE, 1, N_SAMPLES)."""
    random = np.random.default_rng(0)
    seconds = np.arange(TILE * N_SAMPLES) / 100
    wave = np.sin(np.pi * 1.1 * seconds) ** 60 + random.normal(0, 0.02, len(seconds))
    return ((wave + 0.1) / 1.2).astype("<f4").reshape(TILE, 1, N_SAMPLES)


def drop_from_cache(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_anew(path: Path) -> None:
    """Have a file in the cache as reading leaves it: how it was written tells in the speed."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while file.read(1 << 20):
            pass


def resident_mb(field: str) -> float:
    """Return a field of this process's memory; not a number where the system has no /proc."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(field)), float("nan"))


if __name__ == "__main__":
    main()
