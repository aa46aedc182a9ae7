from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bioread
import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.testing import assert_array_equal

from ecgkit.cli.simulate import simulate
from ecgkit.errors import ConfigError, StudyError
from ecgkit.progress import Silent
from ecgkit.protocol.model import load_protocol
from ecgkit.protocol.tag import tag_recording
from ecgkit.readers import read
from ecgkit.simulate.study import simulate_recording
from ecgkit.stages import simulate as stage

SMALL = ["--subjects", "2", "--duration-s", "20"]


def run(*args: object) -> Result:
    return CliRunner().invoke(simulate, [*SMALL, *(str(arg) for arg in args)])


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "sim"
    result = run("--out", out)
    assert result.exit_code == 0, result.output
    return out


def test_simulate_writes_recordings_truths_table_and_readme(study: Path) -> None:
    conditions = ("deep_breathing", "exercise", "rest")
    stems = [f"S{subject}_{condition}_v1" for subject in ("01", "02") for condition in conditions]
    names = ["README.txt", *(f"{s}{end}" for s in stems for end in (".acq", ".truth.json")), "sessions.csv"]
    assert sorted(bytes_of(study)) == sorted(names)
    table = (study / "sessions.csv").read_text().splitlines()
    assert table[0] == "file,subject,condition,visit,take"
    assert table[1] == "S01_rest_v1.acq,01,rest,1,1"
    assert len(table) == 7


def test_simulate_says_simulated_everywhere(study: Path) -> None:
    truth = json.loads((study / "S01_rest_v1.truth.json").read_text())
    assert truth["simulated"] is True
    assert (study / "README.txt").read_text().startswith("SIMULATED")
    assert "SIMULATED" in bioread.read(str(study / "S01_rest_v1.acq")).journal


def test_simulate_same_options_write_the_same_bytes(study: Path, tmp_path: Path) -> None:
    assert run("--out", tmp_path / "again").exit_code == 0
    assert bytes_of(tmp_path / "again") == bytes_of(study)


def test_simulate_a_subject_stays_the_same_in_a_larger_study(study: Path, tmp_path: Path) -> None:
    result = run("--out", tmp_path, "--subjects", "3", "--visits", "2")
    assert result.exit_code == 0
    larger = bytes_of(tmp_path)
    shared = {name: content for name, content in bytes_of(study).items() if name.startswith("S0")}
    assert len(larger) == 2 * 18 + 2
    assert {name: larger[name] for name in shared} == shared


def test_simulate_file_reads_back_as_simulated(study: Path) -> None:
    made = simulate_recording(1, "deep_breathing", 1, fs=1000.0, seed=1, duration_s=20.0, mains_hz=60.0)
    read = bioread.read(str(study / "S01_deep_breathing_v1.acq"))
    ecg, respiration = read.channels
    assert (ecg.name, ecg.units, ecg.samples_per_second) == ("ECG - ECG100C", "mV", 1000)
    assert (respiration.units, respiration.samples_per_second) == ("Volts", 62.5)
    assert np.abs(ecg.data - made.ecg_mv).max() <= 10 / 32768 / 2 + 1e-12
    assert_array_equal(ecg.raw_data, np.rint(made.ecg_mv / (10 / 32768)))
    markers = [(m.sample_index, m.text, m.type_code) for m in read.event_markers]
    assert markers == [(m.sample, m.text, m.style) for m in made.markers]
    assert read.event_markers[0].date_created_utc == made.start_time


def test_simulate_truth_has_the_peaks_in_full(study: Path) -> None:
    made = simulate_recording(2, "exercise", 1, fs=1000.0, seed=1, duration_s=20.0, mains_hz=60.0)
    truth = json.loads((study / "S02_exercise_v1.truth.json").read_text())
    assert_array_equal(truth["r_peaks_s"], made.r_peaks_s)
    assert truth["artefacts"] == [
        {"kind": a.kind, "start_s": a.start_s, "stop_s": a.stop_s} for a in made.artefacts
    ]
    assert (truth["subject"], truth["condition"], truth["seed"]) == ("02", "exercise", 1)
    assert len(truth["heart_rate_bpm"]) == 20 * truth["heart_rate_fs"]


def test_simulate_json_lists_the_files(tmp_path: Path) -> None:
    result = run("--out", tmp_path, "--subjects", "1", "--json")
    content = json.loads(result.output)
    assert content["simulated"] is True
    assert [file["condition"] for file in content["files"]] == ["rest", "exercise", "deep_breathing"]
    assert Path(content["files"][0]["path"]) == tmp_path / "S01_rest_v1.acq"


def test_simulate_again_into_its_own_folder_is_fine(tmp_path: Path) -> None:
    assert run("--out", tmp_path, "--subjects", "1").exit_code == 0
    (tmp_path / "S01_rest_v1.acq").unlink()  # as after an interruption
    assert run("--out", tmp_path, "--subjects", "1").exit_code == 0
    assert (tmp_path / "S01_rest_v1.acq").exists()


def test_simulate_refuses_a_folder_with_other_files_unless_forced(tmp_path: Path) -> None:
    mine = tmp_path / "S01_rest_v1.acq"
    mine.write_bytes(b"recorded from a person")
    refused = run("--out", tmp_path, "--subjects", "1")
    assert isinstance(refused.exception, StudyError)
    assert "files of something else" in str(refused.exception)
    assert "--force" in str(refused.exception)
    assert bytes_of(tmp_path) == {mine.name: b"recorded from a person"}
    assert run("--out", tmp_path, "--subjects", "1", "--force").exit_code == 0
    assert mine.stat().st_size > 10_000


