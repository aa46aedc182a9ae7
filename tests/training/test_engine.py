"""Training in several processes: what they exchange, and that they train as one."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.peers import EPOCHS, SEEN, fitted, peers, small_network, small_settings, small_training
from torch import Tensor, nn
from torch.func import functional_call

from ecgkit.errors import TrainingError
from ecgkit.lookup import pick
from ecgkit.models.dual_task import TASKS, DualTaskNet, build_model, last_shared_weight, trunk_weights
from ecgkit.training.balancing import BALANCERS, Shared
from ecgkit.training.engine import Alone, check_alike
from ecgkit.training.fabric_engine import VARIABLES, Together, engine_of_environment
from ecgkit.training.supply import LabelledBatch, shuffled_epochs

ALONE = Alone()
CPU = torch.device("cpu")
BALANCINGS = [name for name in BALANCERS if name != "single-task"]


def batch(n: int) -> tuple[Tensor, Tensor, Tensor]:
    return torch.arange(2.0 * n).reshape(n, 1, 2), torch.arange(n), torch.arange(n)


def arrays(folder: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(folder / f"{name}.npz") as file:
        return dict(file)


def test_alone_gives_back_what_it_is_given() -> None:
    given, tensor, module = batch(3), torch.tensor([1, 2]), nn.BatchNorm1d(2)
    module.weight.grad = torch.ones(2)
    assert ALONE.share(given) is given
    assert ALONE.mean(tensor) is tensor
    assert ALONE.sum(tensor) is tensor
    assert ALONE.device(CPU) is CPU
    assert ALONE.from_first(b"abc") == b"abc"
    ALONE.average_gradients(module.parameters())
    ALONE.average_buffers(module)
    assert module.weight.grad.tolist() == [1, 1]
    check_alike(ALONE, {"seed": "0"})


@pytest.mark.parametrize("world_size", [2, 3, 4])
@pytest.mark.parametrize("n", range(1, 18))
def test_share_deals_each_label_once_and_two_windows_at_least(n: int, world_size: int) -> None:
    whole = batch(n)
    parts = [Together(rank, world_size, CPU).share(whole) for rank in range(world_size)]
    labels = torch.cat([part[1] for part in parts])
    assert labels[labels >= 0].tolist() == list(range(n))
    sizes = [len(part[0]) for part in parts]
    assert all(len(part[0]) == len(part[1]) == len(part[2]) for part in parts)
    if n < 2 * world_size:
        assert sizes == [n] * world_size
    else:
        assert min(sizes) >= 2
        assert sum(sizes) == n
        assert max(sizes) - min(sizes) <= 1
        assert torch.equal(torch.cat([part[0] for part in parts]), whole[0])


def test_engine_without_other_processes_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "1"):
        monkeypatch.delenv("WORLD_SIZE", raising=False)
        if value:
            monkeypatch.setenv("WORLD_SIZE", value)
        with engine_of_environment("cpu") as engine:
            assert isinstance(engine, Alone)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (("", "2", "", ""), "not all of RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE are numbers"),
        (("0", "many", "0", "1"), "are numbers"),
        (("2", "2", "0", "1"), "process 2 of 2"),
        (("0", "3", "0", "2"), "as many processes on each machine"),
    ],
)
def test_engine_refuses_an_environment_that_is_none_of_torchrun(
    values: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(VARIABLES, values, strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=says), engine_of_environment("cpu"):
        pass


def test_engine_says_which_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(VARIABLES, "0202", strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with (
        pytest.raises(TrainingError, match=r'pip install "ecgkit-mp160\[fabric\]"'),
        engine_of_environment("cpu"),
    ):
        pass


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let two processes exchange all that can be, then train with each balancing; return what they wrote."""
    folder = tmp_path_factory.mktemp("together")
    where = repr(str(folder))
    ended = peers(f"show_exchange({where}); fit_together({where}, {' '.join(BALANCINGS)!r})")
    assert [process.code for process in ended] == [0, 0], "\n".join(one.output for one in ended)
    assert [process.output for process in ended] == ["", ""]
    return folder


def test_processes_exchange_what_they_are_asked_to(together: Path) -> None:
    first, second = arrays(together, "0"), arrays(together, "1")
    for name in (
        "sum",
        "mean",
        "transposed",
        "gradient",
        "running_mean",
        "count",
        "given",
        "nothing",
        "device",
    ):
        np.testing.assert_array_equal(first[name], second[name])
    assert first["sum"].tolist() == [2, 1]
    assert first["mean"].tolist() == [1, 0.5]
    np.testing.assert_array_equal(first["transposed"], np.arange(6).reshape(2, 3).T + 0.5)
    assert first["gradient"].tolist() == [1.5, 3]
    assert first["running_mean"].tolist() == [0.5, 0.5]
    assert first["count"] == 7
    assert first["given"].tolist() == [0, 2, 3]
    assert first["nothing"].size == 0
    assert first["part_labels"].tolist() + second["part_labels"].tolist() == [0, 1, 2, 3, 4]
    assert first["small_labels"].tolist() == [0, 1, 2]
    assert second["small_labels"].tolist() == [-1, -1, -1]
    np.testing.assert_array_equal(first["small"], second["small"])


