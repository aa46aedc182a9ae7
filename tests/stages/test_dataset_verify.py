"""Whatever is changed in a data set is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.dataset_files import labelled, write_small
from support.h5_files import put_json, put_text
from support.mutate_h5 import broken_heaps

from ecgkit.dataset.schema import HASH
from ecgkit.errors import DatasetError
from ecgkit.h5 import content_sha256
from ecgkit.stages import dataset_verify


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_small(tmp_path / "d.h5", labelled())


def faults(path: Path) -> list[str]:
    found = dataset_verify.run(path)
    assert found.is_sound == (not found.as_json()["findings"])
    return [f"{item.where}: {item.text}" for item in found.findings if item.severity == "fault"]


def test_run_finds_nothing_wrong_with_what_was_built(built_study: Path) -> None:
    found = dataset_verify.run(built_study / "dataset.h5")
    assert found.is_sound
    assert found.findings == ()
    assert found.as_json()["windows"] == 240


@pytest.mark.parametrize("name", ["windows", "table/heart_rate_bpm", "splits/paper/0", "table/scale_offset"])
def test_run_finds_one_bit(path: Path, name: str) -> None:
    with h5py.File(path) as file:
        offset = file[name].id.get_offset()
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    assert any("its content is not what was written" in text for text in faults(path))


def _nan(file: h5py.File) -> None:
    file["windows"][5, 0, 7] = np.nan


def _other_tags(file: h5py.File) -> None:
    file["table/take"][:] = 2


def _disorder(file: h5py.File) -> None:
    for name in ("start_s", "start_sample"):
        file[f"table/{name}"][:4] = file[f"table/{name}"][:4][::-1]


def _twice(file: h5py.File) -> None:
    for name in ("start_s", "start_sample"):
        file[f"table/{name}"][1] = 0


def _other_start(file: h5py.File) -> None:
    file["table/start_sample"][2] += 3


def _unused(file: h5py.File) -> None:
    del file["subjects"], file["participants"]
    file.create_dataset("subjects", data=np.array([b"01", b"02", b"03"]))


def _unsorted(file: h5py.File) -> None:
    file["conditions"][:] = file["conditions"][:][::-1]
    file["table/condition"][:] = 1 - file["table/condition"][:]


def _no_sources(file: h5py.File) -> None:
    put_json(file, "sources", b"{}")


def _leaks(file: h5py.File) -> None:
    file["splits/leave-subjects-out/0"][0] = 2 - file["splits/leave-subjects-out/0"][0] + 1


def _nothing_tested(file: h5py.File) -> None:
    file["splits/leave-subjects-out/0"][:] = 1


def _own_without_test(file: h5py.File) -> None:
    file["splits/mine/0"] = np.ones(16, "|u1")


def _strange_settings(file: h5py.File) -> None:
    put_json(file, "splits", b'{"n_folds": 1000000000}')


def _label_of_nobody(file: h5py.File) -> None:
    codes = file["table/ward"]
    codes[:] = np.where(codes[:] == 1, -1, codes[:])


def _labels_unsorted(file: h5py.File) -> None:
    file["labels/ward"][:] = file["labels/ward"][:][::-1]


def _two_labels_of_a_session(file: h5py.File) -> None:
    file["table/ward"][1] = 0


def _elsewhere(file: h5py.File) -> None:
    file["notes"] = h5py.ExternalLink("o.h5", "/x")


WRONG = {
    "NaN": (_nan, "/windows: NaN or infinity, first in row 5"),
    "other tags": (_other_tags, "/table/session: row 0: 'sub-01_visit-1_cond-exercise_take-1', but its tags"),
    "disorder": (_disorder, "/table: rows are not in order"),
    "twice": (_twice, "/table: rows are not in order"),
    "other start": (_other_start, "/table/start_sample: row 2: not start_s * fs"),
    "unused name": (_unused, "/subjects: 1 of 3 names have no window"),
    "names unsorted": (_unsorted, "/conditions: names are not sorted"),
    "no sources": (_no_sources, "/about/sources: of other sessions than /sessions"),
    "a scheme leaks": (_leaks, "/splits/leave-subjects-out: "),
    "nothing tested": (
        _nothing_tested,
        "/splits/leave-subjects-out: leave-subjects-out: roles 0: no window is",
    ),
    "own split": (_own_without_test, "/splits/mine: roles 0: no window is tested"),
    "settings": (_strange_settings, "/about/splits: /about/splits: n_folds"),
    "label of nobody": (_label_of_nobody, "/labels/ward: 1 of 2 names have no window"),
    "labels unsorted": (_labels_unsorted, "/labels/ward: names are not sorted"),
    "two labels": (_two_labels_of_a_session, "/table/ward: a session has windows of several labels"),
    "a link": (_elsewhere, "/notes: a link; links to elsewhere are not followed"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_run_finds_what_a_wrong_writer_wrote(
    path: Path, change: Callable[[h5py.File], None], message: str
) -> None:
    with h5py.File(path, "a") as file:
        change(file)
        put_text(file, HASH, content_sha256(file, but=HASH))
    assert any(message in text for text in faults(path)), faults(path)


def test_run_never_reads_texts_of_variable_length(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["notes"] = "by hand"
    broken_heaps(path)
    assert any("/notes: type object, of variable length" in text for text in faults(path))


def test_run_remarks_on_folds_that_the_settings_do_not_give(path: Path) -> None:
    with h5py.File(path, "a") as file:
        roles = file["splits/paper/0"]
        roles[:] = roles[:][::-1]
        put_text(file, HASH, content_sha256(file, but=HASH))
    found = dataset_verify.run(path)
    assert found.is_sound
    assert [(item.severity, item.where) for item in found.findings] == [("remark", "/splits/paper")]


def test_run_remarks_that_the_study_has_changed(study: Path) -> None:
    (study / "sessions" / "sub-01_visit-1_cond-rest_take-1.h5").unlink()
    found = dataset_verify.run(study / "dataset.h5")
    assert found.is_sound
    assert "the study has changed" in found.findings[0].text


def test_run_of_a_damaged_file_is_a_finding_and_of_none_an_error(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    (text,) = faults(path)
    assert "damaged" in text
    with pytest.raises(DatasetError, match="no data set here"):
        dataset_verify.run(path.with_name("none.h5"))
