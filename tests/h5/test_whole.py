"""HDF5 files are written whole or not at all, in little memory, whatever the disk does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.mutate_h5 import broken_heaps

from ecgkit.errors import StudyError
from ecgkit.h5 import atomic_h5, open_h5, write_attribute, write_json, write_texts

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
            write_attribute(file, "text", "é", error=StudyError)
            write_texts(file, "group/texts", ["a", "bé", ""], error=StudyError)
            write_json(file, "settings", {"b": [1, None], "a": "é"}, error=StudyError)
        time.sleep(1.1)  # HDF5 counts in seconds
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


@pytest.mark.parametrize("name", ["format", "format_version"])
def test_open_h5_never_reads_a_stamp_of_variable_length(tmp_path: Path, name: str) -> None:
    """The heap of such texts is broken on purpose in a way that made HDF5 search it for ever."""
    path = tmp_path / "earlier.h5"
    stamps = {"format": "test", "format_version": "1"}
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        for key, text in stamps.items():
            file.attrs[key] = text if key == name else np.bytes_(text.encode())
    broken_heaps(path)
    with (
        pytest.raises(StudyError, match=f"'{name}' is of variable length.*an earlier ecgkit.*again"),
        open_h5(path, file_format="test", versions=["1"], error=StudyError),
    ):
        pass


def test_open_h5_names_a_version_and_what_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with atomic_h5(path, file_format="test", format_version="2"):
        pass
    with (
        pytest.raises(StudyError, match="test version '2', this ecgkit reads 0, 1"),
        open_h5(path, file_format="test", versions=["0", "1"], error=StudyError),
    ):
        pass


@pytest.mark.parametrize(
    ("stamp", "message"),
    [
        (None, "format is None, expected 'test'"),
        (np.bytes_(b"\xff"), "is no UTF-8"),
        (5, "attribute 'format' is 5, expected str"),
        (np.array([b"a", b"b"]), "attribute 'format' is a list"),
    ],
)
def test_open_h5_of_a_stamp_that_is_no_text(tmp_path: Path, stamp: object, message: str) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        if stamp is not None:
            file.attrs["format"] = stamp
    with (
        pytest.raises(StudyError, match=message),
        open_h5(path, file_format="test", versions=["1"], error=StudyError),
    ):
        pass
