from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ecgkit.errors import ConfigError
from ecgkit.simulate import visit
from ecgkit.simulate.study import (
    CONDITIONS,
    SimulatedRecording,
    Span,
    respiration_divider,
    simulate_recording,
)

OPTIONS: dict[str, Any] = {"fs": 250.0, "seed": 1, "duration_s": 30.0, "mains_hz": 60.0}
ODD: dict[str, Any] = {"fs": 333.0, "seed": 3, "duration_s": 12.345, "mains_hz": 50.0}  # divider 4


def simulate(subject: int = 1, number: int = 1, **options: Any) -> SimulatedRecording:
    return visit.simulate_visit(subject, number, **{**OPTIONS, **options})


def test_visit_spans_of_three_minutes_make_about_ten_with_the_pauses() -> None:
    spans = visit.visit_spans(fs=1000.0, duration_s=180.0)
    assert spans == (
        Span("rest", 20.0, 200.0),
        Span("exercise", 220.0, 400.0),
        Span("deep_breathing", 420.0, 600.0),
    )
    assert visit.visit_duration_s(fs=1000.0, duration_s=180.0) == 620.0


@given(fs=st.floats(100, 10_000).map(lambda fs: round(fs, 1)), duration_s=st.floats(10, 7200))
def test_visit_spans_start_with_a_sample_of_both_channels(fs: float, duration_s: float) -> None:
    divider, n = respiration_divider(fs), round(duration_s * fs)
    stop = 0
    for span in visit.visit_spans(fs=fs, duration_s=duration_s):
        start = round(span.start_s * fs)
        assert start % divider == 0
        assert 0 <= start - stop - round(visit.PAUSE_S * fs) < divider
        stop = round(span.stop_s * fs)
        assert stop - start == n


@pytest.mark.parametrize("options", [OPTIONS, ODD])
@pytest.mark.parametrize("clean", [False, True])
def test_simulate_visit_has_the_very_samples_of_each_condition(options: dict[str, Any], clean: bool) -> None:
    whole = visit.simulate_visit(2, 1, **options, clean=clean)
    fs, divider = whole.fs, whole.respiration_divider
    assert [span.condition for span in whole.spans] == list(CONDITIONS)
    for span in whole.spans:
        alone = simulate_recording(2, span.condition, 1, **options, clean=clean)
        start, stop = round(span.start_s * fs), round(span.stop_s * fs)
        assert_array_equal(whole.ecg_mv[start:stop], alone.ecg_mv)
        belt = whole.respiration[start // divider : -(-stop // divider)]
        assert_array_equal(belt, alone.respiration)
        inside = (whole.r_peaks_s >= span.start_s) & (whole.r_peaks_s < span.stop_s)
        assert_allclose(whole.r_peaks_s[inside] - span.start_s, alone.r_peaks_s, atol=1e-9)


def test_simulate_visit_channels_end_together() -> None:
    for options in (OPTIONS, ODD):
        whole = visit.simulate_visit(1, 1, **options)
        assert whole.duration_s == visit.visit_duration_s(fs=options["fs"], duration_s=options["duration_s"])
        assert whole.respiration.size == -(-whole.ecg_mv.size // whole.respiration_divider)
        assert whole.heart_rate_bpm.size == round(whole.duration_s * whole.heart_rate_fs)


def test_simulate_visit_truth_moves_along() -> None:
    whole = simulate(3, duration_s=60.0)
    assert (np.diff(whole.r_peaks_s) > 0).all()
    for span in whole.spans:
        alone = simulate_recording(3, span.condition, 1, **{**OPTIONS, "duration_s": 60.0})
        found = [(a.kind, a.start_s, a.stop_s) for a in alone.artefacts]
        moved = [
            (a.kind, pytest.approx(a.start_s - span.start_s), pytest.approx(a.stop_s - span.start_s))
            for a in whole.artefacts
            if span.start_s <= a.start_s < span.stop_s
        ]
        assert found == moved
        grid = slice(round(span.start_s * 20), round(span.stop_s * 20))
        assert_allclose(whole.heart_rate_bpm[grid], alone.heart_rate_bpm, atol=1e-9)


def test_simulate_visit_pauses_are_rests_of_their_own() -> None:
    whole = simulate(clean=True)
    starts_s = [0.0, *(span.stop_s for span in whole.spans)]
    pauses = [whole.ecg_mv[round(at_s * 250) :][: 20 * 250] for at_s in starts_s]
    rest = whole.ecg_mv[20 * 250 :][: 20 * 250]
    for index, (at_s, pause) in enumerate(zip(starts_s, pauses, strict=True)):
        assert all(not np.array_equal(pause, other) for other in (*pauses[:index], rest))
        peaks_s = whole.r_peaks_s[(whole.r_peaks_s > at_s) & (whole.r_peaks_s < at_s + 20)]
        assert 40 < 60 / np.diff(peaks_s).mean() < 110
        assert pause.max() > 0.45


def test_simulate_visit_marks_the_bounds_of_each_condition() -> None:
    whole = simulate(duration_s=60.0)
    first, *events = whole.markers
    assert (first.sample, first.text, first.style) == (0, "Segment 1", "apnd")
    assert first.created == whole.start_time == simulate_recording(1, "rest", 1, **OPTIONS).start_time
    assert [(m.sample, m.time_s, m.text) for m in events if m.style == "flag"] == [
        (5000, 20.0, "rest start"),
        (20_000, 80.0, "rest stop"),
        (25_000, 100.0, "exercise start"),
        (40_000, 160.0, "exercise stop"),
        (45_000, 180.0, "deep breathing start"),
        (60_000, 240.0, "deep breathing stop"),
    ]
    alone = simulate_recording(1, "deep_breathing", 1, **{**OPTIONS, "duration_s": 60.0})
    pacing = [(m.sample - 45_000, m.text, m.style) for m in events if m.style != "flag"]
    assert pacing == [(m.sample, m.text, m.style) for m in alone.markers if m.style in ("rein", "reot")]
    assert [m.sample for m in events] == sorted(m.sample for m in events)
    assert all(
        (m.created - whole.start_time).total_seconds() == round(m.time_s, 3) for m in events if m.created
    )


def test_simulate_visit_refuses_what_simulate_recording_refuses() -> None:
    with pytest.raises(ConfigError, match="subject is 0"):
        simulate(0)
    with pytest.raises(ConfigError, match="duration_s is 1"):
        simulate(duration_s=1.0)
