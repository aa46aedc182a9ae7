from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ecgkit.simulate import beat

FS = 1000.0
P, Q, R, S, T, N = range(6)


def ones(n_beats: int) -> np.ndarray:
    return np.ones((n_beats, len(beat.WAVES)))


@pytest.mark.parametrize("person", range(50))
def test_draw_shape_stays_within_healthy_limits(person: int) -> None:
    shape = beat.draw_shape(np.random.default_rng(person))
    onset_s = shape[Q].centre_s - 2 * shape[Q].before_s
    end_s = max(shape[S].centre_s + 2 * shape[S].after_s, shape[N].centre_s + 2 * shape[N].after_s)
    p_onset_s = shape[P].centre_s - 2 * shape[P].before_s
    t_end_s = shape[T].centre_s + 2 * shape[T].after_s
    assert len(shape) == len(beat.WAVES)
    assert 0.070 <= end_s - onset_s <= 0.110
    assert 0.120 <= onset_s - p_onset_s <= 0.200
    assert 0.360 <= t_end_s - onset_s <= 0.450  # at an RR of 1 s QT is QTc
    assert 0.5 <= shape[R].along_mv <= 2.0


def test_draw_shape_people_differ() -> None:
    first, second = (beat.draw_shape(np.random.default_rng(seed)) for seed in (1, 2))
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_synthesise_peaks_at_the_r_times_with_the_height_of_the_waves() -> None:
    shape = (beat.Wave(1.0, 0.0, 0.0, 0.01, 0.01, 0.0, 0.0),)
    peaks_s = np.arange(0.5, 9.5, 0.8)
    ecg = beat.synthesise(shape, peaks_s, FS, n=10_000, turn_deg=np.zeros(12), gains=np.full((12, 1), 1.5))
    assert_allclose(ecg[np.rint(peaks_s * FS).astype(int)], 1.5)
    assert ecg.sum() / FS == pytest.approx(12 * 1.5 * 0.01 * np.sqrt(2 * np.pi), rel=1e-6)


def test_synthesise_turned_lead_sees_what_lies_across() -> None:
    shape = (beat.Wave(1.0, 0.4, 0.0, 0.01, 0.01, 0.0, 0.0),)
    heights = [
        beat.synthesise(
            shape, np.array([0.5, 1.5]), FS, n=2000, turn_deg=np.full(2, turn), gains=np.ones((2, 1))
        )[500]
        for turn in (0.0, 90.0, 30.0)
    ]
    assert_allclose(heights, [1.0, 0.4, np.cos(np.pi / 6) + 0.4 * 0.5])


def test_synthesise_shortens_qt_and_pr_as_the_heart_beats_faster() -> None:
    shape = beat.draw_shape(np.random.default_rng(3))

    def wave_times(rr_s: float) -> tuple[float, float]:
        peaks_s = np.arange(0.5, 30, rr_s)
        only_t = (shape[T],)
        only_p = (shape[P],)
        places = []
        for only, start_s, stop_s in ((only_t, 0.0, 0.6 * rr_s), (only_p, -0.4 * rr_s, 0.0)):
            ecg = beat.synthesise(
                only, peaks_s, FS, n=30_000, turn_deg=np.zeros(peaks_s.size), gains=np.ones((peaks_s.size, 1))
            )
            first = round((peaks_s[20] + start_s) * FS)
            places.append(start_s + ecg[first : round((peaks_s[20] + stop_s) * FS)].argmax() / FS)
        return places[0], places[1]

    (slow_t, slow_p), (fast_t, fast_p) = wave_times(1.0), wave_times(0.5)
    assert fast_t == pytest.approx(slow_t * np.sqrt(0.5), abs=0.002)
    assert slow_p < fast_p < 0


def test_synthesise_beats_outside_reach_in_and_nothing_else() -> None:
    shape = (beat.Wave(1.0, 0.0, 0.3, 0.05, 0.05, 0.0, 0.0),)
    ecg = beat.synthesise(
        shape, np.array([-0.3, 5.0]), FS, n=1000, turn_deg=np.zeros(2), gains=np.ones((2, 1))
    )
    assert ecg[0] == pytest.approx(1.0)
    assert not ecg[400:].any()


def test_adapted_rr_follows_slowly_and_ends_up_there() -> None:
    peaks_s = np.cumsum(np.r_[np.full(50, 1.0), np.full(200, 0.5)])
    adapted = beat.adapted_rr(peaks_s)
    assert_allclose(adapted[:50], 1.0)
    assert adapted[55] > 0.8
    assert adapted[-1] == pytest.approx(0.5, abs=1e-3)


def test_combine_adds_turns_and_multiplies_gains() -> None:
    both = beat.combine(beat.Placement(2.0, 5.0, (1.0, 2.0)), beat.Placement(0.5, -2.0, (3.0, 0.5)))
    assert both == beat.Placement(1.0, 3.0, (3.0, 1.0))


def test_draw_placement_spread_zero_changes_only_the_gain() -> None:
    placement = beat.draw_placement(3, turn_deg=0.0, wave_spread=0.0, rng=np.random.default_rng(0))
    assert placement.turn_deg == 0
    assert placement.wave_gain == (1, 1, 1)
