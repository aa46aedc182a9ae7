"""Windows and labels in the shapes that Keras takes: (window, time, lead), time before leads.

    python examples/arrays_for_keras.py study/dataset.h5

Shapes only: Keras is not needed to run this, and nothing was trained with it here. Where it is installed:

    model.fit(*in_memory(1), validation_data=in_memory(2))

or, batch by batch, for a data set that is larger than the memory:

    for windows, label in batch_by_batch(1, epoch):
        model.train_on_batch(windows, label)
"""

import sys

import ecgkit
from ecgkit.dataset.batches import Batches, Batching

data = ecgkit.open_dataset(sys.argv[1])
state = data.codes("condition")  # (N,): for SparseCategoricalCrossentropy
fold = data.split("leave-subjects-out")["0"]  # 1 training, 2 test


def in_memory(role):
    rows = fold == role
    return data.windows[rows].swapaxes(1, 2), state[rows]  # (n, T, leads), (n,)


def batch_by_batch(role, epoch):
    batches = Batches(data.windows, Batching(batch_size=32, seed=0), rows=fold == role)
    for rows, windows in batches.epoch(epoch):
        yield windows.swapaxes(1, 2), state[rows]  # (B, T, leads), (B,)


for role, name in ((1, "training"), (2, "test")):
    windows, label = in_memory(role)
    assert windows.shape == (len(label), round(data.fs * data.window_s), len(data.leads))
    assert sum(len(label) for _, label in batch_by_batch(role, epoch=0)) == len(label)
    print(f"{name}: windows {windows.shape} {windows.dtype}, labels {label.shape} {label.dtype}")
print(f"keras.Input(shape={windows.shape[1:]}), Dense({len(data.conditions)})")
