"""`ecgkit train`: evaluate each task under its own scheme, fit the weights, leave a run folder."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ecgkit.config import TrainConfig, load_config
from ecgkit.dataset.read import Dataset, open_dataset
from ecgkit.errors import ConfigError
from ecgkit.files import write_text
from ecgkit.lookup import pick, unknown
from ecgkit.models.dual_task import outline
from ecgkit.progress import Progress, Silent
from ecgkit.report.run import render_run_report
from ecgkit.report.run_scores import SchemeScores
from ecgkit.splits import SCHEMES, Leak, find_scheme
from ecgkit.splits.claims import unexpected
from ecgkit.stages.calibrating import calibrate
from ecgkit.stages.evaluation import (
    Answers,
    collect,
    collect_unknown,
    evaluate,
    scores_as_json,
    write_out_of_fold,
    write_predictions,
)
from ecgkit.stages.executing import follow, run_fits
from ecgkit.stages.fitting import HISTORY_FILE, FitTask, model_spec
from ecgkit.stages.planning import (
    check_classes,
    find_leaks_by_scheme,
    not_evaluated,
    plan_fits,
    settings_not_used,
    training_key,
    weights_note,
    write_plan,
)
from ecgkit.stages.run_folder import new_run, unfinished
from ecgkit.stages.run_page import describe_run, summary
from ecgkit.stages.staleness import stale
from ecgkit.stages.workers import default_jobs, workers
from ecgkit.training import calibration_file
from ecgkit.training.balancing import BALANCERS
from ecgkit.training.calibration_file import Calibration
from ecgkit.training.device import resolve_device
from ecgkit.training.engine import Engine, check_alike
from ecgkit.training.fabric_engine import engine_of_environment
from ecgkit.training.schedule import SCHEDULES
from ecgkit.training.weights import CARD_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    from ecgkit.training.tensorboard import EventWriter

METRICS_FORMAT = {"format": "ecgkit-metrics", "format_version": 1}
INTERVAL = "Wilson, 95 %, windows taken as independent"


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What to train on and how.

    Attributes
    ----------
    dataset
        The data set file.
    runs
        Folder that the run is numbered in.
    out
        Folder of the run instead.
    config_file, flags
        Settings: a YAML file, and ``section -> {name: value}`` over it.
    split
        Train and test under this scheme only; None for each task's own schemes.
    evaluate
        Whether to test at all; else only the weights are fitted.
    jobs
        Fits side by side; None for as many as there are CPUs for.
    cluster
        Address of a dask scheduler to run them on instead.
    fresh
        Begin anew where the same training was interrupted.
    events
        Folder for TensorBoard to follow.
    """

    dataset: Path
    runs: Path
    out: Path | None = None
    config_file: Path | None = None
    flags: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    split: str | None = None
    evaluate: bool = True
    jobs: int | None = None
    cluster: str | None = None
    fresh: bool = False
    events: Path | None = None

    @property
    def mode(self) -> str:
        """The options of the command line that say what is tested, "" for the usual way."""
        if not self.evaluate:
            return "--no-evaluate"
        return f"--split {self.split}" if self.split else ""


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What `ecgkit train` made.

    Attributes
    ----------
    run
        The run folder.
    about
        What was trained on what, in a line.
    weights_note
        Whether the weights were themselves tested.
    metrics
        The content of metrics.json.
    """

    run: Path
    about: str
    simulated: bool
    schemes: tuple[SchemeScores, ...]
    weights_note: str
    warnings: tuple[str, ...]
    metrics: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the run's folder and its metrics as plain values."""
        return {"run": str(self.run), "warnings": list(self.warnings), **self.metrics}


