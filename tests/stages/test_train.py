"""Training end to end on a small simulated study, and all that can be wrong before it starts."""

from __future__ import annotations

import csv
import dataclasses
import html
import json
import re
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ecgkit.config import load_config
from ecgkit.dataset.read import open_dataset
from ecgkit.errors import ConfigError, DatasetError, TrainingError
from ecgkit.metrics.classification import score
from ecgkit.stages import build_dataset, train
from ecgkit.stages.build_dataset import BuildOptions
from ecgkit.stages.planning import (
    check_classes,
    find_leaks_by_scheme,
    plan_fits,
    settings_not_used,
    weights_note,
)
from ecgkit.stages.train import TrainOptions, TrainSummary
from ecgkit.training import calibration_file
from ecgkit.training.weights import load_run

FAST = {"train": {"backbone": "cnn", "attention": "none", "epochs": 2, "batch_size": 32}}
SAME = ("weights.safetensors", "run.json", "predictions.csv", "out_of_fold.npz", "config.yaml")


class Heard:
    """Remembers what was said of progress."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.notes: dict[str, list[str]] = {}

    def start(self, task: str, total: int) -> None:
        self.totals[task] = total

    def advance(self, task: str, note: str = "") -> None:
        self.notes.setdefault(task, []).append(note)


def options(study: Path, **changes: Any) -> TrainOptions:
    basic = TrainOptions(dataset=study / "dataset.h5", runs=study / "runs", flags=FAST, jobs=1)
    return dataclasses.replace(basic, **changes)


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def trained(built_study: Path, tmp_path_factory: pytest.TempPathFactory, heard: Heard) -> TrainSummary:
    runs = tmp_path_factory.mktemp("trained")
    return train.run(options(built_study, runs=runs), progress=heard)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def columns(path: Path) -> dict[str, list[str]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_train_leaves_a_whole_run_folder(trained: TrainSummary) -> None:
    assert trained.run.name == "001"
    assert names(trained.run) == [
        "calibration.json",
        "config.yaml",
        "history.csv",
        "metrics.json",
        "out_of_fold.npz",
        "predictions.csv",
        "report.html",
        "run.json",
        "weights.safetensors",
    ]
    assert names(trained.run.parent) == ["001"]


def test_train_reports_each_task_under_its_own_schemes(trained: TrainSummary) -> None:
    reported = {scheme.name: [scores.task for scores in scheme.tasks] for scheme in trained.schemes}
    assert reported == {
        "leave-subjects-out": ["condition"],
        "leave-condition-out": ["subject"],
        "leave-visit-out": ["subject"],
    }
    assert not any(scheme.leaks for scheme in trained.schemes)


def test_train_hears_of_every_epoch_of_every_fit(trained: TrainSummary, heard: Heard) -> None:
    assert heard.totals == {
        "leave-subjects-out": 4 * 2,
        "leave-condition-out": 3 * 2,
        "leave-visit-out": 2 * 2,
        "final weights": 2,
    }
    assert {task: len(notes) for task, notes in heard.notes.items()} == heard.totals
    assert re.fullmatch(r"identity \d\.\d\d state \d\.\d\d", heard.notes["final weights"][0])


def test_train_scores_agree_with_the_predictions(trained: TrainSummary, built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    table = columns(trained.run / "predictions.csv")
    metrics = json.loads((trained.run / "metrics.json").read_text())
    assert metrics["interval"] == "Wilson, 95 %, windows taken as independent"
    for scheme in metrics["schemes"]:
        for task, scores in scheme["tasks"].items():
            classes = list(data.labels(task))
            pairs = [
                (classes.index(true), classes.index(answered))
                for name, what, true, answered in zip(
                    table["scheme"], table["task"], table["true"], table["answered"], strict=True
                )
                if (name, what) == (scheme["scheme"], task)
            ]
            again = score(*np.array(pairs).T, len(classes))
            assert scores["n"] == again.n == len(data)
            assert scores["confusion"] == again.confusion.tolist()
            assert scores["accuracy"] == again.accuracy
            assert scores["accuracy_interval"] == [again.accuracy_low, again.accuracy_high]
            assert np.isclose(
                np.average(
                    [fold["accuracy"] for fold in scores["by_fold"]],
                    weights=[fold["n"] for fold in scores["by_fold"]],
                ),
                again.accuracy,
            )


def test_train_outputs_out_of_fold_give_the_answers(trained: TrainSummary, built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    table = columns(trained.run / "predictions.csv")
    with np.load(trained.run / "out_of_fold.npz", allow_pickle=False) as outputs:
        logits = outputs["leave-subjects-out/condition/logits"]
        rows = outputs["leave-subjects-out/condition/rows"]
        assert {name.rpartition("/")[2] for name in outputs.files} == {"rows", "logits"}
    assert rows.tolist() == list(range(len(data)))
    answered = [data.conditions[code] for code in logits.argmax(axis=1)]
    assert table["answered"][: len(rows)] == answered


def test_train_tests_each_subject_by_a_fit_without_them(trained: TrainSummary, built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    table = columns(trained.run / "predictions.csv")
    for scheme, fold, row in zip(table["scheme"], table["fold"], table["row"], strict=True):
        assert data.split(scheme)[fold][int(row)] == 2


def test_train_history_has_a_line_an_epoch(trained: TrainSummary) -> None:
    history = columns(trained.run / "history.csv")
    assert len(history["epoch"]) == 10 * 2
    assert all(value for value in history["subject_weight"])
    for scheme, of_state, of_identity in zip(
        history["scheme"],
        history["monitor_condition_accuracy"],
        history["monitor_subject_accuracy"],
        strict=True,
    ):
        assert bool(of_state) == (scheme == "leave-subjects-out")
        assert bool(of_identity) == (scheme in ("leave-condition-out", "leave-visit-out"))


def test_train_last_epoch_counts(trained: TrainSummary) -> None:
    history = columns(trained.run / "history.csv")
    last = {
        fold: float(accuracy)
        for scheme, fold, accuracy in zip(
            history["scheme"], history["fold"], history["monitor_condition_accuracy"], strict=True
        )
        if scheme == "leave-subjects-out"
    }
    [scheme] = [scheme for scheme in trained.schemes if scheme.name == "leave-subjects-out"]
    assert {fold.label: round(fold.value, 5) for fold in scheme.tasks[0].folds} == {
        fold: round(value, 5) for fold, value in last.items()
    }


def test_train_weights_load_and_carry_their_card(trained: TrainSummary, built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    card = load_run(trained.run).card
    assert (card.subject_labels, card.condition_labels) == (data.subjects, data.conditions)
    assert (card.split, card.dataset_sha256, dict(card.pipeline)) == ("all", data.sha256, dict(data.pipeline))
    assert card.simulated == data.simulated


def test_train_says_that_the_shipped_weights_were_not_tested(trained: TrainSummary) -> None:
    assert "the weights that are shipped were not tested" in trained.weights_note
    assert trained.weights_note.replace("'", "&#39;") in (trained.run / "report.html").read_text()


def test_train_page_names_schemes_and_numbers(trained: TrainSummary) -> None:
    page = (trained.run / "report.html").read_text()
    for scheme in trained.schemes:
        assert scheme.name in page
        assert f"{100 * scheme.tasks[0].accuracy.value:.1f}" in page


def test_train_page_says_what_the_conditions_are(trained: TrainSummary, built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    page = html.unescape((trained.run / "report.html").read_text(encoding="utf-8"))
    for text in (data.condition_texts[key] for key in data.conditions):
        assert f"{text['label']}: {text['description']}" in page


def test_train_resolves_the_settings_of_the_splits_too(trained: TrainSummary, built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    config = load_config(trained.run / "config.yaml")
    assert config.splits.model_dump() == data.split_settings
    assert config.pipeline.model_dump() == data.pipeline
    page = (trained.run / "report.html").read_text(encoding="utf-8")
    for name, value in data.split_settings.items():
        assert f"<tr><td>{name}</td><td>{value}</td></tr>" in page


def test_train_warns_of_a_data_set_that_its_study_has_outgrown(study: Path) -> None:
    fresh = train.run(options(study, evaluate=False))
    assert fresh.warnings == ()
    next((study / "sessions").glob("sub-*.h5")).unlink()
    assert "ecgkit build-dataset" in train.run(options(study, evaluate=False)).warnings[0]


def test_train_again_from_its_own_config_is_bit_identical(
    trained: TrainSummary, built_study: Path, tmp_path: Path
) -> None:
    again = options(built_study, runs=tmp_path, config_file=trained.run / "config.yaml", flags={}, jobs=2)
    run = train.run(again).run
    for name in SAME:
        assert (run / name).read_bytes() == (trained.run / name).read_bytes(), name


def test_train_runs_on_any_executor_and_leaves_it_running(
    trained: TrainSummary, built_study: Path, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as executor:
        run = train.run(options(built_study, runs=tmp_path, split="paper"), executor=executor).run
        assert executor.submit(int, "1").result() == 1
    assert (run / "weights.safetensors").exists()


def test_train_paper_ships_the_weights_that_were_tested(built_study: Path, tmp_path: Path) -> None:
    summary = train.run(options(built_study, runs=tmp_path, split="paper"))
    [scheme] = summary.schemes
    assert scheme.leaks
    assert [scores.task for scores in scheme.tasks] == ["condition", "subject"]
    assert "weights that were tested" in summary.weights_note
    assert load_run(summary.run).card.split == "paper"
    page = (summary.run / "report.html").read_text()
    assert '<span class="tag">leaks</span>' in page


def test_train_without_evaluation_claims_nothing(built_study: Path, tmp_path: Path) -> None:
    summary = train.run(options(built_study, runs=tmp_path, evaluate=False))
    assert summary.schemes == ()
    assert "metrics.json" not in names(summary.run)
    assert "This run was not evaluated" in (summary.run / "report.html").read_text()


class Broken(Executor):
    """Fails the second fit, as a full disk would."""

    def __init__(self, error: Exception) -> None:
        self.error, self.n = error, 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.n += 1
        if self.n == 2:
            future.set_exception(self.error)
        return future


def test_train_leaves_nothing_behind_when_a_fold_fails(built_study: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no longer a finite number"):
        failing = Broken(TrainingError("the loss is no longer a finite number"))
        train.run(options(built_study, runs=tmp_path / "runs"), executor=failing)
    assert list(tmp_path.iterdir()) == []


def test_train_goes_on_after_a_full_disk(built_study: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        full = Broken(OSError(28, "No space left on device"))
        train.run(options(built_study, runs=tmp_path), executor=full)
    (work,) = tmp_path.iterdir()
    assert work.name.startswith(".unfinished-")
    link = work / "fits" / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(TrainingError, match="a link in an unfinished training; remove"):
        train.run(options(built_study, runs=tmp_path))
    link.unlink()
    assert train.run(options(built_study, runs=tmp_path)).run == tmp_path / "001"
    assert names(tmp_path) == ["001"]


class Replacing(Executor):
    """Does the fits one by one; a data set of other content takes the place of the first one's."""

    def __init__(self, path: Path) -> None:
        self.path, self.n = path, 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.n += 1
        if self.n == 2:
            flags = {"splits": {"seed": 1}}
            build_dataset.run(self.path.parent, BuildOptions(flags=flags, out=self.path, jobs=1))
        try:
            future.set_result(fn(*args, **kwargs))
        except DatasetError as error:
            future.set_exception(error)
        return future