def test_simulate_refuses_another_simulated_study_and_a_file(tmp_path: Path) -> None:
    assert run("--out", tmp_path / "sim", "--subjects", "1").exit_code == 0
    before = bytes_of(tmp_path / "sim")
    other = run("--out", tmp_path / "sim", "--subjects", "1", "--seed", "2")
    assert isinstance(other.exception, StudyError)
    assert "another simulated study" in str(other.exception)
    assert bytes_of(tmp_path / "sim") == before
    onto_file = run("--out", tmp_path / "sim" / "README.txt")
    assert "expected a folder" in str(onto_file.exception)


@pytest.mark.parametrize(
    "option", [("--subjects", "0"), ("--visits", "0"), ("--duration-s", "nan"), ("--fs", "1")]
)
def test_simulate_bad_numbers_write_nothing(option: tuple[str, str], tmp_path: Path) -> None:
    result = run("--out", tmp_path / "sim", *option)
    assert isinstance(result.exception, ConfigError)
    assert not (tmp_path / "sim").exists()


def test_simulate_interrupted_leaves_whole_files_and_goes_on_when_called_again(
    study: Path, tmp_path: Path
) -> None:
    class Interrupt(Silent):
        def advance(self, task: str, note: str = "") -> None:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"n_subjects": 2, "seed": 1, "duration_s": 20.0}
    with pytest.raises(KeyboardInterrupt):
        stage.run(tmp_path, **options, progress=Interrupt())
    left = bytes_of(tmp_path)
    whole = bytes_of(study)
    assert left == {name: whole[name] for name in ("README.txt", "S01_rest_v1.acq", "S01_rest_v1.truth.json")}
    stage.run(tmp_path, **options)
    assert bytes_of(tmp_path) == whole


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("visits") / "sim"
    result = run("--out", out, "--one-file")
    assert result.exit_code == 0, result.output
    return out


def test_simulate_one_file_writes_a_file_a_visit_and_a_table_of_its_sessions(visits: Path) -> None:
    names = [f"S{subject}_v1{end}" for subject in ("01", "02") for end in (".acq", ".truth.json")]
    assert sorted(bytes_of(visits)) == sorted(["README.txt", *names, "sessions.csv"])
    assert (visits / "sessions.csv").read_text().splitlines()[:4] == [
        "file,subject,condition,visit,take,start,stop",
        "S01_v1.acq,01,rest,1,1,20.0,40.0",
        "S01_v1.acq,01,exercise,1,1,60.0,80.0",
        "S01_v1.acq,01,deep_breathing,1,1,100.0,120.0",
    ]
    assert "--fs 1000 --one-file --out FOLDER" in (visits / "README.txt").read_text()


def test_simulate_one_file_holds_the_counts_of_the_separate_files(study: Path, visits: Path) -> None:
    for row in (visits / "sessions.csv").read_text().splitlines()[1:]:
        name, subject, condition, _, _, start_s, stop_s = row.split(",")
        part = read(visits / name).stretch(float(start_s), float(stop_s))
        alone = read(study / f"S{subject}_{condition}_v1.acq")
        assert [(c.name, c.unit, c.fs, c.scale, c.offset) for c in part.channels] == [
            (c.name, c.unit, c.fs, c.scale, c.offset) for c in alone.channels
        ]
        for channel, same in zip(part.channels, alone.channels, strict=True):
            assert_array_equal(channel.read_raw(), same.read_raw())


def test_simulate_one_file_is_told_apart_by_its_markers_exactly(tmp_path: Path) -> None:
    assert run("--out", tmp_path, "--subjects", "1", "--duration-s", "60", "--one-file").exit_code == 0
    spans = tag_recording(load_protocol("dt4ecg"), read(tmp_path / "S01_v1.acq"))
    assert [(span.condition, span.take, span.start_s, span.stop_s, span.warnings) for span in spans] == [
        ("rest", 1, 20.0, 80.0, ()),
        ("exercise", 1, 100.0, 160.0, ()),
        ("deep_breathing", 1, 180.0, 240.0, ()),
    ]


def test_simulate_one_file_truth_says_where_each_condition_lies(study: Path, visits: Path) -> None:
    truth = json.loads((visits / "S02_v1.truth.json").read_text())
    assert (truth["simulated"], truth["subject"], truth["visit"]) == (True, "02", 1)
    assert truth["duration_s"] == 140.0
    assert "condition" not in truth
    for span in truth["spans"]:
        alone = json.loads((study / f"S02_{span['condition']}_v1.truth.json").read_text())
        inside = [t - span["start_s"] for t in truth["r_peaks_s"] if span["start_s"] <= t < span["stop_s"]]
        assert inside == pytest.approx(alone["r_peaks_s"], abs=1e-9)
        rates = truth["heart_rate_bpm"][round(span["start_s"] * 20) : round(span["stop_s"] * 20)]
        assert rates == alone["heart_rate_bpm"]


def test_simulate_one_file_json_and_summary(tmp_path: Path) -> None:
    content = json.loads(run("--out", tmp_path, "--subjects", "1", "--one-file", "--json").output)
    assert [(file["condition"], file["start_s"]) for file in content["files"]] == [
        ("rest", 20.0),
        ("exercise", 60.0),
        ("deep_breathing", 100.0),
    ]
    assert content["recorded_s"] == 140.0
    text = run("--out", tmp_path, "--subjects", "1", "--one-file").output
    assert "SIMULATED: 1 recordings of 1 subjects" in text
    assert f"ecgkit ingest --table {tmp_path / 'sessions.csv'}" in text


def test_simulate_one_file_refuses_the_folder_of_separate_files(study: Path) -> None:
    result = run("--out", study, "--one-file")
    assert isinstance(result.exception, StudyError)
    assert "another simulated study" in str(result.exception)
