"""The same study's data set, made with other versions of NumPy, SciPy and h5py, and as on other processors.

    python benchmarks/long/versions.py [FOLDER] [--subjects 4] [--pins "numpy==2.3.* scipy==1.15.*"]

Compares with what this Python makes: the data set that others build from this one's study, and the one that
they build from a study that they ingested themselves. Makes an environment of the oldest versions that
pyproject.toml allows, or of those given, in FOLDER (else in a temporary one); that needs a package index.
Another processor is simulated by switching off what OpenBLAS, NumPy and the C library use of this one. Takes
some minutes. Exits with 1 where windows or any other entry differ by more than 1e-6. The study is SIMULATED.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "ecgkit", "protocols")
SHOWN = ("numpy", "scipy", "h5py")
MOST = 1e-6  # as docs/format.md says
NOT_COMPARED = {"versions", "content_sha256"}  # the one says them, the other covers it
# name -> options of the build; between them every step of the pipeline
SETTINGS: dict[str, tuple[object, ...]] = {
    "paper": ("--preset", "paper"),
    "recommended": ("--preset", "recommended"),
    "notch": ("--fs", 250, "--low-pass-hz", 40, "--scale", "window-percentile", "--polarity", "upright"),
    "beats": ("--r-peak-at-s", 0.4, "--window-s", 1, "--scale", "none"),
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
PROCESSORS: dict[str, Mapping[str, str]] = {
    "two threads": {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    "OpenBLAS as on a Pentium 4": {"OPENBLAS_CORETYPE": "Prescott"},
    "OpenBLAS as on a Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "OpenBLAS as on a Skylake-X": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "C library without AVX2 and FMA": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F,-AVX512VL"},
}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
FOUND = "import numpy as np; print(*np.show_config(mode='dicts')['SIMD Extensions'].get('found', []))"


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two files differ.

    Attributes
    ----------
    by_entry
        ``HDF5 path -> largest difference``, of those that differ; infinite where it is none of numbers.
    other
        Entries that only one has.
    """

    n_entries: int
    by_entry: Mapping[str, float]
    other: Sequence[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="where it all goes; kept")
    parser.add_argument("--subjects", type=int, default=4)
    parser.add_argument("--pins", help="versions instead of the oldest")
    parser.add_argument(
        "--python", default=sys.executable, help="another Python to make the environment with"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        pins = options.pins.split() if options.pins else oldest()
        other = environment(folder / "environment", pins, options.python)
        return max(show(folder, other, options.subjects))


def show(folder: Path, other: Path, n_subjects: int) -> Iterator[int]:
    """Print a line for each way to make the data set; yield 1 where it is not the same."""
    here, sim = Path(sys.executable), folder / "sim"
    shutil.rmtree(sim, ignore_errors=True)
    ecgkit(here, "simulate", "--out", sim, "--subjects", n_subjects)
    reference = made(here, folder / "here" / "study", sim)
    print(f"SIMULATED: {n_subjects} subjects, {len(list(sim.glob('*.acq')))} recordings of 180 s at 1000 Hz")
    print(f"here: Python {sys.version.split()[0]}, {versions(here)}; there: {versions(other)}")
    print(f"data sets of these settings, together: {', '.join(SETTINGS)}\n")
    rebuilt = folder / "rebuilt"
    build(other, reference, rebuilt)
    yield told("there, from this one's study", reference, rebuilt)
    there = made(other, folder / "there" / "study", sim)
    yield told("there, ingested there", reference, there)
    yield told("  its sessions", reference / "sessions", there / "sessions")
    dispatched = run(here, "-c", FOUND)
    without = {f"NumPy without {dispatched}": {"NPY_DISABLE_CPU_FEATURES": dispatched}} if dispatched else {}
    for name, settings in {**PROCESSORS, **without}.items():
        yield told(f"here, {name}", reference, made(here, folder / "processor" / "study", sim, settings))


def oldest() -> list[str]:
    """Return pins of the oldest versions of what pyproject.toml asks for."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        asked = tomllib.load(file)["project"]["dependencies"]
    bounds = [re.fullmatch(r"([\w-]+)>=([\d.]+)(,.*)?", line) for line in asked]
    return [f"{bound[1]}=={bound[2]}.*" for bound in bounds if bound]


def environment(folder: Path, pins: Sequence[str], base: str) -> Path:
    """Make an environment of these versions with a copy of this checkout; return its Python."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([base, "-m", "venv", folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    copy = folder / "checkout"
    copy.mkdir()
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *pins, str(copy)], check=True)
    return python


