"""Predicting from a raw file gives what the network says of the data set's windows, and what it is worth."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.calibrations import calibration, threshold
from support.random_runs import write_random_run

from ecgkit.dataset.read import open_dataset
from ecgkit.errors import ChannelError, ConfigError, ReadError, RunError, SignalError
from ecgkit.metrics.calibration import log_softmax
from ecgkit.readers import read
from ecgkit.readers.leads import EcgLeads
from ecgkit.records import Recording
from ecgkit.simulate.acq_writer import AcqChannel, write_acq
from ecgkit.stages import predict
from ecgkit.stages.predict import Failure, Prediction, PredictOptions
from ecgkit.stages.predict.fit import choose_fitting, pipeline_of
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.training import calibration_file
from ecgkit.training.apply import logits
from ecgkit.training.calibration_file import Threshold
from ecgkit.training.card import RunCard
from ecgkit.training.weights import load_run

EVERYBODY = PredictOptions(fpir=None)


@pytest.fixture(scope="module")
def runs(built_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run in it, which has no calibration."""
    folder = tmp_path_factory.mktemp("runs")
    write_random_run(folder / "001", built_study / "dataset.h5")
    return folder


@pytest.fixture
def calibrated(runs: Path, tmp_path: Path) -> Path:
    """The run with a calibration: temperatures 1.5 and 2.5, thresholds 0.8 and 0.7 (of 5 windows)."""
    run = Path(shutil.copytree(runs / "001", tmp_path / "calibrated"))
    calibrate(run)
    return run


def calibrate(run: Path, *, limits: tuple[float, float] = (0.8, 0.7)) -> None:
    card = load_run(run).card
    made = calibration(sha256=card.dataset_sha256, limits=limits)
    calibration_file.write(run / "calibration.json", made)


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
    fused = predict.run("latest", file.path, runs=runs, options=PredictOptions(fuse=4))
    assert [answer.n_windows for answer in single.answers] == [1] * 10
    assert [answer.n_windows for answer in fused.answers] == [4, 4, 2]
    assert [(answer.start_s, answer.stop_s) for answer in fused.answers] == [(0, 12), (12, 24), (24, 30)]
    assert fused.overall == single.overall
    assert (fused.overall.start_s, fused.overall.stop_s, fused.overall.n_windows) == (0.0, 30.0, 10)
    whole = predict.run("latest", file.path, runs=runs, options=PredictOptions(fuse=10))
    assert whole.answers == (whole.overall,)


def test_predict_without_calibration_says_so(runs: Path, file: SimulatedFile) -> None:
    found = predict.run("001", file.path, runs=runs)
    assert "no calibration" in found.remarks[0]
    assert "still given the name" in found.remarks[1]
    assert (found.calibrated, found.threshold) == ((), None)
    assert not any(answer.unknown for answer in found.answers)
    json.dumps(found.as_json(), allow_nan=False)


def test_predict_divides_by_the_temperatures(runs: Path, calibrated: Path, file: SimulatedFile) -> None:
    plain, made = (predict.run(str(run), file.path, options=EVERYBODY) for run in (runs / "001", calibrated))
    assert made.calibrated == ("subject", "condition")
    for task, temperature in (("subject", 1.5), ("condition", 2.5)):
        before, after = np.log([list(found.probabilities[task].values()) for found in (plain, made)])
        assert np.allclose((before - before[0]) / temperature, after - after[0])
        assert sum(made.probabilities[task].values()) == pytest.approx(1)
    assert [answer.condition for answer in made.answers] == [answer.condition for answer in plain.answers]
    assert "by a temperature of 1.50, from 60 windows of 4 people under leave-visit-out" in made.remarks[0]
    assert "answers over 5 windows together had a mean probability of 0.65, and 75%" in made.remarks[0]
    assert "No threshold at 1 %." in made.remarks


