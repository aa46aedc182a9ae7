"""A training that was interrupted goes on as if nothing had happened; anything else is refused."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from support.killed import in_another_process

from ecgkit.errors import TrainingError
from ecgkit.models.spec import ModelSpec
from ecgkit.training.augment import Augmentation
from ecgkit.training.checkpoint import epoch_of
from ecgkit.training.loop import EpochRecord, FitSettings, fit
from ecgkit.training.supply import Labelled

SPEC = ModelSpec(
    "resnet", "sca", n_leads=1, n_samples=48, n_subjects=4, n_conditions=3, stem_channels=4, widths=(4, 4, 8)
)
PLAIN = FitSettings(4, 16, 0.01, "gradnorm", seed=3, threads=1, device="cpu")
ALL_OF_IT = dataclasses.replace(
    PLAIN,
    schedule="warmup-cosine",
    class_weights="balanced",
    augmentation=Augmentation(amplitude=0.3, noise=0.1, time_stretch=0.1, lead_inversion=0.2),
    fs=100.0,
)
KINDS = {
    "plain": PLAIN,
    "all of it": ALL_OF_IT,
    **{
        name: dataclasses.replace(PLAIN, balancing=name)
        for name in ("uncertainty", "dwa", "pcgrad", "dt4ecg-renormalised")
    },
}


def data(n: int = 83, seed: int = 0) -> Labelled:
    draw = np.random.default_rng(seed)
    windows = draw.standard_normal((n, 1, 48)).astype(np.float32)
    return Labelled(windows, draw.integers(-1, 4, n), draw.integers(0, 3, n))


class StopError(Exception):
    """As a power cut."""


def weights(net: torch.nn.Module) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in net.state_dict().values())


def stopped_after(epoch: int, path: Path, settings: FitSettings, **more: object) -> None:
    def stop(record: EpochRecord) -> None:
        if record.epoch == epoch + 1:
            raise StopError

    with pytest.raises(StopError):
        fit(SPEC, data(), settings=settings, on_epoch=stop, checkpoint=path, checkpoint_every_s=0, **more)
    assert epoch_of(path) == epoch


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("validated", [False, True])
def test_fit_goes_on_after_any_epoch_to_the_same_weights(tmp_path: Path, kind: str, validated: bool) -> None:
    settings = KINDS[kind]
    more = {"validation": data(40, seed=9), "monitor": data(20, seed=5)} if validated else {}
    whole: list[EpochRecord] = []
    expected = weights(fit(SPEC, data(), settings=settings, on_epoch=whole.append, **more))
    for epoch in (1, 3):
        path = tmp_path / f"{epoch}.safetensors"
        stopped_after(epoch, path, settings, **more)
        rest: list[EpochRecord] = []
        torch.rand(5)  # what ran before makes no difference
        net = fit(SPEC, data(), settings=settings, on_epoch=rest.append, checkpoint=path, **more)
        assert weights(net) == expected
        plain = [dataclasses.replace(record, seconds=0.0) for record in (*whole[epoch:], *rest)]
        assert list(map(repr, plain[: len(rest)])) == list(map(repr, plain[len(rest) :]))


def test_fit_that_was_done_when_it_was_killed_takes_no_further_step(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    expected = weights(fit(SPEC, data(), settings=PLAIN, checkpoint=path, checkpoint_every_s=0))
    assert epoch_of(path) == PLAIN.epochs
    seen: list[EpochRecord] = []
    assert weights(fit(SPEC, data(), settings=PLAIN, on_epoch=seen.append, checkpoint=path)) == expected
    assert seen == []


def test_fit_keeps_its_state_no_more_often_than_asked(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    fit(SPEC, data(), settings=PLAIN, checkpoint=path, checkpoint_every_s=1000)
    assert not path.exists()


@pytest.mark.parametrize("way", ["mapped", "blocks"])
def test_fit_goes_on_wherever_the_windows_come_from(tmp_path: Path, way: str) -> None:
    np.save(tmp_path / "windows.npy", data().windows)
    mapped = dataclasses.replace(data(), windows=np.load(tmp_path / "windows.npy", mmap_mode="r"))
    path = tmp_path / "c.safetensors"
    expected = weights(fit(SPEC, mapped, settings=PLAIN, way=way))

    def stop(record: EpochRecord) -> None:
        if record.epoch == 3:
            raise StopError

    with pytest.raises(StopError):
        fit(SPEC, mapped, settings=PLAIN, way=way, on_epoch=stop, checkpoint=path, checkpoint_every_s=0)
    assert weights(fit(SPEC, mapped, settings=PLAIN, way=way, checkpoint=path)) == expected


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(PLAIN, seed=4),
        dataclasses.replace(PLAIN, learning_rate=0.02),
        dataclasses.replace(PLAIN, balancing="equal"),
    ],
)
def test_fit_does_not_go_on_from_another_training(tmp_path: Path, other: FitSettings) -> None:
    path = tmp_path / "c.safetensors"
    stopped_after(1, path, PLAIN)
    with pytest.raises(TrainingError, match=r"c\.safetensors: belongs to another training: .*remove it"):
        fit(SPEC, data(), settings=other, checkpoint=path)
    with pytest.raises(TrainingError, match="another training"):
        fit(SPEC, data(seed=1), settings=PLAIN, checkpoint=path)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("kept") / "c.safetensors"
    stopped_after(1, path, PLAIN)
    return path.read_bytes()


def refused(folder: Path, raw: bytes) -> str:
    path = folder / "c.safetensors"
    path.write_bytes(raw)
    with pytest.raises(TrainingError) as error:
        fit(SPEC, data(), settings=PLAIN, checkpoint=path)
    assert path.read_bytes() == raw
    return str(error.value)


def test_fit_refuses_a_checkpoint_that_is_cut_off(tmp_path: Path, kept: bytes) -> None:
    for part in range(1, 20):
        assert "c.safetensors" in refused(tmp_path, kept[: part * len(kept) // 20])


def changed(raw: bytes, change) -> bytes:
    """The same file with other tensors or another description."""
    size = int.from_bytes(raw[:8], "little")
    content = json.loads(json.loads(raw[8 : 8 + size])["__metadata__"]["content"])
    tensors = safetensors.torch.load(raw)
    change(content, tensors)
    return safetensors.torch.save(tensors, metadata={"content": json.dumps(content)})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content, _: content.update(epoch=0), "field 'epoch'"),
        (lambda content, _: content.update(epoch="1"), "field 'epoch' is '1'"),
        (lambda content, _: content.update(epoch=True), "field 'epoch' is True"),
        (lambda content, _: content.pop("fingerprint"), "field 'fingerprint' is None"),
        (lambda content, _: content.update(epoch=10**18), f"epoch {10**18} of 4"),
        (lambda content, _: content.update(best_epoch=2, best_score=0.5), "field 'best_epoch' is 2"),
        (lambda content, _: content.update(best_epoch=1, best_score=7), "field 'best_score' is 7"),
        (lambda content, _: content.update(best_epoch=1, best_score=0.5), "tensor 'best/"),
        (lambda content, _: content.update(format="other"), "expected format ecgkit-checkpoint 1"),
        (lambda content, _: content.update(best_epoch=1), "field 'best_score'"),
        (lambda _, tensors: tensors.pop("balancer/weights"), "tensor 'balancer/weights': got none"),
        (lambda _, tensors: tensors.update(more=torch.ones(2)), "tensor 'more': got torch.float32"),
        (lambda _, tensors: tensors["model/subject_head.weight"].fill_(torch.inf), "holds NaN or infinity"),
        (
            lambda _, tensors: tensors["optimizer/3/exp_avg"].fill_(torch.nan),
            "'optimizer/3/exp_avg' holds NaN",
        ),
        (
            lambda _, tensors: tensors.update({"optimizer/0/step": torch.ones(3)}),
            r"tensor 'optimizer/0/step': got torch.float32 (3,), expected torch.float32 ()",
        ),
        (lambda _, tensors: tensors["random/cpu"].fill_(255), "random numbers is none"),
    ],
)
def test_fit_refuses_a_tampered_checkpoint(tmp_path: Path, kept: bytes, change, says: str) -> None:
    message = refused(tmp_path, changed(kept, change))
    assert says in message
    assert message.endswith("remove it to begin anew")


def test_fit_refuses_what_is_no_checkpoint(tmp_path: Path) -> None:
    assert "remove it" in refused(tmp_path, b"not one" * 100)
    (tmp_path / "folder").mkdir()
    with pytest.raises(TrainingError, match="a folder, a device or a pipe; remove it"):
        fit(SPEC, data(), settings=PLAIN, checkpoint=tmp_path / "folder")
    with pytest.raises(TrainingError, match="a folder, a device or a pipe; remove it"):
        epoch_of(tmp_path / "folder")


def test_fit_does_not_read_a_checkpoint_without_end(tmp_path: Path, kept: bytes) -> None:
    path = tmp_path / "c.safetensors"
    path.write_bytes(kept)
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(TrainingError, match=r"more than \d+ bytes; remove it"):
        fit(SPEC, data(), settings=PLAIN, checkpoint=path)
    assert epoch_of(path) == 1


def test_fit_does_not_go_on_where_the_batches_would_be_others(tmp_path: Path) -> None:
    np.save(tmp_path / "windows.npy", data().windows)
    mapped = dataclasses.replace(data(), windows=np.load(tmp_path / "windows.npy", mmap_mode="r"))
    path = tmp_path / "c.safetensors"
    fit(SPEC, mapped, settings=PLAIN, way="memory", checkpoint=path, checkpoint_every_s=0)
    fit(SPEC, mapped, settings=PLAIN, way="mapped", checkpoint=path)
    with pytest.raises(TrainingError, match="another training"):
        fit(SPEC, mapped, settings=PLAIN, way="blocks", checkpoint=path)


# Trains in copies of this process: one undisturbed, then some that are killed, then one to the end.
# Says the epoch that each killed one had kept, and whether the weights are the same.
LAUNCHER = """
import dataclasses, os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from training.test_checkpoint import KINDS, SPEC, data, weights
from ecgkit.training.checkpoint import epoch_of
from ecgkit.training.loop import fit

