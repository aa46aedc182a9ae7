"""`ecgkit remove`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.erase import Erasure
    from ecgkit.stages.remove import Removed


@click.command()
@click.argument("sessions", nargs=-1, metavar="[SESSION]...")
@click.option("--subject", help="All sessions of this subject.")
@click.option("--reason", help="Why; for the study's log.")
@click.option("--erase", is_flag=True, help="With --subject: leave no trace of the subject but the fact.")
@click.option("--yes", is_flag=True, help="With --erase: do not ask.")
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def remove(
    sessions: tuple[str, ...],
    subject: str | None,
    reason: str | None,
    erase: bool,
    yes: bool,
    study: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take SESSIONs out of the study; its log keeps their tags and hashes.

    With --erase, for a subject who withdraws: sessions, the rows in participants.tsv and labels.tsv, the
    subject's lines in the log, the data set if it holds the subject, the runs that were trained with the
    subject, and interrupted trainings and the reproduction, which may be.

    \b
    ecgkit remove sub-07_visit-1_cond-rest --reason "recorded with a broken cable"
    ecgkit remove --subject 07 --erase
    """
    from ecgkit.study.folder import find_study

    folder = find_study(study)
    if not erase and reason is not None and not yes:
        _remove(folder, sessions, subject=subject, reason=reason, dry_run=dry_run, as_json=as_json)
    elif erase and reason is None and subject is not None and not sessions:
        _erase(folder, subject, yes=yes, dry_run=dry_run, as_json=as_json)
    else:
        raise click.UsageError("expected SESSIONs (or --subject) and --reason, or --subject and --erase")


def _remove(
    folder: Path, sessions: tuple[str, ...], *, subject: str | None, reason: str, dry_run: bool, as_json: bool
) -> None:
    from ecgkit.cli.console import show_json
    from ecgkit.stages import remove as stage

    made = stage.run(folder, sessions, subject=subject, reason=reason, dry_run=dry_run)
    show_json(made.as_json()) if as_json else _show(made)


def _show(made: Removed) -> None:
    from ecgkit.cli.console import show

    for key in made.sessions:
        show(f"{key}: {'removed' if made.done else 'would be removed'}")
    if made.done:
        show("The study's log, changes.jsonl, keeps their tags and hashes.")
    for sentence in made.next_steps:
        show(f"! {sentence}")


def _erase(folder: Path, subject: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Say what would go, ask, and erase it."""
    from ecgkit.cli.console import show, show_json
    from ecgkit.stages import erase as stage

    if not (yes or dry_run) and (as_json or not sys.stdin.isatty()):
        raise click.UsageError("--erase can't be undone: look with --dry-run, then repeat with --yes")
    found = stage.plan(folder, subject)
    if not as_json:
        _show_plan(found)
    if not dry_run and (yes or click.confirm("Erase this? It can't be undone")):
        found = stage.run(folder, subject)
    if as_json:
        show_json(found.as_json())
    elif found.done:
        show(
            "Erased. Not ours to erase: the source recordings, backups, copies of the data set or of runs, "
            "and what was exported or sent elsewhere. Delete these yourself."
        )
    else:
        show("Nothing was erased.")


def _show_plan(found: Erasure) -> None:
    from ecgkit.cli.console import show

    show(f"Of subject {found.subject} in {found.study}:")
    for key in found.sessions:
        show(f"  session {key}")
    if found.participant:
        show("  the row in participants.tsv")
    if found.labels:
        show(f"  {found.labels} {'row' if found.labels == 1 else 'rows'} of labels.tsv")
    if found.log_entries:
        show(f"  {found.log_entries} entries of changes.jsonl, or the name in them")
    if found.dataset:
        show(
            "  dataset.h5 and its shards, which hold the subject or can't be read; build it again afterwards"
        )
    if found.page:
        show("  status.html, which shows everybody; ecgkit status --html makes it again")
    for name in found.parts:
        show(f"  {name}: the windows of an interrupted build, which may be the subject's")
    for name in found.runs:
        show(f"  runs/{name}, trained with the subject; train again afterwards")
    for name in found.trainings:
        show(f"  runs/{name}, an interrupted training, which may be with the subject; it starts again then")
    if found.reproduce:
        show("  reproduce/, which has the outputs for everybody; ecgkit reproduce makes it again")
    for key in found.reasons:
        show(f"  the name, in the reason for an exclusion of {key}")
    for name in found.others:
        show(f"! {name} speaks of the subject too, or leads to what may, and is left: look at it yourself")
