"""`ecgkit ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgkit.cli.reading import reading_options, take_reading

if TYPE_CHECKING:
    from ecgkit.stages.ingest import IngestOptions
    from ecgkit.stages.ingest.asked import Asked
    from ecgkit.stages.ingest.summary import IngestSummary, SessionSummary

PATH = click.Path(path_type=Path)
SAID = ("subject", "condition", "visit", "take", "start", "stop")
KEEP = ("source_name", "dates", "journal", "marker_texts")
SKIPPED_SHOWN = 5


@click.command()
@click.argument("files", nargs=-1, type=PATH)
@click.option("--subject", help="Who: letters and digits, such as 07.")
@click.option("--condition", help="In which state: a key of the protocol.")
@click.option("--visit", type=int, help="Day, or placement of electrodes.  [default: 1]")
@click.option("--take", type=int, help="Repetition within the visit.  [default: 1]")
@click.option("--start", metavar="TIME", help="Where the session starts in the file: seconds or mm:ss.")
@click.option("--stop", metavar="TIME", help="Where it stops.")
@click.option("--from-markers", is_flag=True, help="The markers say the conditions, by the protocol's rules.")
@click.option("--table", type=PATH, metavar="FILE", help="CSV: file, subject, condition, visit, take, …")
@click.option("--pattern", metavar="TEXT", help="What names say: 'S{subject}_{condition}_v{visit}.acq'.")
@click.option("--study", type=PATH, help="Study folder; made if it is not there.")
@click.option("--protocol", help="Protocol of a new study, by name or file.  [default: dt4ecg]")
@reading_options
@click.option("--replace", is_flag=True, help="Replace a session with these tags, or of this file.")
@click.option(
    "--strict", is_flag=True, help="Refuse sessions that fail the checks or look like another condition."
)
@click.option("--pseudonymise", "key_file", type=PATH, metavar="KEYFILE", help="Make ids by a keyed hash.")
@click.option("--keep-source-name", is_flag=True, help="Keep the name of the file in the study.")
@click.option("--keep-dates", is_flag=True, help="Keep when it was recorded.")
@click.option("--keep-journal", is_flag=True, help="Keep the journal.")
@click.option("--keep-marker-texts", is_flag=True, help="Keep the texts of markers.")
@click.option("--jobs", type=click.IntRange(min=1), help="Sessions side by side.  [default: one a CPU]")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def ingest(files: tuple[Path, ...], study: Path | None, as_json: bool, **options: Any) -> int:
    """Take recordings into the study, tagged and without loss.

    \b
    ecgkit ingest session.acq --subject 07 --condition exercise
    ecgkit ingest day.acq --subject 07 --from-markers
    ecgkit ingest --table sessions.csv
    ecgkit ingest folder --pattern "S{subject}_{condition}_v{visit}.acq"

    A second call on the same files changes nothing. Exits with 1 if a part could not be taken in.
    """
    from ecgkit.cli.console import progress, show_json
    from ecgkit.stages import ingest as stage
    from ecgkit.study.folder import find_study

    asked, how = _asked(files, options), _options(options)
    with progress(quiet=as_json or asked.is_single) as bars:
        summary = stage.run_all(asked, study_folder=find_study(study), options=how, progress=bars)
    if as_json:
        show_json(summary.one_as_json() if asked.is_single else summary.as_json())
    elif summary.dry_run:
        _show_plan(summary)
    else:
        _show_one(summary) if asked.is_single else _show_all(summary)
    return _exit_code(summary)


def _asked(files: tuple[Path, ...], options: dict[str, Any]) -> Asked:
    """Take what names the recordings out of a call's options."""
    from ecgkit.stages.ingest.asked import Asked

    given = {name: options.pop(name) for name in SAID}
    return Asked(
        files,
        table=options.pop("table"),
        pattern=options.pop("pattern"),
        from_markers=options.pop("from_markers"),
        said={name: str(value) for name, value in given.items() if value is not None},
    )


def _options(options: dict[str, Any]) -> IngestOptions:
    """Return how recordings are taken in."""
    from ecgkit.stages.ingest import IngestOptions
    from ecgkit.stages.ingest.prepare import TakeOptions
    from ecgkit.study.kept import Keep

    reading, leads = take_reading(options)
    keep = Keep(**{name: options.pop(f"keep_{name}") for name in KEEP})
    return IngestOptions(TakeOptions(leads, reading, keep), **options)


