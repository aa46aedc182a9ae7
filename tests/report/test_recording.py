"""The picture of a recording shows what was read and found, takes any text, and needs no network."""

from __future__ import annotations

import dataclasses
import io
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest

from ecgkit.report.ecg_paper import StripLead
from ecgkit.report.recording import (
    PICTURES,
    Fault,
    LeadPicture,
    RecordingPicture,
    Respiration,
    Spectrum,
    html_picture,
    png_picture,
    svg_picture,
)
from ecgkit.report.recording_figure import SHEET_MM, recording_figure
from ecgkit.report.sheet import VARIABLES
from ecgkit.report.traces import Trace

HOSTILE = "$\\frac{1}$ <script>alert(1)</script> \x1b[2J \ud800 \"'&  心電図"
NOTHING = Trace(np.zeros(0), np.zeros(0), np.zeros(0))


def trace(values: np.ndarray, *, fs: float = 100.0) -> Trace:
    return Trace(np.arange(len(values)) / fs, values, values)


def lead(name: str = "II", *, unit: str = "mV", fs: float = 100.0) -> LeadPicture:
    signal = np.sin(np.arange(6000) / 8)
    frequency_hz = np.arange(0, fs / 2 + 0.1, 0.25)
    beats_s = np.arange(60.0)
    return LeadPicture(
        name=name,
        unit=unit,
        fs=fs,
        overview=trace(signal),
        strip=StripLead(name, unit, trace(signal[:1000]), beats_s[:10]),
        spectrum=Spectrum(frequency_hz, 1 / (1 + frequency_hz)),
        heart_rate=Trace(beats_s, 60 + beats_s % 7, 60 + beats_s % 7),
    )


@pytest.fixture
def picture() -> RecordingPicture:
    return RecordingPicture(
        title="ECG II",
        summary="acq (revision 132) · 100 Hz · 0:01:00 · 63 beats/min",
        simulated=True,
        duration_s=60.0,
        leads=(lead(),),
        respiration=Respiration("RSP", "Volts", trace(np.cos(np.arange(600) / 20), fs=10)),
        strip_start_s=3.0,
        pauses_s=(30.0,),
        markers=((12.0, "deep breath"), (45.5, "stop")),
        faults=(
            Fault("II", "contact", "unusable", "The electrode was off from 20 to 25 s.", ((20.0, 25.0),)),
            Fault("II", "mains", "warning", "Mains at 50 Hz: move the cables apart."),
        ),
        skipped=(("II", "gain", "the unit is no voltage"),),
        facts=(("format", "acq"), ("duration", "60.000 s")),
        channels=(("0", "ECG II", "mV", "100", "6000", "60.000", "int16"),),
        notes=("cut off in the journal",),
    )


