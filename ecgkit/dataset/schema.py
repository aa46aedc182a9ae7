"""Names and versions of the data set format; docs/format.md is its text."""

from __future__ import annotations

import re
from collections.abc import Collection

FORMAT = "ecgkit-dataset"
FORMAT_VERSION = "1.2"
HASH = "content_sha256"  # the root's attribute: over everything in the file but itself
WINDOWS, ABOUT = "windows", "about"
SHARDS = "shards"  # in the group of what is JSON: the files that windows lie in, where it is not this one
SHARD_FORMAT, SHARD_VERSION = "ecgkit-windows", "1.0"

# column -> the vocabulary that its codes point into
CODED_COLUMNS = {"subject": "subjects", "condition": "conditions", "session": "sessions"}
QUALITY_INDICES = ("b_sqi", "template", "p_sqi", "k_sqi", "bas_sqi")
NUMBER_COLUMNS = ("visit", "take", "start_sample", "start_s", "heart_rate_bpm", "quality", *QUALITY_INDICES)
LEAD_COLUMNS = ("scale_offset", "scale_gain")
VOCABULARIES = ("subjects", "conditions", "sessions", "leads")

OWN_LABELS = "labels"  # the group of the vocabularies of own labels: what a lab says of its sessions
MOST_OWN_LABELS = 64
NOT_KNOWN = -1  # the code of a session whose label is not known
OWN_LABEL = re.compile(r"[a-z][a-z0-9_]{0,63}")
# what labels of one's own can't be called; "row" and "windows" are columns of exports
TAKEN = {*CODED_COLUMNS, *NUMBER_COLUMNS, *LEAD_COLUMNS, *VOCABULARIES, "row", "windows"}

COLUMN_TYPES = {
    "visit": "<i4",
    "take": "<i4",
    "start_sample": "<i8",
    "start_s": "<f8",
    "heart_rate_bpm": "<f4",
    "quality": "|u1",
    **dict.fromkeys(QUALITY_INDICES, "<f4"),
    "scale_offset": "<f8",
    "scale_gain": "<f8",
}

MEANINGS = {
    "windows": "ECG windows, (window, lead, time), scaled as /table/scale_* say",
    "subject": "code: row of /subjects",
    "condition": "code: row of /conditions",
    "session": "code: row of /sessions",
    "visit": "day or placement of electrodes, from 1",
    "take": "repetition within a visit, from 1",
    "start_sample": "first sample of the window, from the session's start, at the data set's rate",
    "start_s": "start of the window from the session's start, seconds",
    "heart_rate_bpm": "60 / median RR interval that overlaps the window; NaN where there is none",
    "quality": "how far the window can be trusted, of its worst lead: 0 reject, 1 doubtful, 2 accept",
    "b_sqi": "share of the window's beats on which two detectors agree, 0 to 1",
    "template": "mean correlation of the window's beats with the stretch's median beat, 0 to 1",
    "p_sqi": "power from 5 to 15 Hz over that from 5 to 40 Hz",
    "k_sqi": "kurtosis from 0.5 to 40 Hz; 3 for noise",
    "bas_sqi": "1 less the power up to 1 Hz over that up to 40 Hz, before any filter",
    "scale_offset": "physical value = window * scale_gain + scale_offset, (window, lead)",
    "scale_gain": "physical value = window * scale_gain + scale_offset, (window, lead)",
}
MEANING_OF_OWN = "own label of the session: row of /labels/{name}, -1 where it is not known"


def refused_name(name: str) -> str:
    """Say why own labels can't be called so, "" if they can."""
    if not OWN_LABEL.fullmatch(name):
        return "expected a name of a-z, 0-9 and _, a letter first, 64 at most"
    return "the data set has something of this name already; choose another one" if name in TAKEN else ""


def refused_labels(names: Collection[str]) -> str:
    """Say why a data set can't have these own labels, "" if it can.

    Examples
    --------
    >>> refused_labels(["group", "quality"])
    "label 'quality': the data set has something of this name already; choose another one"
    """
    if len(names) > MOST_OWN_LABELS:
        return f"{len(names)} labels, expected at most {MOST_OWN_LABELS}; leave some out"
    return next((f"label {name[:70]!r}: {fault}" for name in names if (fault := refused_name(name))), "")
