"""The fits of one training: what each one trains on, and the doing of one."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgkit.errors import DatasetError
from ecgkit.files import write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ecgkit.config import TrainConfig
    from ecgkit.dataset.read import Dataset
    from ecgkit.models.dual_task import ModelSpec
    from ecgkit.splits.validation import HeldBack
    from ecgkit.training.engine import Engine
    from ecgkit.training.loop import EpochRecord, FitSettings
    from ecgkit.training.supply import Labelled
    from ecgkit.training.weights import RunCard

EVERYTHING = "all"
HISTORY_FILE = "history.csv"
LOGITS_FILE = "logits.npz"
CHECKPOINT_FILE = "checkpoint.safetensors"
DONE_FILE = "done"


@dataclass(frozen=True, slots=True)
class FitTask:
    """One fit: a fold of a scheme, or a fit on everything.

    Attributes
    ----------
    scheme
        A split scheme of the data set, or `EVERYTHING`.
    fold
        A fold of the scheme; "all" for a fit on everything.
    scored
        The tasks ("condition", "subject") that are tested.
    keep_weights
        Whether these weights become the run's.
    dataset_sha256
        Hash of the data set that the fit was planned for.
    split_seed
        Folds dealt anew with this seed, and the data set's other settings; None: the data set's own.
    """

    scheme: str
    fold: str
    scored: tuple[str, ...] = ()
    keep_weights: bool = False
    dataset_sha256: str = field(kw_only=True)
    split_seed: int | None = None

    def folder(self, fits: Path) -> Path:
        """Return where this fit writes, below the folder of all fits."""
        return fits / self.scheme / self.fold

    def rows(self, data: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows to train on, and the rows to test."""
        import numpy as np

        from ecgkit.splits.scheme import TEST, TRAIN

        if self.scheme == EVERYTHING:
            return np.arange(len(data)), np.arange(0)
        roles = folds(data, self.scheme, self.split_seed)[self.fold]
        return np.flatnonzero(roles == TRAIN), np.flatnonzero(roles == TEST)

    def is_done(self, fits: Path) -> bool:
        """Whether the fit is there, whole."""
        return (self.folder(fits) / DONE_FILE).is_file()


def folds(data: Dataset, scheme: str, split_seed: int | None) -> Mapping[str, NDArray[np.uint8]]:
    """Return a scheme's folds, ``fold -> role of each row``: the data set's own, or those of another seed."""
    from ecgkit.splits import make_folds

    if split_seed is None:
        return data.split(scheme)
    settings = {**data.split_settings, "seed": split_seed}
    return make_folds(data.window_table, scheme, **settings)


def model_spec(data: Dataset, settings: TrainConfig) -> ModelSpec:
    """Return the network that fits the windows and labels of a data set."""
    from ecgkit.models.dual_task import ModelSpec

    return ModelSpec(
        backbone=settings.backbone,
        attention=settings.attention,
        n_leads=data.windows.shape[1],
        n_samples=data.windows.shape[2],
        n_subjects=0 if settings.task == "condition" else len(data.subjects),
        n_conditions=0 if settings.task == "subject" else len(data.conditions),
    )


def run_fit(
    dataset: Path,
    task: FitTask,
    settings: TrainConfig,
    fits: Path,
    on_epoch: Callable[[], None] | None = None,
    *,
    engine: Engine | None = None,
) -> None:
    """Do one fit and leave its history, its test outputs and, where wanted, its weights in its folder.

    This is what an executor calls, perhaps on another machine: paths and settings go in, nothing
    comes back. The epochs can be followed by the history file, which grows by a line each. A fit that was
    interrupted goes on after its last whole epoch, and ends with the same weights as if it had not been.

    Parameters
    ----------
    dataset
        The data set file; each worker opens it itself.
    fits
        Folder of all fits; this one's is there. If it is taken away, the fit ends in an error.
    on_epoch
        Called after each epoch's line was written; for fits in this process.
    engine
        The processes that do the fit together, of which this is the first; the others `take_part`.

    Raises
    ------
    DatasetError
        The file is not the data set any more that the fit was planned for.
    """
    from ecgkit.dataset.read import open_dataset
    from ecgkit.training.apply import logits
    from ecgkit.training.engine import Alone
    from ecgkit.training.loop import fit
    from ecgkit.training.supply import in_order
    from ecgkit.training.weights import save_weights

    if task.is_done(fits):
        return
    data = open_dataset(dataset)
    _refuse_another(data, task)
    _, test = task.rows(data)
    folder = task.folder(fits)
    go_on_from(folder)

    def write_epoch(record: EpochRecord) -> None:
        append_history(folder / HISTORY_FILE, task, record)
        if on_epoch is not None:
            on_epoch()

    model = fit(
        **_what_to_fit(data, task, settings),
        on_epoch=write_epoch,
        monitor=_labelled(data, test) if len(test) else None,
        checkpoint=folder / CHECKPOINT_FILE,
        engine=engine or Alone(),
    )
    if len(test):
        tested = in_order(data.windows, test)
        outputs = logits(model, tested, device=settings.device, threads=settings.threads)
        write_logits(folder / LOGITS_FILE, test, dict(zip(("subject", "condition"), outputs, strict=True)))
    if task.keep_weights:
        n_processes = engine.world_size if engine else 1
        save_weights(folder, model, run_card(data, task, settings, n_processes=n_processes))
    write_text(folder / DONE_FILE, "")
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)


