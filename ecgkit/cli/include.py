"""`ecgkit include`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.exclude import Excluded


@click.command()
@click.argument("session")
@click.option(
    "--start", metavar="TIME", help="Take back the span that begins here, as ecgkit exclude got it."
)
@click.option("--stop", metavar="TIME", help="Where that span ends.")
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def include(session: str, start: str | None, stop: str | None, study: Path | None, as_json: bool) -> None:
    """Use a SESSION again of which something was excluded: all of it, or the span given."""
    from ecgkit.cli.console import show_json
    from ecgkit.cli.exclude import span_of
    from ecgkit.stages import exclude as stage
    from ecgkit.study.folder import find_study

    made = stage.undo(find_study(study), session, **span_of(start, stop))
    show_json(made.as_json()) if as_json else _show(made)


def _show(made: Excluded) -> None:
    from ecgkit.cli.console import show

    if not made.changed:
        show(f"{made.session}: nothing was excluded")
    elif not made.exclusions:
        show(f"{made.session}: all of it is used again")
    else:
        show(f"{made.session}: used again; still excluded:")
    for item in made.exclusions:
        show(f"  {item.span_text}: {item.reason}")
    for sentence in made.next_steps:
        show(f"! {sentence}")