def run(
    options: TrainOptions, *, progress: Progress | None = None, executor: Executor | None = None
) -> TrainSummary | None:
    """Train: fits side by side, then scores, report and weights in a new run folder, whole or not at all.

    Parameters
    ----------
    progress
        Hears of every epoch.
    executor
        Where the fits run instead of processes of our own; its workers must see the same disk.

    Returns
    -------
    What was made; None in a process that took part, by `torchrun`, and left the rest to the first.

    Raises
    ------
    ConfigError, DatasetError, TrainingError
        Nothing is left behind then; an interrupt leaves what is done, to be gone on with.
    """
    settings = load_config(options.config_file, {}, options.flags).train
    _check_options(options)
    with engine_of_environment(settings.device) as engine:
        if engine.world_size > 1 and (executor or options.cluster or (options.jobs or 1) > 1):
            raise ConfigError("processes of torchrun do each fit together: leave --jobs and --cluster out")
        return _run(options, settings, engine, progress=progress or Silent(), executor=executor)


def _run(
    options: TrainOptions,
    settings: TrainConfig,
    engine: Engine,
    *,
    progress: Progress,
    executor: Executor | None,
) -> TrainSummary | None:
    started = time.perf_counter()
    data = open_dataset(options.dataset)
    _check_settings(data, settings)
    check_classes(data)
    tasks = plan_fits(data, split=options.split, evaluate=options.evaluate, task=settings.task)
    key = training_key(tasks, settings, n_processes=engine.world_size)
    check_alike(engine, {"data set": data.sha256, "training": key})
    if engine.rank:
        follow(options.dataset.resolve(), tasks, settings, engine=engine)
        return None
    leaks = find_leaks_by_scheme(data, tasks)
    warnings = _warnings(data, tasks, leaks, options, settings.task)
    with unfinished(options.runs, options.out, key) as work:
        fits = work / "fits"
        if options.fresh:
            shutil.rmtree(fits, ignore_errors=True)
        write_plan(work, about=summary(data, settings.model_dump()), tasks=tasks, epochs=settings.epochs)
        with workers(_jobs(options, settings, engine, len(tasks)), executor, cluster=options.cluster) as pool:
            run_fits(
                options.dataset.resolve(),
                tasks,
                settings,
                fits,
                executor=pool,
                progress=progress,
                engine=engine,
                events=_event_writer(options.events),
            )
        with new_run(options.runs, options.out) as new:
            made = _evaluate(
                data,
                tasks,
                fits,
                leaks,
                learnt=model_spec(data, settings).tasks,
                validation=settings.validation,
                started=started,
            )
            _gather(tasks, fits, new.part)
            place = new.reserve()
            _write_files(new.part, place, data, settings, made, mode=options.mode)
    return TrainSummary(
        run=place,
        about=summary(data, settings.model_dump()),
        simulated=data.simulated,
        schemes=made.schemes,
        weights_note=made.weights_note,
        warnings=warnings,
        metrics=made.metrics,
    )


def _jobs(options: TrainOptions, settings: TrainConfig, engine: Engine, n_fits: int) -> int | None:
    """Return how many fits go side by side; None where a cluster says."""
    if options.cluster:
        return None
    if engine.world_size > 1:
        return 1  # each fit has all processes
    return min(options.jobs or default_jobs(settings.threads), n_fits)


def _event_writer(folder: Path | None) -> EventWriter | None:
    if folder is None:
        return None
    from ecgkit.training.tensorboard import EventWriter  # the extra tensorboard may not be there

    return EventWriter(folder)


def _warnings(
    data: Dataset,
    tasks: Sequence[FitTask],
    leaks: Mapping[str, Sequence[Leak]],
    options: TrainOptions,
    task: str,
) -> tuple[str, ...]:
    """Say what should be known before the scores are believed."""
    by_default = options.evaluate and options.split is None
    return (
        *stale(data),
        *(settings_not_used(data, options.config_file) if options.config_file else ()),
        *(not_evaluated(tasks, task=task) if by_default else ()),
        *(sentence for name, found in leaks.items() for sentence in unexpected(find_scheme(name), found)),
    )


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """What the outputs of the fits came to."""

    answers: list[Answers]
    unknown: Answers | None
    calibration: Calibration
    schemes: tuple[SchemeScores, ...]
    weights_note: str
    metrics: dict[str, Any]


