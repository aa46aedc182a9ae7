"""Each session's windows: one task a session, anywhere, and what is done already is not done again."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.analysis.quality import INDICES
from ecgkit.config import PipelineConfig
from ecgkit.dataset.part import PartFile, is_sound, read_part, write_part
from ecgkit.dataset.schema import LEAD_COLUMNS
from ecgkit.errors import DatasetError, SignalError, StudyError
from ecgkit.files import TEMPORARY_FILE
from ecgkit.progress import Progress
from ecgkit.stages.kept_work import FULL, kept_work
from ecgkit.stages.windows import CutWindows, at_least, cut_recording
from ecgkit.stages.workers import default_jobs, in_order, unseen
from ecgkit.study.session_file import SessionHeader, read_header, read_observations, read_session

TASK = "clean and cut"
SAMPLES_A_JOB = 200_000_000  # what takes about as long as it takes a process to start
CUT_COLUMNS = ("start_sample", "start_s", "heart_rate_bpm", *LEAD_COLUMNS)
PART_FILE = re.compile(r"[0-9a-f]{32}\.h5")


@dataclass(frozen=True, slots=True)
class CutTask:
    """One session, and where its windows go.

    Attributes
    ----------
    content_sha256
        Of the session when the build began.
    """

    session: Path
    content_sha256: str
    pipeline: PipelineConfig
    part: Path


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a task: so many windows in its part, or the reason why there are none."""

    n_windows: int
    reason: str = ""
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class CutSessions:
    """Sessions that are cut: by the key of their tags the part, or why there is none.

    Attributes
    ----------
    n_resumed
        Parts that an earlier build had left.
    """

    files: Mapping[str, PartFile]
    reasons: Mapping[str, str]
    n_resumed: int


def cut_all(
    headers: Sequence[SessionHeader],
    pipeline: PipelineConfig,
    folder: Path,
    versions: Mapping[str, str],
    *,
    executor: Executor | None,
    progress: Progress,
) -> CutSessions:
    """Cut sessions into parts.

    Parameters
    ----------
    folder
        That of the parts, from `parts_folder`.
    versions
        Of what computes: parts that others made are not taken.

    Raises
    ------
    StudyError
        The study changed meanwhile.
    OSError
        A part can't be written.
    """
    tasks = [_task(header, pipeline, folder, versions) for header in headers]
    _remove_parts(folder, but={task.part.name for task in tasks})
    progress.start(TASK, len(tasks))
    started, n_windows, done = time.monotonic(), 0, {}
    for header, task, one in zip(headers, tasks, in_order(executor, cut_session, tasks), strict=True):
        if not one.reason and not task.part.is_file():
            raise unseen(task.part)
        done[header.tags.key] = one
        n_windows += one.n_windows
        rate = n_windows / max(1e-3, time.monotonic() - started)
        progress.advance(TASK, note=f"{n_windows:,} windows, {rate:,.0f}/s")
    parts = {header.tags.key: task.part for header, task in zip(headers, tasks, strict=True)}
    return CutSessions(
        files={key: read_part(parts[key]) for key, one in done.items() if not one.reason},
        reasons={key: one.reason for key, one in done.items() if one.reason},
        n_resumed=sum(one.resumed for one in done.values()),
    )


