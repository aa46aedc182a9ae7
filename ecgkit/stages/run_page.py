"""What the page about a run shows, gathered from the data set, the scores and the history."""

from __future__ import annotations

import csv
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.read import Dataset
from ecgkit.report.run import Example, FitCurves, RunReport, SchemeScores
from ecgkit.stages.evaluation import Answers

EXAMPLES_OF_A_KIND = 3
TASKS = ("subject", "condition")
FILES = (
    ("weights.safetensors", "the weights of the network"),
    ("run.json", "what it takes to apply them: network, labels, leads, preprocessing, versions"),
    ("config.yaml", "the settings; give it to --config for the same training again"),
    ("history.csv", "every epoch of every fit: losses, accuracies, task weights, gradient norms, seconds"),
)
FILES_OF_SCORES = (
    ("metrics.json", "every score on this page, and those by class, fold, subject and condition"),
    ("predictions.csv", "what was answered for every tested window"),
    ("out_of_fold.npz", "the outputs of the network for every tested window, for calibration"),
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
    """
    run = shlex.quote(_from_dataset(data, place))
    return RunReport(
        name=place.name,
        summary=summary(data, card["training"]),
        simulated=data.simulated,
        fs=data.fs,
        facts=_facts(data),
        conditions=_conditions(data),
        weights_note=weights_note,
        schemes=schemes,
        fits=_curves(history, kept=card["split"]),
        examples=tuple(example for part in _first_of_each_task(answers) for example in _examples(data, part)),
        settings={
            "Training": _rows(card["training"]),
            "Preprocessing": _rows(card["pipeline"]),
            "Splits": _rows(data.split_settings),
            "Network": _rows({k: v for k, v in card["spec"].items() if k not in card["training"]}),
            "Versions": _rows(card["versions"]),
        },
        commands=(
            f"ecgkit train {shlex.quote(data.path.name)} --config {run}/config.yaml {mode}".rstrip(),
            f"ecgkit predict {run} FILE.acq",
        ),
        files=FILES + (FILES_OF_SCORES if schemes else ()),
    )


def summary(data: Dataset, training: Mapping[str, Any]) -> str:
    """Say in one line what was trained on what."""
    return (
        f"DT4ECG ({training['backbone']} + {training['attention']}, {training['balancing']}), "
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
    return tuple((name, _plain(value)) for name, value in values.items())


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return "–" if value is None else str(value)


def _curves(history: Path, *, kept: str) -> tuple[FitCurves, ...]:
    """Read the history file, fit by fit; `kept` is the scheme whose fit gave the run's weights."""
    fits: dict[tuple[str, str], list[dict[str, str]]] = {}
    with history.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            fits.setdefault((row["scheme"], row["fold"]), []).append(row)
    return tuple(_curve(rows, final=scheme == kept) for (scheme, _), rows in fits.items())


def _curve(rows: list[dict[str, str]], *, final: bool) -> FitCurves:
    def column(name: str) -> NDArray[np.float64]:
        return np.array([float(row[name] or "nan") for row in rows])

    def both(pattern: str) -> dict[str, NDArray[np.float64]]:
        return {task: column(pattern.format(task)) for task in TASKS}

    return FitCurves(
        final=final,
        epoch=column("epoch"),
        accuracy=both("{}_accuracy"),
        test_accuracy=both("monitor_{}_accuracy"),
        loss=both("{}_loss"),
        weight=both("{}_weight"),
        gradient_norm=both("{}_gradient_norm"),
    )


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
    row = answers.rows[index]
    classes = data.labels(answers.task)
    subject, condition = (
        data.labels(column)[data.columns[column][row]] for column in ("subject", "condition")
    )
    visit, take, start_s = (data.columns[column][row] for column in ("visit", "take", "start_s"))
    repetition = f", take {take}" if take > 1 else ""
    return Example(
        ecg=np.array(data.windows[row]),
        where=f"subject {subject}, visit {visit}, {condition}{repetition}, {start_s:g} s",
        task=answers.task,
        true=classes[answers.true[index]],
        answered=classes[answers.answered[index]],
        probability=float(answers.probability[index]),
    )
