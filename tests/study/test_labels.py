from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecgkit.errors import ConfigError, StudyError
from ecgkit.records import Tags
from ecgkit.study.folder import NOT_KNOWN, Study, create_study, open_study
from ecgkit.study.labels import (
    LabelRow,
    LabelTable,
    join_tables,
    known_labels,
    labels_of,
    labels_text,
    read_label_table,
    read_labels,
    rename_subjects,
)

KNOWN = [Tags(who, what, visit) for who in ("01", "07") for what in ("rest", "exercise") for visit in (1, 2)]
REST, SECOND, EFFORT = Tags("07", "rest"), Tags("07", "rest", 2), Tags("07", "exercise")


def refused(names: Collection[str]) -> str:
    """Say of some names what a data set says of those that it can't have."""
    return f"{len(names)} labels: not this one" if "quality" in names else ""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return create_study(tmp_path / "study", protocol="dt4ecg")


def read(study: Study, text: str | bytes, *, file: Path | None = None) -> dict[str, dict[str, str]]:
    """Write the table, and read it."""
    (file or study.labels_path).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(study, KNOWN, refused=refused, file=file)


def test_read_labels_without_a_table_knows_no_label(study: Study) -> None:
    assert read_labels(study, KNOWN, refused=refused) == {tags.key: {} for tags in KNOWN}


def test_a_row_holds_for_every_session_that_it_fits(study: Study) -> None:
    found = read(
        study,
        "subject\tcondition\tvisit\telectrode\tposture\n"
        "07\tn/a\t1\tgel\tn/a\n"
        "07\t\t2.0\tdry\t\n"
        "sub-07\tRest \t\t\tsitting\n"
        "07\trest\t1\tgel\tsitting\n",  # says again what others say
    )
    assert found[REST.key] == {"electrode": "gel", "posture": "sitting"}
    assert found[SECOND.key] == {"electrode": "dry", "posture": "sitting"}
    assert found[EFFORT.key] == {"electrode": "gel", "posture": ""}
    assert found[Tags("01", "rest").key] == {"electrode": "", "posture": ""}
    assert len(found) == len(KNOWN)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_read_labels_takes_what_spreadsheets_write(study: Study, encoding: str, delimiter: str) -> None:
    text = 'Subject\tGroup\t\n07\t"größer ""A"""\t\n'.replace("\t", delimiter)
    assert read(study, text.encode(encoding))[REST.key] == {"group": 'größer "A"'}


def test_read_labels_from_another_file_leaves_that_of_the_study(study: Study, tmp_path: Path) -> None:
    study.labels_path.write_text("no table")
    assert read(study, "subject,group\n07,a\n", file=tmp_path / "mine.csv")[REST.key] == {"group": "a"}


def test_known_labels_leaves_out_what_is_known_of_no_session_in_the_data_set(study: Study) -> None:
    said = read(study, "subject\tgroup\tmedication\n07\ta\tn/a\n01\tb\tyes\n")
    assert known_labels(said, said) == (said, ())
    labels, warnings = known_labels(said, [REST.key])
    assert labels == {REST.key: {"group": "a"}}
    assert warnings == ("label 'medication' is known of no session in the data set; it is left out",)
    assert known_labels(said, []) == ({}, ())