def cut_session(task: CutTask) -> Done:
    """Cut one session into its part, unless a sound one lies there.

    Raises
    ------
    StudyError
        The session is not there, or not any more the one that was meant.
    """
    for folder in (task.session.parent, task.part.parent):
        if not folder.is_dir():
            raise unseen(folder)
    _refuse_another(task.session, task.content_sha256)
    shape = (len(read_header(task.session).ecg), round(task.pipeline.fs * task.pipeline.window_s))
    if is_sound(task.part) and (there := read_part(task.part).windows).shape[1:] == shape:
        return Done(len(there), resumed=True)
    session, seen = read_session(task.session), read_observations(task.session)
    try:
        cut = cut_recording(
            session.recording, session.ecg, task.pipeline, session.excluded, beats_s=seen.beats_s
        )
        cut = at_least(cut, task.pipeline.min_quality)
    except SignalError as error:
        path = f"{session.recording.path}"  # without it: the same bytes anywhere
        return Done(0, str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, "))
    _refuse_another(task.session, task.content_sha256)  # the samples were read after the header
    channels = [session.recording.channels[index].name for index in session.ecg]
    write_part(task.part, cut.windows, _columns(cut), {**_about(cut), "channels": channels})
    return Done(len(cut.windows))


def _columns(cut: CutWindows) -> dict[str, Any]:
    columns = {name: getattr(cut, name) for name in CUT_COLUMNS}
    columns |= {name: getattr(cut.quality, name) for name in INDICES if name != "verdict"}
    return columns | {"quality": cut.quality.verdict}


def _about(cut: CutWindows) -> dict[str, Any]:
    return {
        "unit": cut.unit,
        "mains": cut.mains.reason,
        "n_excluded": cut.n_excluded,
        "n_too_poor": cut.n_too_poor,
        "turned": cut.turned,
        "warnings": cut.warnings,
    }


def _refuse_another(session: Path, content_sha256: str) -> None:
    """Refuse a session that was changed since the build began."""
    again = "run ecgkit build-dataset again: what is cut already is kept"
    if not session.exists():
        raise StudyError(f"{session}: is gone; the study was changed meanwhile: {again}")
    if read_header(session).content_sha256 != content_sha256:
        raise StudyError(f"{session}: the study was changed meanwhile: {again}")


def refuse_changed(headers: Iterable[SessionHeader]) -> None:
    """Refuse to go on with sessions that are not any more what they were when the build began.

    Raises
    ------
    StudyError
        One is gone, or another.
    """
    for header in headers:
        _refuse_another(header.path, header.content_sha256)


def _task(
    header: SessionHeader, pipeline: PipelineConfig, folder: Path, versions: Mapping[str, str]
) -> CutTask:
    made_of = [header.content_sha256, pipeline.model_dump(), dict(versions)]
    name = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]
    return CutTask(header.path.resolve(), header.content_sha256, pipeline, folder.resolve() / f"{name}.h5")


def jobs_for(headers: Iterable[SessionHeader]) -> int:
    """Return how many processes are worth their start for cutting these sessions."""
    n_samples = sum(header.duration_s * header.fs * len(header.ecg) for header in headers)
    return max(1, min(default_jobs(), int(n_samples // SAMPLES_A_JOB)))


@contextmanager
def parts_folder(target: Path) -> Iterator[Path]:
    """Give the folder of a data set's parts, this process alone; it goes if the block succeeds.

    After an error or an interrupt parts stay, so that they need not be made again; but not where the disk is
    full, maybe of them.

    Raises
    ------
    DatasetError
        Another process has it, the disk knows no locks, or it is no folder.
    """
    folder = target.parent / f".{target.name}.parts"
    busy = f"{target}: another ecgkit is building it; wait for that one, or give another --out"
    elsewhere = "give an --out on another disk"
    with kept_work(folder, busy=busy, elsewhere=elsewhere, error=DatasetError):
        try:
            yield folder
        except OSError as error:
            if error.errno in FULL:
                _remove_parts(folder)
            raise
        finally:
            # what workers that were ended were writing
            _remove_parts(
                folder, but={path.name for path in folder.glob("*") if PART_FILE.fullmatch(path.name)}
            )
        _remove_parts(folder)


def _remove_parts(folder: Path, but: Iterable[str] = ()) -> None:
    """Remove parts, and what a killed process left of them."""
    kept = set(but)
    for path in folder.glob("*"):
        ours = PART_FILE.fullmatch(path.name) or TEMPORARY_FILE.fullmatch(path.name)
        if ours and path.name not in kept and not path.is_dir():
            path.unlink()