@pytest.mark.parametrize(("fuse", "limit"), [(1, 0.8), (4, 0.8), (5, 0.7), (10, 0.7)])
def test_predict_calls_unknown_what_stays_under_the_threshold_for_as_many_windows(
    calibrated: Path, file: SimulatedFile, fuse: int, limit: float
) -> None:
    found = predict.run(str(calibrated), file.path, options=PredictOptions(fuse=fuse))
    assert {answer.threshold for answer in found.answers if answer.n_windows == fuse} == {limit}
    for answer in (*found.answers, found.overall):
        assert answer.best_subject is not None
        below = (answer.subject_probability or 0) < (answer.threshold or 0)
        assert answer.subject == (None if below else answer.best_subject)
        assert answer.unknown is below
        assert answer.who == ("unknown; nearest: " * below + answer.best_subject)
    assert found.threshold is not None
    assert found.threshold.n_windows == 5
    assert "stays under 0.7, the threshold for 5 windows: out of fold" in found.remarks[3]
    assert "expect 7.0% [1.0%, 20.0%] of new people" in found.remarks[3]


def test_predict_names_who_reaches_the_threshold(calibrated: Path, file: SimulatedFile) -> None:
    sure = [a.subject_probability for a in predict.run(str(calibrated), file.path, options=EVERYBODY).answers]
    middle = sorted(probability or 0 for probability in sure)[5]
    calibrate(calibrated, limits=(middle, 1.0))
    found = predict.run(str(calibrated), file.path)
    assert [answer.unknown for answer in found.answers] == [
        (probability or 0) < middle for probability in sure
    ]
    assert sum(answer.unknown for answer in found.answers) == 5
    assert found.overall.unknown


def test_predict_with_thresholds_nobody_or_everybody_passes(calibrated: Path, file: SimulatedFile) -> None:
    calibrate(calibrated, limits=(1.0, 1.0))
    assert all(answer.unknown for answer in predict.run(str(calibrated), file.path).answers)
    everybody = predict.run(str(calibrated), file.path, options=EVERYBODY)
    assert not any(answer.unknown for answer in everybody.answers)
    assert {answer.threshold for answer in everybody.answers} == {None}
    assert any("still given the name" in remark for remark in everybody.remarks)
    calibrate(calibrated, limits=(0.0, 0.0))
    assert not any(answer.unknown for answer in predict.run(str(calibrated), file.path).answers)


def test_predict_names_who_is_nearest_to_somebody_unknown(
    calibrated: Path, file: SimulatedFile, tmp_path: Path
) -> None:
    calibrate(calibrated, limits=(1.0, 1.0))
    page = tmp_path / "page.html"
    found = predict.run(str(calibrated), file.path, options=PredictOptions(page=page))
    overall = found.as_json()["overall"]
    best, probability = found.overall.best_subject, found.overall.subject_probability
    assert (overall["unknown"], overall["subject"], overall["best_subject"]) == (True, None, best)
    assert overall["who"] == f"unknown; nearest: {best}"
    assert all(made["who"].startswith("unknown; nearest: 0") for made in found.as_json()["answers"])
    shown = page.read_text(encoding="utf-8")
    assert f"nearest: {best} ({probability:.2f})" in shown
    assert "which misses 30% of the answers about people it knows" in shown


def with_thresholds(run: Path, *thresholds: Threshold) -> None:
    made = calibration(sha256=load_run(run).card.dataset_sha256)
    calibration_file.write(run / "calibration.json", dataclasses.replace(made, thresholds=thresholds))


def test_predict_says_how_many_it_misses_and_the_ways_out(calibrated: Path, file: SimulatedFile) -> None:
    missed = (
        "At this threshold {} of the answers about people who are enrolled are missed, 'unknown' or "
        "another's (FNIR); "
    )
    found = predict.run(str(calibrated), file.path)
    assert missed.format("30% [20%, 45%]") + "--fpir none gives everybody a name." in found.remarks
    strict = dataclasses.replace(threshold(10), fnir=0.97, fnir_low=0.9, fnir_high=1.0)
    lax = dataclasses.replace(strict, target=0.1, fnir=0.95)
    with_thresholds(calibrated, strict, lax)
    remarks = predict.run(str(calibrated), file.path).remarks
    ways = "--fpir 0.1 misses 95%, --fpir none gives everybody a name."
    assert missed.format("97% [90%, 100%]") + ways in remarks
    assert any("'unknown' says little here" in remark for remark in remarks)
    unmeasured = dataclasses.replace(strict, fnir=None, fnir_low=None, fnir_high=None)
    with_thresholds(calibrated, unmeasured)
    assert not any("FNIR" in remark for remark in predict.run(str(calibrated), file.path).remarks)


