"""A virtual data set is told before HDF5 opens it, which may take for ever."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mutate_h5 import broken_heaps

from ecgkit.errors import StudyError
from ecgkit.h5 import content_sha256, dataset, opened, own_group
from ecgkit.h5.headers import is_virtual

PLAIN = ("plain", "chunked", "group", "many")


def write(path: Path, *, libver: str = "v110", userblock: int = 0) -> Path:
    layout = h5py.VirtualLayout(shape=(3,), dtype="<f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", shape=(3,))
    with h5py.File(path, "w", libver=(libver, "latest"), userblock_size=userblock) as file:
        file["plain"] = np.arange(3)
        file.create_dataset("chunked", data=np.arange(100), chunks=(10,), compression="gzip", fletcher32=True)
        file.create_dataset("many", data=np.arange(3))
        file.create_virtual_dataset("group/view", layout)
        file.create_virtual_dataset("group/many", layout)
        for number in range(40):  # more than one block of messages
            for name in ("many", "group/many"):
                file[name].attrs[f"a{number}"] = np.bytes_(b"x" * 100)
    return path


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
@pytest.mark.parametrize("userblock", [0, 512])
def test_is_virtual_tells_views_from_all_else(tmp_path: Path, libver: str, userblock: int) -> None:
    with h5py.File(write(tmp_path / "f.h5", libver=libver, userblock=userblock)) as file:
        assert [is_virtual(file, name) for name in PLAIN] == [False] * len(PLAIN)
        assert [is_virtual(file["group"], name) for name in ("view", "many")] == [True, True]


def test_opened_leaves_a_view_with_a_broken_heap_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5")
    broken_heaps(path)
    with h5py.File(path) as file:
        assert opened(file["group"], "view") is None
        with pytest.raises(StudyError, match="/group/view: expected a data set stored in this file"):
            dataset(file["group"], "view", kinds="f", ndim=1, error=StudyError)
        with pytest.raises(StudyError, match="/group/view: expected a group"):
            own_group(file["group"], "view", error=StudyError)
        with pytest.raises(ValueError, match=r"/group/(view|many): expected a data set stored in this file"):
            content_sha256(file, but="hash")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 12), st.integers(0, 255)), min_size=1, max_size=8))
def test_is_virtual_takes_any_bytes(changes: list[tuple[int, int]]) -> None:
    """The header of the data set is spoiled after the file is open, past HDF5's own checks."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = write(Path(folder) / "f.h5", libver="earliest")
        with h5py.File(path, locking=False) as file:
            address = file.id.links.get_info(b"chunked").u
            content = bytearray(path.read_bytes())
            for place, value in changes:
                content[min(address + place, len(content) - 1)] = value
            path.write_bytes(content)
            assert is_virtual(file, "chunked") in (True, False)
