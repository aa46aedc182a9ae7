"""Studies of simulated recordings, made without files of recordings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from support.recordings import in_memory, simulated

from ecgkit.records import Session, Tags
from ecgkit.stages.measuring import observe
from ecgkit.stages.study_sessions import put_participants, put_session
from ecgkit.study.changing import changing
from ecgkit.study.folder import Study, create_study

CONDITIONS = ("rest", "exercise", "deep_breathing")
COUNTS_PER_MV = 1000.0


def session_of(tags: Tags, *, number: int, duration_s: float = 20.0) -> Session:
    """A session of one simulated lead as 16-bit counts; another one for each number."""
    samples = simulated(number, tags.condition, fs=250.0, duration_s=duration_s, clean=True).ecg_mv
    counts = np.rint(samples * COUNTS_PER_MV).astype(np.int16)
    recording = in_memory(counts, 250.0, scale=1 / COUNTS_PER_MV)
    sha256 = hashlib.sha256(counts.tobytes()).hexdigest()
    return Session(tags, recording, (0,), ("I",), None, sha256)


def put(study: Study, *sessions: Session) -> None:
    """Put sessions and their participants into a study."""
    with changing(study) as change:
        for session in sessions:
            put_session(change, study, session, observe(session))
        put_participants(change, study, subjects={s.tags.subject for s in sessions}, successors={})


def make_study(
    folder: Path, subjects: Sequence[str], *, conditions: Sequence[str] = CONDITIONS, first: int = 1
) -> Study:
    """A study of 20 s in each condition of each subject; `first` is whom the first one is simulated as."""
    study = create_study(folder, protocol="dt4ecg")
    people = enumerate(subjects, start=first)
    put(study, *(session_of(Tags(who, what), number=n) for n, who in people for what in conditions))
    return study
