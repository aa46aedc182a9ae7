from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ecgkit.analysis.hrv import Hrv, measure_hrv
from ecgkit.errors import StudyError
from ecgkit.progress import Silent
from ecgkit.stages import exclude, export_rr
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.study.session_file import (
    Observations,
    QualityTrack,
    read_observations,
    read_session,
    write_session,
)

REST = "sub-01_visit-1_cond-rest_take-1"
DEEP = "sub-01_visit-1_cond-deep_breathing_take-1"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def beats_of(folder: Path, key: str = REST) -> list[dict[str, str]]:
    return rows_of(folder / f"{key}_rr.csv")


def figures_of(folder: Path, key: str = REST) -> dict[str, str]:
    return next(row for row in rows_of(folder / "hrv.csv") if row["session"] == key)


def see(study: Path, seen: Observations, key: str = REST) -> None:
    """Write a session anew, as if something else had been seen in it."""
    path = study / "sessions" / f"{key}.h5"
    write_session(study / "copy.h5", read_session(path), seen)
    (study / "copy.h5").replace(path)


def test_export_rr_writes_a_file_a_session_and_says_what_is_in_it(built_study: Path, tmp_path: Path) -> None:
    summary = export_rr.run(built_study, tmp_path / "rr")
    names = {path.name for path in (tmp_path / "rr").iterdir()}
    assert names == {f"{key}_rr.csv" for key in summary.sessions} | {"hrv.csv", "columns.json", "README.txt"}
    assert len(summary.sessions) == 24
    assert (summary.left_out, summary.without_beats, summary.simulated) == ((), (), True)
    described = json.loads((tmp_path / "rr" / "columns.json").read_text(encoding="utf-8"))
    assert list(described["columns"]["hrv.csv"]) == list(rows_of(tmp_path / "rr" / "hrv.csv")[0])
    assert list(described["columns"]["*_rr.csv"]) == list(beats_of(tmp_path / "rr")[0])
    assert (tmp_path / "rr" / "README.txt").read_text(encoding="utf-8").startswith("SIMULATED")


def test_export_rr_columns_are_those_of_the_figures() -> None:
    assert [field.name for field in dataclasses.fields(Hrv)] == list(export_rr.HRV_COLUMNS)[10:]


def test_export_rr_names_what_it_was_made_from(built_study: Path, tmp_path: Path) -> None:
    export_rr.run(built_study, tmp_path / "rr", keys=[REST])
    described = json.loads((tmp_path / "rr" / "columns.json").read_text(encoding="utf-8"))
    session = read_session(built_study / "sessions" / f"{REST}.h5")
    assert set(described["sessions"]) == {REST}
    assert described["sessions"][REST]["source_sha256"] == session.sha256


def test_export_rr_beats_are_those_that_were_seen(built_study: Path, tmp_path: Path) -> None:
    export_rr.run(built_study, tmp_path / "rr", keys=[REST])
    (peaks_s,) = read_observations(built_study / "sessions" / f"{REST}.h5").beats_s
    rows = beats_of(tmp_path / "rr")
    assert_allclose([float(row["r_peak_s"]) for row in rows], peaks_s, atol=1e-6)
    first, *others = rows
    assert (first["rr_ms"], first["heart_rate_bpm"], first["normal"]) == ("", "", "")
    assert_allclose([float(row["rr_ms"]) for row in others], 1e3 * np.diff(peaks_s), atol=1e-3)
    assert_allclose([float(row["heart_rate_bpm"]) for row in others], 60 / np.diff(peaks_s), atol=1e-3)
    assert {row["normal"] for row in others} == {"1"}
    assert {row["quality"] for row in rows} <= {"accept", "doubtful", "reject"}
    assert {row["segment"] for row in rows} == {"1"}


def test_export_rr_beats_are_where_the_simulation_put_them(
    built_study: Path, simulated_files: tuple[SimulatedFile, ...], tmp_path: Path
) -> None:
    export_rr.run(built_study, tmp_path / "rr", keys=[DEEP])
    file = next(
        f for f in simulated_files if (f.subject, f.condition, f.visit) == ("01", "deep_breathing", 1)
    )
    truth_s = np.array(json.loads(file.truth.read_text(encoding="utf-8"))["r_peaks_s"])
    found_s = np.array([float(row["r_peak_s"]) for row in beats_of(tmp_path / "rr", DEEP)])
    inner_s = truth_s[(truth_s > 1) & (truth_s < 29)]
    assert np.abs(found_s[:, None] - inner_s).min(axis=0).max() < 0.010


def test_export_rr_figures_are_those_of_the_beats(built_study: Path, tmp_path: Path) -> None:
    export_rr.run(built_study, tmp_path / "rr")
    row = figures_of(tmp_path / "rr", DEEP)
    seen = read_observations(built_study / "sessions" / f"{DEEP}.h5")
    assert (row["subject"], row["condition"], row["visit"], row["take"]) == ("01", "deep_breathing", "1", "1")
    assert (row["duration_s"], row["simulated"], row["excluded"]) == ("30", "1", "0")
    assert row["verdict"] in ("pass", "warn", "fail", "not judged")
    for name, value in dataclasses.asdict(measure_hrv(seen.beats_s)).items():
        assert row[name] == ("" if math.isnan(value) else f"{value:.6g}"), name
    assert row["lf_ms2"] == ""  # half a minute is too short
    assert float(row["sdnn_ms"]) == pytest.approx(seen.measures.rhythm.sdnn_ms, rel=1e-5)


