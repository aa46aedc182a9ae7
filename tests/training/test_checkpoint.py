"""A training that was interrupted goes on as if nothing had happened; anything else is refused."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

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
    with pytest.raises(TrainingError, match=r"c\.safetensors: belongs to another training; remove it"):
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
        (lambda content, _: content.pop("n_steps"), "field 'n_steps' is None"),
        (lambda content, _: content.update(format="other"), "expected format ecgkit-checkpoint 1"),
        (lambda content, _: content.update(best_epoch=1), "field 'best_score'"),
        (lambda _, tensors: tensors.pop("balancer/weights"), "tensor 'balancer/weights': got none"),
        (lambda _, tensors: tensors.update(more=torch.ones(2)), "tensor 'more': got torch.float32"),
        (lambda _, tensors: tensors["model/subject_head.weight"].fill_(torch.nan), "holds NaN"),
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
    with pytest.raises(TrainingError, match="a folder, a device or a pipe"):
        fit(SPEC, data(), settings=PLAIN, checkpoint=tmp_path / "folder")


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from training.test_checkpoint import KINDS, SPEC, data, weights
from ecgkit.training.loop import fit
kind, path, out = sys.argv[1:]
print("begun", flush=True)
more = {{"validation": data(40, seed=9), "checkpoint": Path(path), "checkpoint_every_s": 0}}
net = fit(SPEC, data(), settings=KINDS[kind], **more)
Path(out).write_bytes(weights(net))
"""


def killed_at_random(folder: Path, kind: str, *, most_s: float, n_rounds: int, seed: int) -> None:
    """Train in processes that are killed at random moments; the last one may come to the end."""
    chance = random.Random(seed)
    program = PROGRAM.format(tests=str(Path(__file__).parents[1]))
    command = [sys.executable, "-c", program, kind, str(folder / "c.safetensors"), str(folder / "out")]
    for n_killed in range(n_rounds + 1):
        limit_s = chance.uniform(0, most_s) if n_killed < n_rounds else 600
        with subprocess.Popen(command, stdout=subprocess.PIPE) as one:
            assert one.stdout is not None
            assert one.stdout.readline() == b"begun\n"
            until = time.monotonic() + limit_s
            while one.poll() is None and time.monotonic() < until:
                time.sleep(0.005)
            if one.poll() is None:
                one.send_signal(signal.SIGKILL)
                continue
        assert one.returncode == 0
        return


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One round of kills in every test run, twenty in the campaign."""
    if "round_of_kills" in metafunc.fixturenames:
        rounds: list[object] = [0]
        if metafunc.config.getoption("soak"):
            rounds += [pytest.param(n, marks=pytest.mark.soak) for n in range(1, 21)]
        metafunc.parametrize("round_of_kills", rounds)


def test_fit_killed_at_random_moments_comes_to_the_same_weights(tmp_path: Path, round_of_kills: int) -> None:
    kind = ["all of it", *KINDS][round_of_kills % (len(KINDS) + 1)]
    killed_at_random(tmp_path, kind, most_s=0.5, n_rounds=6 if round_of_kills else 3, seed=round_of_kills)
    expected = weights(fit(SPEC, data(), settings=KINDS[kind], validation=data(40, seed=9)))
    assert (tmp_path / "out").read_bytes() == expected
