"""The picture of a recording: what it holds, and what is wrong with it, as SVG, PNG or a page."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.report.ecg_paper import StripLead
from ecgkit.report.pages import templates
from ecgkit.report.sheet import as_svg, in_page_colours, rendered
from ecgkit.report.traces import Trace


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the checks found.

    Attributes
    ----------
    severity
        "unusable" or "warning".
    spans_s
        Where, (start, stop) in seconds; none where it concerns all of the channel.
    """

    lead: str
    name: str
    severity: str
    text: str
    spans_s: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Power over frequency, (n,) each, in the lead's unit squared per Hz."""

    frequency_hz: NDArray[np.float64]
    power: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LeadPicture:
    """One lead.

    Attributes
    ----------
    fs
        Its rate, Hz.
    overview
        The whole channel.
    spectrum
        None where no stretch is long enough.
    heart_rate
        Beats a minute from beat to beat; None without beats.
    """

    name: str
    unit: str
    fs: float
    overview: Trace
    strip: StripLead
    spectrum: Spectrum | None
    heart_rate: Trace | None


@dataclass(frozen=True, slots=True, eq=False)
class Respiration:
    """The respiration channel, as it lies under the overview."""

    name: str
    unit: str
    overview: Trace


@dataclass(frozen=True, slots=True, eq=False)
class RecordingPicture:
    """All that the picture shows. Who was recorded, and when, is not in it.

    Attributes
    ----------
    title, summary
        What it is, and its facts in one line.
    simulated
        Whether it is stamped so.
    strip_start_s
        Where the 10 seconds on paper begin.
    pauses_s
        Where the recording was resumed.
    markers
        (time in seconds, text).
    faults
        The worst first.
    skipped
        (lead, check, why it could not be made).
    facts
        (name, value) for the page's table.
    channels
        The rows of the page's table: position, name, unit, rate, samples, seconds, stored as.
    notes
        What is wrong with the file itself; one sentence each.
    """

    title: str
    summary: str
    simulated: bool
    duration_s: float
    leads: tuple[LeadPicture, ...]
    respiration: Respiration | None
    strip_start_s: float
    pauses_s: tuple[float, ...]
    markers: tuple[tuple[float, str], ...]
    faults: tuple[Fault, ...]
    skipped: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str], ...]
    channels: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What the checks say, in a few words."""
        unusable = {fault.lead for fault in self.faults if fault.severity == "unusable"}
        warnings = sum(fault.severity != "unusable" for fault in self.faults)
        parts = [
            "unusable" if len(self.leads) == 1 else f"{len(unusable)} of {len(self.leads)} leads unusable",
            f"{warnings} warning{'s' * (warnings != 1)}",
            "no faults found",
            f"{len(self.skipped)} check{'s' * (len(self.skipped) != 1)} could not be made",
        ]
        said = (bool(unusable), warnings > 0, not self.faults, len(self.skipped) > 0)
        return ", ".join(itertools.compress(parts, said))

    @property
    def is_good(self) -> bool:
        """Whether every check was made and none found anything."""
        return not self.faults and not self.skipped


def svg_picture(picture: RecordingPicture) -> bytes:
    """Draw a recording as an SVG file; the same picture gives the same bytes."""
    from ecgkit.report.recording_figure import recording_figure

    return as_svg(lambda: recording_figure(picture), title=picture.title).encode()


def png_picture(picture: RecordingPicture) -> bytes:
    """Draw a recording as a PNG file of 150 dots an inch."""
    from ecgkit.report.recording_figure import recording_figure

    return rendered(lambda: recording_figure(picture), "png")


def html_picture(picture: RecordingPicture) -> bytes:
    """Write a page about a recording, drawing and tables, that needs no other file and no network."""
    from markupsafe import Markup

    from ecgkit.report.recording_figure import recording_figure

    drawing = as_svg(lambda: recording_figure(picture, with_texts=False), title=picture.title)
    page = templates().get_template("recording.html.j2")
    return page.render(picture=picture, drawing=Markup(in_page_colours(drawing))).encode()


# a file's suffix -> what is written into it
PICTURES: Mapping[str, Callable[[RecordingPicture], bytes]] = {
    ".svg": svg_picture,
    ".png": png_picture,
    ".html": html_picture,
}