def take_part(dataset: Path, task: FitTask, settings: TrainConfig, *, engine: Engine) -> None:
    """Do this process's share of a fit that the first one does, and write nothing."""
    from ecgkit.dataset.read import open_dataset
    from ecgkit.training.loop import fit

    data = open_dataset(dataset)
    _refuse_another(data, task)
    fit(**_what_to_fit(data, task, settings), engine=engine)


def _what_to_fit(data: Dataset, task: FitTask, settings: TrainConfig) -> dict[str, Any]:
    """Return the arguments of `fit` that say what comes out: the same in all processes."""
    train, _ = task.rows(data)
    held = _held_back(data, task, train) if settings.validation else None
    return {
        "spec": model_spec(data, settings),
        "training": _labelled(data, held.train if held else train),
        "settings": fit_settings(settings, fs=data.fs),
        "validation": _labelled(data, held.validation, scored_by=held.scheme) if held else None,
    }


def go_on_from(folder: Path) -> None:
    """Cut the history of a fit's folder to the epochs that its checkpoint has; without one, begin anew."""
    from ecgkit.training.checkpoint import epoch_of

    history, checkpoint = folder / HISTORY_FILE, folder / CHECKPOINT_FILE
    n_epochs = epoch_of(checkpoint) if checkpoint.exists() else 0
    lines = history.read_text(encoding="utf-8").splitlines(keepends=True) if history.exists() else []
    # after a power cut the history may lack what the checkpoint has
    if n_epochs == 0 or len(lines) <= n_epochs:
        history.unlink(missing_ok=True)
        checkpoint.unlink(missing_ok=True)
    elif len(lines) > n_epochs + 1:
        write_text(history, "".join(lines[: n_epochs + 1]))


def _held_back(data: Dataset, task: FitTask, train: NDArray[np.int64]) -> HeldBack:
    from ecgkit.splits.scheme import SplitSettings
    from ecgkit.splits.validation import hold_back

    settings: dict[str, Any] = dict(data.split_settings)
    if task.split_seed is not None:
        settings["seed"] = task.split_seed
    scheme = None if task.scheme == EVERYTHING else task.scheme
    return hold_back(data.window_table, train, scheme=scheme, settings=SplitSettings(**settings))


def _refuse_another(data: Dataset, task: FitTask) -> None:
    """Refuse a data set that was built anew since: no training may mix two."""
    if data.sha256 != task.dataset_sha256:
        raise DatasetError(
            f"{data.path}: was replaced during the training: content sha256 {data.sha256[:16]}…, expected "
            f"{task.dataset_sha256[:16]}… as when it began; train again: ecgkit train {data.path}"
        )


def fit_settings(settings: TrainConfig, *, fs: float) -> FitSettings:
    """Return what the training loop needs of the settings; `fs` is the windows' rate, Hz."""
    from ecgkit.training.augment import Augmentation
    from ecgkit.training.loop import FitSettings

    names = {field.name for field in dataclasses.fields(FitSettings)} - {"fs", "augmentation"}
    values = {name: getattr(settings, name) for name in names}
    return FitSettings(**values, fs=fs, augmentation=Augmentation(**settings.augmentation.model_dump()))


def run_card(data: Dataset, task: FitTask, settings: TrainConfig, *, n_processes: int = 1) -> RunCard:
    """Return what must be known to apply the weights of a fit to a new recording."""
    from ecgkit.training.device import resolve_device
    from ecgkit.training.weights import RunCard, current_versions

    return RunCard(
        spec=model_spec(data, settings),
        fs=data.fs,
        lead_names=data.leads,
        subject_labels=() if settings.task == "condition" else data.subjects,
        condition_labels=() if settings.task == "subject" else data.conditions,
        pipeline=dict(data.pipeline),
        dataset_sha256=data.sha256,
        split=task.scheme,
        seed=settings.seed,
        training={
            **settings.model_dump(),
            "device": resolve_device(settings.device).type,
            "processes": n_processes,
        },
        simulated=data.simulated,
        versions=current_versions(),
    )


def append_history(path: Path, task: FitTask, record: EpochRecord) -> None:
    """Append an epoch's line; the test accuracy of a task that is not scored here stays empty."""
    row: dict[str, Any] = {"scheme": task.scheme, "fold": task.fold, **dataclasses.asdict(record)}
    for name in ("subject", "condition"):
        if name not in task.scored:
            row[f"monitor_{name}_accuracy"] = math.nan
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        if new:
            lines.writerow(row)
        lines.writerow([_cell(value) for value in row.values()])


def write_logits(path: Path, rows: NDArray[np.int64], outputs: dict[str, NDArray[np.float32]]) -> None:
    """Write the tested rows (N,) and each task's outputs (N, classes)."""
    import numpy as np

    np.savez(path, rows=rows, subject=outputs["subject"], condition=outputs["condition"])


def _labelled(data: Dataset, rows: NDArray[np.int64], *, scored_by: str | None = None) -> Labelled:
    """Return some rows of a data set with both labels; nothing is loaded.

    Where a scheme is named, the labels of a task that it can't score are not known.
    """
    import numpy as np

    from ecgkit.splits import find_scheme
    from ecgkit.training.supply import UNKNOWN, Labelled

    known = ("subject", "condition") if scored_by is None else find_scheme(scored_by).scores
    subjects, conditions = (
        data.codes(column) if column in known else np.full(len(data), UNKNOWN)
        for column in ("subject", "condition")
    )
    return Labelled(data.windows, subjects, conditions, rows)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)
