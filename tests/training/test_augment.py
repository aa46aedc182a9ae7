from __future__ import annotations

import math
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecgkit.errors import ConfigError
from ecgkit.training.augment import (
    NONE,
    Augmentation,
    amplified,
    described,
    examples,
    inverted,
    mains_at,
    stretched,
    varied,
)

FS = 100.0
EACH = [
    Augmentation(amplitude=0.3),
    Augmentation(baseline=0.4),
    Augmentation(noise=0.05),
    Augmentation(mains=0.2),
    Augmentation(time_stretch=0.2),
    Augmentation(lead_inversion=0.5),
]
ALL = Augmentation(0.3, 0.4, 0.05, 0.2, 0.2, 0.5)
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(2, 60))
NAMES = [field.name for field in fields(Augmentation)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=seeded(seed))


def added(augmentation: Augmentation, shape: tuple[int, ...], *, fs: float = FS) -> Tensor:
    """Return what a variation adds to windows of zeros."""
    return varied(torch.zeros(shape), augmentation, fs=fs, generator=seeded())


@settings(deadline=None, max_examples=60)
@given(shape=SHAPES, augmentation=st.sampled_from([*EACH, ALL]), seed=st.integers(0, 2**31))
def test_varied_keeps_shape_and_input_and_repeats_by_the_seed(
    shape: tuple[int, ...], augmentation: Augmentation, seed: int
) -> None:
    windows = some(shape, seed)
    before = windows.clone()
    first, again = (varied(windows, augmentation, fs=FS, generator=seeded(seed)) for _ in range(2))
    assert first.shape == windows.shape
    assert first.dtype == torch.float32
    assert torch.isfinite(first).all()
    assert torch.equal(first, again)
    assert torch.equal(windows, before)
    assert first.data_ptr() != windows.data_ptr()


def test_varied_is_the_same_tensor_and_draws_nothing_where_all_is_off() -> None:
    windows, generator = some((3, 1, 20)), seeded()
    state = generator.get_state()
    assert varied(windows, NONE, fs=FS, generator=generator) is windows
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize("augmentation", EACH)
def test_varied_gives_each_window_a_draw_of_its_own(augmentation: Augmentation) -> None:
    windows = some((1, 2, 50)).expand(40, 2, 50)
    found = varied(windows, augmentation, fs=FS, generator=seeded())
    n_different = 2 if augmentation.lead_inversion else 40
    assert len({window.numpy().tobytes() for window in found}) == n_different


def test_varied_gives_other_draws_at_the_next_call() -> None:
    windows, generator = some((4, 1, 30)), seeded()
    first, second = (varied(windows, ALL, fs=FS, generator=generator) for _ in range(2))
    assert not torch.equal(first, second)


@settings(deadline=None, max_examples=40)
@given(most=st.floats(0.01, 9), seed=st.integers(0, 1000))
def test_amplitude_keeps_the_mean_of_each_lead_and_its_limits(most: float, seed: int) -> None:
    windows = some((8, 2, 40), seed)
    found = varied(windows, Augmentation(amplitude=most), fs=FS, generator=seeded(seed))
    torch.testing.assert_close(found.mean(dim=2), windows.mean(dim=2), rtol=1e-4, atol=1e-4)
    factors = found.std(dim=2) / windows.std(dim=2)  # (8, 2)
    torch.testing.assert_close(factors[:, 0], factors[:, 1], rtol=1e-3, atol=1e-4)
    assert (factors < (1 + most) * 1.001).all()
    assert (factors > 1 / (1 + most) * 0.999).all()


def test_amplified_is_this_much_higher() -> None:
    windows = torch.tensor([[[0.0, 1.0, 2.0]], [[0.0, 1.0, 2.0]]])
    found = amplified(windows, torch.tensor([2.0, 0.5]))
    assert found.tolist() == [[[-1.0, 1.0, 3.0]], [[0.5, 1.0, 1.5]]]


def test_factors_are_as_often_above_1_as_below() -> None:
    windows = torch.tensor([0.0, 1.0]).expand(4000, 1, 2)
    found = varied(windows, Augmentation(amplitude=1.0), fs=FS, generator=seeded())
    logs = (found[:, 0, 1] - found[:, 0, 0]).log() / math.log(2)  # (4000,), uniform from -1 to 1
    assert logs.mean().abs() < 0.04
    assert logs.std() == pytest.approx(1 / math.sqrt(3), abs=0.02)


@settings(deadline=None, max_examples=40)
@given(shape=SHAPES, height=st.floats(0.01, 10), seed=st.integers(0, 1000))
def test_baseline_is_never_higher_than_said(shape: tuple[int, ...], height: float, seed: int) -> None:
    wave = varied(torch.zeros(shape), Augmentation(baseline=height), fs=FS, generator=seeded(seed))
    assert torch.all(wave.amax(dim=2) - wave.amin(dim=2) <= height * 1.0001)


def test_baseline_is_slow_and_another_one_in_each_lead() -> None:
    waves = added(Augmentation(baseline=1.0), (20, 2, 6000))
    power = torch.fft.rfft(waves * torch.hann_window(6000)).abs() ** 2
    hz = torch.fft.rfftfreq(6000, 1 / FS)
    assert (power[..., hz < 0.6].sum(dim=-1) / power.sum(dim=-1) > 0.9999).all()
    assert not torch.allclose(waves[:, 0], waves[:, 1])


