"""A call of `ecgkit ingest` from what it names to what became of it."""

from __future__ import annotations

import contextlib
import errno
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path

from ecgkit.errors import ConfigError, StudyError
from ecgkit.progress import Progress, Silent
from ecgkit.protocol.model import Protocol, load_protocol, shipped_protocols
from ecgkit.readers.options import AS_STATED, ReadOptions
from ecgkit.records import Tags
from ecgkit.stages.ingest.asked import Asked, Named, read_asked
from ecgkit.stages.ingest.place import Decision, Destination, KnownSessions, decide, put_in, staging, try_out
from ecgkit.stages.ingest.plan import Failure, Fault, FileFacts, Placed, Plan, place_rows, refuse_conflicts
from ecgkit.stages.ingest.prepare import FileTask, Prepared, SessionTask, TakeOptions, look_at, prepare
from ecgkit.stages.ingest.pseudonym import check_key, pseudonyms, read_key
from ecgkit.stages.ingest.summary import IngestSummary, Outcome, SessionSummary, left_out, taken
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.verdicts import judge_sessions
from ecgkit.stages.workers import default_jobs, in_order, workers
from ecgkit.study.changing import settle
from ecgkit.study.folder import is_study, new_study, open_study, read_participants
from ecgkit.study.pseudonym import key_fingerprint

