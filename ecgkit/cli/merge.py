"""`ecgkit merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.merge import Merged


@click.command()
@click.argument("other", type=click.Path(path_type=Path))
@click.option("--study", type=click.Path(path_type=Path), help="Study folder that takes it in.")
@click.option(
    "--rename-subjects",
    "renamed",
    multiple=True,
    metavar="OLD=NEW",
    help="Subject OLD of the other study gets the id NEW here; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be taken.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def merge(other: Path, study: Path | None, renamed: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Take sessions, participants, exclusions and log of the study OTHER into this one.

    Both must follow the same protocol. What is here already is passed over; if anything contradicts, all of
    it is listed and nothing is written. OTHER is not changed. The same id means the same person: rename
    those of OTHER that mean somebody else.
    """
    from ecgkit.cli import console
    from ecgkit.stages import merge as stage
    from ecgkit.study.folder import find_study

    ids = _pairs(renamed)
    with console.progress(quiet=as_json) as bars:
        made = stage.run(other, find_study(study), renamed=ids, dry_run=dry_run, progress=bars)
    console.show_json(made.as_json()) if as_json else _show(made)


def _pairs(renamed: tuple[str, ...]) -> dict[str, str]:
    """Return old ids -> new ones."""
    pairs = [pair.partition("=") for pair in renamed]
    if not all(old and new for old, _, new in pairs) or len({old for old, *_ in pairs}) < len(pairs):
        raise click.BadParameter("expected OLD=NEW, each OLD once", param_hint="--rename-subjects")
    return {old: new for old, _, new in pairs}


def _show(made: Merged) -> None:
    from ecgkit.cli.console import show, show_next

    verb = "taken from" if made.done else "would be taken from"
    for key in made.taken:
        show(f"{key}: {verb} {made.other}")
    show(f"Sessions {verb} {made.other}: {len(made.taken)}; here already: {made.already_there}.")
    if made.in_both:
        show(f"! had sessions here, and are taken for the same persons: {', '.join(made.in_both)}")
    for sentence in made.next_steps:
        show(f"! {sentence}")
    if made.done and made.taken:
        show_next(made.study, "ecgkit status")