def _evaluate(
    data: Dataset,
    tasks: Sequence[FitTask],
    fits: Path,
    leaks: Mapping[str, Sequence[Leak]],
    *,
    learnt: tuple[str, ...],
    validation: bool,
    started: float,
) -> _Evaluation:
    answers = collect(data, tasks, fits)
    unknown = collect_unknown(data, tasks, fits)
    calibration = calibrate(data, answers, unknown, tasks=learnt)
    schemes = evaluate(data, answers, leaks)
    note = weights_note(tasks, validation=validation)
    metrics = {
        **METRICS_FORMAT,
        "simulated": data.simulated,
        "dataset_sha256": data.sha256,
        "windows": len(data),
        "subjects": len(data.subjects),
        "conditions": len(data.conditions),
        "weights": note,
        "interval": INTERVAL,
        "schemes": [scores_as_json(scheme) for scheme in schemes],
        "seconds": round(time.perf_counter() - started, 3),  # of this call: of the rest, after an interrupt
    }
    return _Evaluation(answers, unknown, calibration, schemes, note, metrics)


def _gather(tasks: Sequence[FitTask], fits: Path, folder: Path) -> None:
    """Copy the weights, and join the histories."""
    kept = next(task for task in tasks if task.keep_weights).folder(fits)
    for name in (WEIGHTS_FILE, CARD_FILE):
        shutil.copyfile(kept / name, folder / name)
    with (folder / HISTORY_FILE).open("w", encoding="utf-8", newline="\n") as joined:
        for index, task in enumerate(tasks):
            lines = (task.folder(fits) / HISTORY_FILE).read_text(encoding="utf-8").splitlines(keepends=True)
            joined.writelines(lines if index == 0 else lines[1:])


def _write_files(
    folder: Path, place: Path, data: Dataset, settings: TrainConfig, made: _Evaluation, *, mode: str
) -> None:
    """Write the settings, the scores and the page into a folder that will be at `place`."""
    config = {
        "pipeline": dict(data.pipeline),
        "splits": dict(data.split_settings),
        "train": settings.model_dump(),
    }
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    if made.answers:
        write_text(folder / "metrics.json", json.dumps(made.metrics, indent=2, allow_nan=False) + "\n")
        write_predictions(folder / "predictions.csv", data, made.answers)
        write_out_of_fold(folder / "out_of_fold.npz", [*made.answers, *filter(None, [made.unknown])])
    calibration_file.write(folder / calibration_file.CALIBRATION_FILE, made.calibration)
    content = describe_run(
        place,
        data,
        card=json.loads((folder / CARD_FILE).read_text(encoding="utf-8")),
        weights_note=made.weights_note,
        schemes=made.schemes,
        answers=made.answers,
        history=folder / HISTORY_FILE,
        mode=mode,
        calibration=made.calibration,
    )
    write_text(folder / "report.html", render_run_report(content))


def _check_options(options: TrainOptions) -> None:
    if options.split is not None and not options.evaluate:
        raise ConfigError("--split tests under a scheme and --no-evaluate tests nothing; give one of them")
    if options.split is not None and options.split not in SCHEMES:
        raise ConfigError(unknown("split scheme", options.split, SCHEMES))
    if options.split is not None and find_scheme(options.split).open_set:
        raise ConfigError(
            f"--split {options.split}: ecgkit train does not score unknown people; its folds are in the data "
            "set for a model of your own"
        )
    if options.jobs is not None and options.cluster is not None:
        raise ConfigError("--jobs counts processes of this machine, --cluster has its own: give one of them")
    if options.jobs is not None and options.jobs < 1:
        raise ConfigError(f"--jobs {options.jobs}: expected at least 1")


def _check_settings(data: Dataset, settings: TrainConfig) -> None:
    """Refuse unknown names and devices here, before any process is started."""
    spec = model_spec(data, settings)
    outline(spec)
    classes = [n for n in (spec.n_subjects, spec.n_conditions) if n]
    pick(BALANCERS, settings.balancing, what="balancing")(classes)
    pick(SCHEDULES, settings.schedule, what="schedule")
    resolve_device(settings.device)
