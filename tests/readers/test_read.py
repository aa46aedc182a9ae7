"""`ecgkit.read`: the format is told by content; what can't be read is answered clearly."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import numpy as np
import pytest

import ecgkit
from ecgkit.errors import ReadError
from ecgkit.readers import FORMATS
from ecgkit.simulate.acq_writer import AcqChannel, write_acq


@pytest.mark.parametrize("name", FORMATS)
def test_formats_name_modules_that_match_and_read(name: str) -> None:
    module = importlib.import_module(FORMATS[name].partition(":")[0])
    assert not module.matches(b"")
    assert not module.matches(b"neither one nor the other" * 20)
    assert callable(module.read)


def test_read_tells_the_format_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "Name-L05"
    write_acq(path, [AcqChannel(np.zeros(5, np.int16), "ECG", "mV")], fs=1000)
    assert ecgkit.read(path).format == ecgkit.read(str(path)).format == "acq"


@pytest.mark.parametrize(
    "content",
    [b"\0", b"\0\0\x84\0\0", b"0       patient", b"RIFF\x24\0\0\0AVI ", b"\x89HDF\r\n\x1a\n", bytes(5000)],
)
def test_read_refuses_other_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.acq").write_bytes(content)
    with pytest.raises(ReadError, match=r"file\.acq: not a recording of a format that ecgkit reads \(acq, "):
        ecgkit.read(tmp_path / "file.acq")


def test_read_refuses_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty.acq").touch()
    with pytest.raises(ReadError, match="no such file; check the name"):
        ecgkit.read(tmp_path / "missing.acq")
    with pytest.raises(ReadError, match="a folder, expected a recording"):
        ecgkit.read(tmp_path)
    with pytest.raises(ReadError, match=r"empty \(0 bytes\)"):
        ecgkit.read(tmp_path / "empty.acq")
    with pytest.raises(ReadError, match="not an ordinary file"):
        ecgkit.read(os.devnull)


def test_read_says_that_a_name_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"(can't be opened|no such file)"):
        ecgkit.read(tmp_path / ("n" * 5000))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_read_says_that_permission_is_denied(tmp_path: Path) -> None:
    path = tmp_path / "file.acq"
    write_acq(path, [AcqChannel(np.zeros(5, np.int16), "ECG", "mV")], fs=1000)
    path.chmod(0)
    with pytest.raises(ReadError, match=r"can't be opened .* check its permissions"):
        ecgkit.read(path)
