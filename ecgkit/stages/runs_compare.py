"""`ecgkit runs compare`: which settings of runs differ, and whether their scores do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.config import TrainConfig
from ecgkit.errors import RunError
from ecgkit.files import refuse_special, write_text
from ecgkit.metrics.paired import mcnemar
from ecgkit.metrics.resampling import resampled_interval
from ecgkit.report.run_curves import FitCurves
from ecgkit.report.runs import ComparedRun, ComparisonPage, Difference, ScoreRow, render_comparison
from ecgkit.stages.run_files import FitHistory, TestedWindows, history_of, read_answers
from ecgkit.stages.run_folder import find_run
from ecgkit.stages.run_parts import curves_of
from ecgkit.stages.runs import RUNS, FoundRun, Score, how_tested, read_run
from ecgkit.training.card import RunCard

MOST_RUNS = 8
TASK_NAMES = {"subject": "identity", "condition": "state"}
Key = tuple[str, str]
ONE_SEED = "Each run is one training with one seed; another seed may differ as much."


@dataclass(frozen=True, slots=True)
class Comparison:
    """How runs compare; the first one is what the others are held against.

    Attributes
    ----------
    settings
        Name -> what each run has, where they differ.
    n_same
        Settings that are the same in all.
    scores
        (scheme, task) -> the score of each run, None where it has none.
    remarks
        What can't be compared, and why; what to bear in mind.
    page
        The page that was written.
    """

    runs: tuple[FoundRun, ...]
    settings: Mapping[str, tuple[str, ...]]
    n_same: int
    scores: Mapping[Key, tuple[Score | None, ...]]
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...]
    page: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "runs": [run.as_json() for run in self.runs],
            "settings": {name: list(values) for name, values in self.settings.items()},
            "settings_that_are_the_same": self.n_same,
            "differences": [each.as_json() for each in self.differences],
            "remarks": list(self.remarks),
            "page": None if self.page is None else str(self.page),
        }


def run(names: Sequence[str], study: Path, *, page: Path | None = None) -> Comparison:
    """Compare runs, the first one with each of the others.

    Parameters
    ----------
    names
        Run folders, numbers, or "latest"; two to eight.
    page
        Write an HTML page here, with their curves over each other.

    Raises
    ------
    RunError
        There is no such run, one is damaged, or they are too few or too many.
    """
    if not 2 <= len(names) <= MOST_RUNS:
        raise RunError(f"{len(names)} runs to compare, expected 2 to {MOST_RUNS}")
    if page is not None:
        refuse_special(page)
    folders = [find_run(name, study / RUNS) for name in names]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise RunError(f"{', '.join(names)}: the same run twice; expected different ones")
    found = [read_run(folder) for folder in folders]
    settings = [_settings(each) for each in found]
    differing = _differing(settings)
    differences, why_not = _differences(found)
    made = Comparison(
        runs=tuple(found),
        settings=differing,
        n_same=len(set().union(*settings)) - len(differing),
        scores=_scores(found),
        differences=tuple(differences),
        remarks=(*why_not, ONE_SEED),
        page=page,
    )
    if page is not None:
        write_text(page, render_comparison(_page(made)))
    return made


def _settings(found: FoundRun) -> dict[str, str]:
    """Return what a run was made with: ``name -> value`` as texts."""
    card = _card(found)
    spec = {name: getattr(card.spec, name) for name in card.spec.__slots__}
    sections: dict[str, Mapping[str, Any]] = {
        "training": {**TrainConfig().model_dump(), **card.training},  # an older one lacks what was not there
        "pipeline": card.pipeline,
        "network": {name: value for name, value in spec.items() if name not in card.training},
        "versions": card.versions,
        "data": {"sha256": card.dataset_sha256[:12], "leads": card.lead_names, "fs": card.fs},
        "tested": {"under": how_tested(found.scores)},
    }
    return {f"{section}.{name}": text for section, values in sections.items() for name, text in _flat(values)}


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", text) for inner, text in _flat(value))
        else:
            listed = isinstance(value, list | tuple)
            yield name, ", ".join(map(str, value)) if listed else "none" if value is None else str(value)


def _differing(settings: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    names = dict.fromkeys(itertools.chain.from_iterable(settings))
    rows = {name: tuple(each.get(name, "–") for each in settings) for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def _scores(found: Sequence[FoundRun]) -> dict[Key, tuple[Score | None, ...]]:
    tables = [{(score.scheme, score.task): score for score in each.scores} for each in found]
    return {key: tuple(table.get(key) for table in tables) for key in dict.fromkeys(itertools.chain(*tables))}


def _differences(found: Sequence[FoundRun]) -> tuple[list[Difference], list[str]]:
    """Compare the first run with each other one; say where that can't be done."""
    first, *others = found
    made: list[Difference] = []
    why_not = [reason for other in others if (reason := _why_not(first, other))]
    comparable = [other for other in others if not _why_not(first, other)]
    if not comparable:
        return made, why_not
    ours = read_answers(first.folder)
    for other in comparable:
        theirs = read_answers(other.folder)
        for key in _common(first, other):
            if key in ours and key in theirs and _same_windows(ours[key], theirs[key]):
                made.append(_difference(first.name, other.name, key, ours[key], theirs[key]))
            else:
                scheme, task = key
                why_not.append(
                    f"{first.name} and {other.name}, {TASK_NAMES[task]} under {scheme}: their "
                    "predictions.csv are not of the same windows and folds, so that only the scores compare."
                )
    if len(made) > 1 and len(others) > 1:
        why_not.append(f"Of {len(made)} p-values one under {0.05 / len(made):.2g} counts as one under 0.05.")
    return made, why_not


