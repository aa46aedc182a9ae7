"""``ecgkit build-dataset`` as a user runs it, and as a careless one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from support.h5_files import put_json, put_text

from ecgkit.cli import ecgkit, main
from ecgkit.dataset.read import open_dataset
from ecgkit.errors import EcgkitError
from ecgkit.records import Tags
from ecgkit.simulate.acq_writer import AcqChannel, write_acq
from ecgkit.stages import ingest

SESSION = "sessions/sub-01_visit-1_cond-rest_take-1.h5"


def run(*args: object) -> Result:
    return CliRunner().invoke(ecgkit, ["build-dataset", *map(str, args)])


def refused(*args: object) -> str:
    """Run a call that must fail on purpose; return its message."""
    error = run(*args).exception
    assert isinstance(error, EcgkitError), error
    assert not str(error).endswith("..")
    return str(error)


def content(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, but for what an interrupted build had cut."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.suffix != ".parts"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def study_of(folder: Path, *signals: np.ndarray, fs: float) -> Path:
    """A study of recordings of the given signals, one subject each."""
    folder.mkdir()
    for number, signal in enumerate(signals, start=1):
        write_acq(folder / f"{number}.acq", [AcqChannel(signal, "ECG", "mV")], fs=fs)
        ingest.run(folder / f"{number}.acq", Tags(str(number), "rest"), study_folder=folder / "study")
    return folder / "study"


def beats(fs: float, duration_s: float = 20.0) -> np.ndarray:
    t = np.arange(round(duration_s * fs)) / fs
    return np.exp(-(((t % 0.8) - 0.4) ** 2) / (2 * 0.02**2))


def test_build_dataset_prints_what_it_made_and_what_comes_next(study: Path, built_study: Path) -> None:
    result = run("--study", study)
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == f"{study / 'dataset.h5'} (SIMULATED data)"
    assert lines[1] == "windows 240 of 3 s at 100 Hz, shape (240, 1, 300)"
    assert lines[2] == "from 24 sessions of 4 subjects"
    assert lines[4].startswith("quality reject ")
    assert lines[-2] == f"Next: ecgkit train --study {study}"
    assert "clean and cut" in result.stderr
    assert (study / "dataset.h5").read_bytes() == (built_study / "dataset.h5").read_bytes()


def test_build_dataset_says_what_is_not_in_it(study: Path) -> None:
    result = run("--study", study, "--min-quality", "accept", "--out", study / "good.h5")
    (line,) = [line for line in result.stdout.splitlines() if "without" in line]
    assert line.endswith("windows below quality accept")
    shown = json.loads(run("--study", study, "--min-quality", "accept", "--json").stdout)
    assert shown["windows_below_min_quality"] == int(line.split()[1]) == 240 - shown["windows"]


def test_build_dataset_json_is_one_document(study: Path, tmp_path: Path) -> None:
    result = run("--study", study, "--out", tmp_path / "new" / "é.h5", "--json")
    shown = json.loads(result.stdout)
    assert result.stderr == ""
    assert (shown["windows"], shown["shape"]) == (240, [240, 1, 300])
    assert shown["dataset"] == str(tmp_path / "new" / "é.h5")
    assert shown["content_sha256"] == open_dataset(tmp_path / "new" / "é.h5").sha256


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--window-s", "40"],
            "no stretch of 40 s without a gap (the recording lasts 30.0 s); choose a shorter",
        ),
        (
            ["--window-s", "0.015"],
            "pipeline.window_s: 0.015 s at 100 Hz is 1.5 samples, expected a whole number",
        ),
        (["--window-s", "nan"], "pipeline.window_s"),
        (["--stride-s", "0.001"], "pipeline.stride_s: 0.001 s at 100 Hz is 0.1 samples"),
        (["--fs", "2000"], "recorded at 1000 Hz, below the 2000 Hz asked for"),
        (["--fs", "99.97"], "no ratio of whole numbers"),
        (["--mains-hz", "400"], "pipeline.mains_hz"),
        (["--mains", "comb"], "'auto', 'alias-notch' or 'none' (got 'comb')"),
        (["--high-pass-hz", "-1"], "pipeline.high_pass_hz"),
        (["--scale", "max"], "pipeline.scale"),
        (["--min-quality", "reject"], "pipeline.min_quality"),
        (["--split-seed", "-1"], "splits.seed"),
    ],
)
def test_build_dataset_refuses_what_can_not_be_done(study: Path, options: list[str], message: str) -> None:
    before = content(study)
    assert message in refused("--study", study, *options)
    assert content(study) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "can't be read (No such file or directory)"),
        (b"pipeline: {", "not valid YAML"),
        (b"\xff\xfe", "can't be read as a YAML text file"),
        (b"pipeline: {window: 3}", "pipeline.window"),
        (b"training: {}", "training"),
        (b"pipeline: {fs: fast}", "pipeline.fs"),
        (b"pipeline: 3", "section 'pipeline': expected names and values"),
        (b"hello", "expected a mapping of names to values"),
    ],
)
def test_build_dataset_refuses_a_wrong_config(
    study: Path, tmp_path: Path, text: bytes | None, message: str
) -> None:
    before, config = content(study), tmp_path / "config.yaml"
    if text is not None:
        config.write_bytes(text)
    found = refused("--study", study, "--config", config)
    assert found.startswith(str(config))
    assert message in found
    assert content(study) == before


@pytest.mark.parametrize("name", ["study.yaml", "participants.tsv", SESSION, "notes.txt"])
def test_build_dataset_replaces_nothing_but_data_sets(study: Path, name: str) -> None:
    (study / "notes.txt").write_text("mine")
    before = content(study)
    assert "holds something else than a data set" in refused("--study", study, "--out", study / name)
    assert content(study) == before
    with h5py.File(study / "dataset.h5", "r+") as file:
        put_text(file, "format_version", "0.9")
    assert run("--study", study, "--out", study / "dataset.h5").exit_code == 0


@pytest.mark.parametrize("out", ["sessions", "study.yaml/data.h5", "."])
def test_build_dataset_onto_a_folder_ends_with_2(
    study: Path, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(study)
    with pytest.raises(SystemExit, match="2"):
        main(["build-dataset", "--study", str(study), "--out", str(study / out)])
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Error: ")
    assert "expected a f" in shown.err
    assert shown.err.count("\n") == 1
    assert content(study) == before


def test_build_dataset_never_replaces_a_device_or_its_own_folder(study: Path) -> None:
    for out in (Path(os.devnull), study / "dataset.h5"):
        if out == study / "dataset.h5":
            out.unlink()
            out.mkdir()
        assert isinstance(run("--study", study, "--out", out).exception, OSError)
        assert not out.is_file()
    assert isinstance(run("--study", study).exception, OSError)


@pytest.mark.parametrize(
    ("where", "name", "value", "message"),
    [
        ("/", "fs", 0.0, "attribute 'fs' is 0.0, expected float above 0"),
        ("/", "ecg", np.array([9]), "ECG channels (9,) as leads"),
        ("/channels/000", "fs", np.nan, "attribute 'fs' is nan"),
        ("/", "leads", "[]", "as leads (), respiration channel 1, but the file has channels 0 to 1"),
        ("/", "respiration", 2, "respiration channel 2, but the file has channels 0 to 1"),
        ("/channels/000", "fs", 0.0, "attribute 'fs' is 0.0, expected float above 0"),
        ("/channels/000", "name", 3, "attribute 'name' is 3, expected str"),
    ],
)
def test_build_dataset_names_the_damaged_session(
    study: Path, where: str, name: str, value: object, message: str
) -> None:
    with h5py.File(study / SESSION, "r+") as file:
        if name == "leads":
            put_json(file, name, str(value))
        else:
            put_text(file[where], name, value)
    before = content(study)
    found = refused("--study", study)
    assert found.startswith(str(study / SESSION))
    assert message in found
    assert content(study) == before


def test_build_dataset_does_not_follow_links_out_of_a_session(study: Path, built_study: Path) -> None:
    with h5py.File(study / SESSION, "r+") as file:
        del file["channels/000"]
        file["channels/000"] = h5py.ExternalLink(str(built_study / SESSION), "/channels/000")
    assert "links to elsewhere are not followed" in refused("--study", study)


def test_build_dataset_finds_a_flipped_bit(study: Path) -> None:
    with h5py.File(study / SESSION) as file:
        where = file["channels/000"].id.get_chunk_info(0).byte_offset + 1000
    damaged = bytearray((study / SESSION).read_bytes())
    damaged[where] ^= 1
    (study / SESSION).write_bytes(damaged)
    assert refused("--study", study).startswith(f"{study / SESSION}: damaged")


def test_build_dataset_of_an_empty_study_names_the_next_step(study: Path) -> None:
    for path in (study / "sessions").iterdir():
        path.unlink()
    before = content(study)
    assert "the study is empty. Take recordings in first: ecgkit ingest" in refused("--study", study)
    assert content(study) == before


def test_build_dataset_offers_the_ways_out_for_60_hz_at_100_hz(tmp_path: Path) -> None:
    study = study_of(tmp_path / "a", beats(100.0), fs=100.0)
    message = refused("--study", study)
    assert "a 60 Hz notch can't be designed at 100 Hz" in message
    assert "alias-notch" in message
    assert not (study / "dataset.h5").exists()
    assert run("--study", study, "--mains", "alias-notch").exit_code == 0


def test_build_dataset_leaves_out_what_has_no_signal_and_says_so(tmp_path: Path) -> None:
    gaps = np.where(np.arange(5000) % 500 == 0, np.nan, beats(250.0))
    study = study_of(tmp_path / "a", beats(250.0), gaps, beats(250.0, duration_s=2.0), fs=250.0)
    result = run("--study", study)
    assert result.exit_code == 0
    left_out = [line for line in result.stderr.splitlines() if "left out: " in line]
    assert [line.split()[1] for line in left_out] == [f"sub-{n}_visit-1_cond-rest_take-1" for n in (2, 3)]
    assert "from        1 sessions of 1 subjects" in result.stdout


def test_build_dataset_twice_at_the_same_time_is_done_once_or_twice(study: Path, built_study: Path) -> None:
    (study / "dataset.h5").unlink()
    command = [sys.executable, "-m", "ecgkit", "build-dataset", "--study", str(study), "--json"]
    builds = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    ends = sorted((build.communicate()[1].decode(), build.wait()) for build in builds)
    assert ends[0] == ("", 0)
    assert ends[1] == ("", 0) or (ends[1][1] == 2 and "another ecgkit is building it" in ends[1][0])
    assert content(study) == content(built_study)
