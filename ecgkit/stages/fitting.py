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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ecgkit.config import TrainConfig
    from ecgkit.dataset.read import Dataset
    from ecgkit.models.dual_task import ModelSpec
    from ecgkit.training.loop import EpochRecord, FitSettings
    from ecgkit.training.supply import Labelled
    from ecgkit.training.weights import RunCard

EVERYTHING = "all"
HISTORY_FILE = "history.csv"
LOGITS_FILE = "logits.npz"


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
        n_subjects=len(data.subjects),
        n_conditions=len(data.conditions),
    )


def run_fit(
    dataset: Path,
    task: FitTask,
    settings: TrainConfig,
    fits: Path,
    on_epoch: Callable[[], None] | None = None,
) -> None:
    """Do one fit and leave its history, its test outputs and, where wanted, its weights in its folder.

    This is what an executor calls, perhaps on another machine: paths and settings go in, nothing
    comes back. The epochs can be followed by the history file, which grows by a line each.

    Parameters
    ----------
    dataset
        The data set file; each worker opens it itself.
    fits
        Folder of all fits; this one's is there and empty. If it is taken away, the fit ends in an error.
    on_epoch
        Called after each epoch's line was written; for fits in this process.

    Raises
    ------
    DatasetError
        The file is not the data set any more that the fit was planned for.
    """
    from ecgkit.dataset.read import open_dataset
    from ecgkit.training.loop import fit, logits
    from ecgkit.training.supply import in_order
    from ecgkit.training.weights import save_weights

    data = open_dataset(dataset)
    _refuse_another(data, task)
    train, test = task.rows(data)
    folder = task.folder(fits)

    def write_epoch(record: EpochRecord) -> None:
        append_history(folder / HISTORY_FILE, task, record)
        if on_epoch is not None:
            on_epoch()

    model = fit(
        model_spec(data, settings),
        _labelled(data, train),
        settings=fit_settings(settings),
        on_epoch=write_epoch,
        monitor=_labelled(data, test) if len(test) else None,
    )
    if len(test):
        tested = in_order(data.windows, test)
        outputs = logits(model, tested, device=settings.device, threads=settings.threads)
        write_logits(folder / LOGITS_FILE, test, dict(zip(("subject", "condition"), outputs, strict=True)))
    if task.keep_weights:
        save_weights(folder, model, run_card(data, task, settings))


def _refuse_another(data: Dataset, task: FitTask) -> None:
    """Refuse a data set that was built anew since: no training may mix two."""
    if data.sha256 != task.dataset_sha256:
        raise DatasetError(
            f"{data.path}: was replaced during the training: content sha256 {data.sha256[:16]}…, expected "
            f"{task.dataset_sha256[:16]}… as when it began; train again: ecgkit train {data.path}"
        )


def fit_settings(settings: TrainConfig) -> FitSettings:
    """Return what the training loop needs of the settings."""
    from ecgkit.training.augment import Augmentation
    from ecgkit.training.loop import FitSettings

    names = (field.name for field in dataclasses.fields(FitSettings))
    values = {name: getattr(settings, name) for name in names}
    return FitSettings(**{**values, "augmentation": Augmentation(**settings.augmentation.model_dump())})


def run_card(data: Dataset, task: FitTask, settings: TrainConfig) -> RunCard:
    """Return what must be known to apply the weights of a fit to a new recording."""
    from ecgkit.training.device import resolve_device
    from ecgkit.training.weights import RunCard, current_versions

    return RunCard(
        spec=model_spec(data, settings),
        fs=data.fs,
        lead_names=data.leads,
        subject_labels=data.subjects,
        condition_labels=data.conditions,
        pipeline=dict(data.pipeline),
        dataset_sha256=data.sha256,
        split=task.scheme,
        seed=settings.seed,
        training=settings.model_dump() | {"device": resolve_device(settings.device).type},
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


def _labelled(data: Dataset, rows: NDArray[np.int64]) -> Labelled:
    """Return some rows of a data set with both labels; nothing is loaded."""
    from ecgkit.training.supply import Labelled

    return Labelled(data.windows, data.codes("subject"), data.codes("condition"), rows)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)