def emulated(balancing: str) -> dict[str, Tensor]:
    """Fit as two processes do, in one: each half of a batch on its own, then the mean of the halves."""
    torch.manual_seed(small_settings().seed)
    model = build_model(small_network()).train()
    balancer = pick(BALANCERS, balancing, what="balancing")((4, 3))
    optimizer = torch.optim.Adam([*model.parameters(), *balancer.parameters()], lr=0.01)
    shared = Shared(last_shared_weight(model), trunk_weights(model))
    statistics = [copy.deepcopy(dict(model.named_buffers())) for _ in range(2)]
    epochs = shuffled_epochs(small_training(), batch_size=11, seed=5, device=CPU)
    seen: dict[str, list[Tensor]] = {name: [] for name in SEEN}
    for _, batches in zip(range(EPOCHS), epochs, strict=False):
        totals, known, weights = torch.zeros(2), torch.zeros(2), []
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            sums, n = _both_halves(model, batch, statistics)
            weights.append(balancer.backward(tuple(sums / n), shared).weights.detach())
            optimizer.step()
            totals, known = totals + sums.detach(), known + n
        for name, buffer in model.named_buffers():
            mean = (statistics[0][name] + statistics[1][name]) / 2
            for one in (buffer, statistics[0][name], statistics[1][name]):
                one.copy_(mean)
        balancer.end_epoch((totals / known).tolist())
        for task, name in enumerate(TASKS):
            seen[f"{name}_loss"].append(totals[task] / known[task])
            seen[f"{name}_weight"].append(torch.stack(weights)[:, task].mean())
    return {name: torch.stack(values) for name, values in seen.items() if values} | model.state_dict()


def _both_halves(
    model: DualTaskNet, batch: LabelledBatch, statistics: list[dict[str, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Return each task's summed loss and known labels; each half is normalised by its own statistics."""
    windows, *labels = batch
    half = len(windows) // 2
    halves: tuple[slice, slice] = slice(None, half), slice(half, None)
    if len(windows) < 4:  # too small: both processes see all of it, and the labels count in one
        functional_call(model, statistics[1], (windows,))
        halves = slice(None), slice(0, 0)
    sums, n = [torch.zeros(()), torch.zeros(())], torch.zeros(2)
    for part, buffers in zip(halves, statistics, strict=True):
        if len(windows[part]):
            outputs = functional_call(model, buffers, (windows[part],))
            for task, output in enumerate(outputs):
                known = labels[task][part]
                sums[task] = sums[task] + nn.functional.cross_entropy(
                    output, known, ignore_index=-1, reduction="sum"
                )
                n[task] += (known >= 0).sum()
    return torch.stack(sums), n


@pytest.mark.parametrize("name", [*BALANCINGS, "varied", "resumed"])
def test_two_processes_see_and_hold_the_same_bits(name: str, together: Path) -> None:
    first, second = (arrays(together, f"{name}-{rank}") for rank in range(2))
    assert first.keys() == second.keys()
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key], err_msg=key)


@pytest.mark.parametrize("balancing", BALANCINGS)
def test_two_processes_train_as_one_that_takes_both_halves(balancing: str, together: Path) -> None:
    found, expected = arrays(together, f"{balancing}-0"), emulated(balancing)
    for key, value in expected.items():
        close = 1e-5 if key in SEEN else 1e-4  # Adam makes much of the rounding of a gradient near 0
        np.testing.assert_allclose(found[key], value.numpy(), rtol=close, atol=close, err_msg=key)


def test_one_process_has_other_batch_statistics_and_takes_another_way(together: Path) -> None:
    found, alone = arrays(together, "gradnorm-0"), fitted(ALONE)
    assert np.abs(found["subject_loss"] - alone["subject_loss"]).max() > 1e-3


def test_two_processes_go_on_from_the_checkpoint_of_the_first(together: Path) -> None:
    assert (together / "checkpoint-0").exists()
    assert not (together / "checkpoint-1").exists()
    resumed, undisturbed = arrays(together, "resumed-0"), arrays(together, "gradnorm-0")
    assert len(resumed["subject_loss"]) == EPOCHS - 2
    for key, value in resumed.items():
        np.testing.assert_array_equal(value, undisturbed[key][2:] if key in SEEN else undisturbed[key])


def test_processes_that_differ_or_lose_each_other_say_so_and_end() -> None:
    first, second = peers("go_wrong()")
    assert "differ: training: another process differs from process 0" in first.output
    assert "differ: training: process 1 has another data set than the first: 1f00" in second.output
    assert "silent: training: process 0 of 2 lost the others: one of them ended or can't be" in first.output
    assert "LostProcessError: training: process 0 of 2 lost the others" in first.output
    assert (first.code, second.code) == (1, 9)
