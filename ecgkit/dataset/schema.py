"""Names and versions of the data set format; docs/format.md is its text."""

from __future__ import annotations

FORMAT = "ecgkit-dataset"
FORMAT_VERSION = "1.0"

# column -> the vocabulary that its codes point into
CODED_COLUMNS = {"subject": "subjects", "condition": "conditions", "session": "sessions"}
NUMBER_COLUMNS = ("visit", "take", "start_sample", "start_s", "heart_rate_bpm", "quality")
LEAD_COLUMNS = ("scale_offset", "scale_gain")
VOCABULARIES = ("subjects", "conditions", "sessions", "leads")

COLUMN_TYPES = {
    "visit": "<i4",
    "take": "<i4",
    "start_sample": "<i8",
    "start_s": "<f8",
    "heart_rate_bpm": "<f4",
    "quality": "<f4",
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
    "quality": "mean correlation of the window's beats with the session's median beat, 0 to 1",
    "scale_offset": "physical value = window * scale_gain + scale_offset, (window, lead)",
    "scale_gain": "physical value = window * scale_gain + scale_offset, (window, lead)",
}