def with_quality(seen: Observations, *, window_s: float) -> Observations:
    """Windows from 0, 10 and 20 s: accepted, doubtful, rejected."""
    indices = dataclasses.replace(seen.quality.indices, verdict=np.array([2, 1, 0], dtype=np.int8))
    return dataclasses.replace(
        seen, quality=QualityTrack(np.array([0.0, 10.0, 20.0]), window_s=window_s, indices=indices)
    )


def test_export_rr_marks_what_is_odd_and_what_is_after_a_gap(study: Path, tmp_path: Path) -> None:
    seen = read_observations(study / "sessions" / f"{REST}.h5")
    beats_s = (np.arange(0, 10, 0.8), np.array([11.0]), np.array([12.0, 12.8, 13.6, 14.0, 15.2, 16.0, 16.8]))
    see(study, dataclasses.replace(with_quality(seen, window_s=10.0), beats_s=beats_s))
    export_rr.run(study, tmp_path / "rr", keys=[REST])
    rows = beats_of(tmp_path / "rr")
    assert [row["segment"] for row in rows] == ["1"] * 13 + ["2"] + ["3"] * 7
    assert [row["quality"] for row in rows] == ["accept"] * 13 + ["doubtful"] * 8
    assert [row["rr_ms"] for row in rows[12:16]] == ["800.000", "", "", "800.000"]
    assert [row["normal"] for row in rows[14:]] == ["", "1", "1", "0", "0", "1", "1"]


def test_export_rr_says_nothing_of_quality_between_windows(study: Path, tmp_path: Path) -> None:
    seen = read_observations(study / "sessions" / f"{REST}.h5")
    beats_s = (np.array([0.0, 4.9, 5.0, 12.0, 20.0, 29.0]),)
    see(study, dataclasses.replace(with_quality(seen, window_s=5.0), beats_s=beats_s))
    export_rr.run(study, tmp_path / "rr", keys=[REST])
    words = [row["quality"] for row in beats_of(tmp_path / "rr")]
    assert words == ["accept", "accept", "", "doubtful", "reject", ""]


def test_export_rr_leaves_excluded_sessions_out_unless_asked(study: Path, tmp_path: Path) -> None:
    exclude.run(study, REST, reason="moved")
    summary = export_rr.run(study, tmp_path / "rr")
    assert summary.left_out == (REST,)
    assert not (tmp_path / "rr" / f"{REST}_rr.csv").exists()
    assert REST not in [row["session"] for row in rows_of(tmp_path / "rr" / "hrv.csv")]
    summary = export_rr.run(study, tmp_path / "all", with_excluded=True)
    assert (len(summary.sessions), summary.left_out) == (24, ())
    row = figures_of(tmp_path / "all")
    assert (row["excluded"], row["verdict"]) == ("1", "not judged")
    assert int(row["n_beats"]) == len(beats_of(tmp_path / "all")) > 20


def test_export_rr_leaves_beats_of_excluded_spans_out(study: Path, tmp_path: Path) -> None:
    exclude.run(study, REST, reason="coughed", start_s=10.0, stop_s=14.0)
    exclude.run(study, REST, reason="moved", start_s=25.0)
    export_rr.run(study, tmp_path / "rr", keys=[REST])
    rows = beats_of(tmp_path / "rr")
    times_s = np.array([float(row["r_peak_s"]) for row in rows])
    assert not ((times_s >= 10) & (times_s < 14)).any()
    assert times_s.max() < 25
    assert {row["segment"] for row in rows} == {"1", "2"}
    assert [row["rr_ms"] == "" for row in rows].count(True) == 2
    assert figures_of(tmp_path / "rr")["n_beats"] == str(len(rows))


def test_export_rr_of_a_session_without_beats(study: Path, tmp_path: Path) -> None:
    seen = read_observations(study / "sessions" / f"{REST}.h5")
    see(study, dataclasses.replace(seen, beats_s=()))
    summary = export_rr.run(study, tmp_path / "rr", keys=[REST])
    assert summary.without_beats == (REST,)
    assert beats_of(tmp_path / "rr") == []
    assert figures_of(tmp_path / "rr")["mean_rr_ms"] == ""


def test_export_rr_reads_no_samples(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgkit.study.session_samples._read_samples", None)
    assert export_rr.run(study, tmp_path / "rr").n_beats > 500


def test_export_rr_same_study_same_bytes(built_study: Path, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        export_rr.run(built_study, tmp_path / name, keys=[REST, DEEP])
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]


def test_export_rr_refuses_what_it_cannot_export(study: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no session 'sub-99'"):
        export_rr.run(study, tmp_path / "rr", keys=["sub-99"])
    exclude.run(study, REST, reason="moved")
    with pytest.raises(StudyError, match="all are excluded; --with-excluded"):
        export_rr.run(study, tmp_path / "rr", keys=[REST])
    for path in (study / "sessions").iterdir():
        path.unlink()
    with pytest.raises(StudyError, match="ingest a recording first"):
        export_rr.run(study, tmp_path / "rr")
    assert not (tmp_path / "rr").exists()


def test_export_rr_writes_into_a_new_or_empty_folder_only(built_study: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    export_rr.run(built_study, tmp_path / "empty", keys=[REST])
    assert len(list((tmp_path / "empty").iterdir())) == 4
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for name in ("empty", "file"):
        with pytest.raises(StudyError, match="something here already"):
            export_rr.run(built_study, tmp_path / name, keys=[REST])
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_export_rr_interrupted_leaves_nothing(built_study: Path, tmp_path: Path) -> None:
    class Interrupt(Silent):
        def advance(self, task: str, note: str = "") -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_rr.run(built_study, tmp_path / "rr", progress=Interrupt())
    assert list(tmp_path.iterdir()) == []
