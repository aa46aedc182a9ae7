"""`ecgkit predict`: a run applied to a raw file, through the pipeline that it was trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.quality import VERDICTS
from ecgkit.config import PipelineConfig
from ecgkit.errors import ChannelError, ConfigError, RunError
from ecgkit.readers import read_with
from ecgkit.readers.ecg_channel import LEADS, lead_of
from ecgkit.readers.leads import EcgLeads
from ecgkit.readers.options import AS_STATED, ReadOptions
from ecgkit.records import Recording
from ecgkit.settings import checked
from ecgkit.stages.evaluation import log_softmax
from ecgkit.stages.leads import choose_leads
from ecgkit.stages.run_folder import find_run
from ecgkit.stages.windows import CutWindows, cut_recording
from ecgkit.training.loop import logits
from ecgkit.training.weights import CARD_FILE, RunCard, load_run

CALIBRATION = (
    "The probabilities are not calibrated: 0.9 need not be right nine times in ten. A person who was not in "
    "the training is still given the name of someone who was."
)
SIMULATED_RUN = "The run was trained on SIMULATED data: what it says about a real person means nothing."
SIMULATED_FILE = "The file is SIMULATED: nobody was recorded."


@dataclass(frozen=True, slots=True)
class Answer:
    """Who and which state, over one window or several.

    Attributes
    ----------
    start_s, stop_s
        From the recording's start, seconds.
    n_windows
        How many windows it was fused from.
    subject, condition
        The most probable labels, with their probabilities.
    heart_rate_bpm
        Mean over the windows; None where none was found.
    quality
        Verdict on most of the windows, the worse one of two that are as many.
    """

    start_s: float
    stop_s: float
    n_windows: int
    subject: str
    subject_probability: float
    condition: str
    condition_probability: float
    heart_rate_bpm: float | None
    quality: str

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a run says of a file.

    Attributes
    ----------
    channels
        Names of the ECG channels taken, and why.
    simulated_run, simulated_file
        Whether the run's data, and the file, were made by a simulator.
    overall
        Fused over the whole file, as of one person in one state.
    answers
        One for each window, or for each group of windows.
    remarks
        What has to be known to read the answers; one sentence each.
    """

    run: Path
    file: Path
    channels: tuple[str, ...]
    reason: str
    simulated_run: bool
    simulated_file: bool
    overall: Answer
    answers: tuple[Answer, ...]
    remarks: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the prediction as plain values."""
        return {
            "run": str(self.run),
            "file": str(self.file),
            "channels": list(self.channels),
            "channel_reason": self.reason,
            "calibrated": False,
            "trained_on_simulated_data": self.simulated_run,
            "file_is_simulated": self.simulated_file,
            "overall": self.overall.as_json(),
            "answers": [answer.as_json() for answer in self.answers],
            "remarks": list(self.remarks),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class _Outputs:
    """The windows of a file and the log-probabilities of both tasks, (N, subjects) and (N, conditions)."""

    cut: CutWindows
    subject: NDArray[np.float64]
    condition: NDArray[np.float64]


def run(
    name: str,
    file: Path,
    *,
    runs: Path | None = None,
    leads: Sequence[str] = (),
    reading: ReadOptions = AS_STATED,
    fuse: int = 1,
) -> Prediction:
    """Read a raw file, clean and cut it as the run's data were, and say who it is and in which state.

    Parameters
    ----------
    name
        A run folder, or the name of a run in `runs`.
    runs
        The study's folder of runs.
    leads
        Names, positions or standard leads of the ECG channels, in lead order; by default those of the run
        if there are several, else the one that is named like an ECG.
    reading
        What the file itself does not say, and whether to salvage it.
    fuse
        Windows that are answered together; the whole file is fused in any case.

    Raises
    ------
    RunError, ReadError, ChannelError, SignalError, ConfigError
        The run, the file, its channels or their signal can't be used.
    """
    if fuse < 1:
        raise ConfigError(f"--fuse {fuse}: expected a number of windows, at least 1")
    folder = find_run(name, runs)
    trained = load_run(folder)
    card = trained.card
    pipeline = _pipeline(folder, card)
    chosen = _choose_leads(read_with(file, reading), leads, card)
    recording = chosen.recording
    cut = cut_recording(recording, chosen.indexes, pipeline)
    subject, condition = (log_softmax(output) for output in logits(trained.model, cut.windows))
    outputs = _Outputs(cut, subject, condition)
    n = len(cut.windows)
    return Prediction(
        run=folder,
        file=file,
        channels=tuple(channel.name for channel in chosen.channels),
        reason=chosen.reason,
        simulated_run=card.simulated,
        simulated_file=recording.simulated,
        overall=_answer(outputs, slice(0, n), card, pipeline.window_s),
        answers=tuple(
            _answer(outputs, slice(start, min(start + fuse, n)), card, pipeline.window_s)
            for start in range(0, n, fuse)
        ),
        remarks=_remarks(card, recording, cut),
        warnings=(
            *recording.warnings,
            *(f"lost: {sentence}" for sentence in recording.lost),
            *cut.warnings,
        ),
    )


def _pipeline(folder: Path, card: RunCard) -> PipelineConfig:
    """Return the pipeline of a run, and make sure that its windows are what the network takes."""
    where = f"{folder / CARD_FILE}: pipeline"
    try:
        pipeline = checked(PipelineConfig, card.pipeline, where=where)
    except ConfigError as error:
        raise RunError(f"{error}. Use the ecgkit that made the run, or train again") from error
    n_samples = round(pipeline.window_s * pipeline.fs)
    if (pipeline.fs, n_samples) != (card.fs, card.spec.n_samples):
        raise RunError(
            f"{where}: makes windows of {n_samples} samples at {pipeline.fs:g} Hz, the network takes "
            f"{card.spec.n_samples} at {card.fs:g} Hz; the run is damaged, train again"
        )
    return pipeline


def _choose_leads(recording: Recording, named: Sequence[str], card: RunCard) -> EcgLeads:
    chosen = choose_leads(recording, named or _leads_of_the_run(recording, card))
    if len(chosen.indexes) != card.spec.n_leads:
        raise ChannelError(
            f"{recording.path}: {len(chosen.indexes)} ECG channels taken, the run was trained on "
            f"{card.spec.n_leads} ({', '.join(card.lead_names)}); name as many, in this order, with --leads"
        )
    trained, taken = card.lead_names[0], chosen.names[0]
    if not named and taken != trained and {taken, trained} <= set(LEADS):
        raise ChannelError(
            f"{recording.path}: the run was trained on lead {trained}, the file has lead {taken}; take a run "
            "that was trained on this lead, or name the channel with --channel"
        )
    return chosen


def _leads_of_the_run(recording: Recording, card: RunCard) -> tuple[str, ...]:
    """Return the leads to look for: the run's if it has several, or if the file has its one."""
    there = {lead_of(channel.name) for channel in recording.channels}
    return card.lead_names if card.spec.n_leads > 1 or card.lead_names[0] in there else ()