folder, kind, seed, n_kills = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
settings = dataclasses.replace(KINDS[kind], epochs=10)

def begun(name):
    if (child := os.fork()) == 0:
        more = {"validation": data(40, seed=9), "checkpoint_every_s": 0}
        net = fit(SPEC, data(), settings=settings, checkpoint=folder / f"{name}.safetensors", **more)
        (folder / name).write_bytes(weights(net))
        os._exit(0)
    return child

fit(SPEC, data(), settings=dataclasses.replace(settings, epochs=1))  # so that no copy must load what is slow
start = time.monotonic()
assert os.waitpid(begun("whole"), 0)[1] == 0
whole_s = time.monotonic() - start
chance = random.Random(seed)
kept = folder / "killed.safetensors"
for n_killed in range(n_kills):
    child = begun("killed")
    while n_killed == 0 and not kept.exists() and time.monotonic() < start + 100:
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.4) * whole_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(epoch_of(kept))
assert os.waitpid(begun("killed"), 0)[1] == 0
print("same" if (folder / "whole").read_bytes() == (folder / "killed").read_bytes() else "other")
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One training that is killed again and again in every test run, twenty more in the campaign."""
    if "killed_training" in metafunc.fixturenames:
        rounds: list[object] = [0]
        if metafunc.config.getoption("soak"):
            rounds += [pytest.param(n, marks=pytest.mark.soak) for n in range(1, 21)]
        metafunc.parametrize("killed_training", rounds)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes can't be copied here")
def test_fit_killed_at_random_moments_comes_to_the_same_weights(tmp_path: Path, killed_training: int) -> None:
    kind = ["all of it", *KINDS][killed_training % (len(KINDS) + 1)]
    n_kills = 5 if killed_training == 0 else 8
    result = in_another_process(LAUNCHER, Path(__file__).parents[1], tmp_path, kind, killed_training, n_kills)
    assert result.stderr == ""
    *epochs, same = result.stdout.split()
    assert len(epochs) == n_kills
    assert epochs == sorted(epochs, key=int)
    assert same == "same"
