"""The drawings of a session are well-formed, to scale, and small."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.protocol.compliance import CheckResult
from ecgkit.report.ecg_paper import StripLead
from ecgkit.report.study_figures import Spectrum, clock, draw_spectra, draw_strip, strip_trace
from ecgkit.report.traces import Trace

FS = 1000.0
NOTHING = Spectrum(np.empty(0), np.empty(0))


def check(measure: str, value: float, low: float | None, high: float | None) -> CheckResult:
    return CheckResult(measure, value, "pass", (low, high), None, counts=True, source="a paper", text="t")


def beats(n_samples: int = 6000) -> np.ndarray:
    samples = 0.02 * np.sin(np.arange(n_samples) / 100)
    samples[500::1000] = 1.0
    return samples


def lead(samples: np.ndarray, *, unit: str = "mV", name: str = "ECG") -> StripLead:
    return StripLead(name, unit, strip_trace(samples, FS), np.arange(0.5, 6.0))


def path_of(drawing: str, css: str) -> list[tuple[int, int]]:
    """The points of the last path of a class."""
    found = re.findall(rf'<path class="{css}" d="([^"]*)"', drawing)
    numbers = [int(number) for number in re.findall(r"-?\d+", found[-1])]
    points = np.array(numbers).reshape(-1, 2).cumsum(axis=0)
    return [(int(x), int(y)) for x, y in points]


def test_strip_trace_keeps_the_tips_of_narrow_waves() -> None:
    trace = strip_trace(beats(), FS)
    assert len(trace.time_s) == 500
    assert np.flatnonzero(trace.low > 0.9).size == 6
    assert trace.time_s[trace.low > 0.9].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


@given(n_samples=st.integers(0, 300), fs=st.floats(5, 20_000))
def test_strip_trace_takes_any_length_and_rate(n_samples: int, fs: float) -> None:
    values = np.random.default_rng(0).normal(size=n_samples)
    values[::7] = np.inf
    trace = strip_trace(values, fs)
    assert len(trace.low) <= n_samples
    assert (np.diff(trace.time_s) > 0).all()
    assert not np.isinf(trace.low).any()


def test_draw_strip_is_to_scale() -> None:
    drawing, words = draw_strip(lead(beats()), start_s=87.0)
    assert words == "ECG, 25 mm/s, 10 mm/mV"
    assert 'width="164mm"' in drawing
    line = path_of(drawing, "ecg")
    top = min(line, key=lambda point: point[1])
    assert top[0] in {100 + 250 * s // 2 for s in range(1, 12, 2)}  # 10 mm lead-in, 25 mm a second
    floor = max(y for _, y in line)
    assert floor - top[1] == pytest.approx(100, abs=3)  # 10 mm a millivolt
    assert "".join(ElementTree.fromstring(drawing).itertext()) == "1:271:281:291:301:311:321:33"


def test_draw_strip_marks_each_r_peak() -> None:
    drawing, _ = draw_strip(lead(beats()), start_s=0.0)
    [marks] = re.findall(r'<path class="peak" d="([^"]*)"', drawing)
    assert [int(x) for x in re.findall(r"M(\d+)", marks)] == [225, 475, 725, 975, 1225, 1475]


def test_draw_strip_of_other_units_says_its_scale_and_has_no_pulse() -> None:
    drawing, words = draw_strip(lead(1e6 * beats(), unit="counts"), start_s=0.0)
    assert words == "ECG, 25 mm/s, amplitude as recorded: 5 mm are 500000 counts"
    assert drawing.count('class="ecg"') == 1


@pytest.mark.parametrize("samples", [np.full(6000, np.nan), np.empty(0)])
def test_draw_strip_without_samples_says_so(samples: np.ndarray) -> None:
    drawing, _ = draw_strip(StripLead("ECG", "mV", strip_trace(samples, FS), np.empty(0)), start_s=0.0)
    assert "no samples here" in drawing


def test_draw_strip_breaks_where_samples_are_missing() -> None:
    samples = beats()
    samples[3000:3200] = np.nan
    drawing, _ = draw_strip(lead(samples), start_s=0.0)
    assert re.findall(r'<path class="ecg" d="([^"]*)"', drawing)[-1].count("M") == 2


def test_draw_strip_escapes_nothing_into_the_page() -> None:
    trace = Trace(np.zeros(1), np.zeros(1), np.zeros(1))
    drawing, words = draw_strip(StripLead("<script>\x1b", "<b>", trace, np.empty(0)), start_s=0.0)
    assert "script" not in drawing
    assert words.startswith("<script>\N{REPLACEMENT CHARACTER}, ")  # text: the page escapes it


def rhythm_at(at_hz: float) -> Spectrum:
    grid_hz = np.arange(0, 2, 0.002)
    return Spectrum(grid_hz, np.exp(-(((grid_hz - at_hz) / 0.01) ** 2)))


def test_draw_spectra_shows_the_rhythm_in_the_band_that_is_expected() -> None:
    checks = [check("breathing_hz", 0.1, 0.07, 0.13), check("breathing_share", 0.9, 0.5, None)]
    drawing = draw_spectra(rhythm_at(0.1), None, checks)
    [left, width] = re.findall(r'<rect class="expected" x="(\d+)" y="50" width="(\d+)"', drawing)[0]
    top = min(path_of(drawing, "rate"), key=lambda point: point[1])
    assert int(left) < top[0] < int(left) + int(width)
    assert top[0] == pytest.approx(910 * 0.1 / 0.5, abs=4)
    assert "rhythm of the heart rate, 90% at 0.07–0.13 Hz" in drawing
    assert "respiration channel" not in drawing


def test_draw_spectra_has_a_lane_for_the_respiration_channel() -> None:
    checks = [check("breathing_share", 0.2, None, 0.6), check("respiration_hz", 0.25, 0.15, None)]
    drawing = draw_spectra(rhythm_at(0.25), rhythm_at(0.25), checks)
    assert len(list(ElementTree.fromstring(drawing).iter("g"))) == 5  # a lane and its title, twice, the axis
    assert '<rect class="watched" x="127" y="50" width="110"' in drawing
    assert '<rect class="expected" x="273" y="50" width="637"' in drawing  # an open end is the edge


def test_draw_spectra_of_nothing_says_so() -> None:
    drawing = draw_spectra(NOTHING, NOTHING, [])
    assert drawing.count("too short, or no waves") == 2
    assert "expected" not in drawing


def test_drawings_are_small() -> None:
    noise = np.random.default_rng(0).normal(size=6000)
    assert len(draw_strip(lead(noise + beats()), start_s=0.0)[0]) < 5_000
    assert len(draw_spectra(rhythm_at(0.1), rhythm_at(0.1), [])) < 3_000


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (180, "3:00"), (3600, "1:00:00"), (86399, "23:59:59")]
)
def test_clock_counts_minutes_and_hours(seconds: float, text: str) -> None:
    assert clock(seconds) == text
