"""Windows, labels and the arguments of a model as braindecode takes them: (window, lead, time).

    python examples/arrays_for_braindecode.py study/dataset.h5

Shapes only: braindecode is not needed to run this, and nothing was trained with it here. Where it is
installed:

    model = braindecode.models.EEGNeX(**signal)
    classifier = braindecode.EEGClassifier(model, max_epochs=20)
    classifier.fit(windows, label)
"""

import sys

import numpy as np

import ecgkit

data = ecgkit.open_dataset(sys.argv[1])
fold = data.split("leave-subjects-out")["0"]  # 1 training, 2 test
windows = np.asarray(data.windows[fold == 1])  # (n, leads, T) float32
label = data.codes("condition")[fold == 1]  # (n,) int64
signal = {
    "n_chans": windows.shape[1],
    "n_times": windows.shape[2],
    "sfreq": data.fs,
    "n_outputs": len(data.conditions),
}

assert signal["n_times"] == round(data.fs * data.window_s)
print(f"windows {windows.shape} {windows.dtype}, labels {label.shape} {label.dtype}")
print(signal)
