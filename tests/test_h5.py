"""HDF5 files are written whole or not at all, in little memory, whatever the disk does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgkit.errors import StudyError
from ecgkit.h5 import atomic_h5, content_sha256, dataset, open_h5

WRITING = """
import pathlib, resource, sys
import numpy as np
from ecgkit.h5 import atomic_h5
samples = np.random.default_rng(0).integers(0, 1 << 15, 1 << 20, dtype=np.int16)
before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with atomic_h5(pathlib.Path(sys.argv[1]), file_format="test", format_version="1") as file:
        stored = file.create_dataset("noise", (30 << 20,), "<i2", chunks=(1 << 16,), compression="gzip")
        for start in range(0, 30 << 20, 1 << 20):
            stored[start : start + len(samples)] = samples
except OSError as error:
    print(error.errno, error.filename)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb)
"""


def write(path: Path, *, limit: int = 0) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", WRITING, str(path), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit on the size of files")
@pytest.mark.parametrize("limit", [1 << 20, 2000, 1])
def test_atomic_h5_leaves_nothing_where_the_disk_ends(tmp_path: Path, limit: int) -> None:
    import errno

    failed, _ = write(tmp_path / "file.h5", limit=limit)
    assert failed == f"{errno.EFBIG} {tmp_path / 'file.h5'}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts otherwise elsewhere")
def test_atomic_h5_needs_less_memory_than_the_file(tmp_path: Path) -> None:
    (grown_kb,) = write(tmp_path / "file.h5")
    assert (tmp_path / "file.h5").stat().st_size > 50e6
    assert int(grown_kb) < 20_000


def test_atomic_h5_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("one.h5", "other.h5"):
        with atomic_h5(tmp_path / name, file_format="test", format_version="1") as file:
            file["counts"] = np.arange(1000)
            file.attrs["text"] = "é"
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "other.h5").read_bytes()


def test_atomic_h5_keeps_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with atomic_h5(path, file_format="test", format_version="1") as file:
        file["counts"] = np.arange(3)
    before = path.read_bytes()
    for failure in (ZeroDivisionError, KeyboardInterrupt):
        with (
            pytest.raises(failure),
            atomic_h5(path, file_format="test", format_version="1") as file,
        ):
            file["counts"] = np.arange(4)
            raise failure
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a signal")
def test_atomic_h5_holds_an_interrupt_back_until_the_file_is_written(tmp_path: Path) -> None:
    before, went_on = signal.getsignal(signal.SIGINT), False
    with (
        pytest.raises(KeyboardInterrupt),
        atomic_h5(tmp_path / "file.h5", file_format="test", format_version="1") as file,
    ):
        os.kill(os.getpid(), signal.SIGINT)
        file["counts"] = np.arange(3)
        went_on = True
    assert went_on
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_open_h5_takes_what_atomic_h5_wrote_and_no_other_format(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with atomic_h5(path, file_format="test", format_version="1") as file:
        file["counts"] = np.arange(3)
    with open_h5(path, file_format="test", versions=["1"], error=StudyError) as file:
        assert isinstance(file, h5py.File)
        np.testing.assert_array_equal(file["counts"][:], np.arange(3))
    with (
        pytest.raises(StudyError, match="format is 'test', expected 'other'"),
        open_h5(path, file_format="other", versions=["1"], error=StudyError),
    ):
        pass


def small_file(
    path: Path, *, samples: np.ndarray, chunks: tuple[int, ...] | None = None, **attrs: object
) -> str:
    """Write a file and return its content's hash."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a/b", data=samples, chunks=chunks, compression="gzip" if chunks else None)
        file["texts"] = ["x", "y"]
        file["a/b"].attrs["unit"] = "mV"
        file.attrs["hash"] = "not hashed"
        file.attrs.update(attrs)
        return content_sha256(file, but="hash")


def test_content_hash_depends_on_content_and_not_on_layout(tmp_path: Path) -> None:
    samples = np.arange(3000, dtype="<i2")
    plain = small_file(tmp_path / "1.h5", samples=samples, x=1)
    assert small_file(tmp_path / "2.h5", samples=samples, chunks=(100,), x=1) == plain
    others = [
        small_file(tmp_path / "3.h5", samples=samples, x=2),
        small_file(tmp_path / "4.h5", samples=samples, y=1),
        small_file(tmp_path / "5.h5", samples=samples.astype("<i4"), x=1),
        small_file(tmp_path / "6.h5", samples=samples[:-1], x=1),
        small_file(tmp_path / "7.h5", samples=samples + np.int16(1), x=1),
        small_file(tmp_path / "8.h5", samples=samples.reshape(2, -1), x=1),
    ]
    assert len({plain, *others}) == 7


def test_dataset_refuses_what_claims_to_be_larger_than_the_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("huge", (1 << 50,), "<f8", chunks=(1 << 16,), compression="gzip")
        file.create_dataset("late", (1 << 50,), "<f8", chunks=(1 << 16,))
        file.create_dataset("piece", data=np.zeros(1 << 24), chunks=(1 << 24,), compression="gzip")
        file.create_dataset("zeros", data=np.zeros(1 << 22), chunks=(1 << 16,), compression="gzip")
    with h5py.File(tmp_path / "huge.h5", "r") as file:
        for name in ("huge", "late", "piece"):
            with pytest.raises(StudyError, match=rf"/{name}: says that it has \d+ bytes"):
                dataset(file, name, kinds="f", ndim=1, error=StudyError)
        assert len(dataset(file, "zeros", kinds="f", ndim=1, error=StudyError)) == 1 << 22
