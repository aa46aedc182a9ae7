"""The outputs of a fit are read without trust."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ecgkit.errors import TrainingError
from ecgkit.stages.fit_outputs import read_logits
from ecgkit.stages.fitting import write_logits

ROWS = np.array([1, 4, 6])
N_CLASSES = {"subject": 4, "condition": 2}
OUTPUTS: dict[str, NDArray[np.float32]] = {
    "subject": np.arange(12, dtype=np.float32).reshape(3, 4),
    "condition": np.eye(3, 2, dtype=np.float32),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_logits(tmp_path / "logits.npz", ROWS, OUTPUTS)
    return tmp_path / "logits.npz"


def member(array: NDArray[np.generic], **header: object) -> bytes:
    """The bytes of an array in an .npz, whose header may claim what is not so."""
    true = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    raw = io.BytesIO()
    np.lib.format.write_array_header_1_0(raw, {**true, **header})
    return raw.getvalue() + array.tobytes()


def archive_of(path: Path, compression: int = zipfile.ZIP_STORED, **members: bytes | None) -> None:
    whole = {"rows": member(ROWS), **{name: member(array) for name, array in OUTPUTS.items()}, **members}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in whole.items():
            if content is not None:
                archive.writestr(f"{name}.npy", content)


def test_read_logits_gives_what_was_written(path: Path) -> None:
    outputs = read_logits(path, ROWS, N_CLASSES)
    assert list(outputs) == ["subject", "condition"]
    for name, array in outputs.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, OUTPUTS[name])


def test_read_logits_of_a_task_that_was_not_learnt_has_no_columns(path: Path) -> None:
    write_logits(path, ROWS, {**OUTPUTS, "subject": np.zeros((3, 0), np.float32)})
    assert read_logits(path, ROWS, N_CLASSES, learnt=("condition",))["subject"].shape == (3, 0)
    with pytest.raises(TrainingError, match=r"subject: float32 \(3, 0\), expected float32 \(3, 4\)\);"):
        read_logits(path, ROWS, N_CLASSES, learnt=("condition", "subject"))


def test_read_logits_of_no_rows(path: Path) -> None:
    none = np.arange(0)
    write_logits(path, none, {name: array[:0] for name, array in OUTPUTS.items()})
    assert read_logits(path, none, N_CLASSES)["subject"].shape == (0, 4)


def flag_as_encrypted(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for sign, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = content.find(sign)
        while start >= 0:
            content[start + place] |= 1
            start = content.find(sign, start + 1)
    path.write_bytes(bytes(content))


def change_a_value(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<f", 11.0), struct.pack("<f", 12.0)))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere.npz"))
    path.symlink_to("elsewhere.npz")


HEADER = np.lib.format.magic(1, 0) + struct.pack("<H", 600)
SUBJECT = OUTPUTS["subject"]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            lambda p: archive_of(p, subject=member(SUBJECT, shape=(10**13, 4))),
            r"\(10000000000000, 4\), expected",
        ),
        (lambda p: archive_of(p, rows=member(ROWS, shape=(10**13,))), "rows: int64"),
        (lambda p: archive_of(p, subject=member(SUBJECT.astype(np.float64)[:1])), "float64"),
        (lambda p: archive_of(p, subject=member(SUBJECT, descr=">f4")), "expected float32"),
        (lambda p: archive_of(p, subject=member(SUBJECT, descr="|O")), "object"),
        (lambda p: archive_of(p, subject=member(SUBJECT, fortran_order=True)), "by columns"),
        (lambda p: archive_of(p, subject=member(SUBJECT)[:-4]), "44 bytes, expected 48"),
        (lambda p: archive_of(p, subject=member(SUBJECT) + b"more"), "49 bytes, expected 48"),
        (lambda p: archive_of(p, subject=member(np.full((3, 4), np.inf, np.float32))), "finite"),
        (lambda p: archive_of(p, rows=member(ROWS + 1)), "not the windows that this fold tests"),
        (lambda p: archive_of(p, subject=None), "subject.npy"),
        (lambda p: archive_of(p, subject=b""), "damaged"),
        (lambda p: archive_of(p, subject=np.lib.format.magic(3, 0) + member(SUBJECT)[8:]), "version"),
        (lambda p: archive_of(p, subject=HEADER + b"(" * 600), "damaged"),
        (lambda p: archive_of(p, subject=HEADER + b"-" * 599 + b"1"), "damaged"),
        (lambda p: archive_of(p, zipfile.ZIP_DEFLATED), "not compressed"),
        (lambda p: archive_of(p, more=bytes(100_000)), "larger than expected"),
        (flag_as_encrypted, "not encrypted"),
        (change_a_value, "CRC"),
        (lambda p: p.write_bytes(p.read_bytes()[:300]), "zip"),
        (lambda p: p.write_bytes(b""), "zip"),
        (lambda p: p.unlink(), "No such file"),
        pytest.param(pipe, "pipe", marks=pytest.mark.skipif(os.name == "nt", reason="no pipes on Windows")),
        pytest.param(link, "link", marks=pytest.mark.skipif(os.name == "nt", reason="links need rights")),
    ],
)
def test_read_logits_refuses_what_no_fit_left(
    path: Path, damage: Callable[[Path], object], expected: str
) -> None:
    damage(path)
    with pytest.raises(TrainingError, match=expected) as refused:
        read_logits(path, ROWS, N_CLASSES)
    assert str(refused.value).startswith(f"{path}: the outputs of this fit are damaged (")
    assert "remove this folder" in str(refused.value)
