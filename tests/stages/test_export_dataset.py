"""Exporting as a whole: what is taken, what is refused, what is left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import wfdb
from support.bids_files import channel, full_session
from support.dataset_files import write_small
from support.recordings import NOTHING_SEEN

from ecgkit.dataset.card import card_path, write_card
from ecgkit.dataset.read import open_dataset
from ecgkit.errors import ConfigError, DatasetError, StudyError
from ecgkit.exports import FORMATS, wfdb_export
from ecgkit.exports.formats import SessionFormat, WindowFormat
from ecgkit.lookup import pick
from ecgkit.records import Exclusion, Session, Tags
from ecgkit.stages import export_dataset
from ecgkit.study.folder import create_study
from ecgkit.study.session_file import (
    read_headers,
    read_observations,
    read_session,
    session_path,
    write_session,
)

NEEDS = {"parquet": "pyarrow", "huggingface": "pyarrow"}


def session_of(tags: Tags, *, fs: float = 250.0, excluded: tuple[Exclusion, ...] = ()) -> Session:
    whole = full_session()
    channels = (channel(0, np.arange(500, dtype=np.int16), fs=fs, scale=0.001),)
    recording = replace(whole.recording, channels=channels, markers=(), fs=fs)
    return replace(
        whole, tags=tags, recording=recording, ecg=(0,), leads=("I",), respiration=None, excluded=excluded
    )


def put(folder: Path, *sessions: Session) -> Path:
    study = create_study(folder, protocol="dt4ecg")
    study.sessions_folder.mkdir(exist_ok=True)
    for session in sessions:
        write_session(session_path(study, session.tags), session, NOTHING_SEEN)
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_whole_from_a_study(built_study: Path, tmp_path: Path, name: str) -> None:
    pytest.importorskip(NEEDS.get(name, "numpy"))
    summary = export_dataset.run(name, built_study, tmp_path / "out")
    json.dumps(summary.as_json(), allow_nan=False)
    assert (len(summary.sessions), summary.simulated, summary.refused) == (24, True, {})
    assert str(tmp_path / "out") in summary.reads
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert isinstance(pick(FORMATS, name, what="format"), WindowFormat | SessionFormat)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_replaced(built_study: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises((DatasetError, StudyError), match="there is something here already"):
        export_dataset.run(name, built_study, tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]


@pytest.mark.parametrize("name", ["npz", "tracings", "wfdb"])
def test_what_fails_leaves_nothing_behind(
    built_study: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr("numpy.savez", fail)
    monkeypatch.setattr("pandas.DataFrame.to_csv", fail)
    monkeypatch.setattr(wfdb_export, "_write_annotations", fail)
    with pytest.raises(OSError, match="no space left"):
        export_dataset.run(name, built_study, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_unknown_format_lists_those_there_are(built_study: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known are: edf, huggingface, npz"):
        export_dataset.run("mat", built_study, tmp_path / "out")


def test_sources_of_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    path = write_small(tmp_path / "d.h5")
    with pytest.raises(StudyError, match="no study here; wfdb takes the recordings of a study"):
        export_dataset.run("wfdb", path, tmp_path / "out")
    with pytest.raises(DatasetError, match="no data set here"):
        export_dataset.run("npz", tmp_path / "none.h5", tmp_path / "out")
    study = put(tmp_path / "study")
    with pytest.raises(StudyError, match="no session to export"):
        export_dataset.run("wfdb", study, tmp_path / "out")


def test_excluded_sessions_stay_out_and_those_a_format_can_not_hold_are_named(tmp_path: Path) -> None:
    whole = (Exclusion(0.0, float("inf"), "another person"),)
    good, odd = session_of(Tags("01", "rest")), session_of(Tags("02", "rest"), fs=np.pi * 100)
    study = put(tmp_path / "study", good, odd, session_of(Tags("03", "rest"), excluded=whole))
    summary = export_dataset.run("edf", study, tmp_path / "out")
    assert summary.sessions == (good.tags.key,)
    assert summary.left_out == {"sub-03_visit-1_cond-rest_take-1": "another person"}
    assert list(summary.refused) == [odd.tags.key]
    readme = (tmp_path / "out" / "README.txt").read_text(encoding="utf-8")
    assert readme.startswith("SIMULATED DATA")
    assert f"{odd.tags.key}: EDF has no data record" in readme
    only_odd = put(tmp_path / "other", odd)
    with pytest.raises(StudyError, match="not one session can be edf"):
        export_dataset.run("edf", only_odd, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_wfdb_of_a_study_is_its_samples_and_its_r_peaks(built_study: Path, tmp_path: Path) -> None:
    summary = export_dataset.run("wfdb", built_study, tmp_path / "out")
    assert summary.errors == {}
    names = (tmp_path / "out" / "RECORDS").read_text(encoding="ascii").split()
    for header in read_headers(create_study(built_study, protocol="dt4ecg"))[:6]:
        session = read_session(header.path)
        for one in session.recording.channels:
            name = f"{header.tags.key}_{'1000Hz' if one.fs == 1000 else '62p5Hz'}"
            assert name in names
            record = wfdb.rdrecord(str(tmp_path / "out" / name), physical=False)
            np.testing.assert_array_equal(record.d_signal[:, 0], one.read_raw())
        beats_s = np.concatenate(read_observations(header.path).beats_s)
        peaks = wfdb.rdann(str(tmp_path / "out" / f"{header.tags.key}_1000Hz"), "qrs").sample
        np.testing.assert_allclose(peaks / 1000, beats_s, atol=0.0005001)


def test_exports_carry_the_card_with_what_the_lab_wrote(tmp_path: Path) -> None:
    path = write_small(tmp_path / "d.h5")
    write_card(card_path(path), open_dataset(path))
    card = card_path(path).read_text(encoding="utf-8").replace("Say here who may do what with it", "CC0")
    card_path(path).write_text(card, encoding="utf-8")
    export_dataset.run("tracings", path, tmp_path / "one")
    assert "CC0" in (tmp_path / "one" / "README.md").read_text(encoding="utf-8")
    card_path(path).write_text("my own notes", encoding="utf-8")
    export_dataset.run("tracings", path, tmp_path / "two")
    assert "Say here who may do what" in (tmp_path / "two" / "README.md").read_text(encoding="utf-8")
