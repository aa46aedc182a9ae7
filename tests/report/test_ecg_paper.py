"""ECG paper is to scale: 25 mm a second, 10 mm a millivolt."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from ecgkit.report.ecg_paper import StripLead, bands, draw_strip, paper_mm
from ecgkit.report.sheet import INCH_MM, new_sheet
from ecgkit.report.traces import Trace

FS = 500.0


def lead(height: float = 1.5, *, unit: str = "mV", name: str = "II") -> StripLead:
    """10 s at 0 with a peak of this height each second from 0.5 s."""
    time_s = np.arange(5000) / FS
    signal = np.zeros(5000)
    signal[250::500] = height
    return StripLead(name, unit, Trace(time_s, signal, signal), np.arange(10) + 0.5)


def drawn(*leads: StripLead, stamp: str = "") -> Axes:
    return draw_strip(new_sheet(277, 200), leads, left_mm=3.5, top_mm=10, stamp=stamp)


def line(axes: Axes, gid: str, *, at: int = 0) -> tuple[np.ndarray, np.ndarray]:
    found = [line for line in axes.lines if line.get_gid() == gid][at]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def texts(axes: Axes) -> str:
    return " | ".join(text.get_text() for text in axes.texts)


def test_draw_strip_counts_in_millimetres_of_the_sheet() -> None:
    axes = drawn(lead())
    figure = axes.figure
    box = axes.get_position()
    width_mm = box.width * figure.get_size_inches()[0] * INCH_MM
    height_mm = box.height * figure.get_size_inches()[1] * INCH_MM
    assert axes.get_xlim() == pytest.approx((0, width_mm))
    assert axes.get_ylim() == pytest.approx((0, height_mm))
    assert height_mm == pytest.approx(paper_mm([lead()]))
    assert (1 - box.y1) * figure.get_size_inches()[1] * INCH_MM == pytest.approx(10)


def test_draw_strip_is_25_mm_a_second_and_10_mm_a_millivolt() -> None:
    x, y = line(drawn(lead(1.5)), "strip")
    assert x.max() - x.min() == pytest.approx(25 * (10 - 1 / FS))
    tops = np.unique(x[y > y.min() + 7])
    np.testing.assert_allclose(np.diff(tops), 25)
    assert y.max() - y.min() == pytest.approx(15)


def test_draw_strip_rules_squares_of_1_and_5_mm() -> None:
    axes = drawn(lead())
    fine, coarse = (c for c in axes.collections if isinstance(c, LineCollection))
    for ruling, step_mm in ((fine, 1), (coarse, 5)):
        at = [segment[0][0] for segment in ruling.get_segments() if segment[0][0] == segment[1][0]]
        np.testing.assert_allclose(np.diff(at), step_mm)
        up = [segment[0][1] for segment in ruling.get_segments() if segment[0][1] == segment[1][1]]
        np.testing.assert_allclose(np.diff(up), step_mm)


def test_draw_strip_calibrates_with_a_pulse_of_1_mv_over_200_ms() -> None:
    x, y = line(drawn(lead()), "pulse")
    assert np.ptp(y) == pytest.approx(10)
    assert np.ptp(x[y == y.max()]) == pytest.approx(5)


def test_draw_strip_marks_the_r_peaks() -> None:
    x, _ = line(drawn(lead()), "peaks")
    np.testing.assert_allclose(x, 10 + 25 * (np.arange(10) + 0.5))


def test_draw_strip_puts_leads_below_each_other_on_whole_squares() -> None:
    leads = [lead(name="I"), lead(-2, name="II"), lead(0.1, name="III")]
    axes = drawn(*leads)
    assert paper_mm(leads) % 5 == 0
    baselines = [line(axes, "pulse", at=i)[1][0] for i in range(3)]
    assert baselines == sorted(baselines, reverse=True)
    np.testing.assert_allclose(np.array(baselines) % 5, 0, atol=1e-9)
    for name in ("I", "II", "III"):
        assert name in texts(axes).split(" | ")


@pytest.mark.parametrize(("height", "gain"), [(0.3, 10), (5.9, 10), (7, 5), (20, 2.5)])
def test_bands_take_the_largest_gain_that_has_room(height: float, gain: float) -> None:
    (band,) = bands([lead(height)])
    assert (band.mm_per_unit, band.scale) == (gain, f"25 mm/s, {gain:g} mm/mV")
    assert gain * height < band.above_mm <= gain * height + 10 or band.above_mm == 10


def test_bands_give_all_leads_in_mv_one_gain() -> None:
    assert [band.mm_per_unit for band in bands([lead(1), lead(7), lead(2)])] == [5, 5, 5]


@pytest.mark.parametrize(
    ("height", "unit", "says"),
    [
        (3000, "", "5 mm are 1000, no unit"),
        (3000, "counts", "5 mm are 1000 counts"),
        (900, "mV", "5 mm are 200 mV"),
    ],
)
def test_draw_strip_without_a_scale_fits_and_says_so(height: float, unit: str, says: str) -> None:
    axes = drawn(lead(height, unit=unit))
    assert f"25 mm/s, amplitude as recorded: {says}" in texts(axes)
    assert not [line for line in axes.lines if line.get_gid() == "pulse"]
    _, y = line(axes, "strip")
    assert 10 < np.ptp(y) <= 25


def test_draw_strip_takes_flat_missing_and_empty_leads() -> None:
    nothing = np.full(5000, np.nan)
    missing = StripLead("II", "mV", Trace(np.arange(5000) / FS, nothing, nothing), np.zeros(0))
    empty = StripLead("III", "", Trace(np.zeros(0), np.zeros(0), np.zeros(0)), np.zeros(0))
    axes = drawn(lead(0), missing, empty)
    assert texts(axes).count("no samples here") == 2
    assert np.ptp(line(axes, "strip")[1]) == 0


def test_draw_strip_is_stamped() -> None:
    assert "SIMULATED" in texts(drawn(lead(), stamp="SIMULATED"))
    assert "SIMULATED" not in texts(drawn(lead()))