def _why_not(first: FoundRun, other: FoundRun) -> str:
    """Say why two runs can't be compared window by window, "" where they can."""
    who = f"{first.name} and {other.name}"
    if not first.scores or not other.scores:
        return f"{who}: one of them was not tested."
    if _card(first).dataset_sha256 != _card(other).dataset_sha256:
        return f"{who} are of different data sets: their tested windows are not the same, nor their folds."
    if not _common(first, other):
        return (
            f"{who} have no scheme and task in common: {first.name} was tested under "
            f"{how_tested(first.scores)}, {other.name} under {how_tested(other.scores)}."
        )
    return ""


def _common(first: FoundRun, other: FoundRun) -> list[Key]:
    theirs = {(score.scheme, score.task) for score in other.scores}
    return [(s.scheme, s.task) for s in first.scores if (s.scheme, s.task) in theirs]


def _same_windows(ours: TestedWindows, theirs: TestedWindows) -> bool:
    """Tell whether the same rows were tested, each by the same fold and with the same truth."""
    return (
        np.array_equal(ours.rows, theirs.rows)
        and _same_texts(ours.true, ours.classes, theirs.true, theirs.classes)
        and _same_texts(ours.fold, ours.folds, theirs.fold, theirs.folds)
    )


def _same_texts(
    ours: NDArray[np.int64], names: Sequence[str], theirs: NDArray[np.int64], other_names: Sequence[str]
) -> bool:
    """Compare columns of codes by what they stand for."""
    code_of = {name: code for code, name in enumerate(names)}
    as_ours = np.array([code_of.get(name, -1) for name in other_names], dtype=np.int64)
    return np.array_equal(ours, as_ours[theirs])


def _difference(first: str, other: str, key: Key, ours: TestedWindows, theirs: TestedWindows) -> Difference:
    only_first = int(np.count_nonzero(ours.right & ~theirs.right))
    only_other = int(np.count_nonzero(~ours.right & theirs.right))
    gained = theirs.right.astype(np.float64) - ours.right
    counts = np.bincount(ours.subject)
    low, high = (
        resampled_interval(np.bincount(ours.subject, gained), counts) if len(counts) > 1 else (None, None)
    )
    return Difference(
        first=first,
        other=other,
        scheme=key[0],
        task=key[1],
        n=len(gained),
        only_first=only_first,
        only_other=only_other,
        difference=float(gained.mean()),
        low=low,
        high=high,
        p_value=mcnemar(only_first, only_other),
    )


def _page(made: Comparison) -> ComparisonPage:
    """Gather what the page shows."""
    return ComparisonPage(
        runs=tuple(
            ComparedRun(each.name, each.what, _card(each).simulated, _curves(each)) for each in made.runs
        ),
        settings=tuple(made.settings.items()),
        n_same=made.n_same,
        scores=tuple(
            ScoreRow(
                task=key[1],
                scheme=key[0],
                leaks=any(score.leaks for score in row if score),
                chance=next(score.chance for score in row if score),
                shares=tuple(
                    (score.accuracy, score.low, score.high, score.n) if score else None for score in row
                ),
            )
            for key, row in made.scores.items()
        ),
        differences=made.differences,
        remarks=made.remarks,
    )


def _curves(found: FoundRun) -> Mapping[str, tuple[FitCurves, ...]]:
    """Return the courses of a run's fits by their scheme."""
    card = _card(found)
    by_scheme: dict[str, list[FitHistory]] = {}
    for fit in history_of(found.folder):
        by_scheme.setdefault(fit.scheme, []).append(fit)
    return {scheme: curves_of(fits, kept=card.split) for scheme, fits in by_scheme.items()}


def _card(found: FoundRun) -> RunCard:
    if found.card is None:
        raise RunError(f"{found.folder}: {found.problem}")
    return found.card