@pytest.mark.parametrize(
    ("n_windows", "text"),
    [
        (1, "10 windows were fused: for so many windows together there were too few scores; the threshold is "
            "that for 1 window, and its rate for more is not known."),
        (5, "10 windows were fused: for so many windows together there were too few scores; the threshold is "
            "that for 5 windows, and its rate for more is not known."),
        (10, ""),
    ],
)  # fmt: skip
def test_predict_says_that_a_threshold_is_for_fewer_windows(
    calibrated: Path, file: SimulatedFile, n_windows: int, text: str
) -> None:
    with_thresholds(calibrated, threshold(n_windows))
    found = predict.run(str(calibrated), file.path)
    assert [remark for remark in found.remarks if "windows were fused" in remark] == ([text] if text else [])


def test_predict_does_not_blame_scores_where_no_threshold_is_made_for_so_many(
    calibrated: Path, tmp_path: Path
) -> None:
    with_thresholds(calibrated, threshold(10))
    found = predict.run(str(calibrated), beats(tmp_path / "beats.acq", seconds=36))
    told = "12 windows were fused: the threshold is that for 10 windows, and its rate for more is not known."
    assert told in found.remarks


def test_predict_says_for_which_rates_there_are_thresholds(calibrated: Path, file: SimulatedFile) -> None:
    with pytest.raises(ConfigError, match=r"--fpir 0.01: too few people .* has thresholds for 0.05, or none"):
        predict.run(str(calibrated), file.path, options=PredictOptions(fpir=0.01))
    with pytest.raises(ConfigError, match=r"--fpir 0.02: expected one of 0.001, 0.01, 0.05, 0.1, or none"):
        predict.run(str(calibrated), file.path, options=PredictOptions(fpir=0.02))


def test_predict_refuses_the_calibration_of_another_run(calibrated: Path, file: SimulatedFile) -> None:
    calibration_file.write(calibrated / "calibration.json", calibration())
    with pytest.raises(RunError, match="calibration"):
        predict.run(str(calibrated), file.path)
    (calibrated / "calibration.json").write_text("{")
    with pytest.raises(RunError, match="calibration"):
        predict.run(str(calibrated), file.path)


@pytest.fixture
def fell_off(tmp_path: Path) -> Path:
    """24 s of beats, then 12 s of noise: windows 8 to 11 are rejected."""
    signal = np.zeros(36 * 250)
    signal[::250] = 1.0
    signal[24 * 250 :] += np.random.default_rng(1).normal(0, 1, 12 * 250)
    write_acq(tmp_path / "fell_off.acq", [AcqChannel(signal, "ECG", "mV")], fs=250.0)
    return tmp_path / "fell_off.acq"


def test_predict_leaves_rejected_windows_out_and_counts_them(runs: Path, fell_off: Path) -> None:
    found = predict.run("001", fell_off, runs=runs)
    assert [answer.quality == "reject" for answer in found.answers] == [False] * 8 + [True] * 4
    assert [(answer.n_windows, answer.n_rejected) for answer in found.answers] == [(1, 0)] * 8 + [(0, 1)] * 4
    lost = found.answers[-1]
    assert (lost.subject, lost.condition, lost.subject_probability, lost.who) == (None, None, None, "–")
    assert not lost.unknown
    assert (found.overall.n_windows, found.overall.n_rejected) == (8, 4)
    assert any("4 of 12 windows are of quality 'reject' and were left out" in text for text in found.remarks)


def test_predict_fuses_the_usable_windows_only(runs: Path, fell_off: Path) -> None:
    single = predict.run("001", fell_off, runs=runs)
    groups = predict.run("001", fell_off, runs=runs, options=PredictOptions(fuse=5))
    assert [(answer.n_windows, answer.n_rejected) for answer in groups.answers] == [(5, 0), (3, 2), (0, 2)]
    assert [(answer.start_s, answer.stop_s) for answer in groups.answers] == [(0, 15), (15, 30), (30, 36)]
    assert groups.answers[-1].condition is None
    assert groups.overall == single.overall