def _remarks(card: RunCard, recording: Recording, cut: CutWindows) -> tuple[str, ...]:
    n_poor = np.count_nonzero(cut.quality.verdict < VERDICTS.index("accept"))
    poor = f"The signal of {n_poor} of {len(cut.windows)} windows is poor: trust little what is said of them."
    remarks = {
        poor: n_poor > 0,
        SIMULATED_RUN: card.simulated,
        SIMULATED_FILE: recording.simulated,
    }
    return (CALIBRATION, *(remark for remark, holds in remarks.items() if holds))


def _answer(outputs: _Outputs, rows: slice, card: RunCard, window_s: float) -> Answer:
    """Fuse windows by the mean of their log-probabilities, as of one person in one state."""
    subject, subject_probability = _fused(outputs.subject[rows], card.subject_labels)
    condition, condition_probability = _fused(outputs.condition[rows], card.condition_labels)
    start_s = outputs.cut.start_s[rows]
    return Answer(
        start_s=float(start_s[0]),
        stop_s=float(start_s[-1]) + window_s,
        n_windows=len(start_s),
        subject=subject,
        subject_probability=subject_probability,
        condition=condition,
        condition_probability=condition_probability,
        heart_rate_bpm=_mean(outputs.cut.heart_rate_bpm[rows]),
        quality=_most(outputs.cut.quality.verdict[rows]),
    )


def _fused(log_probabilities: NDArray[np.float64], labels: tuple[str, ...]) -> tuple[str, float]:
    """Return the most probable label of the geometric mean of windows, and its probability."""
    mean = log_probabilities.mean(axis=0)  # (classes,)
    shares = np.exp(mean - mean.max())
    best = int(shares.argmax())
    return labels[best], float(shares[best] / shares.sum())


def _most(verdicts: NDArray[np.int8]) -> str:
    return VERDICTS[int(np.bincount(verdicts).argmax())]


def _mean(values: NDArray[np.float64]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
