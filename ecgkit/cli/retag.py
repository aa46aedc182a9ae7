"""`ecgkit retag`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.retag import Retagged


@click.command()
@click.argument("session", required=False)
@click.option("--all-of", metavar="SUBJECT", help="All sessions of this subject get the id --subject.")
@click.option("--subject", help="New subject id.")
@click.option("--condition", help="New condition: a key of the protocol.")
@click.option("--visit", type=int, help="New visit.")
@click.option("--take", type=int, help="New take.")
@click.option(
    "--swap", is_flag=True, help="Exchange tags with the session, or subject, that has the new ones."
)
@click.option("--reason", help="Why; for the study's log.")
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def retag(
    session: str | None,
    all_of: str | None,
    subject: str | None,
    condition: str | None,
    visit: int | None,
    take: int | None,
    swap: bool,
    reason: str | None,
    study: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Give a SESSION of the study other tags; samples and all else of it are kept.

    SESSION is its key, such as sub-07_visit-1_cond-rest_take-1, or as much of it as only this one has.

    \b
    ecgkit retag sub-07_visit-1_cond-rest --condition exercise --swap
    ecgkit retag --all-of 07 --subject 08
    """
    from ecgkit.cli import console
    from ecgkit.stages import retag as stage
    from ecgkit.study.folder import find_study

    new, folder = stage.NewTags(subject, condition, visit, take), find_study(study)
    with console.progress(quiet=as_json) as bars:
        made = stage.run(
            folder, session, new, all_of=all_of, swap=swap, reason=reason, dry_run=dry_run, progress=bars
        )
    console.show_json(made.as_json()) if as_json else _show(made)


def _show(made: Retagged) -> None:
    from ecgkit.cli.console import show

    for old, new in made.moves:
        show(f"{old} -> {new}")
    if not made.moves:
        show("These are the tags that it has; nothing to do.")
    elif not made.done:
        show("Only asked about: nothing was changed. Repeat without --dry-run to do it.")
    else:
        show("Retagged; what was recorded and what was excluded is kept.")
    for sentence in made.next_steps:
        show(f"! {sentence}")
