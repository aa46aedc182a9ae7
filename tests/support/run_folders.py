"""Run folders as `ecgkit train` leaves them, made without a training."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

SHA256 = "0123456789abcdef" * 4
SUBJECTS, CONDITIONS = ("01", "02", "03", "04"), ("exercise", "rest")
N_EACH = 10  # windows of a subject in a condition
SCORED = {
    "leave-subjects-out": ("condition",),
    "leave-condition-out": ("subject",),
    "paper": ("condition", "subject"),
}
HISTORY = (
    *("scheme", "fold", "epoch", "seconds", "subject_loss", "condition_loss", "subject_accuracy"),
    *("condition_accuracy", "subject_weight", "condition_weight", "subject_gradient_norm"),
    *("condition_gradient_norm", "monitor_subject_accuracy", "monitor_condition_accuracy"),
)


def make_run(
    folder: Path,
    *,
    schemes: tuple[str, ...] = ("leave-subjects-out", "leave-condition-out"),
    share_right: float = 0.7,
    seed: int = 0,
    epochs: int = 3,
    sha256: str = SHA256,
    **training: Any,
) -> Path:
    """Make a run folder; the answers are drawn by the seed, right with the given probability."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    _write_json(folder / "run.json", card(epochs=epochs, sha256=sha256, **training))
    answers = {(name, task): rng.random(80) < share_right for name in schemes for task in SCORED[name]}
    if schemes:
        _write_json(folder / "metrics.json", metrics(answers, sha256))
        write_predictions(folder / "predictions.csv", answers)
    write_history(folder / "history.csv", schemes, epochs)
    return folder


def card(*, epochs: int = 3, sha256: str = SHA256, **training: Any) -> dict[str, Any]:
    """Return the content of run.json."""
    settings = {"task": "both", "backbone": "cnn", "attention": "none", "balancing": "gradnorm", "seed": 0}
    return {
        "format": "ecgkit-run",
        "format_version": 1,
        "weights_sha256": SHA256,
        "spec": {
            **{"backbone": "cnn", "attention": "none", "n_leads": 1, "n_samples": 300},
            **{"n_subjects": len(SUBJECTS), "n_conditions": len(CONDITIONS)},
            **{"stem_channels": 32, "stem_kernel": 7, "stem_stride": 2, "kernel": 3},
            **{"widths": [32, 64, 128], "strides": [1, 2, 2]},
        },
        "fs": 100.0,
        "lead_names": ["II"],
        "subject_labels": list(SUBJECTS),
        "condition_labels": list(CONDITIONS),
        "pipeline": {"fs": 100.0, "window_s": 3.0},
        "dataset_sha256": sha256,
        "split": "all",
        "seed": 0,
        "training": {**settings, "epochs": epochs, "batch_size": 16, "learning_rate": 0.001, **training},
        "simulated": True,
        "versions": {"ecgkit": "0"},
    }


def metrics(answers: Mapping[tuple[str, str], Any], sha256: str = SHA256) -> dict[str, Any]:
    """Return the content of metrics.json for answers: ``(scheme, task) -> right or wrong``, (80,)."""
    return {
        "format": "ecgkit-metrics",
        "format_version": 1,
        "dataset_sha256": sha256,
        "schemes": [
            {
                "scheme": name,
                "leaks": name == "paper",
                "tasks": {task: _scores(answers[name, task]) for task in SCORED[name]},
            }
            for name in dict.fromkeys(scheme for scheme, _ in answers)
        ],
    }


def _scores(right: Any) -> dict[str, Any]:
    by_subject = right.reshape(len(SUBJECTS), -1)
    return {
        "n": len(right),
        "accuracy": float(right.mean()),
        "accuracy_interval": [0.1, 0.9],
        "chance": 0.5,
        "f1": 0.4,
        "by_subject": [
            {"label": label, "n": len(row), "accuracy": float(row.mean())}
            for label, row in zip(SUBJECTS, by_subject, strict=True)
        ],
    }


def write_predictions(path: Path, answers: Mapping[tuple[str, str], Any]) -> None:
    """Write predictions.csv: rows by subject, then condition."""
    with path.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(
            ("scheme", "fold", "task", "row", "session", "start_s", "true", "answered", "probability")
        )
        for (scheme, task), right in answers.items():
            for row, is_right in enumerate(right.tolist()):
                who, where = SUBJECTS[row // (2 * N_EACH)], CONDITIONS[row // N_EACH % 2]
                true = {"subject": who, "condition": where}[task]
                fold = {"leave-subjects-out": who, "leave-condition-out": where}.get(scheme, "0")
                session = f"sub-{who}_visit-1_cond-{where}_take-1"
                lines.writerow(
                    (scheme, fold, task, row, session, 3 * row, true, true if is_right else "x", 0.5)
                )


def write_history(path: Path, schemes: tuple[str, ...], epochs: int) -> None:
    """Write history.csv: two folds a scheme, then the fit on all windows."""
    fits = [*((name, fold) for name in schemes for fold in ("a", "b")), ("all", "0")]
    lines = [",".join(HISTORY)]
    for scheme, fold in fits:
        scored = SCORED.get(scheme, ())
        for epoch in range(1, epochs + 1):
            watched = [f"{0.1 * epoch:g}" if task in scored else "" for task in ("subject", "condition")]
            numbers = [1 / epoch, 2 / epoch, 0.5, 0.6, 0.8, 1.2, 0.3, 0.4]
            lines.append(",".join([scheme, fold, str(epoch), "2.5", *(f"{n:g}" for n in numbers), *watched]))
    path.write_text("\n".join(lines) + "\n")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content))
