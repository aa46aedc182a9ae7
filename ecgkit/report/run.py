"""The page about a run: what was trained, on which data, how well it does and what that can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.report import svg
from ecgkit.report.run_calibration import CalibrationPart, reliability_diagrams
from ecgkit.report.run_curves import FitCurves, kept_in_words, training_charts
from ecgkit.report.run_scores import (
    TASK_QUESTIONS,
    TASK_TITLES,
    TONES,
    Grid,
    SchemeScores,
    confusions,
    headline_scores,
    in_words,
    score_drawings,
)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One tested window and what was answered; `ecg` has shape (lead, T)."""

    ecg: NDArray[np.float32]
    where: str
    task: str
    true: str
    answered: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class VariedWindow:
    """How training windows were varied: a sentence each, and one (lead, T) as it may come, (n, lead, T)."""

    sentences: tuple[str, ...]
    where: str
    ecg: NDArray[np.float32]
    varied: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NetworkPart:
    """What the network is made of: (name, value) facts, and rows of its layers as texts."""

    facts: tuple[tuple[str, str], ...]
    layers: tuple[tuple[str, ...], ...]
    n_left_out: int


@dataclass(frozen=True, slots=True)
class RunReport:
    """All that the page shows.

    Attributes
    ----------
    facts
        (name, value) about the data.
    conditions
        (key, what it is) of each condition.
    weights_note
        Whether the weights in the folder were themselves tested.
    grids
        (scheme, task) -> right answers by subject and condition.
    training
        How it was trained, a sentence each.
    calibration
        None: there is none; `not_calibrated` says why.
    augmentation
        None: training windows were taken as they are.
    settings
        Section -> (name, value) rows.
    commands
        How to do the same again, and what to do next, from the data set's folder.
    files
        (name, what is in it) of the run folder.
    """

    name: str
    summary: str
    simulated: bool
    fs: float
    facts: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str], ...]
    weights_note: str
    schemes: tuple[SchemeScores, ...]
    grids: Mapping[tuple[str, str], Grid]
    training: tuple[str, ...]
    fits: tuple[FitCurves, ...]
    calibration: CalibrationPart | None
    not_calibrated: str
    augmentation: VariedWindow | None
    examples: tuple[Example, ...]
    network: NetworkPart
    settings: Mapping[str, tuple[tuple[str, str], ...]]
    commands: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


def render_run_report(content: RunReport) -> str:
    """Write the page about a run: one HTML text that needs no other file and no network.

    Parameters
    ----------
    content
        What the page shows. Its texts are escaped here.
    """
    from ecgkit.report.pages import render

    varied, calibration = content.augmentation, content.calibration
    return render(
        "run.html.j2",
        run=content,
        titles=TASK_TITLES,
        questions=TASK_QUESTIONS,
        tones=TONES,
        headlines=headline_scores(content.schemes),
        in_words=in_words,
        confusions=confusions,
        scheme_drawings=[[score_drawings(scores) for scores in s.tasks] for s in content.schemes],
        curves=training_charts(content.fits),
        kept=kept_in_words(content.fits),
        diagrams=reliability_diagrams(calibration.tasks) if calibration else [],
        examples=[(example, _strip(example.ecg, content.fs, example.where)) for example in content.examples],
        varied=_varied_drawings(varied, content.fs) if varied else [],
    )


def _varied_drawings(part: VariedWindow, fs: float) -> list[tuple[str, str]]:
    as_it_is = ("as it is", _strip(part.ecg, fs, part.where))
    return [as_it_is, *(("varied", _strip(ecg, fs, f"{part.where}, varied")) for ecg in part.varied)]


def _strip(ecg: NDArray[np.float32], fs: float, where: str) -> str:
    return svg.ecg_strip(ecg, fs=fs, title=f"ECG, {where}")