def test_predict_keeps_rejected_windows_if_asked(runs: Path, fell_off: Path) -> None:
    found = predict.run("001", fell_off, runs=runs, options=PredictOptions(keep_rejected=True))
    assert (found.overall.n_windows, found.overall.n_rejected) == (12, 0)
    assert all(answer.subject for answer in found.answers)
    assert any("were taken all the same" in remark for remark in found.remarks)


def test_predict_without_a_usable_window_has_no_answer(runs: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(2).normal(0, 1, 12 * 250)
    write_acq(tmp_path / "noise.acq", [AcqChannel(noise, "ECG", "mV")], fs=250.0)
    found = predict.run("001", tmp_path / "noise.acq", runs=runs)
    assert not found.usable
    assert (found.overall.who, found.overall.condition, found.probabilities) == ("–", None, {})
    assert any("No usable window" in remark for remark in found.remarks)
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["usable"] is False


def test_predict_writes_a_line_an_answer(calibrated: Path, fell_off: Path, tmp_path: Path) -> None:
    options = PredictOptions(table=tmp_path / "answers.csv", page=tmp_path / "page.html")
    found = predict.run(str(calibrated), fell_off, options=options)
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.answers)
    assert rows[0]["best_subject"] == found.answers[0].best_subject
    assert rows[0]["unknown"] == ("yes" if found.answers[0].unknown else "no")
    assert float(rows[0]["subject_probability"]) == pytest.approx(
        found.answers[0].subject_probability, rel=1e-5
    )
    assert (rows[-1]["subject"], rows[-1]["n_rejected"], rows[-1]["quality"]) == ("", "1", "reject")
    assert "unknown" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_predict_never_writes_over_a_recording(runs: Path, tmp_path: Path) -> None:
    path = beats(tmp_path / "mine.acq")
    before = path.read_bytes()
    for options in (PredictOptions(table=path), PredictOptions(page=path)):
        with pytest.raises(ConfigError, match="a recording itself"):
            predict.run("001", path, runs=runs, options=options)
    with pytest.raises(IsADirectoryError):
        predict.run("001", path, runs=runs, options=PredictOptions(table=tmp_path))
    both = PredictOptions(table=tmp_path / "x", page=tmp_path / "x")
    with pytest.raises(ConfigError, match="two names"):
        predict.run("001", path, runs=runs, options=both)
    assert path.read_bytes() == before


def test_predict_of_several_files_goes_on_past_one_that_fails(runs: Path, tmp_path: Path) -> None:
    good, short = beats(tmp_path / "good.acq"), beats(tmp_path / "short.acq", seconds=2)
    options = PredictOptions(table=tmp_path / "all.csv")
    found = predict.run_all("001", [short, good, tmp_path / "none.acq"], runs=runs, options=options)
    assert [type(made) for made in found] == [Failure, Prediction, Failure]
    assert found[1] == predict.run("001", good, runs=runs, options=options)
    assert "shorter than one window" in found[0].as_json()["error"]
    assert (tmp_path / "all.csv").read_text(encoding="utf-8").count(str(good)) == 4
    with pytest.raises(SignalError):
        predict.run_all("001", [short], runs=runs)
    with pytest.raises(ConfigError, match="a page shows one FILE, 2 are given"):
        predict.run_all("001", [good, short], runs=runs, options=PredictOptions(page=tmp_path / "p.html"))


@pytest.mark.parametrize("task", ["subject", "condition"])
def test_predict_of_a_single_task_answers_that_task(
    built_study: Path, file: SimulatedFile, tmp_path: Path, task: str
) -> None:
    run = write_random_run(tmp_path / "run", built_study / "dataset.h5", task=task)
    found = predict.run(str(run), file.path, options=PredictOptions(page=tmp_path / "page.html"))
    assert found.tasks == (task,)
    assert set(found.probabilities) == {task}
    assert (found.overall.subject is None) is (task == "condition")
    assert (found.overall.condition is None) is (task == "subject")
    assert not found.overall.unknown
    assert ("Identity" in (tmp_path / "page.html").read_text()) is (task == "subject")


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
        found = predict.run("001", path, runs=runs, options=PredictOptions(leads=(key,)))
        assert (found.channels, found.reason) == (("Pleth",), "as named")
    with pytest.raises(ChannelError, match="unknown channel 'ECG'"):
        predict.run("001", path, runs=runs, options=PredictOptions(leads=("ECG",)))


