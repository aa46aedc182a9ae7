"""`ecgkit dataset`: look at a data set, check it, compare it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ecgkit.stages.dataset_diff import DatasetDiff
    from ecgkit.stages.dataset_info import DatasetInfo
    from ecgkit.stages.dataset_verify import VerifiedDataset

PATH = click.Path(path_type=Path)
MOST_SHOWN = 10
HEAD_COLUMNS = ("subject", "condition", "visit", "take", "start_s", "heart_rate_bpm", "quality")
file_argument = click.argument("file", type=PATH, required=False)
study_option = click.option("--study", type=PATH, help="Study folder, of whose data set it is.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print it for scripts.")


@click.group()
def dataset() -> None:
    """Look at a data set, check it, compare it with another one.

    FILE is the study's data set unless one is named; the study is that of --study, else the one that you
    are in.

    \b
    ecgkit dataset info
    ecgkit dataset verify
    ecgkit dataset head --study ../other/study
    ecgkit dataset diff before.h5
    """


@dataset.command()
@file_argument
@study_option
@json_option
def info(file: Path | None, study: Path | None, as_json: bool) -> None:
    """Say who and what is in a data set, how it was made, and what its splits can show."""
    from ecgkit.cli.console import show_json
    from ecgkit.stages import dataset_info as stage

    found = stage.run(_path(file, study))
    show_json(found.as_json()) if as_json else _show_info(found)


@dataset.command()
@file_argument
@study_option
@json_option
def verify(file: Path | None, study: Path | None, as_json: bool) -> int:
    """Read all of a data set and check that it is what it says: content, table, splits.

    The content is hashed anew; splits are held against what their schemes claim. Exits with 1 if anything
    is wrong. A remark, such as that the study has changed since, is no error.
    """
    from ecgkit.cli import EXIT_FAILED, console
    from ecgkit.stages import dataset_verify as stage

    with console.progress(quiet=as_json) as bars:
        found = stage.run(_path(file, study), progress=bars)
    console.show_json(found.as_json()) if as_json else _show_verified(found)
    return 0 if found.is_sound else EXIT_FAILED


@dataset.command()
@click.argument("a", type=PATH)
@click.argument("b", type=PATH, required=False)
@study_option
@json_option
def diff(a: Path, b: Path | None, study: Path | None, as_json: bool) -> int:
    """Compare two data sets: settings, sessions, windows, splits. Exits with 1 if they differ.

    B is the study's data set unless one is named. Windows are the same if they are of the same session and
    start.
    """
    from ecgkit.cli import EXIT_FAILED, console
    from ecgkit.stages import dataset_diff as stage

    with console.progress(quiet=as_json) as bars:
        found = stage.run(a, _path(b, study), progress=bars)
    console.show_json(found.as_json()) if as_json else _show_diff(found)
    return 0 if found.is_same else EXIT_FAILED


@dataset.command()
@file_argument
@click.option(
    "--rows", "n_rows", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many."
)
@study_option
@json_option
def head(file: Path | None, n_rows: int, study: Path | None, as_json: bool) -> None:
    """Show the first rows of a data set's table; with --json all columns."""
    from ecgkit.cli.console import show_json, show_table
    from ecgkit.stages import dataset_info as stage

    rows = stage.head(_path(file, study), n_rows=n_rows)
    if as_json:
        show_json(rows)
    else:
        show_table(HEAD_COLUMNS, ([_cell(row[name]) for name in HEAD_COLUMNS] for row in rows))


def _path(file: Path | None, study: Path | None) -> Path:
    """Return the data set that is meant: the one named, else the study's."""
    from ecgkit.study.folder import find_study

    if file is not None and study is not None:
        raise click.UsageError("expected a data set, or --study and its folder, and not both")
    return file or find_study(study) / "dataset.h5"


