"""The files of a table: every score, the summary, all as JSON, and the Markdown that goes into a text."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ecgkit.files import write_text
from ecgkit.metrics.seeds import OverSeeds
from ecgkit.report.reproduction import (
    PAPER_HEADING,
    Interval,
    Reproduction,
    RowScores,
    Section,
    TaskTable,
    interval_of,
    p_text,
    render_reproduction,
    score_text,
    signed,
)
from ecgkit.report.run_scores import TASK_TITLES
from ecgkit.stages.reproduce.page import CURVES_FILE
from ecgkit.stages.reproduce.plan import Part
from ecgkit.stages.reproduce.scores import MEASURES
from ecgkit.stages.reproduce.summary import Scores

FORMAT = {"format": "ecgkit-reproduction", "format_version": 1}
SCORE_COLUMNS = ("table", "split", "scheme", "task", "row", "seed", "windows", *MEASURES, "seconds")
CURVE_COLUMNS = ("row", "split", "scheme", "task", "seed", "epoch", "training_accuracy", "test_accuracy")


def write_files(folder: Path, content: Reproduction, parts: Sequence[tuple[Part, Scores]]) -> None:
    """Write a table's files into a folder, each whole or not at all.

    Parameters
    ----------
    parts
        The scores that it was made from, one a `--split`.
    """
    name = content.name
    write_text(folder / f"{name}.csv", _csv(SCORE_COLUMNS, _score_lines(name, parts)))
    lines = list(_summary_lines(content))
    write_text(folder / f"{name}_summary.csv", _csv(list(lines[0]), (line.values() for line in lines)))
    if content.curve_pairs:
        write_text(folder / CURVES_FILE.format(name), _csv(CURVE_COLUMNS, _curve_lines(parts)))
    write_text(folder / f"{name}.json", json.dumps(as_json(content), indent=2, allow_nan=False) + "\n")
    write_text(folder / f"{name}.md", as_markdown(content))
    write_text(folder / f"{name}.html", render_reproduction(content))


def as_json(content: Reproduction) -> dict[str, Any]:
    """Return a table, its claims and what they were made from as plain values."""
    return {
        **FORMAT,
        "table": content.name,
        "title": content.title,
        "simulated": content.simulated,
        "data": dict(content.facts),
        "training": dict(content.training),
        "command": content.command,
        "sections": [
            {
                "split": section.split,
                "fits": {"wanted": section.wanted, "missing": section.missing},
                "schemes": [dataclasses.asdict(scheme) for scheme in section.schemes],
                "claims": [dataclasses.asdict(claim) for claim in section.claims],
                "tables": [dataclasses.asdict(table) for table in section.tables],
            }
            for section in content.sections
        ],
    }


def as_markdown(content: Reproduction) -> str:
    """Write a table as a page of Markdown, with the words that belong to it."""
    blocks = [f"# {content.title}", f"{content.about}."]
    if content.simulated:
        blocks.append("**SIMULATED DATA.** Nobody was recorded: the numbers say nothing about people.")
    blocks.append("; ".join(f"{name} {value}" for name, value in content.training) + ".")
    for section in content.sections:
        blocks += _section_blocks(section)
    blocks += ["Made by, in the folder of the data set:", f"    {content.command}"]
    return "\n\n".join(blocks) + "\n"


def _section_blocks(section: Section) -> list[str]:
    blocks = [f"## Split: {section.split}"]
    blocks += [f"**{scheme.name}**: {scheme.sentence}" for scheme in section.schemes]
    if section.missing:
        blocks.append(f"**Not whole**: {section.missing} of {section.wanted} fits are not there yet.")
    for table in section.tables:
        heading = f"### {TASK_TITLES[table.task]}, {table.scheme}"
        blocks += [heading, "\n".join(_table_lines(table)), _note(table)]
    if section.claims:
        from_paper = any(claim.paper for claim in section.claims)
        blocks.append("### What of the paper holds here" if from_paper else "### In words")
        blocks.append(
            "\n".join(
                [
                    "| claim | in the paper | here | verdict |",
                    "|---|---|---|---|",
                    *(f"| {c.about} | {c.paper or '–'} | {c.here} | {c.verdict} |" for c in section.claims),
                ]
            )
        )
    return blocks


def _table_lines(table: TaskTable) -> list[str]:
    names = ["", "seeds", "accuracy", "95 %", "precision", "recall", "F1", "against the first", "p"]
    names += ["95 %, other people", "and against the first"] if table.has_people else []
    names += [PAPER_HEADING] if table.has_paper else []
    lines = [_line(names), _line(["---", *["---:"] * (len(names) - 1)])]
    for row in table.rows:
        cells = [row.name, _seeds(row), *_score_cells(row), *_versus_cells(row)]
        if table.has_people:
            apart = row.versus.people if row.versus else None
            cells += [
                _span(row.people),
                "–" if apart is None else f"{signed(apart[0])} to {signed(apart[1])}",
            ]
        if table.has_paper:
            cells.append(f"{100 * row.paper.accuracy:.2f}" if row.paper else "–")
        lines.append(_line(cells))
    return lines


def _note(table: TaskTable) -> str:
    chance = "" if table.chance is None else f" Chance is {100 * table.chance:.1f}."
    return (
        f"In percent, over {table.tested} tested windows a seed; mean ± SD over seeds, 95 % interval of the "
        "mean by Student's t: it covers seeds only, not people. Precision, recall and F1 are means over "
        f"classes. p: paired t-test over seeds, corrected by Holm for {table.comparisons} "
        f"comparison{'s' * (table.comparisons != 1)}.{chance}"
    )


def _seeds(row: RowScores) -> str:
    return str(len(row.seeds)) if row.is_whole else f"{len(row.seeds)} of {row.wanted}"


def _score_cells(row: RowScores) -> list[str]:
    if row.measures is None:
        return ["–"] * 5
    accuracy, *others = (score_text(row.measures[name]) for name in MEASURES)
    return [accuracy, _span(interval_of(row.accuracy)), *others]


def _versus_cells(row: RowScores) -> list[str]:
    if row.versus is None:
        return ["–", "–"]
    low_high = interval_of(row.versus.difference)
    span = "" if low_high is None else f" [{signed(low_high[0])}, {signed(low_high[1])}]"
    return [signed(row.versus.difference.mean) + span, p_text(row.versus.p_corrected)]


def _span(interval: Interval | None) -> str:
    return "–" if interval is None else f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _csv(columns: Sequence[str], lines: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows([_cell(value) for value in line] for line in lines)
    return text.getvalue()


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _score_lines(name: str, parts: Sequence[tuple[Part, Scores]]) -> Iterable[Iterable[Any]]:
    for part, scores in parts:
        for one in scores:
            place = (name, part.split, one.scheme, one.task, one.row, one.seed, one.tested)
            yield (*place, *(one.measures[measure] for measure in MEASURES), one.seconds)


def _curve_lines(parts: Sequence[tuple[Part, Scores]]) -> Iterable[Iterable[Any]]:
    for part, scores in parts:
        for one in scores:
            for epoch, (training, tested) in enumerate(
                zip(one.training.tolist(), one.test_accuracy.tolist(), strict=True), start=1
            ):
                yield one.row, part.split, one.scheme, one.task, one.seed, epoch, training, tested


def _summary_lines(content: Reproduction) -> Iterable[dict[str, Any]]:
    for section in content.sections:
        for table in section.tables:
            for row in table.rows:
                place = {"table": content.name, "split": section.split, "scheme": table.scheme}
                yield {**place, "task": table.task, **_summary_line(table, row)}


def _summary_line(table: TaskTable, row: RowScores) -> dict[str, Any]:
    measures, versus = row.measures or {}, row.versus
    line: dict[str, Any] = {"row": row.name, "seeds": len(row.seeds), "wanted": row.wanted}
    for name in MEASURES:
        line |= _columns(name, measures.get(name))
    line |= _ends("accuracy_wilson", row.wilson) | _ends("accuracy_people", row.people)
    line |= {"windows": table.tested, "chance": table.chance, "seconds": row.seconds}
    line |= _columns("difference", versus.difference if versus else None)
    line |= {"p": versus.difference.p if versus else None, "p_holm": versus.p_corrected if versus else None}
    line |= _ends("difference_people", versus.people if versus else None)
    for name in MEASURES:
        line[f"paper_{name}"] = getattr(row.paper, name) if row.paper else None
    return line | _ends("paper_accuracy_wilson", row.paper.interval if row.paper else None)


def _columns(name: str, seen: OverSeeds | None) -> dict[str, float | None]:
    return {
        f"{name}_{part}": None if seen is None else getattr(seen, part)
        for part in ("mean", "sd", "low", "high")
    }


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}