class Outline(HTMLParser):
    """Collects tags and visible text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def svg_text(picture: RecordingPicture) -> str:
    return " | ".join(filter(str.strip, ET.fromstring(svg_picture(picture)).itertext()))


def drawn_lines(picture: RecordingPicture, gid: str) -> list[np.ndarray]:
    axes = recording_figure(picture).axes
    return [np.asarray(line.get_xdata()) for a in axes for line in a.lines if line.get_gid() == gid]


def test_recording_figure_has_a_panel_for_each_lead_and_kind(picture: RecordingPicture) -> None:
    assert len(recording_figure(picture).axes) == 5  # lead, respiration, paper, spectrum, heart rate
    three = dataclasses.replace(picture, leads=tuple(map(lead, ("I", "II", "III"))), respiration=None)
    assert len(recording_figure(three).axes) == 6


def test_recording_figure_shows_at_most_twelve_leads(picture: RecordingPicture) -> None:
    many = dataclasses.replace(picture, leads=tuple(lead(f"V{i}") for i in range(15)), respiration=None)
    sheet = recording_figure(many)
    assert len(sheet.axes) == 12 + 3
    assert any("the first 12 of 15 leads" in text.get_text() for text in sheet.texts)


def test_svg_picture_says_what_there_is(picture: RecordingPicture) -> None:
    text = svg_text(picture)
    for expected in (
        "ECG II",
        "63 beats/min",
        "unusable, 1 warning, 1 check could not be made",
        "SIMULATED",
        "deep breath",
        "pause",
        "10 seconds from 3.0 s",
        "25 mm/s, 10 mm/mV",
        "The electrode was off from 20 to 25 s.",
        "not checked | gain",
        "RSP",
        "Volts",
        "mV²/Hz",
    ):
        assert expected in text
    good = svg_text(dataclasses.replace(picture, faults=(), skipped=(), simulated=False))
    assert "no faults found" in good
    assert "could not be made" not in good
    assert "SIMULATED" not in good


def test_svg_picture_shades_a_fault_where_it_is(picture: RecordingPicture) -> None:
    axes = recording_figure(picture).axes[0]
    (shade,) = [patch for patch in axes.patches if patch.get_gid() == "fault"]
    assert shade.get_extents().transformed(axes.transData.inverted()).intervalx == pytest.approx((20, 25))


def test_svg_picture_joins_findings_that_lie_close_and_names_them_where_there_is_room(
    picture: RecordingPicture,
) -> None:
    spans = (*((at, at + 0.001) for at in np.arange(10, 11, 0.02)), (11.5, 12.0))
    fault = dataclasses.replace(picture.faults[0], spans_s=spans)
    axes = recording_figure(dataclasses.replace(picture, faults=(fault,))).axes[0]
    assert len([patch for patch in axes.patches if patch.get_gid() == "fault"]) == 2
    assert [text.get_text() for text in axes.texts].count(fault.name) == 1


@pytest.mark.parametrize(
    ("fs", "marked_hz"),
    [(1000.0, [50, 60, 100, 120, 150]), (250.0, [50, 60, 100, 120]), (100.0, [40, 50]), (4.0, [2])],
)
def test_recording_figure_marks_mains_harmonics_and_alias(
    picture: RecordingPicture, fs: float, marked_hz: list[float]
) -> None:
    content = dataclasses.replace(picture, leads=(lead(fs=fs),))
    assert sorted(x[0] for x in drawn_lines(content, "mains")) == marked_hz


@pytest.mark.parametrize(("duration_s", "last", "unit"), [(60, 60, "s"), (600, 10, "min"), (86400, 24, "h")])
def test_recording_figure_counts_time_in_a_unit_that_fits(
    picture: RecordingPicture, duration_s: float, last: float, unit: str
) -> None:
    content = dataclasses.replace(picture, duration_s=duration_s, respiration=None)
    axes = recording_figure(content).axes[0]
    assert axes.get_xlim() == pytest.approx((0, last))
    assert axes.get_xlabel() == f"time, {unit}"


def test_recording_figure_says_where_a_single_sample_is_off_the_scale(picture: RecordingPicture) -> None:
    signal = np.sin(np.arange(6000) / 8)
    assert not drawn_lines(picture, "beyond")
    signal[1000] = 400
    content = dataclasses.replace(picture, leads=(dataclasses.replace(lead(), overview=trace(signal)),))
    (beyond,) = drawn_lines(content, "beyond")
    np.testing.assert_allclose(beyond, [10.0])
    assert "triangles: beyond what is shown" in svg_text(content)


@pytest.mark.parametrize("form", PICTURES)
def test_pictures_are_the_same_each_time(picture: RecordingPicture, form: str) -> None:
    before = dict(mpl.rcParams)
    assert PICTURES[form](picture) == PICTURES[form](picture)
    assert dict(mpl.rcParams) == before


def test_png_picture_has_150_dots_an_inch(picture: RecordingPicture) -> None:
    image = matplotlib.image.imread(io.BytesIO(png_picture(picture)))
    assert image.shape[1] == pytest.approx(SHEET_MM / 25.4 * 150, abs=1)


@pytest.mark.parametrize("form", [".svg", ".html"])
def test_pictures_need_nothing_from_outside(picture: RecordingPicture, form: str) -> None:
    text = PICTURES[form](picture).decode()
    assert "http" not in re.sub(r'xmlns(:xlink)?="http://www\.w3\.org/[^"]*"', "", text)
    assert not {"script", "link", "img", "iframe", "image"} & set(Outline(text.encode()).tags)
    assert "url(" not in re.sub(r"url\(#\w+\)", "", text)


@pytest.mark.parametrize("form", PICTURES)
def test_pictures_take_any_text(picture: RecordingPicture, form: str) -> None:
    content = dataclasses.replace(
        picture,
        title=HOSTILE,
        summary=HOSTILE,
        leads=tuple(lead(name, unit=HOSTILE) for name in (HOSTILE, "_name", "")),
        respiration=Respiration(HOSTILE * 20, HOSTILE, picture.leads[0].overview),
        markers=tuple((float(s), HOSTILE) for s in range(60)),
        faults=(Fault(HOSTILE, HOSTILE, "warning", HOSTILE * 50, ((1.0, 2.0),)),),
        skipped=((HOSTILE, HOSTILE, HOSTILE),),
        facts=((HOSTILE, HOSTILE),),
        channels=((HOSTILE,) * 7,),
        notes=(HOSTILE,),
    )
    data = PICTURES[form](content)
    if form != ".png":
        assert "script" not in Outline(data).tags
        assert b"\x1b" not in data
        assert "$\\frac{1}$ <script>alert(1)</script>" in Outline(data).text
    if form == ".svg":
        ET.fromstring(data)


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(0),
        np.ones(1),
        np.zeros(6000),
        np.full(6000, np.nan),
        np.full(6000, -1e30),
        np.linspace(0, 5e-324, 6000),
    ],
    ids=["none", "one", "flat", "nan", "huge", "tiny"],
)
def test_pictures_take_any_signal(picture: RecordingPicture, signal: np.ndarray) -> None:
    strip = StripLead("II", "mV", trace(signal[:1000]), np.zeros(0))
    bad = LeadPicture("II", "mV", 100.0, trace(signal), strip, None, None)
    content = dataclasses.replace(
        picture,
        duration_s=len(signal) / 100,
        leads=(bad,),
        respiration=Respiration("RSP", "", trace(signal)),
        strip_start_s=0.0,
        pauses_s=(),
        markers=(),
        faults=(),
    )
    text = svg_text(content)
    assert "no stretch with a signal is long enough" in text
    assert "no heart beats were found" in text


def test_html_picture_holds_drawing_and_tables(picture: RecordingPicture) -> None:
    page = html_picture(picture)
    outline = Outline(page)
    assert outline.tags.count("svg") == 1
    for expected in (
        "SIMULATED DATA.",
        "unusable, 1 warning, 1 check could not be made",
        "unusable II contact The electrode was off from 20 to 25 s.",
        "warning II mains Mains at 50 Hz: move the cables apart.",
        "gain II the unit is no voltage",
        "duration 60.000 s",
        "0 ECG II mV 100 6000 60.000 int16",
        "45.500 stop",
        "cut off in the journal",
    ):
        assert expected in outline.text
    assert outline.text.count("ECG II") == 3  # in the title, above the drawing, among the channels


def test_html_picture_takes_its_colours_from_the_page(picture: RecordingPicture) -> None:
    page = html_picture(picture).decode()
    drawing = page[page.index("<svg") : page.index("</svg>")]
    assert not any(color in drawing for color in VARIABLES)
    for variable in re.findall(r"var\((--[\w-]+)\)", drawing):
        assert page.count(f"{variable}: #") >= 2, f"{variable} has no light and dark colour"


def test_verdict_counts_unusable_leads_warnings_and_checks(picture: RecordingPicture) -> None:
    assert picture.verdict == "unusable, 1 warning, 1 check could not be made"
    two = dataclasses.replace(picture, leads=(lead("I"), lead("II")), skipped=())
    assert two.verdict == "1 of 2 leads unusable, 1 warning"
    good = dataclasses.replace(picture, faults=(), skipped=())
    assert (good.verdict, good.is_good) == ("no faults found", True)
    unsure = dataclasses.replace(picture, faults=(), skipped=picture.skipped * 2)
    assert (unsure.verdict, unsure.is_good) == ("no faults found, 2 checks could not be made", False)
