"""The call of `ecgkit predict`: what is asked, of which files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgkit.analysis.quality import VERDICTS
from ecgkit.errors import ConfigError, EcgkitError, RunError
from ecgkit.files import refuse_special
from ecgkit.metrics.calibration import log_softmax
from ecgkit.progress import Progress, Silent
from ecgkit.readers import read_with
from ecgkit.readers.options import AS_STATED, ReadOptions
from ecgkit.records import Recording
from ecgkit.stages.calibrating import FPIR_TARGETS
from ecgkit.stages.predict.answers import (
    Failure,
    Outputs,
    Prediction,
    answer_over,
    answers_over,
    overall_probabilities,
    threshold_of,
)
from ecgkit.stages.predict.fit import choose_fitting, pipeline_of
from ecgkit.stages.predict.page import write_page
from ecgkit.stages.predict.remarks import remarks_on
from ecgkit.stages.predict.table import write_table
from ecgkit.stages.predictors import Predictor, load_predictor
from ecgkit.stages.run_folder import find_run
from ecgkit.stages.windows import CutWindows, cut_recording
from ecgkit.training.calibration_file import Calibration

DEFAULT_FPIR = 0.05
ONNX = ".onnx"


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """How a run is asked.

    Attributes
    ----------
    leads
        Names, positions or standard leads of the ECG channels, in lead order; by default those of the run
        if there are several, else the one that is named like an ECG.
    reading
        What the file itself does not say, and whether to salvage it.
    fuse
        Windows that are answered together; the whole file is fused in any case.
    fpir
        False-positive identification rate that "unknown" is chosen for, one of `FPIR_TARGETS`; None:
        everybody is given a name.
    keep_rejected
        Whether windows of quality "reject" count.
    table
        A CSV file to write, a line an answer.
    page
        An HTML file to write, of one file's answers.
    """

    leads: tuple[str, ...] = ()
    reading: ReadOptions = AS_STATED
    fuse: int = 1
    fpir: float | None = DEFAULT_FPIR
    keep_rejected: bool = False
    table: Path | None = None
    page: Path | None = None


AS_USUAL = PredictOptions()


def run(name: str, file: Path, *, runs: Path | None = None, options: PredictOptions = AS_USUAL) -> Prediction:
    """Read a raw file, clean and cut it as the run's data were, and say who it is and in which state.

    Parameters
    ----------
    name
        A run folder, the name of a run in `runs`, or an .onnx file.
    runs
        The study's folder of runs.

    Raises
    ------
    RunError, ReadError, ChannelError, SignalError, ConfigError
        The run, the file, its channels or their signal can't be used, or don't go together.
    """
    _check(options, [file])
    place, predictor = _load(name, runs)
    prediction = _predict(place, predictor, file, options)
    if options.table is not None:
        write_table(options.table, [prediction])
    return prediction


def run_all(
    name: str,
    files: Sequence[Path],
    *,
    runs: Path | None = None,
    options: PredictOptions = AS_USUAL,
    progress: Progress | None = None,
) -> list[Prediction | Failure]:
    """Ask of several files, one after the other; that one of them can't be used is no reason to stop.

    Raises
    ------
    RunError, ConfigError
        The run can't be used, or the options don't go together.
    """
    if len(files) == 1:
        return [run(name, files[0], runs=runs, options=options)]
    _check(options, files)
    place, predictor = _load(name, runs)
    listener = progress or Silent()
    listener.start("predict", len(files))
    found: list[Prediction | Failure] = []
    for file in files:
        try:
            found.append(_predict(place, predictor, file, options))
        except EcgkitError as error:
            found.append(Failure(file, str(error)))
        listener.advance("predict")
    if options.table is not None:
        write_table(options.table, [made for made in found if isinstance(made, Prediction)])
    return found


def _load(name: str, runs: Path | None) -> tuple[Path, Predictor]:
    """Find a run and make it ready, and refuse a calibration of another one."""
    path = Path(name)
    place = path if path.suffix.lower() == ONNX and path.is_file() else find_run(name, runs)
    predictor = load_predictor(place)
    calibration = predictor.calibration
    if calibration is not None and calibration.dataset_sha256 != predictor.card.dataset_sha256:
        raise RunError(
            f"{place}: its calibration is that of another data set ({calibration.dataset_sha256[:16]}…, "
            f"expected {predictor.card.dataset_sha256[:16]}…); take the run from its source again"
        )
    return place, predictor


def _predict(place: Path, predictor: Predictor, file: Path, options: PredictOptions) -> Prediction:
    card = predictor.card
    pipeline = pipeline_of(place, card)
    chosen = choose_fitting(read_with(file, options.reading), options.leads, card, pipeline)
    recording = chosen.recording
    cut = cut_recording(recording, chosen.indexes, pipeline)
    outputs = _outputs(predictor, cut, pipeline.window_s, keep_rejected=options.keep_rejected)
    fpir, n_used = options.fpir, int(np.count_nonzero(outputs.used))
    _refuse_finer(outputs.calibration, fpir)
    threshold = threshold_of(outputs, n_used, fpir) if card.subject_labels else None
    made = Prediction(
        run=place,
        file=file,
        channels=tuple(channel.name for channel in chosen.channels),
        reason=chosen.reason,
        simulated_run=card.simulated,
        simulated_file=recording.simulated,
        tasks=card.spec.tasks,
        calibrated=tuple(predictor.calibration.tasks) if predictor.calibration else (),
        fpir=fpir,
        threshold=threshold,
        overall=answer_over(outputs, slice(0, len(outputs)), fpir=fpir),
        probabilities=overall_probabilities(outputs),
        answers=answers_over(outputs, fuse=options.fuse, fpir=fpir),
        remarks=remarks_on(outputs, recording, threshold, n_fused=n_used, fpir=fpir),
        warnings=_warnings(recording, cut),
    )
    if options.page is not None:
        write_page(options.page, made, outputs, recording)
    return made


def _outputs(predictor: Predictor, cut: CutWindows, window_s: float, *, keep_rejected: bool) -> Outputs:
    """Apply the network, and calibrate what it says."""
    calibration = predictor.calibration
    outputs = predictor.outputs(cut.windows)
    subject, condition = (
        log_softmax(output, temperature=calibration.temperature(task) if calibration else 1.0)
        if output.shape[1]
        else output.astype(np.float64)
        for task, output in zip(("subject", "condition"), outputs, strict=True)
    )
    good = cut.quality.verdict != VERDICTS.index("reject")
    return Outputs(
        cut,
        window_s,
        predictor.card,
        calibration,
        subject,
        condition,
        used=np.ones_like(good) if keep_rejected else good,
    )


def _warnings(recording: Recording, cut: CutWindows) -> tuple[str, ...]:
    return (*recording.warnings, *(f"lost: {sentence}" for sentence in recording.lost), *cut.warnings)


def _check(options: PredictOptions, files: Sequence[Path]) -> None:
    """Refuse what can't be done before any file is read."""
    if options.fuse < 1:
        raise ConfigError(f"--fuse {options.fuse}: expected a number of windows, at least 1")
    if options.fpir is not None and options.fpir not in FPIR_TARGETS:
        targets = ", ".join(f"{target:g}" for target in FPIR_TARGETS)
        raise ConfigError(f"--fpir {options.fpir:g}: expected one of {targets}, or none")
    if options.page is not None and len(files) != 1:
        raise ConfigError(f"--html {options.page}: a page shows one FILE, {len(files)} are given")
    written = [("--csv", options.table), ("--html", options.page)]
    for option, path in written:
        if path is not None:
            refuse_special(path)
            if path.exists() and any(file.exists() and path.samefile(file) for file in files):
                raise ConfigError(f"{option} {path}: this is a recording itself; give another name")
    if options.page is not None and options.table is not None and options.page == options.table:
        raise ConfigError(f"--csv and --html are both {options.page}; give them two names")


def _refuse_finer(calibration: Calibration | None, fpir: float | None) -> None:
    """Refuse a rate that the run's people are too few for: it would turn "unknown" off."""
    there = sorted({row.target for row in calibration.thresholds}) if calibration else []
    if fpir not in (None, DEFAULT_FPIR) and there and fpir not in there:
        rates = ", ".join(f"{target:g}" for target in there)
        raise ConfigError(
            f"--fpir {fpir:g}: too few people were left out in the training to tell so low a rate; this run "
            f"has thresholds for {rates}, or none"
        )
