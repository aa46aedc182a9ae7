"""The numbers that the paper prints, in percent: on its own data, under its random split.

Gu et al., arXiv 2502.11023 (2025), Tables I, III and IV. The figures have no numbers.
"""

from __future__ import annotations

from ecgkit.metrics.intervals import wilson
from ecgkit.report.reproduction import PaperScores
from ecgkit.stages.reproduce.grids import CROSS

TESTED = 799  # windows: nearly all of the printed accuracies are whole multiples of 1/799

# table -> row -> accuracy, precision, recall, F1 of identity, then of the state
FOUR = {
    "table1": {
        "LSTM": (36.42, 36.49, 36.42, 35.80, 39.17, 39.37, 39.17, 39.15),
        "MLP": (30.54, 31.01, 30.52, 30.28, 37.55, 37.67, 37.55, 37.50),
        "1D-CNN": (98.12, 98.16, 98.12, 98.11, 71.46, 72.57, 71.46, 70.93),
        "1D-MobileNet": (99.00, 99.02, 99.00, 98.99, 79.22, 79.05, 79.22, 79.09),
        "1D-EfficientNet": (98.75, 98.76, 98.75, 98.74, 82.10, 83.50, 82.10, 81.78),
        "1D-ResNet": (98.37, 98.39, 98.37, 98.36, 83.98, 84.16, 83.98, 84.01),
        "1D-DenseNet": (99.00, 99.01, 99.00, 98.99, 79.72, 82.13, 79.72, 79.85),
        "DT4ECG (1D-ResNet + SCA, GradNorm)": (99.12, 99.14, 99.12, 99.12, 90.11, 90.25, 90.11, 90.11),
    },
}

# backbone -> accuracy of identity and of the state, for each attention in the order of `ATTENTIONS`
BY_ATTENTION = {
    "1D-CNN": ((98.12, 71.46), (98.62, 74.47), (98.37, 72.97), (98.87, 73.47), (99.00, 76.47)),
    "1D-EfficientNet": ((98.75, 82.10), (98.75, 84.23), (97.87, 80.73), (98.75, 82.60), (99.12, 86.36)),
    "1D-MobileNet": ((99.00, 79.22), (99.00, 83.40), (99.12, 86.11), (99.25, 83.35), (99.00, 86.73)),
    "1D-DenseNet": ((99.00, 79.72), (98.75, 80.35), (98.37, 79.47), (98.75, 77.85), (98.37, 82.35)),
    "1D-ResNet": ((98.37, 83.98), (98.62, 84.48), (98.50, 82.60), (99.00, 86.61), (99.12, 90.11)),
}

# table -> row -> accuracy of identity and of the state
TWO = {
    "table3": {
        row: numbers
        for backbone, rows in CROSS.items()
        for row, numbers in zip(rows, BY_ATTENTION[backbone], strict=True)
    },
    "table4": {"GradNorm on": (98.75, 84.11), "GradNorm off": (95.13, 78.22)},
}


def paper_scores(table: str, row: str, task: str) -> PaperScores | None:
    """Return what the paper has for a row and task ("subject" or "condition"), None where it has nothing."""
    second = task == "condition"
    if row in FOUR.get(table, ()):
        accuracy, precision, recall, f1 = (
            value / 100 for value in FOUR[table][row][4 * second : 4 * second + 4]
        )
        return PaperScores(accuracy, _interval(accuracy), precision, recall, f1)
    if row in TWO.get(table, ()):
        accuracy = TWO[table][row][second] / 100
        return PaperScores(accuracy, _interval(accuracy))
    return None


def _interval(accuracy: float) -> tuple[float, float]:
    return wilson(round(accuracy * TESTED), TESTED)