def made(python: Path, study: Path, sim: Path, settings: Mapping[str, str] | None = None) -> Path:
    """Ingest and build; return the study, the data sets in it."""
    shutil.rmtree(study, ignore_errors=True)
    ecgkit(
        python, "ingest", "--table", sim / "sessions.csv", "--study", study, "--jobs", 1, settings=settings
    )
    build(python, study, study, settings)
    return study


def build(python: Path, study: Path, folder: Path, settings: Mapping[str, str] | None = None) -> None:
    """Build a data set of each of the settings."""
    folder.mkdir(exist_ok=True)
    for name, options in SETTINGS.items():
        out = folder / f"{name}.h5"
        ecgkit(python, "build-dataset", "--study", study, "--out", out, *options, settings=settings)


def ecgkit(python: Path, *args: object, settings: Mapping[str, str] | None = None) -> None:
    """Run a command with the ecgkit of an environment."""
    run(python, "-W", "ignore", "-m", "ecgkit", *args, "--json", settings=settings)


def run(python: Path, *args: object, settings: Mapping[str, str] | None = None) -> str:
    """Run a Python, on one thread unless said; return what it printed."""
    return subprocess.run(
        [python, *map(str, args)],
        env={**os.environ, **ONE_THREAD, **(settings or {})},
        cwd=tempfile.gettempdir(),  # not where another ecgkit lies
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()


def versions(python: Path) -> str:
    """Say which versions an environment computes with."""
    found = run(python, "-c", f"from importlib.metadata import version; print(*map(version, {SHOWN}))")
    return ", ".join(f"{name} {number}" for name, number in zip(SHOWN, found.split(), strict=True))


def told(name: str, ours: Path, theirs: Path) -> int:
    """Print how the HDF5 files in two folders differ; return 1 if they do beyond what is promised."""
    pairs = list(zip(*(sorted(folder.glob("*.h5")) for folder in (ours, theirs)), strict=True))
    same = all(one.read_bytes() == two.read_bytes() for one, two in pairs)
    found = [difference(one, two) for one, two in pairs]
    n_entries = sum(one.n_entries for one in found)
    text = "the same, byte for byte" if same else f"the same in all of {n_entries} entries but the versions"
    largest = {at: max(one.by_entry.get(at, 0.0) for one in found) for one in found for at in one.by_entry}
    if largest:
        text = "largest differences: " + ", ".join(f"{at} {most:.2g}" for at, most in largest.items())
    other = [text for one in found for text in one.other]
    print(f"{name}: {'; '.join([text, *other])}", flush=True)
    return int(bool(other) or max(largest.values(), default=0.0) > MOST)


def difference(one: Path, two: Path) -> Difference:
    """Compare two HDF5 files entry by entry."""
    with h5py.File(one) as first, h5py.File(two) as second:
        ours, theirs = entries(first), entries(second)
    other = [f"only one has {name}" for name in sorted(ours.keys() ^ theirs.keys())]
    by_entry = {}
    for name in sorted(ours.keys() & theirs.keys()):
        a, b = ours[name], theirs[name]
        if a.dtype != b.dtype or a.shape != b.shape or a.tobytes() != b.tobytes():
            by_entry[name] = largest(a, b)
    return Difference(len(ours), by_entry, other)


def entries(file: h5py.File) -> dict[str, np.ndarray]:
    """Return all arrays, texts and attributes of a file, but those that name versions."""
    found = {}

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and Path(name).name not in NOT_COMPARED:
            found[f"/{name}"] = np.asarray(item[()])
        for key, value in item.attrs.items():
            if key not in NOT_COMPARED:
                found[f"/{name}@{key}"] = np.asarray(value)

    look("", file)
    file.visititems(look)
    return found


def largest(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference of two arrays, or of the numbers in two texts; else infinity."""
    if a.shape == b.shape == () and {a.dtype.kind, b.dtype.kind} <= set("SU"):
        texts = [np.char.decode(text) if text.dtype.kind == "S" else text for text in (a, b)]
        split = [NUMBER.split(str(text)) for text in texts]
        if split[0] == split[1]:
            a, b = (np.array(NUMBER.findall(str(text)), np.float64) for text in texts)
    if a.shape != b.shape or a.dtype != b.dtype or a.dtype.kind not in "fiu":
        return math.inf
    a, b = a.astype(np.float64), b.astype(np.float64)
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return math.inf
    return float(np.nanmax(np.abs(a - b), initial=0.0))


if __name__ == "__main__":
    sys.exit(main())
