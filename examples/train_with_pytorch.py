"""Train a small network of your own on the state, in plain PyTorch, and test it on people it has not seen.

    python examples/train_with_pytorch.py study/dataset.h5

The data set gives batches as tensors; everything after that is PyTorch as everywhere. What it prints is a
baseline to beat, not a result: one fold, few epochs.
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

import ecgkit
from ecgkit.dataset.batches import Batches, Batching
from ecgkit.dataset.torch_data import TorchBatches

torch.manual_seed(0)
data = ecgkit.open_dataset(sys.argv[1])
state = data.codes("condition")
fold = data.split("leave-subjects-out")["0"]  # 1 training, 2 test; whole subjects are held out


def loader_of(role: int, *, shuffle: bool) -> DataLoader:
    batching = Batching(batch_size=16, seed=0, shuffle=shuffle, drop_last=shuffle)
    batches = Batches(data.windows, batching, rows=fold == role)
    # they are batches already, so batch_size=None; num_workers and pin_memory as usual
    return DataLoader(TorchBatches(batches, state), batch_size=None)


def convolution(n_in: int, n_out: int) -> list[nn.Module]:
    return [nn.Conv1d(n_in, n_out, kernel_size=15, stride=2), nn.BatchNorm1d(n_out), nn.ReLU()]


model = nn.Sequential(
    nn.InstanceNorm1d(len(data.leads)),  # (B, leads, T)
    *convolution(len(data.leads), 16),
    *convolution(16, 32),
    *convolution(32, 32),  # (B, 32, T')
    nn.AdaptiveAvgPool1d(1),
    nn.Flatten(),  # (B, 32)
    nn.Linear(32, len(data.conditions)),
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
training, test = loader_of(1, shuffle=True), loader_of(2, shuffle=False)

for epoch in range(10):
    training.dataset.set_epoch(epoch)  # without it every epoch has the order of the first
    for windows, label in training:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(windows), label).backward()
        optimizer.step()

model.eval()
with torch.inference_mode():
    hits = torch.cat([model(windows).argmax(dim=1) == label for windows, label in test])
print(f"{'SIMULATED data. ' if data.simulated else ''}State of {len(hits)} windows, on subjects never seen:")
chance = np.bincount(state[fold == 2]).max() / len(hits)
print(f"  {hits.float().mean():.2f}   (chance {chance:.2f})")