def test_noise_is_white_and_of_the_sd_said() -> None:
    noise = added(Augmentation(noise=0.1), (400, 1, 1000))
    sd = noise.std(dim=2)
    assert sd.max() < 0.1 * 1.1
    assert sd.mean() == pytest.approx(0.05, rel=0.1)
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()
    assert abs(neighbours) < 0.01


@pytest.mark.parametrize(
    ("fs", "seen"),
    [
        (250.0, [50, 60]),
        (100.0, [50, 40]),
        (125.0, [50, 60]),
        (110.0, [50, 50]),
        (80.0, [30, 20]),
        (50.0, [10]),
    ],
)
def test_mains_is_seen_where_the_rate_puts_it(fs: float, seen: list[float]) -> None:
    assert mains_at(fs) == pytest.approx(seen)
    hum = added(Augmentation(mains=0.3), (60, 1, int(10 * fs)), fs=fs)
    peaks = torch.fft.rfftfreq(hum.shape[2], 1 / fs)[torch.fft.rfft(hum[:, 0]).abs().argmax(dim=1)]
    assert set(peaks.round().tolist()) == set(seen)


def test_mains_is_the_same_on_all_leads_and_never_higher_than_said() -> None:
    hum = added(Augmentation(mains=0.3), (50, 3, 300), fs=250.0)
    assert torch.equal(hum[:, 0], hum[:, 2])
    assert 0.28 < hum.abs().max() <= 0.3


def test_mains_at_a_rate_that_leaves_nothing_of_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mains 0.1 at 10 Hz: neither 50 nor 60 Hz.*set mains: 0"):
        added(Augmentation(mains=0.1), (1, 1, 20), fs=10.0)


def test_stretched_by_1_changes_nothing() -> None:
    windows = some((3, 2, 41))
    torch.testing.assert_close(stretched(windows, torch.ones(3)), windows, rtol=0, atol=1e-6)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_stretched_changes_the_rate_of_a_sine_by_the_factor(factor: float) -> None:
    def wave(hz: float) -> Tensor:
        return torch.cos(2 * math.pi * hz * (torch.arange(301) - 150) / FS)  # about the middle

    found = stretched(wave(5.0)[None, None], torch.tensor([factor]))[0, 0]
    inside = slice(40, 261)
    torch.testing.assert_close(found[inside], wave(5.0 / factor)[inside], rtol=0, atol=2e-3)


def test_stretched_holds_the_edges_of_a_window_that_gets_too_short() -> None:
    found = stretched(some((1, 1, 101)), torch.tensor([0.5]))[0, 0]
    assert len(set(found[:26].tolist())) == 1
    assert len(set(found[-26:].tolist())) == 1
    assert found[50] == pytest.approx(float(some((1, 1, 101))[0, 0, 50]), abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(shape=SHAPES, seed=st.integers(0, 1000))
def test_stretched_does_not_depend_on_the_rest_of_the_batch(shape: tuple[int, ...], seed: int) -> None:
    windows, factors = some(shape, seed), 0.5 + some(shape[:1], seed)
    whole = stretched(windows, factors)
    for row in range(shape[0]):
        torch.testing.assert_close(whole[row], stretched(windows[[row]], factors[[row]])[0])


@settings(deadline=None, max_examples=30)
@given(shape=SHAPES, seed=st.integers(0, 1000))
def test_lead_inversion_keeps_the_range_and_turned_twice_is_the_window(
    shape: tuple[int, ...], seed: int
) -> None:
    windows, turned = some(shape, seed), some(shape[:1], seed) < 0.5
    found = inverted(windows, turned)
    torch.testing.assert_close(found.amin(dim=2), windows.amin(dim=2))
    torch.testing.assert_close(found.amax(dim=2), windows.amax(dim=2))
    assert torch.equal(found[~turned], windows[~turned])
    torch.testing.assert_close(inverted(found, turned), windows)


def test_lead_inversion_of_a_window_from_0_to_1_is_1_minus_it() -> None:
    windows = torch.tensor([[[0.0, 0.25, 1.0]]])
    assert inverted(windows, torch.tensor([True])).tolist() == [[[1.0, 0.75, 0.0]]]


@pytest.mark.parametrize(("probability", "least", "most"), [(0.25, 220, 280), (1.0, 1000, 1000)])
def test_lead_inversion_comes_as_often_as_said(probability: float, least: int, most: int) -> None:
    windows = torch.tensor([0.0, 0.25, 1.0]).expand(1000, 1, 3)
    found = varied(windows, Augmentation(lead_inversion=probability), fs=FS, generator=seeded())
    assert least <= int((found[:, 0, 0] == 1).sum()) <= most


def test_described_says_what_is_on_and_only_that() -> None:
    assert described(NONE) == ()
    assert len(described(ALL)) == len(NAMES)
    for name, value in asdict(ALL).items():
        (sentence,) = described(replace(NONE, **{name: value}))
        assert f"{1 + value if name in ('amplitude', 'time_stretch') else value:g}" in sentence
    assert "the heart rate changes" in described(Augmentation(time_stretch=0.1))[0]


def test_examples_are_the_same_for_the_same_seed() -> None:
    window = np.random.default_rng(0).random((2, 50), dtype=np.float32)
    window.setflags(write=False)
    first, again, other = (examples(window, ALL, fs=FS, n=4, seed=seed) for seed in (1, 1, 2))
    assert first.shape == (4, 2, 50)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert len(np.unique(first[:, 0, 0])) == 4
    np.testing.assert_array_equal(examples(window, NONE, fs=FS, n=3, seed=0), np.stack([window] * 3))
