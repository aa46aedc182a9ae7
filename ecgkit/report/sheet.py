"""Sheets for drawings with matplotlib: laid out in millimetres, in the colours of the pages."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ecgkit.report.traces import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

INCH_MM = 25.4
PNG_DPI = 150

PAGE, INK, SOFT, LINE = "#ffffff", "#1b1f24", "#57606a", "#d9dee4"
WARN, WARN_INK, WARN_LINE = "#fff3d6", "#6b3d00", "#e3b341"
TONES = ("#0067a5", "#b8500a", "#00755a", "#86449a")  # told apart by colour-blind eyes as well
PAPER, PAPER_FINE, PAPER_COARSE = "#fff9f7", "#f7dad5", "#e8aaa2"
# the pages' variables, which are other colours on a dark screen
VARIABLES = {
    **{PAGE: "page", INK: "ink", SOFT: "soft", LINE: "line"},
    **{WARN: "warn", WARN_INK: "warn-ink", WARN_LINE: "warn-line"},
    **{tone: f"tone-{i}" for i, tone in enumerate(TONES)},
    **{PAPER: "paper", PAPER_FINE: "paper-fine", PAPER_COARSE: "paper-coarse"},
}

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
    "font.size": 8,
    "text.color": INK,
    "text.parse_math": False,  # names from files hold dollars and backslashes
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "svg.fonttype": "none",  # text that can be searched and read aloud
    "svg.hashsalt": "ecgkit",  # the same picture, the same bytes
}


def new_sheet(width_mm: float, height_mm: float) -> Figure:
    """Make an empty figure of this size."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_mm / INCH_MM, height_mm / INCH_MM), facecolor=PAGE)


def axes_at(
    sheet: Figure, left_mm: float, top_mm: float, *, width_mm: float, height_mm: float, color: str = PAGE
) -> Axes:
    """Add axes whose frame has its upper left corner there, counted from the sheet's."""
    wide, high = sheet.get_figwidth() * INCH_MM, sheet.get_figheight() * INCH_MM
    box = (left_mm / wide, 1 - (top_mm + height_mm) / high, width_mm / wide, height_mm / high)
    return sheet.add_axes(box, facecolor=color)


def write(sheet: Figure, left_mm: float, top_mm: float, text: str, **look: Any) -> None:
    """Write a line of text whose baseline begins (or, by `ha`, ends) there."""
    wide, high = sheet.get_figwidth() * INCH_MM, sheet.get_figheight() * INCH_MM
    sheet.text(left_mm / wide, 1 - top_mm / high, shown(text), va="baseline", **look)


def draw_trace(axes: Axes, trace: Trace, *, per_s: float = 1.0, **look: Any) -> Line2D:
    """Draw a line, or the range that one covers as a line up and down at each time."""
    x = np.repeat(trace.time_s * per_s, 2)
    y = np.column_stack([trace.low, trace.high]).ravel()
    if np.array_equal(trace.low, trace.high, equal_nan=True):
        x, y = x[::2], y[::2]
    return axes.plot(x, y, solid_joinstyle="round", **look)[0]


def say_instead(axes: Axes, text: str) -> None:
    """Write in empty axes why they are empty."""
    axes.text(0.5, 0.5, shown(text), transform=axes.transAxes, ha="center", va="center", color=SOFT)
    axes.set_axis_off()


def power_of_ten(value: float, _: object = None) -> str:
    """Write a tick of a logarithmic axis."""
    return "10" + f"{round(math.log10(value))}".translate(SUPERSCRIPTS)


def number(value: float, _: object = None) -> str:
    """Write a tick's number, without matplotlib's formulas."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def shown(text: str) -> str:
    """Replace what can't be shown, or is no XML: names can hold anything."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def shortened(text: str, most: int) -> str:
    """Cut a text to so many characters, with an ellipsis where something is left out."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def rendered(draw: Callable[[], Figure], form: Literal["svg", "png"]) -> bytes:
    """Draw a sheet and return it as a file of this form; the same each time."""
    import matplotlib as mpl

    nothing = {"svg": ("Date", "Creator", "Format", "Type"), "png": ("Software",)}[form]
    stream = io.BytesIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # names in scripts that the font lacks: an SVG's viewer has them, a PNG shows boxes
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        draw().savefig(stream, format=form, dpi=PNG_DPI, metadata=dict.fromkeys(nothing))
    return stream.getvalue()


def as_svg(draw: Callable[[], Figure], *, title: str) -> str:
    """Draw a sheet as an SVG that stands alone, without a reference to anything outside."""
    text = rendered(draw, "svg").decode()
    label = f'<svg role="img" aria-label="{escape(shown(title))}" '
    return text[text.index("<svg ") :].replace("<svg ", label, 1)


def in_page_colours(svg: str) -> str:
    """Replace an SVG's colours by the page's, so that it turns dark with it."""
    known = "|".join(VARIABLES)
    return re.sub(rf"\b(fill|stroke): ({known})\b", lambda m: f"{m[1]}: var(--{VARIABLES[m[2]]})", svg)
