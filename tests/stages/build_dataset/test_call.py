import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgkit.config import PipelineConfig
from ecgkit.dataset.read import open_dataset
from ecgkit.errors import ConfigError, DatasetError
from ecgkit.exclusions import Exclusion
from ecgkit.readers import read
from ecgkit.records import Tags
from ecgkit.simulate.acq_writer import AcqChannel, write_acq
from ecgkit.stages import build_dataset, ingest
from ecgkit.stages.build_dataset import BuildOptions
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.stages.staleness import stale
from ecgkit.stages.windows import cut_recording
from ecgkit.study.folder import create_study, open_study
from ecgkit.study.session_file import read_observations, read_session, write_session


def test_build_dataset_holds_every_session_in_order(built_study: Path) -> None:
    found = open_dataset(built_study / "dataset.h5")
    assert found.windows.shape == (24 * 10, 1, 300)
    assert found.subjects == ("01", "02", "03", "04")
    assert found.conditions == ("deep_breathing", "exercise", "rest")
    assert len(found.sessions) == 24
    assert found.simulated
    assert found.leads == ("LA-RA",)
    assert found.unit == "mV"
    assert set(found.schemes) == {
        "leave-subjects-out",
        "leave-condition-out",
        "leave-visit-out",
        "open-set",
        "blocked",
        "paper",
        "paper-kfold",
    }
    tags = found.table[["subject", "condition", "visit", "take", "start_s"]]
    assert tags.equals(tags.sort_values(list(tags.columns)).reset_index(drop=True))


def test_build_dataset_windows_are_those_of_the_raw_file(
    built_study: Path, simulated_files: tuple[SimulatedFile, ...]
) -> None:
    file = simulated_files[4]
    found = open_dataset(built_study / "dataset.h5")
    key = f"sub-{file.subject}_visit-{file.visit}_cond-{file.condition}_take-{file.take}"
    rows = (found.table["session"] == key).to_numpy()
    direct = cut_recording(read(file.path), [0], PipelineConfig())
    np.testing.assert_array_equal(found.windows[rows], direct.windows)
    np.testing.assert_array_equal(found.columns["scale_gain"][rows], direct.scale_gain)


def test_build_dataset_gives_the_same_bytes(built_study: Path, tmp_path: Path) -> None:
    again = build_dataset.run(built_study, BuildOptions(out=tmp_path / "again.h5"))
    assert (tmp_path / "again.h5").read_bytes() == (built_study / "dataset.h5").read_bytes()
    assert again.sha256 == open_dataset(built_study / "dataset.h5").sha256


def test_build_dataset_settings_by_precedence(study: Path, tmp_path: Path) -> None:
    text = (study / "study.yaml").read_text()
    (study / "study.yaml").write_text(text + "mains_hz: 50\n")
    config = tmp_path / "c.yaml"
    config.write_text("pipeline: {window_s: 5, scale: window}\n")
    flags = {"pipeline": {"window_s": 10.0}, "splits": {"seed": 4}}
    build_dataset.run(study, BuildOptions(config_file=config, flags=flags))
    pipeline = open_dataset(study / "dataset.h5").pipeline
    assert (pipeline["mains_hz"], pipeline["scale"], pipeline["window_s"]) == (50, "window", 10)


def test_build_dataset_failing_keeps_the_old_one(study: Path) -> None:
    before = (study / "dataset.h5").read_bytes()
    with pytest.raises(ConfigError, match="window_s"):
        build_dataset.run(study, BuildOptions(flags={"pipeline": {"window_s": -3.0}}))
    with pytest.raises(DatasetError, match="not one session gave a window"):
        build_dataset.run(study, BuildOptions(flags={"pipeline": {"window_s": 60.0}}))
    assert (study / "dataset.h5").read_bytes() == before
    assert not list(study.rglob(".partial-*"))


def test_build_dataset_leaves_out_and_names_what_gives_no_window(
    study: Path, tmp_path: Path, simulated_files: tuple[SimulatedFile, ...]
) -> None:
    short = simulate_short(tmp_path)
    ingest.run(short, Tags("09", "rest"), study_folder=study)
    summary = build_dataset.run(study)
    assert summary.n_sessions == 24
    assert list(summary.left_out) == ["sub-09_visit-1_cond-rest_take-1"]
    assert "no stretch of 3 s" in summary.left_out["sub-09_visit-1_cond-rest_take-1"]["reason"]
    assert stale(open_dataset(study / "dataset.h5")) == []


def simulate_short(folder: Path) -> Path:
    """A recording shorter than a window."""
    write_acq(folder / "short.acq", [AcqChannel(np.sin(np.arange(2000.0)), "ECG", "mV")], fs=1000.0)
    return folder / "short.acq"


def test_build_dataset_of_an_empty_study_says_what_to_do(tmp_path: Path) -> None:
    create_study(tmp_path / "study", protocol="dt4ecg")
    with pytest.raises(DatasetError, match=r"the study is empty.*ecgkit ingest"):
        build_dataset.run(tmp_path / "study")