def test_train_refuses_a_data_set_that_is_replaced_between_its_fits(study: Path, tmp_path: Path) -> None:
    executor = Replacing(study / "dataset.h5")
    with pytest.raises(DatasetError, match=r"was replaced during the training: .*train again: ecgkit train"):
        train.run(options(study, runs=tmp_path / "runs", split="leave-visit-out"), executor=executor)
    assert executor.n > 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("flags", "error", "match"),
    [
        ({"backbone": "resnett"}, ConfigError, "Did you mean 'resnet'"),
        ({"attention": "cbma"}, ConfigError, "attention"),
        ({"balancing": "gradnrom"}, ConfigError, "Did you mean 'gradnorm'"),
        ({"epochs": 0}, ConfigError, "epochs"),
        ({"device": "cuda:99"}, TrainingError, "cuda:99"),
    ],
)
def test_train_refuses_settings_before_it_starts(
    built_study: Path, tmp_path: Path, flags: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        train.run(options(built_study, runs=tmp_path / "runs", flags={"train": flags}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"split": "papre"}, ConfigError, "Did you mean 'paper'"),
        ({"split": "paper", "evaluate": False}, ConfigError, "--no-evaluate"),
        ({"jobs": 0}, ConfigError, "--jobs 0"),
        ({"dataset": Path("nowhere.h5")}, DatasetError, "ecgkit build-dataset"),
    ],
)
def test_train_refuses_options_that_make_no_sense(
    built_study: Path, changes: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        train.run(options(built_study, **changes))


def test_train_refuses_windows_that_are_not_numbers(study: Path) -> None:
    with h5py.File(study / "dataset.h5", "r+") as file:
        file["windows"][3] = np.nan
    with pytest.raises(TrainingError, match="NaN"):
        train.run(options(study))
    assert not (study / "runs").exists()


@pytest.mark.parametrize("column", ["subject", "condition"])
def test_check_classes_needs_two_of_each(built_study: Path, column: str) -> None:
    data = open_dataset(built_study / "dataset.h5")
    one = dataclasses.replace(
        data,
        columns={**data.columns, column: np.zeros(len(data), int)},
        **{f"{column}s": data.labels(column)[:1]},
    )
    with pytest.raises(DatasetError, match=f"one {column} only"):
        check_classes(one)


def test_check_classes_names_a_class_with_too_few_windows(built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    codes = np.zeros(len(data), int)
    codes[5], codes[6:8], codes[8:10] = 1, 2, 3
    with pytest.raises(DatasetError, match="subject '02' has 1 window"):
        check_classes(dataclasses.replace(data, columns={**data.columns, "subject": codes}))


def test_plan_fits_by_scheme(built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    default = plan_fits(data, split=None, evaluate=True)
    assert [task.scheme for task in default].count("leave-subjects-out") == 4
    assert [task.keep_weights for task in default] == [False] * 9 + [True]
    [paper] = plan_fits(data, split="paper", evaluate=True)
    assert paper.keep_weights
    blocked = plan_fits(data, split="blocked", evaluate=True)
    assert [task.scheme for task in blocked] == ["blocked"] * 5 + ["all"]
    assert "Nothing was tested" in weights_note(plan_fits(data, split=None, evaluate=False))


def test_plan_fits_of_a_data_set_without_splits(built_study: Path) -> None:
    data = dataclasses.replace(open_dataset(built_study / "dataset.h5"), folds={})
    with pytest.raises(DatasetError, match="holds no split"):
        plan_fits(data, split=None, evaluate=True)
    with pytest.raises(DatasetError, match="unknown split scheme 'paper'"):
        plan_fits(data, split="paper", evaluate=True)


def test_find_leaks_by_scheme_names_what_a_fold_tests_without_training_on_it(built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    roles = np.where(data.codes("condition") == 0, 2, 1).astype(np.uint8)
    strange = dataclasses.replace(data, folds={"leave-subjects-out": {"0": roles}})
    [leaks] = find_leaks_by_scheme(strange, plan_fits(strange, split=None, evaluate=True)).values()
    assert [(leak.name, leak.severity, leak.examples) for leak in leaks] == [
        ("new-condition", "bias", ("deep_breathing",))
    ]
    found = find_leaks_by_scheme(data, plan_fits(data, split=None, evaluate=True))
    assert {name: [leak.severity for leak in leaks] for name, leaks in found.items()} == {
        "leave-subjects-out": [],
        "leave-condition-out": ["caveat"],
        "leave-visit-out": [],
    }
    assert find_leaks_by_scheme(data, plan_fits(data, split=None, evaluate=False)) == {}


def test_find_leaks_by_scheme_refuses_a_fold_that_tests_nothing(built_study: Path) -> None:
    data = open_dataset(built_study / "dataset.h5")
    empty = dataclasses.replace(data, folds={"leave-subjects-out": {"0": np.ones(len(data), np.uint8)}})
    with pytest.raises(DatasetError, match=r"no window is tested \(2\).*ecgkit build-dataset"):
        find_leaks_by_scheme(empty, plan_fits(empty, split=None, evaluate=True))


def test_train_says_what_a_fold_tests_without_training_on_it(study: Path) -> None:
    with h5py.File(study / "dataset.h5", "r+") as file:
        tested = file["table/condition"][:] == 0
        for roles in file["splits/leave-subjects-out"].values():
            roles[:] = np.where(tested, 2, 1)
    summary = train.run(options(study, split="leave-subjects-out"))
    [warning] = summary.warnings
    assert warning.startswith("leave-subjects-out: Bias (state): All ")
    assert "were in states of which nothing was trained on (deep_breathing)" in warning


def test_train_says_with_the_scores_what_the_folds_give_away(trained: TrainSummary) -> None:
    metrics = json.loads((trained.run / "metrics.json").read_text())
    said = {scheme["scheme"]: scheme["gives_away"] for scheme in metrics["schemes"]}
    assert said["leave-subjects-out"] == said["leave-visit-out"] == []
    [caveat] = said["leave-condition-out"]
    assert caveat.startswith("Caveat (identity): All ")
    assert trained.warnings == ()
    page = html.unescape((trained.run / "report.html").read_text())
    assert caveat.partition(": ")[2] in page


# settings of a config file that were fixed when the data set was built


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pipeline: {scale: window, fs: 100}", ["pipeline.scale is window, was recording"]),
        (
            "pipeline: {high_pass_hz: 0.67, low_pass_hz: 40}",
            ["pipeline.high_pass_hz is 0.67, was 0.5", "pipeline.low_pass_hz is 40, was none"],
        ),
        ("preset: recommended", ["pipeline.scale is window-percentile, was recording"]),
        ("splits: {n_folds: 3, seed: 0}", ["splits.n_folds is 3, was 5"]),
        ("pipeline: {fs: 200, min_quality: none}", ["pipeline.fs is 200, was 100"]),
        ("sessions: {subjects: ['02', '01']}", ["sessions.subjects is 01, 02, was none"]),
        (
            "sessions: {visits: [1], verdict: pass}",
            ["sessions.visits is 1, was none", "sessions.verdict is pass, was none"],
        ),
    ],
)
def test_settings_not_used_names_what_differs(
    built_study: Path, tmp_path: Path, text: str, says: list[str]
) -> None:
    data = open_dataset(built_study / "dataset.h5")
    config = tmp_path / "my.yaml"
    config.write_text(text, encoding="utf-8")
    [sentence] = settings_not_used(data, config)
    assert all(part in sentence for part in says)
    assert sentence.startswith(f"settings of {config} that are not those that {data.path} was built with: ")
    assert sentence.endswith(f"ecgkit build-dataset --config {config}")
    assert sentence.count(", was ") == len(says)


@pytest.mark.parametrize(
    "text",
    [
        "train: {epochs: 3}",
        "preset: paper",
        "pipeline: {scale: recording, fs: 100, stride_s: null}",
        "pipeline: {stride_s: none, low_pass_hz: none}",
        "sessions: {subjects: null, verdict: none}",
        "",
    ],
)
def test_settings_not_used_is_silent_on_what_is_the_same(
    built_study: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
    assert settings_not_used(open_dataset(built_study / "dataset.h5"), tmp_path / "my.yaml") == []


def test_settings_not_used_takes_a_choice_in_any_order_and_as_people_write_it(
    built_study: Path, tmp_path: Path
) -> None:
    choice = {"subjects": ["01", "04"], "conditions": ["deep_breathing", "rest"], "visits": [1, 2]}
    data = dataclasses.replace(open_dataset(built_study / "dataset.h5"), choice=choice)
    text = "sessions: {subjects: ['04', '01'], conditions: [Rest, Deep breathing], visits: [2, 1]}"
    (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
    assert settings_not_used(data, tmp_path / "my.yaml") == []


def test_train_warns_of_settings_that_it_does_not_use(built_study: Path, tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text("pipeline: {window_s: 5}\ntrain: {seed: 1}\n", encoding="utf-8")
    summary = train.run(options(built_study, runs=tmp_path, config_file=config, evaluate=False))
    assert [warning for warning in summary.warnings if "pipeline.window_s is 5, was 3" in warning]


def with_settings(study: Path, runs: Path, **settings: Any) -> TrainSummary:
    flags = {"train": {**FAST["train"], "epochs": 1, **settings}}
    made = train.run(options(study, runs=runs, flags=flags))
    assert made is not None
    return made


def test_train_of_identity_alone_tells_unknown_people_too(built_study: Path, tmp_path: Path) -> None:
    made = with_settings(built_study, tmp_path, task="subject")
    assert {task.task for scheme in made.schemes for task in scheme.tasks} == {"subject"}
    calibration = calibration_file.read(made.run / calibration_file.CALIBRATION_FILE)
    assert calibration.thresholds
    assert set(calibration.tasks) == {"subject"}
    with np.load(made.run / "out_of_fold.npz", allow_pickle=False) as outputs:
        assert {name.split("/")[0] for name in outputs.files} == {
            "leave-condition-out",
            "leave-visit-out",
            "leave-subjects-out",
        }


def test_train_of_the_state_alone_knows_nobody(built_study: Path, tmp_path: Path) -> None:
    made = with_settings(built_study, tmp_path, task="condition")
    calibration = calibration_file.read(made.run / calibration_file.CALIBRATION_FILE)
    assert calibration.thresholds == ()
    assert set(calibration.tasks) == {"condition"}


def test_train_with_validation_says_which_windows_chose_the_epoch(built_study: Path, tmp_path: Path) -> None:
    made = with_settings(built_study, tmp_path, validation=True)
    assert "all windows but a block in time of each session, which chose the epoch" in made.weights_note
    assert "by people or conditions held back" in made.weights_note
    assert made.metrics["weights"] == made.weights_note
