"""Predicting from a raw file gives what the network says of the data set's own windows."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgkit.dataset.read import open_dataset
from ecgkit.errors import ChannelError, ConfigError, ReadError, RunError, SignalError
from ecgkit.readers import read
from ecgkit.records import Recording
from ecgkit.simulate.acq_writer import AcqChannel, write_acq
from ecgkit.stages import predict, train
from ecgkit.stages.evaluation import log_softmax
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.stages.train import TrainOptions
from ecgkit.training.loop import logits
from ecgkit.training.weights import load_run


@pytest.fixture(scope="module")
def runs(built_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run in it."""
    folder = tmp_path_factory.mktemp("runs")
    flags = {"train": {"backbone": "cnn", "attention": "none", "epochs": 4, "batch_size": 32}}
    options = TrainOptions(built_study / "dataset.h5", folder, flags=flags, evaluate=False)
    train.run(dataclasses.replace(options, jobs=1))
    return folder


@pytest.fixture
def file(simulated_files: tuple[SimulatedFile, ...]) -> SimulatedFile:
    return simulated_files[0]


def beats(path: Path, *, seconds: float = 12.0, name: str = "ECG", fs: float = 250.0) -> Path:
    """Write a file with a spike a second."""
    signal = np.zeros(int(seconds * fs))
    signal[:: int(fs)] = 1.0
    write_acq(path, [AcqChannel(signal, name, "mV")], fs=fs)
    return path


def test_predict_equals_the_network_on_the_data_set(
    runs: Path, built_study: Path, file: SimulatedFile
) -> None:
    found = predict.run("001", file.path, runs=runs)
    data = open_dataset(built_study / "dataset.h5")
    table = data.table
    rows = np.flatnonzero(
        (table["subject"] == file.subject)
        & (table["condition"] == file.condition)
        & (table["visit"] == file.visit)
    )
    subject, condition = logits(load_run(runs / "001").model, data.windows[rows])
    assert [answer.subject for answer in found.answers] == [data.subjects[i] for i in subject.argmax(axis=1)]
    assert [answer.condition for answer in found.answers] == [
        data.conditions[i] for i in condition.argmax(axis=1)
    ]
    assert [answer.start_s for answer in found.answers] == table["start_s"][rows].tolist()
    probabilities = np.exp(log_softmax(subject)).max(axis=1)
    assert np.allclose([answer.subject_probability for answer in found.answers], probabilities, atol=1e-6)


def test_predict_fuses_by_the_mean_of_log_probabilities(runs: Path, file: SimulatedFile) -> None:
    single = predict.run("latest", file.path, runs=runs)
    fused = predict.run("latest", file.path, runs=runs, fuse=4)
    assert [answer.n_windows for answer in single.answers] == [1] * 10
    assert [answer.n_windows for answer in fused.answers] == [4, 4, 2]
    assert [(answer.start_s, answer.stop_s) for answer in fused.answers] == [(0, 12), (12, 24), (24, 30)]
    assert fused.overall == single.overall
    assert (fused.overall.start_s, fused.overall.stop_s, fused.overall.n_windows) == (0.0, 30.0, 10)
    whole = predict.run("latest", file.path, runs=runs, fuse=10)
    assert whole.answers == (whole.overall,)


def test_predict_says_what_its_probabilities_are_worth(runs: Path, file: SimulatedFile) -> None:
    found = predict.run("001", file.path, runs=runs)
    assert "not calibrated" in found.remarks[0]
    assert "still given the name" in found.remarks[0]
    assert found.as_json()["calibrated"] is False
    json.dumps(found.as_json(), allow_nan=False)


def test_predict_says_how_far_each_window_can_be_trusted(runs: Path, tmp_path: Path) -> None:
    signal = np.zeros(36 * 250)
    signal[::250] = 1.0
    signal[24 * 250 :] += np.random.default_rng(1).normal(0, 1, 12 * 250)
    write_acq(tmp_path / "fell_off.acq", [AcqChannel(signal, "ECG", "mV")], fs=250.0)
    found = predict.run("001", tmp_path / "fell_off.acq", runs=runs, fuse=4)
    assert [answer.quality for answer in found.answers] == ["accept", "accept", "reject"]
    assert found.overall.quality == "accept"
    assert "of 12 windows is poor: trust little" in found.remarks[1]


