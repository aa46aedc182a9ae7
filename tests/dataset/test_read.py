"""What a reader makes of data sets that others wrote: packed ones, and hostile ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.dataset_files import FS, SAMPLES, T, describe, labelled, part_of, parts_of, write_small

from ecgkit.dataset import untrusted
from ecgkit.dataset.read import MOST_SETTINGS_BYTES, open_dataset
from ecgkit.dataset.schema import MOST_OWN_LABELS
from ecgkit.dataset.stored_table import MOST_FOLDS
from ecgkit.errors import DatasetError
from ecgkit.records import Tags

VARIABLE = h5py.string_dtype()
N = 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small(tmp_path / "d.h5", labelled())


def replaced(name: str, **created: object) -> Callable[[h5py.File], None]:
    """Put another data set in the place of one."""

    def spoil(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file.create_dataset(name, **created)

    return spoil


def linked(name: str, link: object) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        del file[name]
        file[name] = link

    return spoil


def value(name: str, number: float, row: int = 3) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        file[name][row] = number

    return spoil


def attribute(name: str, content: object) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        file.attrs[name] = content

    return spoil


def about(name: str, text: str) -> Callable[[h5py.File], None]:
    """Put other JSON in the place of some."""
    return replaced(f"about/{name}", data=np.bytes_(text.encode()))


def _external_storage(file: h5py.File) -> None:
    del file["table/visit"]
    file.create_dataset("table/visit", shape=(N,), dtype="<i4", external=[("/etc/passwd", 0, 4 * N)])


def _virtual(file: h5py.File) -> None:
    del file["windows"]
    layout = h5py.VirtualLayout(shape=(N, 1, T), dtype="<f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "windows", shape=(N, 1, T))
    file.create_virtual_dataset("windows", layout)


def _bomb(file: h5py.File) -> None:
    """Texts that take a thousand times the memory that they take in the file."""
    del file["participants/sex"]
    texts = np.full(1 << 12, b"x" * (1 << 10))
    file.create_dataset("participants/sex", data=texts, chunks=True, compression="gzip")


def _many_labels(file: h5py.File) -> None:
    for number in range(MOST_OWN_LABELS + 1):
        file[f"labels/l{number}"] = np.array([b"x"])
        file[f"table/l{number}"] = np.zeros(N, dtype="<i4")


HOSTILE = {
    "table elsewhere": (linked("table", h5py.ExternalLink("o.h5", "/table")), "/table: expected a group"),
    "table by another name": (linked("table", h5py.SoftLink("/splits")), "/table: expected a group"),
    "column elsewhere": (
        linked("table/visit", h5py.ExternalLink("o.h5", "/x")),
        "/table/visit: expected a data set stored in this file",
    ),
    "scheme elsewhere": (
        linked("splits/paper", h5py.ExternalLink("o.h5", "/x")),
        "/splits/paper: expected a group; links",
    ),
    "fold elsewhere": (
        linked("splits/paper/0", h5py.SoftLink("/table/quality")),
        "/splits/paper/0: expected",
    ),
    "splits are none": (replaced("splits", data=np.zeros(3)), "/splits: expected a group"),
    "stored elsewhere": (_external_storage, "/table/visit: expected a data set stored in this file"),
    "a view of another file": (_virtual, "/windows: expected a data set stored in this file"),
    "no windows": (replaced("windows", shape=(0, 1, T), dtype="<f4"), "/windows: shape"),
    "no samples": (replaced("windows", shape=(N, 1, 0), dtype="<f4"), "/windows: shape"),
    "other length": (replaced("windows", shape=(N, 1, T - 1), dtype="<f4"), "/windows: 29 samples a window"),
    "other byte order": (
        replaced("windows", data=np.zeros((N, 1, T), dtype=">f4")),
        "/windows: type big-endian float32, expected float32",
    ),
    "windows of objects": (
        replaced("windows", shape=(N, 1, T), dtype=VARIABLE),
        "/windows: type object, of variable length",
    ),
    "column of objects": (replaced("table/take", shape=(N,), dtype=VARIABLE), "/table/take: type object"),
    "column of texts": (replaced("table/take", data=np.full(N, b"1")), r"/table/take: type \|S1"),
    "column of pairs": (
        replaced("table/take", data=np.zeros(N, dtype=[("a", "<i4")])),
        "/table/take: type ",
    ),
    "wider codes": (
        replaced("table/subject", data=np.zeros(N, dtype="<i8")),
        "subject: type int64, expected int32",
    ),
    "huge column": (
        replaced("table/take", shape=(1 << 40,), dtype="<i4", chunks=(1024,)),
        "/table/take: says that it has",
    ),
    "codes below": (value("table/condition", -1), "/table/condition: codes outside of /conditions"),
    "codes above": (value("table/session", 4), "/table/session: codes outside of /sessions"),
    "visit 0": (value("table/visit", 0), "/table/visit: expected numbers from 1"),
    "start before": (value("table/start_sample", -1), "/table/start_sample: expected numbers from 0"),
    "start NaN": (value("table/start_s", np.nan), "/table/start_s: expected seconds from 0"),
    "start infinite": (value("table/start_s", np.inf), "/table/start_s: expected seconds from 0"),
    "rate below 0": (value("table/heart_rate_bpm", -60), "/table/heart_rate_bpm: expected rates above 0"),
    "index NaN": (value("table/b_sqi", np.nan), "/table/b_sqi: expected numbers, got NaN"),
    "offset NaN": (value("table/scale_offset", np.nan), "/table/scale_offset: expected numbers"),
    "gain 0": (value("table/scale_gain", 0), "/table/scale_gain: expected numbers other than 0"),
    "unknown role": (value("splits/paper/0", 4), "/splits/paper/0: roles outside of 0 to 3"),
    "short fold": (replaced("splits/paper/0", data=np.zeros(3, "|u1")), r"/splits/paper/0: shape \(3,\)"),
    "fold of floats": (replaced("splits/paper/0", data=np.zeros(N)), "/splits/paper/0: type float64"),
    "no subjects": (replaced("subjects", shape=(0,), dtype="S2"), "/subjects: 0 names"),
    "two of a name": (replaced("subjects", data=np.array([b"01", b"01"])), "/subjects: 2 names"),
    "names of numbers": (replaced("subjects", data=[1, 2]), "/subjects: type int64"),
    "names of lists": (
        replaced("subjects", shape=(2,), dtype=h5py.vlen_dtype(np.int32)),
        "/subjects: type object, of variable length",
    ),
    "names of variable length": (
        replaced("subjects", data=["01", "02"], dtype=VARIABLE),
        "/subjects: type object, of variable length: an earlier or a foreign form, never read",
    ),
    "names of no UTF-8": (
        replaced("subjects", data=np.array([b"\xff", b"02"])),
        r"/subjects: b'\\xff' is no UTF-8",
    ),
    "one text for a list": (replaced("subjects", data=np.bytes_(b"01")), r"/subjects: type \|S2, 0 axes"),
    "participants of others": (
        replaced("participants/age", data=np.array([b"1", b"2", b"3"])),
        "/participants/age: 3 values, expected one a subject: 2",
    ),
    "attribute a list": (attribute("fs", [FS, FS]), "attribute 'fs' is a list"),
    "texts a list": (attribute("unit", np.array([b"V", b"A"])), "attribute 'unit' is a list"),
    "text of variable length": (attribute("unit", "V"), "attribute 'unit': type object, of variable length"),
    "text of no UTF-8": (attribute("unit", np.bytes_(b"\xff")), r"attribute 'unit': b'\\xff' is no UTF-8"),
    "format of variable length": (
        attribute("format", "ecgkit-dataset"),
        "attribute 'format' is of variable length.*an earlier ecgkit or another program.*again",
    ),
    "version of variable length": (attribute("format_version", "1.1"), "'format_version' is of variable"),
    "huge attribute": (attribute("unit", np.bytes_(b"V" * 70_000)), "attribute 'unit': 70000 bytes"),
    "rate 0": (attribute("fs", 0.0), "attribute 'fs' is 0.0, expected float above 0"),
    "rate infinite": (attribute("fs", np.inf), "attribute 'fs' is inf"),
    "rate beyond all": (attribute("fs", 1e308), "expected fs"),
    "simulated a number": (attribute("simulated", 1), "attribute 'simulated' is 1, expected bool"),
    "no JSON": (about("sources", "{"), "/about/sources: damaged JSON"),
    "JSON of variable length": (
        replaced("about/sources", data="{}", dtype=VARIABLE),
        "/about/sources: type object, of variable length",
    ),
    "JSON of no UTF-8": (replaced("about/sources", data=np.bytes_(b"\xff")), "/about/sources: .* no UTF-8"),
    "JSON too large": (
        about("pipeline", " " * MOST_SETTINGS_BYTES + "{}"),
        f"/about/pipeline: {MOST_SETTINGS_BYTES + 2} bytes of JSON, expected at most {MOST_SETTINGS_BYTES}",
    ),
    "JSON a list of texts": (
        replaced("about/splits", data=np.array([b"{}"])),
        r"/about/splits: type \|S2, 1 ax",
    ),
    "JSON elsewhere": (linked("about/splits", h5py.ExternalLink("o.h5", "/x")), "/about/splits: expected a"),
    "all JSON elsewhere": (linked("about", h5py.ExternalLink("o.h5", "/x")), "/about: expected a group"),
    "labels elsewhere": (linked("labels", h5py.ExternalLink("o.h5", "/x")), "/labels: expected a group"),
    "label codes above": (value("table/ward", 2), "/table/ward: codes outside of /labels/ward"),
    "label codes below": (value("table/ward", -2), "/table/ward: codes outside of /labels/ward"),
    "label without codes": (replaced("table/ward", data=np.zeros(3, "<i4")), r"/table/ward: shape \(3,\)"),
    "label of two names": (replaced("labels/ward", data=np.array([b"a", b"a"])), "/labels/ward: 2 names"),
    "label of no name": (replaced("labels/ward", data=np.array([b"", b"a"])), "/labels/ward: 2 names"),
    "label called oddly": (
        replaced("labels/Ward 3", data=np.array([b"a"])),
        "/labels/Ward 3: expected a name",
    ),
    "label of a column": (replaced("labels/visit", data=np.array([b"a"])), "/labels/visit: the data set has"),
    "many labels": (_many_labels, f"/labels: {MOST_OWN_LABELS + 3} columns of labels, expected at most 64"),
    "JSON too deep": (about("sources", '{"a":' * 100_000), "/about/sources: damaged JSON"),
    "JSON of no number": (about("pipeline", '{"fs": NaN}'), "/about/pipeline: damaged JSON"),
    "no JSON object": (about("splits", "[1]"), "/about/splits: is no JSON object"),
    "source without hash": (about("sources", '{"a": {}}'), "/about/sources: entry 'a'"),
    "source no object": (about("sources", '{"a": 1}'), "/about/sources: entry 'a'"),
    "left out without reason": (about("left_out", '{"a": {"sha256": ""}}'), "entry 'a': expected a JSON"),
}


@pytest.mark.parametrize(("spoil", "message"), HOSTILE.values(), ids=HOSTILE)
def test_open_dataset_refuses_what_is_not_as_the_format_says(
    path: Path, spoil: Callable[[h5py.File], None], message: str
) -> None:
    with h5py.File(path, "a") as file:
        spoil(file)
    with pytest.raises(DatasetError, match=message) as caught:
        open_dataset(path)
    assert str(path) in str(caught.value)


def test_open_dataset_refuses_texts_that_are_far_more_than_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untrusted, "SPARE_BYTES", 1 << 10)
    monkeypatch.setattr(untrusted, "MOST_GROWN", 1)
    with h5py.File(path, "a") as file:
        _bomb(file)
    with pytest.raises(DatasetError, match="/participants/sex: with this"):
        open_dataset(path)


def test_open_dataset_refuses_too_many_folds(path: Path) -> None:
    with h5py.File(path, "a") as file:
        roles = file["splits/paper/0"]
        group = file.create_group("splits/many")
        for number in range(MOST_FOLDS):
            group[str(number)] = roles
    with pytest.raises(DatasetError, match=f"over {MOST_FOLDS} folds"):
        open_dataset(path)


def test_open_dataset_ignores_what_it_does_not_know(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["table/mood"] = np.arange(3)
        file["notes"] = "by hand"  # of variable length: never looked at
        file.attrs["lab"] = "ours"
        file["about/notes"] = np.bytes_(b"{")
    assert len(open_dataset(path)) == N


def test_open_dataset_without_splits_and_participants(tmp_path: Path) -> None:
    path = write_small(tmp_path / "d.h5", [part_of(Tags("01", "rest"))], describe(participants={}))
    with h5py.File(path, "a") as file:
        del file["splits"]
    data = open_dataset(path)
    assert (data.schemes, data.participants) == ((), {})


@pytest.mark.parametrize("name", ["windows", "table/scale_gain", "splits/paper/0"])
def test_open_dataset_maps_what_is_contiguous(path: Path, name: str) -> None:
    data = open_dataset(path)
    found = {
        "windows": data.windows,
        "table/scale_gain": data.columns["scale_gain"],
        "splits/paper/0": data.folds["paper"]["0"],
    }[name]
    assert not found.flags.writeable
    assert not found.flags.owndata
    with h5py.File(path) as file:
        np.testing.assert_array_equal(found, file[name][:])


def test_open_dataset_reads_a_packed_file_as_the_plain_one(tmp_path: Path) -> None:
    plain, packed = write_small(tmp_path / "plain" / "d.h5"), SAMPLES["packed"](tmp_path)
    one, two = open_dataset(plain), open_dataset(packed)
    np.testing.assert_array_equal(one.windows, two.windows)
    assert two.windows.flags.owndata
    assert one.table.equals(two.table)
    np.testing.assert_array_equal(one.folds["paper"]["0"], two.folds["paper"]["0"])


def test_dataset_of_several_leads_reads_back(tmp_path: Path) -> None:
    parts = parts_of(3)
    data = open_dataset(write_small(tmp_path / "d.h5", parts, describe(3)))
    assert data.leads == ("I", "II", "III")
    np.testing.assert_array_equal(data.windows, np.concatenate([part.windows for part in parts]))
    assert data.columns["scale_gain"].shape == (N, 3)
    assert data.participants == {"age": ("30", "41"), "sex": ("F", "")}
    assert data.versions == {"ecgkit": "x"}
