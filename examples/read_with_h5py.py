"""Read a data set with h5py alone, as a stranger would, and classify the state from four numbers a window.

    python examples/read_with_h5py.py study/dataset.h5

No ecgkit is needed: docs/format.md is all there is to know.
What it prints is a baseline to beat, not a result.
"""

import sys

import h5py
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

with h5py.File(sys.argv[1]) as file:
    if (file.attrs["format"], file.attrs["format_version"]) != (b"ecgkit-dataset", b"1.2"):
        sys.exit(f"{sys.argv[1]}: expected an ecgkit-dataset 1.2")
    ecg = file["windows"][:, 0]  # (N, T): the first lead
    rate = np.nan_to_num(file["table/heart_rate_bpm"][:], nan=75.0)
    can_be_trusted = file["table/quality"][:] > 0  # 0 reject, 1 doubtful, 2 accept
    state, names = file["table/condition"][:], file["conditions"].asstr()[:]
    folds = [fold[:] for fold in file["splits/leave-subjects-out"].values()]
    simulated = "SIMULATED data. " if file.attrs["simulated"] else ""

features = np.column_stack([rate, ecg.mean(axis=1), ecg.std(axis=1), np.abs(np.diff(ecg)).mean(axis=1)])
hits = np.zeros(len(state), dtype=bool)
for fold in folds:  # 1 training, 2 test; whole subjects are held out, each once
    train, test = (fold == 1) & can_be_trusted, fold == 2
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    hits[test] = model.fit(features[train], state[train]).predict(features[test]) == state[test]

print(f"{simulated}State of {len(state)} windows, on subjects never seen:")
for code, name in enumerate(names):
    print(f"  {name:16s} {hits[state == code].mean():.2f}")
print(f"  all {hits.mean():17.2f}   (chance {np.bincount(state).max() / len(state):.2f})")