def test_predict_tells_of_a_simulated_run_and_of_a_simulated_file(
    runs: Path, file: SimulatedFile, tmp_path: Path
) -> None:
    for path, simulated in ((file.path, True), (beats(tmp_path / "other.acq"), False)):
        found = predict.run("001", path, runs=runs)
        as_json = found.as_json()
        assert as_json["trained_on_simulated_data"] is True
        assert as_json["file_is_simulated"] is simulated
        assert any("trained on SIMULATED data" in remark for remark in found.remarks)
        assert any("The file is SIMULATED" in remark for remark in found.remarks) is simulated


def test_predict_takes_a_channel_by_name_or_position(runs: Path, tmp_path: Path) -> None:
    path = beats(tmp_path / "other.acq", name="Pleth")
    with pytest.raises(ChannelError, match="--channel"):
        predict.run("001", path, runs=runs)
    for key in ("Pleth", "0"):
        found = predict.run("001", path, runs=runs, leads=(key,))
        assert (found.channels, found.reason) == (("Pleth",), "as named")
    with pytest.raises(ChannelError, match="unknown channel 'ECG'"):
        predict.run("001", path, runs=runs, leads=("ECG",))


def test_predict_wants_as_many_leads_as_the_run(runs: Path, tmp_path: Path) -> None:
    signal = np.random.default_rng(1).normal(size=5000)
    write_acq(tmp_path / "two.acq", [AcqChannel(signal, name, "mV") for name in ("ECG A", "ECG B")], fs=1000)
    with pytest.raises(ChannelError, match="2 ECG channels taken, the run was trained on 1"):
        predict.run("001", tmp_path / "two.acq", runs=runs, leads=("0", "1"))


def leads_file(folder: Path, *names: str) -> Recording:
    signal = np.random.default_rng(1).normal(size=5000)
    write_acq(folder / "leads.acq", [AcqChannel(signal, name, "mV") for name in names], fs=1000)
    return read(folder / "leads.acq")


def test_predict_takes_the_lead_that_the_run_was_trained_on(runs: Path, tmp_path: Path) -> None:
    card = dataclasses.replace(load_run(runs / "001").card, lead_names=("II",))
    choose = predict._choose_leads
    assert choose(leads_file(tmp_path, "Lead I", "Lead II"), (), card).names == ("II",)
    assert choose(leads_file(tmp_path, "Lead I", "ECG"), ("1",), card).names == ("ECG",)
    assert choose(leads_file(tmp_path, "ECG"), (), card).names == ("ECG",)
    with pytest.raises(ChannelError, match="the run was trained on lead II, the file has lead I; take a run"):
        choose(leads_file(tmp_path, "Lead I"), (), card)
    assert choose(leads_file(tmp_path, "Lead I"), ("I",), card).names == ("I",)


def test_predict_refuses_what_is_too_short_or_no_recording(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(SignalError, match="no stretch of 3 s"):
        predict.run("001", beats(tmp_path / "short.acq", seconds=2), runs=runs)
    with pytest.raises(ReadError, match="no such file"):
        predict.run("001", tmp_path / "none.acq", runs=runs)
    with pytest.raises(ConfigError, match="--fuse 0"):
        predict.run("001", tmp_path / "none.acq", runs=runs, fuse=0)


def test_predict_refuses_folders_that_are_no_run(runs: Path, tmp_path: Path, file: SimulatedFile) -> None:
    with pytest.raises(RunError, match="known are: 001, latest"):
        predict.run("2", file.path, runs=runs)
    with pytest.raises(RunError, match=r"run\.json"):
        predict.run(str(tmp_path), file.path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"window_s": 4.0}, "windows of 400 samples at 100 Hz, the network takes 300"),
        ({"fs": 150.0}, "at 150 Hz"),
        ({"high_pass_hz": -1}, "high_pass_hz"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_predict_refuses_a_pipeline_that_does_not_fit(
    runs: Path, tmp_path: Path, file: SimulatedFile, change: dict[str, float], match: str
) -> None:
    copy = Path(shutil.copytree(runs / "001", tmp_path / "run"))
    card = json.loads((copy / "run.json").read_text())
    card["pipeline"] |= change
    (copy / "run.json").write_text(json.dumps(card))
    with pytest.raises(RunError, match=match):
        predict.run(str(copy), file.path)
