"""What the page of a table shows, gathered from the data set, the plan and the scores."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ecgkit.config import TrainConfig
from ecgkit.dataset.read import Dataset
from ecgkit.report.reproduction import Reproduction, SchemeText, Section
from ecgkit.splits import Leak, describe_leaks, find_scheme
from ecgkit.stages.planning import find_leaks_by_scheme
from ecgkit.stages.reproduce.cells import fits_to_do
from ecgkit.stages.reproduce.claims import claims_of
from ecgkit.stages.reproduce.grids import ATTENTIONS, PAPER_EPOCHS, Grid
from ecgkit.stages.reproduce.plan import Part, Plan, ReproduceOptions
from ecgkit.stages.reproduce.scores import read_scores
from ecgkit.stages.reproduce.summary import Scores, make_curves, make_tables

CURVES_FILE = "{}_curves.csv"
FILES = (
    ("{}.csv", "every score: a line for each row, scheme, task and seed"),
    ("{}_summary.csv", "the tables on this page: means, intervals, comparisons, the paper's numbers"),
    ("{}.json", "all of it for programs"),
    ("{}.md", "the tables and the words in Markdown"),
)


def read_parts(plan: Plan) -> list[tuple[Part, Scores]]:
    """Read the scores of every part of a plan, as far as they are there."""
    return [(part, list(read_scores(plan.data, part.cells, plan.cells))) for part in plan.parts]


def devices_of(scores: Scores) -> list[str]:
    """Return the kinds of devices that the fits behind some scores ran on, in order of the alphabet."""
    return sorted(frozenset().union(*(one.devices for one in scores)))


def describe(plan: Plan, parts: Sequence[tuple[Part, Scores]]) -> Reproduction:
    """Gather what the page of one table shows.

    Parameters
    ----------
    parts
        Those of this table, one a `--split`.
    """
    grid = parts[0][0].grid
    tasks = {task.scheme: task for part, _ in parts for cell in part.cells for task in cell.tasks}
    leaks = find_leaks_by_scheme(plan.data, list(tasks.values()))
    names = [row.name for row in grid.rows]
    return Reproduction(
        name=grid.name,
        title=grid.title,
        simulated=plan.data.simulated,
        about=about(plan.data),
        facts=_facts(plan.data),
        training=_training(plan, grid, parts),
        sections=tuple(_section(plan, part, scores, leaks) for part, scores in parts),
        columns=tuple(ATTENTIONS) if grid.cross else (),
        cross=grid.cross,
        curve_pairs=tuple(zip(names[::2], names[1::2], strict=True)) if grid.curves else (),
        command=command(plan.options, grid.name),
        files=tuple((name.format(grid.name), what) for name, what in _files(grid)),
    )


def about(data: Dataset) -> str:
    """Say in a line what the data are."""
    return (
        f"{_source(data)} study {data.study!r}: {len(data.subjects)} subjects in {len(data.conditions)} "
        f"conditions, {len(data):,} windows of {data.window_s:g} s, data set {data.sha256[:12]}"
    )


def command(options: ReproduceOptions, table: str) -> str:
    """Return the command that makes a table, to be given in the data set's folder."""
    words = ["ecgkit", "reproduce", table, "--dataset", options.dataset.name]
    words += [word for split in dict.fromkeys(options.splits) for word in ("--split", split)]
    words += ["--seeds", str(options.seeds)]
    words += ["--epochs", str(options.epochs)] if options.epochs is not None else []
    words += ["--device", options.device] if options.device is not None else []
    return shlex.join(words)


def _section(plan: Plan, part: Part, scores: Scores, leaks: Mapping[str, Sequence[Leak]]) -> Section:
    rows = [row.name for row in part.grid.rows]
    tables = make_tables(
        scores, table=part.grid.name, rows=rows, schemes=part.schemes, seeds=plan.options.seeds
    )
    curves = make_curves(scores) if part.grid.curves else ()
    return Section(
        split=part.split,
        schemes=tuple(_scheme(name, leaks[name]) for name in part.schemes),
        tables=tables,
        claims=claims_of(part.grid, tables, curves),
        curves=curves,
        missing=len(fits_to_do(part.cells, plan.cells)),
        wanted=sum(len(cell.tasks) for cell in part.cells),
    )


def _scheme(name: str, leaks: Sequence[Leak]) -> SchemeText:
    scheme = find_scheme(name)
    return SchemeText(name, scheme.meaning, scheme.leaks, tuple(describe_leaks(leaks)))


def _files(grid: Grid) -> tuple[tuple[str, str], ...]:
    curves = ((CURVES_FILE, "the curves: a line for each row, scheme, task, seed and epoch"),)
    return FILES + (curves if grid.curves else ())


def _facts(data: Dataset) -> tuple[tuple[str, str], ...]:
    counts = Counter(data.codes("condition").tolist())
    conditions = ", ".join(f"{label} ({counts[code]})" for code, label in enumerate(data.conditions))
    return (
        ("study", data.study),
        ("source", _source(data)),
        ("windows", f"{len(data):,} of {data.window_s:g} s at {data.fs:g} Hz"),
        ("leads", ", ".join(data.leads)),
        ("subjects", str(len(data.subjects))),
        ("sessions", str(len(data.sessions))),
        ("conditions (windows)", conditions),
        ("content sha256", data.sha256),
    )


def _source(data: Dataset) -> str:
    return "SIMULATED" if data.simulated else "recorded"


def _training(plan: Plan, grid: Grid, parts: Sequence[tuple[Part, Scores]]) -> tuple[tuple[str, str], ...]:
    from ecgkit.training.weights import current_versions

    built_in, seeds = TrainConfig(), plan.options.seeds
    epochs = {training.get("epochs", PAPER_EPOCHS) for row in grid.rows for training in row.trainings}
    paper = "" if plan.options.epochs is None else f"; the paper has {PAPER_EPOCHS}, and 20 in Table IV"
    rows: dict[str, Any] = {
        "epochs": f"{' and '.join(map(str, sorted(epochs)))}, always the last one{paper}",
        "optimiser": f"Adam, {built_in.learning_rate:g}; batches of {built_in.batch_size}",
        "seeds": f"0 to {seeds - 1}: weights, batches and random folds" if seeds > 1 else "0",
        "device": _devices(plan, parts),
    }
    return (*rows.items(), *current_versions().items())


def _devices(plan: Plan, parts: Sequence[tuple[Part, Scores]]) -> str:
    """Name the kinds of devices that the fits of a table ran on."""
    kinds = devices_of([one for _, scores in parts for one in scores])
    if not kinds:
        return plan.options.device or TrainConfig().device
    mixed = ": differences between rows may be the devices'" if len(kinds) > 1 else ""
    return f"{' and '.join(kinds)}{mixed}"
