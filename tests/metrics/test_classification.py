"""Scores against scikit-learn and against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as sklearn_confusion

from ecgkit.errors import TrainingError
from ecgkit.metrics.classification import confusion_matrix, score
from ecgkit.metrics.intervals import wilson


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_score_equals_scikit_learn(data: st.DataObject) -> None:
    n_classes = data.draw(st.integers(1, 6))
    labels = st.lists(st.tuples(*[st.integers(0, n_classes - 1)] * 2), min_size=1, max_size=40)
    true, predicted = np.array(data.draw(labels)).T
    scores = score(true, predicted, n_classes)
    np.testing.assert_array_equal(
        scores.confusion,
        sklearn_confusion(true, predicted, labels=list(range(max(n_classes, 2))))[:n_classes, :n_classes],
    )
    macro = precision_recall_fscore_support(true, predicted, average="macro", zero_division=0)
    each = precision_recall_fscore_support(true, predicted, labels=range(n_classes), zero_division=0)
    assert scores.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx(macro[:3])
    np.testing.assert_allclose(scores.class_precision, each[0])
    np.testing.assert_allclose(scores.class_recall, each[1])
    np.testing.assert_allclose(scores.class_f1, each[2])
    np.testing.assert_array_equal(scores.support, each[3])


def test_score_equals_counts_made_by_hand() -> None:
    scores = score([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 1], 4)
    assert scores.n == 6
    assert scores.accuracy == 4 / 6
    assert (scores.accuracy_low, scores.accuracy_high) == wilson(4, 6)
    assert scores.class_precision.tolist() == [1.0, 0.5, 0.0, 0.0]
    assert scores.class_recall.tolist() == [2 / 3, 1.0, 0.0, 0.0]
    assert scores.class_f1.tolist() == [0.8, 2 / 3, 0.0, 0.0]
    assert scores.precision == 0.5  # of three classes: the fourth neither occurs nor is predicted
    assert scores.support.tolist() == [3, 2, 1, 0]


def test_confusion_matrix_has_the_truth_in_its_rows() -> None:
    assert confusion_matrix([0, 1, 1], [1, 1, 0], 2).tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize(
    ("true", "predicted", "says"),
    [
        ([], [], "at least one"),
        ([0, 1], [0], "equally many"),
        ([0, -1], [0, 0], "from -1 to 0"),
        ([0, 1], [0, 2], "predicted labels from 0 to 2"),
        ([0.0, 1.0], [0, 1], "float64"),
    ],
)
def test_score_refuses_labels_out_of_range(true: list[int], predicted: list[int], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        score(true, predicted, 2)
