"""Accuracy, precision, recall and F1 of a task with several classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgkit.errors import TrainingError
from ecgkit.metrics.intervals import wilson


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationScores:
    """How well a task was solved; all shares are from 0 to 1.

    A class that was never predicted has precision 0, one that never occurs has recall 0, and F1 is 0
    where both are. The macro means leave out a class that neither occurs nor is predicted, as
    scikit-learn does.

    Attributes
    ----------
    n
        Windows scored.
    accuracy, accuracy_low, accuracy_high
        With its 95 % Wilson interval.
    precision, recall, f1
        Macro means: every class counts alike.
    class_precision, class_recall, class_f1
        (classes,)
    support
        (classes,), how often each class occurs.
    confusion
        (classes, classes), rows are the truth, columns the prediction.
    """

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    precision: float
    recall: float
    f1: float
    class_precision: NDArray[np.float64]
    class_recall: NDArray[np.float64]
    class_f1: NDArray[np.float64]
    support: NDArray[np.int64]
    confusion: NDArray[np.int64]


def score(true: ArrayLike, predicted: ArrayLike, n_classes: int) -> ClassificationScores:
    """Score predicted labels against true ones.

    Parameters
    ----------
    true, predicted
        (N,), whole numbers from 0 to n_classes - 1, N >= 1.
    n_classes
        Number of classes, whether they occur or not.

    Raises
    ------
    TrainingError
        There is nothing to score, the lengths differ, or a label is out of range.

    Examples
    --------
    >>> score([0, 0, 1, 1], [0, 1, 1, 1], 2).accuracy
    0.75
    """
    confusion = confusion_matrix(true, predicted, n_classes)
    n, hits = int(confusion.sum()), np.diag(confusion)
    support, claimed = confusion.sum(axis=1), confusion.sum(axis=0)
    class_precision, class_recall = _share(hits, claimed), _share(hits, support)
    class_f1 = _share(2 * hits, support + claimed)
    seen = support + claimed > 0
    low, high = wilson(int(hits.sum()), n)
    return ClassificationScores(
        n=n,
        accuracy=float(hits.sum() / n),
        accuracy_low=low,
        accuracy_high=high,
        precision=float(class_precision[seen].mean()),
        recall=float(class_recall[seen].mean()),
        f1=float(class_f1[seen].mean()),
        class_precision=class_precision,
        class_recall=class_recall,
        class_f1=class_f1,
        support=support,
        confusion=confusion,
    )


def confusion_matrix(true: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Count how often each class was predicted as which, (classes, classes): rows truth, columns prediction.

    Raises
    ------
    TrainingError
        There is nothing to score, the lengths differ, or a label is out of range.
    """
    true, predicted = np.asarray(true), np.asarray(predicted)
    if true.ndim != 1 or true.shape != predicted.shape or true.size == 0:
        raise TrainingError(
            f"scores: {true.shape} true labels and {predicted.shape} predicted ones; expected equally many, "
            "at least one of each"
        )
    for what, labels in (("true", true), ("predicted", predicted)):
        if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= n_classes:
            raise TrainingError(
                f"scores: {what} labels from {labels.min()} to {labels.max()} ({labels.dtype}); expected "
                f"whole numbers from 0 to {n_classes - 1}; leave out windows whose class is not known"
            )
    pairs = true.astype(np.int64) * n_classes + predicted.astype(np.int64)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide; 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