def test_two_rows_that_contradict_each_other_are_both_named(study: Study) -> None:
    text = "subject\tcondition\tgroup\n01\t\tb\n07\t\ta\n07\trest\tb\n"
    with pytest.raises(ConfigError) as refused:
        read(study, text)
    assert str(refused.value) == (
        f"{study.labels_path}, line 3, and {study.labels_path}, line 4: group of {REST.key} is 'a' and 'b'; "
        "expected one value. Name condition, visit or take to tell sessions apart"
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("7\trest\t1", r"line 2: unknown subject '7'\. Did you mean '07'\? Case and leading zeros count\."),
        ("08\trest\t1", "line 2: unknown subject '08'; known are: 01, 07"),
        (
            "07\tresting\t1",
            "of subject 07: unknown condition 'resting'; known are: exercise, rest. Did you mean 'rest'",
        ),
        ("07\trest\t3", "of subject 07, condition rest: unknown visit '3'; known are: 1, 2"),
        ("07\trest\t0", "unknown visit '0'"),
    ],
)
def test_a_row_about_no_session_of_the_study_is_refused(study: Study, row: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"{message}.* Correct the row, or remove it"):
        read(study, f"subject\tcondition\tvisit\tgroup\n{row}\ta\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'subject'"),
        ("group\na\n", "no column 'subject'"),
        ("subject\n07\n", "no labels; expected a column at least beside the tags"),
        ("subject\tgroup\tGroup\n", "two columns are called 'group'"),
        ("subject\tgroup\tsubject\n", "two columns are called 'subject'"),
        ("subject\tgroup\tquality\n", r"2 labels: not this one\. The first line names the columns"),
        ("subject\tgroup\n\ta\n", "line 2: no subject is named"),
        ("subject\tvisit\tgroup\n07\ttwo\ta\n", "line 2: visit 'two': expected a whole number"),
        ("subject\tgroup\n07\ta\tb\n", r"line 2: 3 cells, expected 2; got \['07', 'a', 'b'\]"),
        ("subject\tgroup\n07\ta\x07b\n", "line 2: group is .*expected plain text of at most 200"),
        ("subject\tgroup\n07\t\u202eb\n", "line 2: group is .*expected plain text"),
        ('subject\tgroup\n07\t"a\nb"\n', "line 3: group is .*expected plain text"),
        (f"subject\tgroup\n07\t{'a' * 201}\n", "line 2: group is 'aaaaaaaaaaaaaaaaaaaa'…"),
        ("subject\tgroup\n" + "".join(f"07\t{i}\n" for i in range(1001)), "'group' has 1001 values"),
        ("subject\tgroup\n" + "07\ta\n" * 100_001, "at most 100000 rows"),
        ("subject\tgroup\n" + "07\ta\n" * 2_000_000, "at most 10000000 bytes"),
        (b"subject\tgroup\n07\t\xfc\n", "can't be read as UTF-8"),
    ],
)
def test_what_is_no_table_of_labels_is_refused(study: Study, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(study, text)


def test_a_table_that_is_named_must_be_there(study: Study, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.tsv: can't be read \(No such file"):
        read_labels(study, KNOWN, refused=refused, file=tmp_path / "none.tsv")


def test_labels_that_lie_outside_of_the_study_are_refused(study: Study, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.tsv").write_text("subject\tgroup\n07\ta\n")
    study.labels_path.symlink_to(tmp_path / "elsewhere.tsv")
    with pytest.raises(StudyError, match=r"labels\.tsv: a link to .*, out of the study"):
        open_study(study.folder)


VALUES = st.one_of(
    st.sampled_from(["a", "b"]),
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=5).filter(
        lambda text: text != NOT_KNOWN
    ),
)
ROWS = st.lists(
    st.builds(
        LabelRow,
        where=st.just(""),
        subject=st.sampled_from(["01", "07"]),
        condition=st.sampled_from([None, "rest", "exercise"]),
        visit=st.sampled_from([None, 1, 2]),
        take=st.sampled_from([None, 1]),
        values=st.dictionaries(st.sampled_from(["group", "posture"]), VALUES),
    ),
    max_size=5,
)


def table_of(rows: Sequence[LabelRow]) -> LabelTable:
    return LabelTable(("group", "posture"), tuple(rows))


def said(rows: Sequence[LabelRow], tags: Tags, name: str) -> set[str]:
    """All that rows say of a label of a session."""
    keys = ("subject", "condition", "visit", "take")
    fitting = [row for row in rows if all(getattr(row, k) in (None, getattr(tags, k)) for k in keys)]
    return {row.values[name] for row in fitting if name in row.values}


@given(ROWS)
def test_each_session_gets_what_its_rows_say_or_all_is_refused(rows: list[LabelRow]) -> None:
    every = {(tags, name): said(rows, tags, name) for tags in KNOWN for name in ("group", "posture")}
    if any(len(values) > 1 for values in every.values()):
        with pytest.raises(ConfigError, match="expected one value"):
            labels_of(table_of(rows), KNOWN)
        return
    found = labels_of(table_of(rows), KNOWN)
    assert {(tags, name): {found[tags.key][name]} - {""} for tags, name in every} == every


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_a_table_that_is_written_reads_back(study: Study, rows: list[LabelRow]) -> None:
    study.labels_path.write_text(labels_text(table_of(rows)), encoding="utf-8", newline="\n")
    table = read_label_table(study, refused=refused)
    assert table is not None
    assert table.names == ("group", "posture")
    assert join_tables(table, table_of(rows)) == table
    assert len(table.rows) == len(rows)


@given(ROWS, ROWS)
def test_joined_tables_say_what_both_say(rows: list[LabelRow], others: list[LabelRow]) -> None:
    joined = join_tables(table_of(rows), rename_subjects(table_of(others), {"07": "08"}))
    assert join_tables(joined, joined) == joined
    for tags in KNOWN:
        for name in ("group", "posture"):
            of_others = said(others, tags, name) if tags.subject == "01" else set()
            assert said(joined.rows, tags, name) == said(rows, tags, name) | of_others
    renamed = [row for row in joined.rows if row.subject == "08"]
    assert {frozenset(row.values.items()) for row in renamed} == {
        frozenset(row.values.items()) for row in others if row.subject == "07"
    }
