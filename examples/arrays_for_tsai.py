"""Windows, labels and splits as tsai takes them: (window, lead, time), and row numbers of training and test.

    python examples/arrays_for_tsai.py study/dataset.h5

Shapes only: tsai is not needed to run this, and nothing was trained with it here. Where it is installed:

    from tsai.all import TSClassification, TSClassifier
    learner = TSClassifier(windows, label, splits=splits, tfms=[None, TSClassification()])
    learner.fit_one_cycle(20)
"""

import sys

import numpy as np

import ecgkit

data = ecgkit.open_dataset(sys.argv[1])
fold = data.split("leave-subjects-out")["0"]  # 1 training, 2 test
windows = data.windows  # (N, leads, T) float32, mapped: read from the file where it is needed
label = data.table["condition"].to_numpy()  # (N,) texts
splits = np.flatnonzero(fold == 1).tolist(), np.flatnonzero(fold == 2).tolist()

assert windows.shape == (len(label), len(data.leads), round(data.fs * data.window_s))
assert not set(data.codes("subject")[splits[0]]) & set(data.codes("subject")[splits[1]])
print(f"windows {windows.shape} {windows.dtype}, labels {sorted(set(label))}")
print(f"{len(splits[0])} windows to train on, {len(splits[1])} of other people to test")
