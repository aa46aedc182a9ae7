"""Labels of the user's own: what a lab says of its sessions in a table, ``labels.tsv``."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ecgkit.errors import ConfigError
from ecgkit.lookup import unknown
from ecgkit.records import Tags, condition_key
from ecgkit.study.folder import NOT_KNOWN, Study, leads_out
from ecgkit.study.rules import unknown_subject
from ecgkit.study.spreadsheet import parse_number, read_spreadsheet

KEYS = ("subject", "condition", "visit", "take")
MOST_BYTES, MOST_ROWS = 10_000_000, 100_000
MOST_VALUES, LONGEST_VALUE = 1000, 200

About = tuple[str, str | None, int | None, int | None]  # subject, condition, visit, take; None: whichever
Refused = Callable[[Collection[str]], str]  # says why labels can't be called so, "" if they can


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One line of the table: which sessions it is about, and what it says of them.

    Attributes
    ----------
    where
        The file and the line.
    subject, condition, visit, take
        None: whichever it is. A subject is always said.
    values
        ``label -> text``, of those labels that it says.
    """

    where: str
    subject: str
    condition: str | None
    visit: int | None
    take: int | None
    values: Mapping[str, str]

    @property
    def about(self) -> About:
        """Which sessions it is about, as `rows_about` has it."""
        return self.subject, self.condition, self.visit, self.take


@dataclass(frozen=True, slots=True)
class LabelTable:
    """What ``labels.tsv`` says: the names of its labels, and its rows."""

    names: tuple[str, ...]
    rows: tuple[LabelRow, ...]


def rows_about(sessions: Iterable[Tags]) -> set[About]:
    """Return what rows are about that hold for one of these sessions or more.

    Examples
    --------
    >>> len(rows_about([Tags("07", "rest")])), ("07", "rest", None, None) in rows_about([Tags("07", "rest")])
    (8, True)
    """
    return {about for tags in sessions for about in _about(tags)}


def _about(tags: Tags) -> Iterator[About]:
    """Yield what rows may be about that hold for a session, that of all sessions of a subject first."""
    return itertools.product((tags.subject,), (None, tags.condition), (None, tags.visit), (None, tags.take))


def read_labels(
    study: Study, sessions: Iterable[Tags], *, refused: Refused, file: Path | None = None
) -> dict[str, dict[str, str]]:
    """Return what a lab says of its sessions: ``session -> label -> text``, "" where it is not known.

    Parameters
    ----------
    sessions
        All of the study: a row must be about one of them. Each gets every label.
    refused
        Says what is wrong with the names of the labels: those of a data set have rules of their own.
    file
        The table; None for ``labels.tsv`` in the study, without which nothing is said.

    Raises
    ------
    ConfigError
        The table is none, two rows contradict each other, or one is about no session; the message names the
        lines.
    """
    sessions = tuple(sessions)
    table = read_label_table(study, refused=refused, file=file) or LabelTable((), ())
    _refuse_strangers(table, sessions)
    return labels_of(table, sessions)


def known_labels(
    said: Mapping[str, Mapping[str, str]], keys: Collection[str]
) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """Return the labels of some sessions, without those that are known of none of them, which are said.

    Examples
    --------
    >>> known_labels({"a": {"group": "x", "drug": ""}, "b": {"group": "", "drug": "y"}}, ["a"])
    ({'a': {'group': 'x'}}, ("label 'drug' is known of no session in the data set; it is left out",))
    """
    every = dict.fromkeys(name for key in keys for name in said[key])
    known = [name for name in every if any(said[key][name] for key in keys)]
    return {key: {name: said[key][name] for name in known} for key in keys}, tuple(
        f"label {name!r} is known of no session in the data set; it is left out"
        for name in every
        if name not in known
    )


def read_label_table(study: Study, *, refused: Refused, file: Path | None = None) -> LabelTable | None:
    """Read a study's ``labels.tsv``, or another table of labels; None where the study has none.

    Parameters
    ----------
    refused
        As in `read_labels`.

    Raises
    ------
    ConfigError
        It is no such table; the message names the line.
    """
    path = file or study.labels_path
    if file is None and not os.path.lexists(path):
        return None
    if file is None and leads_out(study, path):
        raise ConfigError(f"{path}: a link out of the study; put the table itself in its place")
    columns, lines = read_spreadsheet(path, most_bytes=MOST_BYTES)
    names = tuple(column for column in columns if column not in KEYS)
    _check_columns(path, columns, names, refused)
    rows: list[LabelRow] = []
    for line, cells in lines:
        if len(rows) == MOST_ROWS:
            raise ConfigError(f"{path}: expected at most {MOST_ROWS} rows")
        rows.append(_row(f"{path}, line {line}", cells))
    for name in names:
        n_values = len({row.values[name] for row in rows if name in row.values})
        if n_values > MOST_VALUES:
            raise ConfigError(
                f"{path}: label {name!r} has {n_values} values, expected at most {MOST_VALUES}; a label "
                "tells groups apart"
            )
    return LabelTable(names, tuple(rows))