def _cell(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _show_info(found: DatasetInfo) -> None:
    from ecgkit.cli.console import show, show_table, show_warnings

    data = found.data
    show(f"{data.path}{'  (SIMULATED data)' if data.simulated else ''}")
    for name, text in _facts(found):
        show(f"  {name:<10} {text}")
    show_table(("subject", *data.conditions), _counted(found), title="Windows (of these rejected + doubtful)")
    for name, split in found.splits.items():
        scores = f"for {' and '.join(split.scores)}" if split.scores else "for no score of its own"
        folds = "1 fold" if split.n_folds == 1 else f"{split.n_folds} folds"
        show(f"{name}: {folds}, {scores}{', LEAKS' if split.leaks else ''}. {split.meaning}")
        for sentence in split.gives_away:
            show(f"  {sentence}")
    show_warnings(found.stale)
    show(f"Next: ecgkit dataset verify {data.path}. To read it elsewhere: docs/format.md.")


def _facts(found: DatasetInfo) -> Iterator[tuple[str, str]]:
    data = found.data
    yield "study", f"{data.study}, protocol {data.protocol}"
    length = f"{data.window_s:g} s at {data.fs:g} Hz, lead {', '.join(data.leads)}, {data.unit}"
    files = f" in {len(data.files)} files" if len(data.files) > 1 else ""
    yield "windows", f"{len(data)} of {length} ({found.size_bytes / 1e6:.1f} MB{files})"
    n_files = len({of["sha256"] for of in data.sources.values()})
    yield "from", f"{len(data.sessions)} sessions of {len(data.subjects)} subjects, {n_files} source files"
    yield from found.people.items()
    for name, counts in found.labels.items():
        yield "own label", f"{name} (sessions): {_listed(counts)}"
    reasons = [f"{key}: {out['reason']}" for key, out in data.left_out.items()]
    reasons.sort(key=lambda text: ": not chosen: " in text)  # last what was not even asked for
    for text in reasons[:MOST_SHOWN]:
        yield "left out", text
    if len(reasons) > MOST_SHOWN:
        yield "left out", f"and {len(reasons) - MOST_SHOWN} more sessions (--json lists all)"
    yield "pipeline", ", ".join(f"{name} {value}" for name, value in data.pipeline.items())
    yield "made with", ", ".join(f"{name} {of}" for name, of in data.versions.items())
    yield "content", f"sha256 {data.sha256}"


def _listed(counts: Mapping[str, int]) -> str:
    shown = [f"{label or 'not known'} {count}" for label, count in list(counts.items())[:MOST_SHOWN]]
    return ", ".join(shown) + (f" and {len(counts) - MOST_SHOWN} more" if len(counts) > MOST_SHOWN else "")


def _counted(found: DatasetInfo) -> Iterator[list[str]]:
    for row, subject in enumerate(found.data.subjects):
        yield [subject, *(_count(cell) for cell in found.counts[row].tolist())]


def _count(cell: list[int]) -> str:
    reject, doubtful, accept = cell
    poor = f" ({reject} + {doubtful})" if reject + doubtful else ""
    return f"{reject + doubtful + accept}{poor}"


def _show_verified(found: VerifiedDataset) -> None:
    from ecgkit.cli.console import show

    for item in found.findings:
        show(f"{'WRONG ' if item.severity == 'fault' else 'remark'} {item.where}: {item.text}")
    n_faults = sum(item.severity == "fault" for item in found.findings)
    simulated = " (SIMULATED data)" if found.simulated else ""
    state = "sound" if found.is_sound else f"{n_faults} wrong"
    show(f"{found.path}{simulated}: {found.n_windows} windows: {state}.")


def _show_diff(found: DatasetDiff) -> None:
    from ecgkit.cli.console import show

    for what in ("attributes", "pipeline", "split_settings"):
        _show_pairs(what.replace("_", " "), getattr(found, what))
    for what, names in (
        ("sessions only in B", found.sessions_added),
        ("sessions only in A", found.sessions_removed),
        ("sessions of another source", found.sessions_changed),
        ("subjects of whom other things are known", found.participants),
        ("splits only in B", found.splits_added),
        ("splits only in A", found.splits_removed),
    ):
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            show(f"{what}: {', '.join(names[:10])}{more}")
    _show_windows(found)
    show(f"A {found.a}, B {found.b}: {'the same' if found.is_same else 'they differ'}.")


def _show_pairs(what: str, pairs: Mapping[str, Any]) -> None:
    from ecgkit.cli.console import show

    for name, (a, b) in pairs.items():
        show(f"{what}: {name}: {a} in A, {b} in B")


def _show_windows(found: DatasetDiff) -> None:
    from ecgkit.cli.console import show

    windows = found.windows
    if windows.only_a or windows.only_b:
        show(f"windows: {windows.only_a} only in A, {windows.only_b} only in B")
    if not found.same_shape:
        show("windows: of other leads or another length, so their samples are not compared")
    else:
        apart = f", by up to {windows.largest:.3g}" if windows.different else ""
        show(
            f"windows in both: {windows.equal} with the same samples, {windows.different} with others{apart}"
        )
    for name, count in windows.columns.items():
        show(f"table: {name} differs in {count} of the windows in both")
    for (scheme, fold), count in sorted(windows.folds.items()):
        show(f"splits: {scheme}/{fold} differs in {count} of the windows in both")
