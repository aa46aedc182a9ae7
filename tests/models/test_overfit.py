"""Every network can learn 32 windows by heart: gradients reach what they must."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the name everyone knows it by)

from ecgkit.models.attention import ATTENTIONS
from ecgkit.models.backbones import BACKBONES, takes
from ecgkit.models.dual_task import ModelSpec, build_model

PAIRS = [pair for pair in itertools.product(BACKBONES, ATTENTIONS) if takes(*pair)]


def steps_to_learn(spec: ModelSpec, *, most: int, batch_size: int = 32) -> int | None:
    """Return after how many passes 32 windows of noise are all told right, None if never."""
    torch.manual_seed(0)
    x = torch.randn(32, spec.n_leads, spec.n_samples)
    labels = [torch.arange(32) % spec.n_subjects, torch.randint(0, spec.n_conditions, (32,))]
    model = build_model(spec)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for step in range(1, most + 1):
        for rows in torch.randperm(32).split(batch_size):
            optimizer.zero_grad(set_to_none=True)
            outputs = model.train()(x[rows])
            sum(F.cross_entropy(o, t[rows]) for o, t in zip(outputs, labels, strict=True)).backward()
            optimizer.step()
        if step % 5 == 0:
            with torch.no_grad():
                outputs = model.eval()(x)
            if all(bool((o.argmax(dim=1) == t).all()) for o, t in zip(outputs, labels, strict=True)):
                return step
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Take short windows, or with --soak those of the default length and number of classes too."""
    cases = [(64, 4, pair) for pair in PAIRS]
    if metafunc.config.getoption("--soak"):
        cases += [(300, 15, pair) for pair in PAIRS]
    params = [
        pytest.param(
            ModelSpec(*pair, 1, n_samples, n_subjects=n_subjects, n_conditions=3),
            id="-".join((*pair, str(n_samples))),
            marks=[pytest.mark.soak] if n_samples == 300 else [],
        )
        for n_samples, n_subjects, pair in cases
    ]
    metafunc.parametrize("spec", params)


def test_every_network_learns_32_windows_by_heart(spec: ModelSpec) -> None:
    assert steps_to_learn(spec, most=300, batch_size=16) is not None
