"""What the page about a run shows, gathered from the data set, the scores and the history."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgkit.dataset.read import Dataset
from ecgkit.report.run import Example, RunReport
from ecgkit.report.run_scores import SchemeScores
from ecgkit.stages.evaluation import Answers
from ecgkit.stages.run_files import read_history
from ecgkit.stages.run_parts import (
    calibration_part,
    curves_of,
    grid_of,
    network_part,
    training_in_words,
    variations,
    window_in_words,
)

if TYPE_CHECKING:
    from ecgkit.training.calibration_file import Calibration

EXAMPLES_OF_A_KIND = 3
TASK_NAMES = {"subject": "identity only", "condition": "state only"}
NOT_CALIBRATED = (
    "The probabilities of this run are not calibrated: 0.9 need not be right nine times in ten. Whoever was "
    "not in the training is still given the name of someone who was."
)
FILES = (
    ("weights.safetensors", "the weights of the network"),
    ("run.json", "what it takes to apply them: network, labels, leads, preprocessing, versions"),
    ("config.yaml", "the settings; the command above gives it to --config for the same training again"),
    ("history.csv", "every epoch of every fit: losses, accuracies, task weights, gradient norms, seconds"),
)
FILES_OF_SCORES = (
    ("metrics.json", "every score on this page, and those by class, fold, subject and condition"),
    ("predictions.csv", "what was answered for every tested window"),
    ("out_of_fold.npz", "the outputs of the network for every tested window"),
)
FILE_OF_CALIBRATION = (
    "calibration.json",
    "temperatures, and thresholds under which an answer is unknown",
)


def describe_run(
    place: Path,
    data: Dataset,
    *,
    card: Mapping[str, Any],
    weights_note: str,
    schemes: tuple[SchemeScores, ...],
    answers: Sequence[Answers],
    history: Path,
    mode: str,
    calibration: Calibration | None = None,
) -> RunReport:
    """Gather what the page about a run shows.

    Parameters
    ----------
    place
        Where the run's folder will be.
    card
        The content of run.json.
    history
        The run's history file.
    mode
        Options of `ecgkit train` that say what was tested.
    calibration
        What is in calibration.json, None where there is none.
    """
    training = card["training"]
    run = shlex.quote(_from_dataset(data, place))
    return RunReport(
        name=place.name,
        summary=summary(data, training),
        simulated=data.simulated,
        fs=data.fs,
        facts=_facts(data),
        conditions=_conditions(data),
        weights_note=weights_note,
        schemes=schemes,
        grids={(part.scheme, part.task): grid_of(data, part) for part in answers},
        training=training_in_words(training),
        fits=curves_of(
            read_history(history), kept=card["split"], chosen=bool(training.get("validation", False))
        ),
        calibration=None if calibration is None else calibration_part(calibration),
        not_calibrated=NOT_CALIBRATED if schemes else f"Nothing was tested. {NOT_CALIBRATED}",
        augmentation=variations(data, training.get("augmentation", {}), seed=card["seed"]),
        examples=tuple(example for part in _first_of_each_task(answers) for example in _examples(data, part)),
        network=network_part(card["spec"], fs=data.fs),
        settings={
            "Training": _rows(training),
            "Preprocessing": _rows(card["pipeline"]),
            "Splits": _rows(data.split_settings),
            "Network": _rows({k: v for k, v in card["spec"].items() if k not in training}),
            "Versions": _rows(card["versions"]),
        },
        commands=(
            f"ecgkit train {shlex.quote(data.path.name)} --config {run}/config.yaml {mode}".rstrip(),
            f"ecgkit predict {run} FILE.acq",
        ),
        files=(
            *FILES,
            *(FILES_OF_SCORES if schemes else ()),
            *([] if calibration is None else [FILE_OF_CALIBRATION]),
        ),
    )


def summary(data: Dataset, training: Mapping[str, Any]) -> str:
    """Say in one line what was trained on what."""
    how = TASK_NAMES.get(training.get("task", "both")) or training["balancing"]
    parts = (training["backbone"], training["attention"])
    name = "DT4ECG" if parts == ("resnet", "sca") else "network"
    return (
        f"{name} ({' + '.join(parts)}, {how}), "
        f"{training['epochs']} epochs, on {len(data):,} windows of {data.window_s:g} s: "
        f"{len(data.subjects)} subjects in {len(data.conditions)} conditions"
    )


def _facts(data: Dataset) -> tuple[tuple[str, str], ...]:
    """Facts about the data; subjects by number, in case they are many."""
    counts = Counter(data.codes("condition").tolist())
    conditions = ", ".join(f"{label} ({counts[code]})" for code, label in enumerate(data.conditions))
    return (
        ("study", data.study),
        ("protocol", data.protocol),
        ("source", "SIMULATED" if data.simulated else "recorded"),
        ("windows", f"{len(data)} of {data.window_s:g} s at {data.fs:g} Hz"),
        ("leads", ", ".join(data.leads)),
        ("subjects", str(len(data.subjects))),
        ("sessions", str(len(data.sessions))),
        ("conditions (windows)", conditions),
        ("content sha256", data.sha256),
    )


def _conditions(data: Dataset) -> tuple[tuple[str, str], ...]:
    """What each condition is, in the protocol's words."""
    texts = {key: data.condition_texts.get(key, {}) for key in data.conditions}
    return tuple(
        (key, ": ".join(filter(None, (text.get("label"), text.get("description")))))
        for key, text in texts.items()
    )


def _from_dataset(data: Dataset, place: Path) -> str:
    """Return a run's folder as it is called from the data set's, which a study's runs lie in."""
    folder, place = data.path.parent.absolute(), place.absolute()
    return (place.relative_to(folder) if place.is_relative_to(folder) else place).as_posix()


def _rows(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(_flat(values))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give names and values as texts; of settings inside settings only those that are on."""
    for name, value in values.items():
        if not isinstance(value, Mapping):
            yield prefix + name, _plain(value)
        elif any(value.values()):
            yield from _flat({key: each for key, each in value.items() if each}, f"{prefix}{name}.")
        else:
            yield prefix + name, "none"


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return "–" if value is None else str(value)


def _first_of_each_task(answers: Sequence[Answers]) -> list[Answers]:
    first: dict[str, Answers] = {}
    for part in answers:
        first.setdefault(part.task, part)
    return list(first.values())


def _examples(data: Dataset, answers: Answers) -> list[Example]:
    """Take some right and some wrong answers, evenly from all over the data set."""
    right = answers.true == answers.answered
    picked: list[int] = []
    for kind in (right, ~right):
        found = np.flatnonzero(kind)
        if len(found):
            steps = np.linspace(0, len(found) - 1, min(EXAMPLES_OF_A_KIND, len(found)) + 2)[1:-1]
            picked += found[np.unique(np.rint(steps).astype(int))].tolist()
    return [_example(data, answers, index) for index in picked]


def _example(data: Dataset, answers: Answers, index: int) -> Example:
    row = int(answers.rows[index])
    classes = data.labels(answers.task)
    return Example(
        ecg=np.array(data.windows[row]),
        where=window_in_words(data, row),
        task=answers.task,
        true=classes[answers.true[index]],
        answered=classes[answers.answered[index]],
        probability=float(answers.probability[index]),
    )