def labels_of(table: LabelTable, sessions: Iterable[Tags]) -> dict[str, dict[str, str]]:
    """Return ``session -> label -> text``, "" where no row says it.

    A row holds for every session that it fits, and none outweighs another.

    Raises
    ------
    ConfigError
        Two rows say different things of a session.
    """
    said: dict[About, dict[tuple[str, str], str]] = defaultdict(dict)
    for row in table.rows:
        for name, text in row.values.items():
            said[row.about].setdefault((name, text), row.where)
    return {tags.key: _said_of(tags, said, table.names) for tags in sessions}


def labels_text(table: LabelTable) -> str:
    """Return a table as the text of ``labels.tsv``."""
    lines = io.StringIO()
    write = csv.writer(lines, delimiter="\t", lineterminator="\n").writerow
    keys = [key for key in KEYS if any(getattr(row, key) is not None for row in table.rows)] or ["subject"]
    write([*keys, *table.names])
    for row in table.rows:
        tags = (NOT_KNOWN if (tag := getattr(row, key)) is None else tag for key in keys)
        write([*tags, *(row.values.get(name, NOT_KNOWN) for name in table.names)])
    return lines.getvalue()


def rename_subjects(table: LabelTable, ids: Mapping[str, str]) -> LabelTable:
    """Return a table with other ids; those that are not in `ids` stay."""
    rows = (replace(row, subject=ids.get(row.subject, row.subject)) for row in table.rows)
    return replace(table, rows=tuple(rows))


def join_tables(table: LabelTable, other: LabelTable) -> LabelTable:
    """Return a table with the rows of both; what both say stands once."""
    said = {_content(row) for row in table.rows}
    return LabelTable(
        names=tuple(dict.fromkeys((*table.names, *other.names))),
        rows=(*table.rows, *(row for row in other.rows if _content(row) not in said)),
    )


def _content(row: LabelRow) -> tuple[object, ...]:
    return row.about, frozenset(row.values.items())


def _check_columns(path: Path, columns: Sequence[str], names: Sequence[str], refused: Refused) -> None:
    """Refuse a first line that does not name sessions and labels."""
    if fault := refused(names):
        raise ConfigError(f"{path}: {fault}. The first line names the columns")
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice:
        raise ConfigError(f"{path}: two columns are called {twice!r}")
    if "subject" not in columns:
        raise ConfigError(
            f"{path}: no column 'subject'; expected it, any of {', '.join(KEYS[1:])}, and labels"
        )
    if not names:
        raise ConfigError(f"{path}: no labels; expected a column at least beside the tags")


def _row(where: str, cells: Mapping[str, str]) -> LabelRow:
    """Return a row of the table; "n/a" and nothing are the same.

    Raises
    ------
    ConfigError
        No subject is named, a visit or a take is no number, or a label is no plain text.
    """
    said = {name: text for name, text in cells.items() if text != NOT_KNOWN}
    for name, text in said.items():
        if len(text) > LONGEST_VALUE or not text.isprintable():
            raise ConfigError(
                f"{where}: {name} is {text[:20]!r}…, expected plain text of at most {LONGEST_VALUE} "
                "characters in one line"
            )
    if "subject" not in said:
        raise ConfigError(f"{where}: no subject is named; expected an id, such as 07")
    try:
        numbers = {key: parse_number(said[key], key) for key in ("visit", "take") if key in said}
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return LabelRow(
        where=where,
        subject=said["subject"].removeprefix("sub-"),
        condition=condition_key(said["condition"]) if "condition" in said else None,
        visit=numbers.get("visit"),
        take=numbers.get("take"),
        values={name: text for name, text in said.items() if name not in KEYS},
    )


def _said_of(
    tags: Tags, said: Mapping[About, Mapping[tuple[str, str], str]], names: Sequence[str]
) -> dict[str, str]:
    """Return what is said of a session; `said` is, by what rows are about, (label, text) -> where."""
    found, first = dict.fromkeys(names, ""), dict.fromkeys(names, "")
    for about in _about(tags):
        for (name, text), where in said.get(about, {}).items():
            if found[name] not in ("", text):
                raise ConfigError(
                    f"{first[name]}, and {where}: {name} of {tags.key} is {found[name]!r} and {text!r}; "
                    "expected one value. Name condition, visit or take to tell sessions apart"
                )
            found[name], first[name] = text, first[name] or where
    return found


def _refuse_strangers(table: LabelTable, known: Sequence[Tags]) -> None:
    """Refuse a row that is about no session of the study; say what of it is not there."""
    there = rows_about(known)
    for row in table.rows:
        if row.about not in there:
            own = [tags for tags in known if tags.subject == row.subject]
            subjects = {tags.subject for tags in known}
            missing = _missing(row, own) if own else unknown_subject(row.subject, subjects)
            raise ConfigError(f"{row.where}: {missing} Correct the row, or remove it")


def _missing(row: LabelRow, own: Sequence[Tags]) -> str:
    """Say which of a row's tags no session of its subject has."""
    said = f"of subject {row.subject}"
    for key in KEYS[1:]:
        wanted, there = getattr(row, key), {str(getattr(tags, key)) for tags in own}
        own = [tags for tags in own if wanted in (None, getattr(tags, key))]
        if not own:
            break
        said += "" if wanted is None else f", {key} {wanted}"
    return f"{said}: {unknown(key, str(wanted), there)}"