DEFAULT_PROTOCOL = "dt4ecg"
LOOKING, TAKING = "look at files", "ingest"
FULL = (errno.ENOSPC, errno.EDQUOT)
DISK_FULL = "no space left on the disk; free some, and run the same command again"
WOULD: dict[str, Outcome] = {"ingested": "new", "replaced": "replaces", "already there": "already there"}


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How a call takes recordings in.

    Attributes
    ----------
    protocol
        Of a new study, by name or file; None for the default, or the study's own.
    replace
        Whether a session may take the place of others.
    strict
        Whether one is refused whose verdict is fail, or that looks like another condition.
    dry_run
        Only say what would be done; with `strict` the signals are measured for it.
    key_file
        The key that ids are made with; None to take them as they are given.
    jobs
        Processes side by side; None for as many as there are CPUs for.
    """

    take: TakeOptions = field(default_factory=TakeOptions)
    protocol: str | None = None
    replace: bool = False
    strict: bool = False
    dry_run: bool = False
    key_file: Path | None = None
    jobs: int | None = None


def run(
    file: Path,
    tags: Tags,
    *,
    study_folder: Path,
    protocol: str | None = None,
    leads: Sequence[str] = (),
    reading: ReadOptions = AS_STATED,
    replace: bool = False,
) -> SessionSummary:
    """Take one recording into a study, losslessly; the same call again changes nothing.

    Parameters
    ----------
    leads
        Names, positions or standard leads of the ECG channels; by default the one that is named like an ECG.
    reading
        What the file itself does not say, and whether to salvage it.

    Raises
    ------
    ReadError, ChannelError, ProtocolError, SignalError, StudyError
        Nothing has been written then, and what was there is still there.
    """
    said = {name: str(getattr(tags, name)) for name in ("subject", "condition", "visit", "take")}
    options = IngestOptions(TakeOptions(tuple(leads), reading), protocol=protocol, replace=replace)
    return run_all(Asked((file,), said=said), study_folder=study_folder, options=options).sessions[0]


def run_all(
    asked: Asked,
    *,
    study_folder: Path,
    options: IngestOptions = IngestOptions(),
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> IngestSummary:
    """Take recordings into a study; one that fails does not stop the others.

    Sessions are prepared side by side, each in one task; this process alone puts them into the study, one
    after the other, each whole or not at all. Interrupted, the same call completes it.

    Parameters
    ----------
    executor
        Any executor whose workers see the same disk; None for processes of our own.

    Raises
    ------
    EcgkitError, OSError
        Nothing can be taken in, or the only session that was asked for can't be; what is in stays in.
    """
    listener = progress or Silent()
    key = None if options.key_file is None else read_key(options.key_file, study_folder=study_folder)
    destination = _destination(study_folder, options, key)
    named = read_asked(asked, destination.protocol)
    jobs = 1 if asked.is_single else options.jobs or default_jobs()
    known = KnownSessions(destination.study)
    with _beside(study_folder, options) as place, workers(jobs, executor) as pool:
        plan = _plan(named, destination.protocol, options, pool, listener)
        plan = plan if key is None else _with_pseudonyms(plan, key)
        plan = refuse_conflicts(plan, known_subjects=known.subjects)
        folder = None if place is None else Path(place)
        sessions = _take_all(plan, destination, known, options, folder, pool, listener)
    if asked.is_single and sessions[0].error is not None:
        raise sessions[0].error
    return _summary(destination, known, named, sessions, dry_run=options.dry_run)


def _beside(
    study_folder: Path, options: IngestOptions
) -> contextlib.AbstractContextManager[Path | str | None]:
    """Give a folder for session files that are not in the study yet, None where none are to be written."""
    if not options.dry_run:
        return staging(study_folder)
    return tempfile.TemporaryDirectory(prefix="ecgkit-") if options.strict else contextlib.nullcontext()


def _destination(study_folder: Path, options: IngestOptions, key: bytes | None) -> Destination:
    """Open the study, or say what a new one will be; refuse what does not fit it."""
    keep = options.take.keep
    if key is not None and (keep.source_name or keep.journal or keep.marker_texts):
        raise ConfigError(
            "--pseudonymise: names of files, journals and texts of markers can hold the very ids that it "
            "hides; leave --keep-source-name, --keep-journal and --keep-marker-texts out"
        )
    if study_folder.is_dir():
        settle(study_folder)
    if is_study(study_folder):
        study = open_study(study_folder)
        rules = protocol_of(study)
        if options.protocol is not None and load_protocol(options.protocol) != rules:
            raise StudyError(
                f"{study_folder}: the study follows protocol {rules.name!r}, which is not the same as "
                f"--protocol {options.protocol!r}; leave the option out, or choose another study folder"
            )
        check_key(study, key)
        read_participants(study)  # refused here, before anything is done
        return Destination(study, rules, replace=options.replace, strict=options.strict)
    name = DEFAULT_PROTOCOL if options.protocol is None else options.protocol
    rules = load_protocol(name)
    source = name if name in shipped_protocols() else Path(name)
    fingerprint = None if key is None else key_fingerprint(key)
    study, files = new_study(study_folder, protocol=source, pseudonym_key=fingerprint)
    return Destination(study, rules, files, replace=options.replace, strict=options.strict)


def _plan(
    named: Named, protocol: Protocol, options: IngestOptions, pool: Executor | None, progress: Progress
) -> Plan:
    """Look at every file once, and return the sessions that the rows make of them."""
    tasks = {
        (row.file, row.by_markers): FileTask(
            row.file, options.take.reading, protocol if row.by_markers else None
        )
        for row in named.rows
        if not isinstance(row, Fault)
    }
    progress.start(LOOKING, len(tasks))
    facts: dict[tuple[Path, bool], FileFacts | Failure] = {}
    for source, found in zip(tasks, in_order(pool, look_at, tasks.values()), strict=True):
        facts[source] = found
        progress.advance(LOOKING, note=source[0].name)
    return place_rows(named.rows, facts, protocol)


def _with_pseudonyms(plan: Plan, key: bytes) -> Plan:
    """Return the plan with pseudonyms for the ids that were given."""
    known_as = pseudonyms((session.tags.subject for session in plan if isinstance(session, Placed)), key)
    return [
        replace(session, tags=replace(session.tags, subject=known_as[session.tags.subject]))
        if isinstance(session, Placed)
        else session
        for session in plan
    ]


def _tasks(
    plan: Plan, destination: Destination, known: KnownSessions, take: TakeOptions, place: Path | None
) -> tuple[dict[int, SessionTask], dict[int, Decision], dict[int, SessionSummary]]:
    """Decide what becomes of each session, before anything costly: what to prepare, and what is refused.

    Returns
    -------
    tuple
        Tasks, decisions, and summaries of what is left out, by the place in the plan.
    """
    tasks, decisions, out = {}, {}, {}
    for number, session in enumerate(plan):
        if isinstance(session, Fault):
            out[number] = left_out(session)
            continue
        try:
            decision = decide(
                destination,
                known,
                session.tags,
                session.source.sha256,
                session.span_s,
                exported_from=session.source.exported_from,
            )
        except StudyError as error:
            out[number] = _refused(session, error)
            continue
        decisions[number] = decision
        tasks[number] = SessionTask(
            placed=session,
            options=take,
            protocol=destination.protocol,
            excluded=decision.excluded,
            there=decision.old[0].path if decision.outcome == "already there" else None,
            target=None if place is None else place / f"{session.tags.key}.h5",
        )
    return tasks, decisions, out


def _take_all(
    plan: Plan,
    destination: Destination,
    known: KnownSessions,
    options: IngestOptions,
    place: Path | None,
    pool: Executor | None,
    progress: Progress,
) -> list[SessionSummary]:
    """Prepare the sessions of a plan and put them into the study; return in its order what became of each.

    Parameters
    ----------
    place
        Where session files are written before they are put in; None to write nothing.
    """
    tasks, decisions, summaries = _tasks(plan, destination, known, options.take, place)
    order = _in_turn(tasks, destination.protocol)
    progress.start(TAKING, len(order))
    prepared = in_order(pool, prepare, [tasks[number] for number in order])
    left = list(order)
    for result in prepared:
        placed, decision = tasks[left[0]].placed, decisions[left[0]]
        done: SessionSummary | Failure = (
            result
            if not isinstance(result, Prepared)
            else _put(placed, result, destination, known, decision, dry_run=options.dry_run)
        )
        if _is_full(done):  # so it would be for all that follow
            break
        summaries[left.pop(0)] = _summed_up(placed, done)
        progress.advance(TAKING, note=placed.tags.key)
    for number in left:
        summaries[number] = _summed_up(tasks[number].placed, OSError(errno.ENOSPC, DISK_FULL))
    if not options.dry_run:
        known.refresh()
    return [summaries[number] for number in range(len(plan))]


def _put(
    placed: Placed,
    prepared: Prepared,
    destination: Destination,
    known: KnownSessions,
    decision: Decision,
    *,
    dry_run: bool,
) -> SessionSummary | OSError:
    """Put a prepared session into the study, unless it is only asked what would become of it."""
    header = prepared.header
    if header is not None:
        try:
            done = (try_out if dry_run else put_in)(destination, known, header, decision)
        except OSError as error:
            if error.errno not in FULL:
                raise
            return error
        if isinstance(done, StudyError):
            return _refused(placed, done)
        decision, header = done
    outcome = WOULD[decision.outcome] if dry_run else decision.outcome
    return taken(placed, outcome, prepared, header, decision)


def _refused(placed: Placed, error: StudyError) -> SessionSummary:
    return left_out(Fault(placed.file, placed.where, error, placed.tags, refused=True))


def _in_turn(tasks: Mapping[int, SessionTask], protocol: Protocol) -> list[int]:
    """Return the order in which sessions go in: visit by visit, what others are compared with first."""
    first: dict[tuple[str, int], int] = {}
    for number, task in tasks.items():
        tags = task.placed.tags
        first.setdefault((tags.subject, tags.visit), number)

    def turn(number: int) -> tuple[int, bool, int]:
        tags = tasks[number].placed.tags
        return first[tags.subject, tags.visit], tags.condition != protocol.reference, number

    return sorted(tasks, key=turn)


def _is_full(done: SessionSummary | Failure) -> bool:
    return isinstance(done, OSError) and done.errno in FULL


def _summed_up(placed: Placed, done: SessionSummary | Failure) -> SessionSummary:
    if isinstance(done, SessionSummary):
        return done
    return left_out(Fault(placed.file, placed.where, done, placed.tags))


def _summary(
    destination: Destination,
    known: KnownSessions,
    named: Named,
    sessions: Sequence[SessionSummary],
    *,
    dry_run: bool,
) -> IngestSummary:
    """Judge the visits that something was put into, as they are now."""
    touched = {(s.tags.subject, s.tags.visit) for s in sessions if s.tags and s.header is not None}
    headers = [h for h in known.headers if (h.tags.subject, h.tags.visit) in touched]
    verdicts = {} if dry_run else judge_sessions(destination.protocol, headers)
    judged = [
        replace(s, compliance=verdicts.get(s.tags.key)) if s.tags and s.header is not None else s
        for s in sessions
    ]
    return IngestSummary(destination.study.folder, tuple(judged), named.skipped, verdicts, dry_run)
