from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.errors import ConfigError, ReadError, StudyError
from ecgkit.protocol.model import load_protocol
from ecgkit.protocol.tag import TaggedSpan
from ecgkit.records import Tags
from ecgkit.stages.ingest.plan import (
    Fault,
    FileFacts,
    Placed,
    Row,
    make_row,
    parse_time_s,
    place_rows,
    refuse_conflicts,
)

DT4ECG = load_protocol("dt4ecg")
FILE = Path("a.acq")
WHOLE = FileFacts("0" * 64, (), 180.0)


def place(*rows: Row | Fault, source: FileFacts | ReadError = WHOLE) -> list[Placed | Fault]:
    """Place rows whose files are all found to be alike."""
    facts = {(row.file, row.by_markers): source for row in rows if isinstance(row, Row)}
    return place_rows(rows, facts, DT4ECG)


@pytest.mark.parametrize(
    ("text", "time_s"),
    [
        ("90", 90),
        (" 00:30 ", 30),
        ("03:30", 210),
        ("1:02:03.5", 3723.5),
        ("90,25", 90.25),
        ("90:00", 5400),
        ("1:00.1", 60.1),
        ("0", 0),
    ],
)
def test_parse_time_s_takes_what_people_write(text: str, time_s: float) -> None:
    assert parse_time_s(text) == time_s


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", "nan", "inf", "1:60", "1:00:60", "1:2:3:4", ":30", "1:", "1.5:30", "٣", "1 min"]
)
def test_parse_time_s_refuses_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected seconds, mm:ss or h:mm:ss"):
        parse_time_s(text)


@given(st.integers(0, 359_999_999))
def test_parse_time_s_gives_back_what_was_formatted(millis: int) -> None:
    seconds, rest = divmod(millis, 1000)
    minutes, hours = seconds // 60, seconds // 3600
    exact = float(Decimal(millis) / 1000)
    assert parse_time_s(f"{seconds}.{rest:03d}") == exact
    assert parse_time_s(f"{minutes}:{seconds % 60:02d},{rest:03d}") == exact
    assert parse_time_s(f"{hours}:{minutes % 60:02d}:{seconds % 60:02d}.{rest:03d}") == exact


def test_make_row_says_what_is_missing_or_wrong() -> None:
    assert make_row(FILE, {"subject": "07", "start": "1:00", "take": "2"}, where="line 2") == Row(
        FILE, "07", None, take=2, start_s=60.0, where="line 2"
    )
    with pytest.raises(ConfigError, match=r"a\.acq: no subject"):
        make_row(FILE, {"condition": "rest"})


def test_place_rows_gives_none_for_all_of_the_file_and_checked_against_its_length() -> None:
    def span(start_s: float | None, stop_s: float | None) -> tuple[float, float] | str | None:
        (found,) = place(Row(FILE, "07", "rest", start_s=start_s, stop_s=stop_s))
        return found.span_s if isinstance(found, Placed) else str(found.error)

    assert span(None, None) is span(0, None) is span(0, 180) is None
    assert (span(30, None), span(None, 60)) == ((30, 180), (0, 60))
    for start_s, stop_s in ((60, 30), (30, 30), (30, 180.001), (180, None)):
        fault = str(span(start_s, stop_s))
        assert fault.startswith("a.acq: from ")
        assert fault.endswith("both within the 180 s that the file has")


def test_place_rows_by_markers_counts_takes_from_file_to_file() -> None:
    spans = [TaggedSpan("rest", 1, 0, 60, "", ("short",)), TaggedSpan("rest", 2, 60, 90, "")]
    rows = Row(FILE, "07", None), Row(Path("b.acq"), "07", None), Row(FILE, "08", None, take=5)
    found = place(*rows, source=FileFacts("0" * 64, (), 180.0, tuple(spans)))
    assert [session.tags.take for session in found] == [1, 2, 3, 4, 5, 6]
    assert (found[0].span_s, found[0].warnings) == ((0, 60), ("short",))


def test_place_rows_keep_what_is_wrong_with_its_row() -> None:
    rows = (
        (Row(FILE, "07", "rest", stop_s=200), "the 180 s that the file has"),
        (Row(FILE, "07", "rst"), "unknown condition"),
        (Row(FILE, "a/b", "rest"), "expected 1 to 32 letters and digits"),
        (Row(FILE, "07", "rest", visit=0), "visit 0"),
    )
    for row, message in rows:
        (fault,) = place(row)
        assert isinstance(fault, Fault)
        assert message in str(fault.error)
    (fault,) = place(Row(FILE, "07", "rest"), source=ReadError("gone"))
    assert isinstance(fault, Fault)
    assert str(fault.error) == "gone"
    assert place(fault) == [fault]


def placed(
    name: str, tags: Tags, *, sha256: str | None = None, span_s: tuple[float, float] | None = None
) -> Placed:
    """A session of a file of its own."""
    source = FileFacts(sha256 or name, (), 180.0)
    return Placed(Path(name), tags, source, span_s, where=f"line {name[0]}")


def refused(*plan: Placed, known: tuple[str, ...] = ()) -> list[str | None]:
    found = refuse_conflicts(plan, known_subjects=known)
    for session in found:
        assert isinstance(session, Placed) or (session.refused and isinstance(session.error, StudyError))
    return [str(session.error) if isinstance(session, Fault) else None for session in found]


def test_refuse_conflicts_names_the_other_of_two_with_the_same_tags() -> None:
    rest, run = Tags("07", "rest"), Tags("07", "exercise")
    first, none, second = refused(placed("2.acq", rest), placed("3.acq", run), placed("4.acq", rest))
    assert none is None
    assert first == (
        f"2.acq (line 2), {rest.key}: the same tags are given to 4.acq (line 4), {rest.key}; "
        "put one of them right"
    )
    assert second is not None
    assert "2.acq (line 2)" in second


def test_refuse_conflicts_names_overlapping_parts_of_one_file_whatever_lies_between() -> None:
    def part(number: int, start_s: float, stop_s: float) -> Placed:
        return placed(f"{number}.acq", Tags("07", "rest", take=number), sha256="x", span_s=(start_s, stop_s))

    assert refused(part(1, 0, 60), part(2, 60, 120), part(3, 120, 180)) == [None, None, None]
    assert [bool(why) for why in refused(part(1, 0, 60), part(2, 59, 120), part(3, 120, 180))] == [1, 1, 0]
    assert all(refused(part(1, 0, 170), part(2, 5, 10), part(3, 20, 30)))
    whole = placed("9.acq", Tags("08", "rest"), sha256="x")
    assert all(refused(part(1, 0, 60), whole, part(3, 120, 180)))


def test_refuse_conflicts_names_ids_that_look_alike_unless_the_study_knows_one() -> None:
    plan = placed("2.acq", Tags("07", "rest")), placed("3.acq", Tags("7", "exercise"))
    assert refused(*plan)[0] == (
        "2.acq (line 2), sub-07_visit-1_cond-rest_take-1: ids '07' and '7' differ by case or leading zeros "
        "only; use one"
    )
    assert refused(*plan, known=("7",)) == [None, None]
