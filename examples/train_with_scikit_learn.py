"""Train scikit-learn on the state batch by batch, so that the data set may be larger than the memory.

    python examples/train_with_scikit_learn.py study/dataset.h5

The features say how much of a window comes again 0.3 to 2 s later, which is when the next beats come. What it
prints is a baseline to beat, not a result.
"""

import sys

import numpy as np
from sklearn.linear_model import SGDClassifier

import ecgkit
from ecgkit.dataset.batches import Batches, Batching

data = ecgkit.open_dataset(sys.argv[1])
state = data.codes("condition")
can_be_trusted = data.columns["quality"] > 0  # 0 reject, 1 doubtful, 2 accept


def features(windows):
    slope = np.abs(np.diff(windows, axis=2))  # (B, leads, T - 1): high at the R peaks
    slope -= slope.mean(axis=2, keepdims=True)
    spectrum = np.abs(np.fft.rfft(slope, 2 * windows.shape[2])) ** 2
    alike = np.fft.irfft(spectrum) / ((slope**2).sum(axis=2, keepdims=True) + 1e-9)  # autocorrelation
    lags = np.linspace(0.3 * data.fs, min(2 * data.fs, windows.shape[2] - 2), 36).astype(int)
    return 3 * alike[:, :, lags].reshape(len(windows), -1)  # (B, 36 leads)


hits = np.zeros(len(data), dtype=bool)
for fold in data.split("leave-subjects-out").values():
    batching = Batching(batch_size=64, seed=0)
    training = Batches(data.windows, batching, rows=(fold == 1) & can_be_trusted)
    model = SGDClassifier(loss="log_loss", alpha=1e-3, random_state=0)
    for epoch in range(10):
        for rows, windows in training.epoch(epoch):
            model.partial_fit(features(windows), state[rows], classes=range(len(data.conditions)))
    for rows, windows in Batches(data.windows, batching, rows=fold == 2).epoch(0):
        hits[rows] = model.predict(features(windows)) == state[rows]

print(f"{'SIMULATED data. ' if data.simulated else ''}State of {len(data)} windows, on subjects never seen:")
print(f"  {hits.mean():.2f}   (chance {np.bincount(state).max() / len(state):.2f})")