def _exit_code(summary: IngestSummary) -> int:
    """Return 0 if all is in, 1 if a part is not, 2 if nothing is."""
    from ecgkit.cli import EXIT_BAD_INPUT, EXIT_FAILED

    if not summary.left_out:
        return 0
    return EXIT_FAILED if len(summary.left_out) < len(summary.sessions) else EXIT_BAD_INPUT


def _show_one(summary: IngestSummary) -> None:
    """Print what was taken of one recording, and what comes next."""
    from ecgkit.cli.console import show, show_next, show_warnings

    (session,) = summary.sessions
    if session.prepared is None or session.header is None:
        return
    header = session.header
    show_warnings(header.warnings)
    rate = header.heart_rate_bpm
    show(f"{header.tags.key}: {session.outcome}{'  (SIMULATED recording)' if header.simulated else ''}")
    _show_replaced(summary)
    show(f"  ECG         {', '.join(session.prepared.channels)} ({session.prepared.reason})")
    if session.prepared.respiration:
        show(f"  respiration {session.prepared.respiration}")
    show(f"  duration    {header.duration_s:.1f} s at {header.fs:g} Hz{_of_file(session)}")
    show(f"  heart rate  {'unknown' if rate is None else f'{rate:.0f} beats/min on average'}")
    if session.compliance is not None:
        show(f"  verdict     {session.compliance.text}")
    show(f"  study       {summary.study}")
    show_next(summary.study, "ecgkit status", "ecgkit build-dataset when all recordings are in")


def _of_file(session: SessionSummary) -> str:
    """Say where in the file a session lies."""
    if session.span_s is None:
        return ""
    start_s, stop_s = session.span_s
    return f", seconds {start_s:.10g} to {stop_s:.10g} of the file"


def _show_all(summary: IngestSummary) -> None:
    """Print what became of many recordings: the count, what needs a look, and what comes next."""
    from ecgkit.cli.console import show, show_next, show_warnings

    for session in summary.sessions:
        if session.header is not None and session.header.warnings:
            show_warnings([f"{session.name}: {'; '.join(session.header.warnings)}"])
    counts = ", ".join(f"{number} {outcome}" for outcome, number in summary.counts.items())
    simulated = any(session.header is not None and session.header.simulated for session in summary.sessions)
    show(f"{summary.study}: {counts}{'  (SIMULATED recordings)' if simulated else ''}")
    _show_replaced(summary)
    for key, verdict in summary.doubtful.items():
        show(f"  {key}: {verdict.text}")
    _show_left_out(summary)
    if summary.left_out:
        show("Next: put this right and run the same command again; what is in stays as it is.")
    else:
        show_next(summary.study, "ecgkit status", "ecgkit build-dataset when all recordings are in")


def _show_replaced(summary: IngestSummary) -> None:
    """Print which sessions are no more, since others took their place."""
    from ecgkit.cli.console import show

    for session in summary.sessions:
        if session.replaced:
            show(f"  {session.replaced_text}")


def _show_left_out(summary: IngestSummary) -> None:
    """Print a line for each recording that was not taken in, and which files were skipped."""
    from ecgkit.cli.console import show

    if summary.skipped:
        names = [path.name for path in summary.skipped[:SKIPPED_SHOWN]]
        more = ", …" if len(summary.skipped) > SKIPPED_SHOWN else ""
        show(f"  skipped, since their names do not match the pattern: {', '.join(names)}{more}")
    for session in summary.left_out:
        show(f"  {session.outcome}: {session.name}: {session.error_text}")


def _show_plan(summary: IngestSummary) -> None:
    """Print what a call would do, a line a session."""
    from ecgkit.cli.console import show, show_table

    rows = [
        (
            session.file.name,
            "all" if session.span_s is None else "{:.10g} to {:.10g}".format(*session.span_s),
            "" if session.tags is None else session.tags.key,
            session.outcome,
        )
        for session in summary.sessions
    ]
    show_table(("file", "seconds", "session", "would be"), rows)
    _show_replaced(summary)
    _show_left_out(summary)
    counts = ", ".join(f"{number} {outcome}" for outcome, number in summary.counts.items())
    show(f"{summary.study}: {counts}. Nothing was written: this was a dry run.")