def test_predict_wants_as_many_leads_as_the_run(runs: Path, tmp_path: Path) -> None:
    signal = np.random.default_rng(1).normal(size=5000)
    write_acq(tmp_path / "two.acq", [AcqChannel(signal, name, "mV") for name in ("ECG A", "ECG B")], fs=1000)
    with pytest.raises(ChannelError, match="2 ECG channels taken, the run was trained on 1"):
        predict.run("001", tmp_path / "two.acq", runs=runs, options=PredictOptions(leads=("0", "1")))


def leads_file(folder: Path, *names: str) -> Recording:
    signal = np.random.default_rng(1).normal(size=5000)
    write_acq(folder / "leads.acq", [AcqChannel(signal, name, "mV") for name in names], fs=1000)
    return read(folder / "leads.acq")


def test_predict_takes_the_lead_that_the_run_was_trained_on(runs: Path, tmp_path: Path) -> None:
    card = dataclasses.replace(load_run(runs / "001").card, lead_names=("II",))
    pipeline = pipeline_of(runs / "001", card)

    def choose(recording: Recording, named: tuple[str, ...], card: RunCard) -> EcgLeads:
        return choose_fitting(recording, named, card, pipeline)

    assert choose(leads_file(tmp_path, "Lead I", "Lead II"), (), card).names == ("II",)
    assert choose(leads_file(tmp_path, "Lead I", "ECG"), ("1",), card).names == ("ECG",)
    assert choose(leads_file(tmp_path, "ECG"), (), card).names == ("ECG",)
    with pytest.raises(ChannelError, match="the run was trained on lead II, the file has lead I; take a run"):
        choose(leads_file(tmp_path, "Lead I"), (), card)
    assert choose(leads_file(tmp_path, "Lead I"), ("I",), card).names == ("I",)


def test_predict_refuses_what_is_too_short_or_no_recording(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SignalError, match="lasts 2 s, shorter than one window of the run, 3 s; record longer"
    ):
        predict.run("001", beats(tmp_path / "short.acq", seconds=2), runs=runs)
    slow = beats(tmp_path / "slow.acq", fs=50.0)
    with pytest.raises(SignalError, match="recorded at 50 Hz, the run's windows have 100 Hz"):
        predict.run("001", slow, runs=runs)
    with pytest.raises(ReadError, match="no such file"):
        predict.run("001", tmp_path / "none.acq", runs=runs)
    with pytest.raises(ConfigError, match="--fuse 0"):
        predict.run("001", tmp_path / "none.acq", runs=runs, options=PredictOptions(fuse=0))


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


def test_predict_takes_an_onnx_file(calibrated: Path, file: SimulatedFile, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    export_onnx = pytest.importorskip("ecgkit.training.onnx_export").export_onnx
    made = calibration_file.read(calibrated / "calibration.json")
    export_onnx(load_run(calibrated), made, tmp_path / "run.onnx")
    of_folder = predict.run(str(calibrated), file.path)
    of_file = predict.run(str(tmp_path / "run.onnx"), file.path)
    assert [a.best_subject for a in of_file.answers] == [a.best_subject for a in of_folder.answers]
    assert of_file.overall.subject_probability == pytest.approx(
        of_folder.overall.subject_probability, abs=1e-4
    )
    assert of_file.remarks == of_folder.remarks


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["acq/physio/physio-5.0.1.acq", "ecgiddb/Person_01/rec_1.hea"])
def test_predict_answers_and_draws_a_real_recording(
    calibrated: Path, real_data: Path, tmp_path: Path, name: str
) -> None:
    page = tmp_path / "page.html"
    found = predict.run(str(calibrated), real_data / name, options=PredictOptions(fuse=2, page=page))
    assert found.usable
    assert not found.simulated_file
    assert found.overall.heart_rate_bpm is not None
    assert 40 < found.overall.heart_rate_bpm < 140
    text = page.read_text(encoding="utf-8")
    assert text.count('<svg class="strip"') >= 1
    assert name.rpartition("/")[2] not in text, "a file's name can tell who it is"