def test_build_dataset_of_one_subject_warns(study: Path) -> None:
    for path in open_study(study).session_paths():
        if not path.name.startswith("sub-01_"):
            path.unlink()
    summary = build_dataset.run(study)
    assert summary.warnings == ("all windows are of one subject: 01; nothing can be told apart by it",)
    assert "leave-subjects-out" not in summary.leaks


def test_build_dataset_takes_participants_along(study: Path) -> None:
    import h5py

    table = study / "participants.tsv"
    table.write_text(table.read_text().replace("sub-02\tn/a\tn/a", "sub-02\t31\tF"))
    build_dataset.run(study)
    with h5py.File(study / "dataset.h5") as file:
        assert file["participants/age"].asstr()[:].tolist() == ["", "31", "", ""]
        assert file["participants/sex"].asstr()[:].tolist() == ["", "F", "", ""]


def test_build_dataset_does_not_depend_on_the_folder(study: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(study, tmp_path / "elsewhere" / "deeper"))
    build_dataset.run(moved, BuildOptions(out=tmp_path / "moved.h5"))
    assert (tmp_path / "moved.h5").read_bytes() == (study / "dataset.h5").read_bytes()


def test_build_dataset_warns_of_windows_without_a_beat_and_of_mixed_channels(
    study: Path, tmp_path: Path
) -> None:
    t = np.arange(30_000) / 1000
    beats = np.exp(-(((t % 0.8) - 0.4) ** 2) / (2 * 0.012**2))
    beats[15_000:] = 0
    write_acq(tmp_path / "off.acq", [AcqChannel(beats, "EKG", "mV")], fs=1000.0)
    ingest.run(tmp_path / "off.acq", Tags("09", "rest"), study_folder=study)
    summary = build_dataset.run(study)
    mixed, poor = summary.warnings
    assert "channels of different names: ECG - ECG100C (24 sessions); EKG (1 sessions)" in mixed
    assert "'reject' (an electrode off?): sub-09_visit-1_cond-rest_take-1. They are kept" in poor


def exclude(study: Path, key: str, *spans: Exclusion) -> None:
    """Exclude spans of a session, as the study's own command does it."""
    path = study / "sessions" / f"{key}.h5"
    session, seen = read_session(path), read_observations(path)
    write_session(path.with_suffix(".new"), dataclasses.replace(session, excluded=spans), seen)
    path.with_suffix(".new").replace(path)


def test_build_dataset_honours_exclusions(study: Path) -> None:
    whole, part = (f"sub-02_visit-{n}_cond-rest_take-1" for n in (1, 2))
    exclude(study, whole, Exclusion(0, math.inf, "spoke all the time"))
    exclude(study, part, Exclusion(4.0, 7.0, "coughed"), Exclusion(28.5, math.inf, "stood up"))
    summary = build_dataset.run(study)
    found = open_dataset(study / "dataset.h5")
    assert summary.excluded.keys() == {whole}
    assert (summary.left_out, summary.n_sessions) == ({}, 23)
    assert summary.excluded[whole]["reason"] == "excluded: spoke all the time"
    assert found.left_out == summary.excluded
    rows = (found.table["session"] == part).to_numpy()
    assert found.columns["start_s"][rows].tolist() == [0, *np.arange(7, 26, 3)]
    assert summary.n_excluded == 3
    assert found.sources[part]["excluded_s"] == [[4.0, 7.0], [28.5, None]]
    assert summary.n_windows == 24 * 10 - 10 - 2


def test_build_dataset_of_excluded_sessions_only_says_so(study: Path) -> None:
    for path in open_study(study).session_paths():
        exclude(study, path.stem, Exclusion(0, math.inf, "a rehearsal"))
    with pytest.raises(DatasetError, match="all 24 sessions are excluded"):
        build_dataset.run(study)


def test_build_dataset_leaves_out_windows_below_a_quality(study: Path, tmp_path: Path) -> None:
    signal = np.random.default_rng(1).normal(size=30_000)
    write_acq(tmp_path / "noise.acq", [AcqChannel(signal, "ECG", "mV")], fs=1000.0)
    ingest.run(tmp_path / "noise.acq", Tags("09", "rest"), study_folder=study)
    every = build_dataset.run(study)
    kept = build_dataset.run(study, BuildOptions(flags={"pipeline": {"min_quality": "accept"}}))
    assert sum(every.qualities.values()) == every.n_windows == 250
    assert kept.qualities == {"reject": 0, "doubtful": 0, "accept": kept.n_windows}
    assert kept.n_windows == every.qualities["accept"]
    assert kept.n_too_poor == 250 - kept.n_windows - 10
    ((key, left_out),) = kept.left_out.items()
    assert key == "sub-09_visit-1_cond-rest_take-1"
    assert "not one of 10 windows is of quality 'accept'" in left_out["reason"]
    assert open_dataset(study / "dataset.h5").columns["quality"].min() == 2


def test_stale_names_what_changed_in_the_study(study: Path) -> None:
    assert stale(open_dataset(study / "dataset.h5")) == []
    (study / "sessions" / "sub-03_visit-2_cond-exercise_take-1.h5").unlink()
    (sentence,) = stale(open_dataset(study / "dataset.h5"))
    assert "1 sessions added, replaced, excluded or removed: sub-03_visit-2_cond-exercise_take-1" in sentence
