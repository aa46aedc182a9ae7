import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.errors import ProtocolError
from ecgkit.protocol.model import Condition, Lead, MarkerRule, Protocol, load_protocol
from ecgkit.protocol.tag import TaggedSpan, tag_by_markers, tag_by_segments, tag_recording
from ecgkit.readers import read
from ecgkit.records import Marker
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq
from ecgkit.stages.simulate import SimulatedFile


def protocol(*, segments: tuple[str | None, ...] = (), **markers: MarkerRule | None) -> Protocol:
    """A protocol of conditions of 100 s, each with one rule."""
    conditions = {
        key: Condition(
            label=key, duration_s=100, least_duration_s=20, markers=() if rule is None else (rule,)
        )
        for key, rule in markers.items()
    }
    return Protocol(
        name="p",
        title="p",
        lead=Lead(name="I"),
        mains_hz=50,
        fs_hz=100,
        conditions=conditions,
        segments=segments,
    )


def at(time_s: float, text: str, style: str = "flag") -> Marker:
    return Marker(sample=round(time_s * 100), time_s=time_s, text=text, style=style)


def tag(
    rules: Protocol, *markers: Marker, duration_s: float = 600.0, pauses_s: tuple[float, ...] = ()
) -> tuple[TaggedSpan, ...]:
    edges = [0.0, *pauses_s, duration_s]
    return tag_by_markers(rules, markers, duration_s=duration_s, segments_s=list(itertools.pairwise(edges)))


def spans(found: tuple[TaggedSpan, ...]) -> list[tuple[str, int, float, float]]:
    return [(span.condition, span.take, span.start_s, span.stop_s) for span in found]


STOPPED = protocol(
    rest=MarkerRule(text="rest start", until="rest stop"), run=MarkerRule(text="run start", until="run stop")
)
TIMED = protocol(rest=MarkerRule(text="rest"), run=MarkerRule(text="run", duration_s=50))
OPEN = protocol(rest=MarkerRule(text="rest", open_end=True), run=MarkerRule(text="run", open_end=True))


def test_tag_by_markers_from_start_to_stop_counts_takes() -> None:
    found = tag(
        STOPPED,
        at(300, "Rest  START"),
        at(350, "rest stop"),
        at(10, "rest start"),
        at(20, "breath"),
        at(110, "rest stop"),
        at(120, "run start"),
        at(220, "run stop"),
    )
    assert spans(found) == [("rest", 1, 10, 110), ("run", 1, 120, 220), ("rest", 2, 300, 350)]
    assert found[0].reason == "from the marker at 10.000 s to the one at 110.000 s"
    assert [span.warnings for span in found] == [(), (), ()]
    assert found[2].duration_s == 50


def test_tag_by_markers_for_a_duration() -> None:
    found = tag(TIMED, at(10, "rest"), at(200, "run"))
    assert spans(found) == [("rest", 1, 10, 110), ("run", 1, 200, 250)]
    assert found[1].reason == "from the marker at 200.000 s for 50 s"


def test_tag_by_markers_cuts_short_and_says_so() -> None:
    found = tag(TIMED, at(10, "rest"), at(70, "run"), duration_s=100)
    assert spans(found) == [("rest", 1, 10, 70), ("run", 1, 70, 100)]
    assert found[0].warnings == ("cut short by the next condition: 60.0 of 100 s",)
    assert found[1].warnings == ("cut short by the end of the recording: 30.0 of 50 s",)
    (found,) = tag(STOPPED, at(10, "rest start"), duration_s=100)
    assert (found.stop_s, found.warnings) == (
        100,
        ("no marker ends it: taken to the end of the recording",),
    )
    (found,) = tag(STOPPED, at(10, "rest start"), at(110, "rest stop"), duration_s=100)
    assert (found.stop_s, found.warnings) == (100, ("cut short by the end of the recording",))
    (found,) = tag(TIMED, at(590, "rest"))
    assert found.warnings == ("cut short by the end of the recording: 10.0 of 100 s",)


def test_tag_by_markers_with_an_open_end_stops_at_the_next_or_at_a_pause() -> None:
    found = tag(OPEN, at(0, "rest"), at(150, "run"), pauses_s=(400,))
    assert spans(found) == [("rest", 1, 0, 150), ("run", 1, 150, 400)]
    assert found[0].reason == "from the marker at 0.000 s to the next condition"
    assert found[1].reason == "from the marker at 150.000 s to the end of the segment"


def test_tag_by_markers_keeps_a_span_over_a_pause_and_says_so() -> None:
    (found,) = tag(TIMED, at(10, "rest"), pauses_s=(10, 60, 110))
    assert spans((found,)) == [("rest", 1, 10, 110)]
    assert found.warnings == ("the recording was paused at 60.000 s; no window will cross this",)


def test_tag_by_markers_moves_the_start() -> None:
    rules = protocol(
        rest=MarkerRule(text="rest", offset_s=60), run=MarkerRule(text="run", until="stop", offset_s=-20)
    )
    found = tag(rules, at(10, "rest"), at(300, "run"), at(310, "stop"))
    assert spans(found) == [("rest", 1, 70, 170), ("run", 1, 280, 310)]
    (found,) = tag(rules, at(10, "run"), at(30, "stop"))
    assert found.start_s == 0


def test_tag_by_markers_takes_style_and_the_first_rule_that_fits() -> None:
    rules = protocol(rest=MarkerRule(text=".*", style="apnd"))
    assert spans(tag(rules, at(0, "Segment 1", "apnd"), at(5, "x", "flag"))) == [("rest", 1, 0, 100)]
    dt4ecg = load_protocol("dt4ecg")
    assert spans(tag(dt4ecg, at(5, "rest"), at(300, "rest start"), at(500, "rest end"))) == [
        ("rest", 1, 5, 185),
        ("rest", 2, 300, 500),
    ]


@pytest.mark.parametrize(
    ("markers", "message"),
    [
        ([], "no marker starts a condition; expected one of 'rest start', 'run start', got no markers"),
        ([at(1, "Rest"), at(2, "x"), at(3, "x")], r"got 'Rest', 'x' \(2 times\)"),
        ([at(n, f"t{n}") for n in range(25)], "'t19' and 5 other texts"),
        ([at(1, "rest start"), at(9, "run start")], "nothing that matches 'rest stop' ends it before run"),
        ([at(1, "rest start"), at(9, "rest start")], "ends it before rest starts at 9.000 s"),
        ([at(1, "rest stop"), at(9, "rest start")], "'rest stop' at 1.000 s ends rest, which did not start"),
        (
            [at(1, "rest start"), at(9, "rest stop"), at(11, "rest stop")],
            "at 11.000 s ends rest, which did not",
        ),
        ([at(1, "rest start"), at(1, "rest stop")], "nothing is left of rest"),
        ([at(700, "rest start")], "starts rest, after the end of the recording at 600.000 s"),
    ],
)
def test_tag_by_markers_refuses(markers: list[Marker], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        tag(STOPPED, *markers)


def test_tag_by_markers_refuses_overlap_and_ambiguity() -> None:
    rules = protocol(
        rest=MarkerRule(text="rest", until="stop"), run=MarkerRule(text="run", until="stop", offset_s=-50)
    )
    with pytest.raises(ProtocolError, match=r"ends at 100.000 s, after the start of run at 70.000 s"):
        tag(rules, at(1, "rest"), at(100, "stop"), at(120, "run"), at(200, "stop"))
    same = protocol(rest=MarkerRule(text="a.*"), run=MarkerRule(text=".*b"))
    with pytest.raises(ProtocolError, match="starts rest and run; make their patterns differ"):
        tag(same, at(1, "ab"))
    with pytest.raises(ProtocolError, match="it has no rules for markers"):
        tag(protocol(rest=None), at(1, "rest"))


def test_tag_by_markers_leaves_out_what_a_cut_file_lost() -> None:
    found = tag(TIMED, at(10, "rest"), at(700, "run"))
    assert spans(found) == [("rest", 1, 10, 110)]
    assert found[0].warnings == ("run starts after the end of the recording and is left out",)


def test_tagged_spans_hold_no_text_of_a_marker() -> None:
    rules = protocol(rest=MarkerRule(text=".*jane roe.*"))
    assert "jane" not in repr(tag(rules, at(1, "rest of Jane Roe"))).lower()


@given(
    st.lists(
        st.tuples(st.integers(0, 700), st.sampled_from(["rest", "run", "x"])),
        max_size=12,
        unique_by=lambda m: m[0],
    ),
    st.sampled_from([TIMED, OPEN]),
    st.sampled_from([(), (100,), (50, 333)]),
)
@settings(deadline=None)
def test_tag_by_markers_never_overlaps_nor_leaves_the_recording(
    placed: list[tuple[int, str]], rules: Protocol, pauses_s: tuple[float, ...]
) -> None:
    markers = [at(float(time_s), text) for time_s, text in placed]
    inside = [m for m in markers if m.text != "x" and m.time_s < 600]
    if not inside:
        with pytest.raises(ProtocolError):
            tag(rules, *markers, pauses_s=pauses_s)
        return
    found = tag(rules, *markers, pauses_s=pauses_s)
    assert len(found) == len(inside)
    edges = [edge for span in found for edge in (span.start_s, span.stop_s)]
    assert edges == sorted(edges)
    assert edges[-1] <= 600


SEGMENTS = protocol(rest=None, run=None, segments=("rest", None, "run", "rest"))


def test_tag_by_segments_takes_them_in_order() -> None:
    found = tag_by_segments(SEGMENTS, [(0, 100), (100, 130), (130, 140), (140, 300)])
    assert spans(found) == [("rest", 1, 0, 100), ("run", 1, 130, 140), ("rest", 2, 140, 300)]
    assert found[1].reason == "segment 3 of 4"
    assert found[1].warnings == ()  # 10 s are too short; the verdict says so


def test_tag_by_segments_says_which_are_missing() -> None:
    (found,) = tag_by_segments(SEGMENTS, [(0, 100), (100, 130)])
    assert found.warnings == ("2 segments of 4: none for run, rest",)


def test_tag_by_segments_refuses() -> None:
    five = [(float(n), n + 1.0) for n in range(5)]
    with pytest.raises(ProtocolError, match=r"5 segments \(1.0 s, .*at most 4 \(rest, \(none\), run, rest\)"):
        tag_by_segments(SEGMENTS, five)
    with pytest.raises(ProtocolError, match="does not say which segment is which"):
        tag_by_segments(STOPPED, [(0, 1)])
    with pytest.raises(ProtocolError, match="are none of a condition"):
        tag_by_segments(protocol(rest=None, segments=(None, "rest")), [(0, 1)])


def lesson(path: Path, texts: list[str]) -> Path:
    """A lesson's file: four segments of 20 s, a key pressed for each breath."""
    fs, lengths = 200, (20, 20, 20, 30)
    starts = np.cumsum([0, *lengths])
    markers = [AcqMarker(int(s) * fs, t, style="apnd") for s, t in zip(starts, texts, strict=False)]
    markers += [AcqMarker(45 * fs, "start of inhale", style="defl")]
    write_acq(path, [AcqChannel(np.zeros(int(starts[-1]) * fs), "ECG", "mV")], fs=fs, markers=markers)
    return path


@pytest.mark.parametrize(
    "texts",
    [
        ["Supine, MP36E1234", "Seated, MP36E1234", "Deep breathing, MP36E1234", "After exercise, MP36E1234"],
        ["Supine", "Seated", "Seated, deep breathing", "Seated, after exercise"],
        ["Segment 1", "Segment 2", "Segment 3", "Segment 4"],
    ],
)
def test_tag_recording_of_a_student_lab_lesson(tmp_path: Path, texts: list[str]) -> None:
    found = tag_recording(load_protocol("bsl-l05"), read(lesson(tmp_path / "a.acq", texts)))
    assert spans(found) == [
        ("supine", 1, 0, 20),
        ("seated", 1, 20, 40),
        ("deep_breathing", 1, 40, 60),
        ("after_exercise", 1, 60, 90),
    ]
    assert all(span.warnings == () for span in found)


def test_tag_recording_of_the_simulated_study(simulated_files: tuple[SimulatedFile, ...]) -> None:
    dt4ecg = load_protocol("dt4ecg")
    for file in simulated_files[:3]:
        (found,) = tag_recording(dt4ecg, read(file.path))
        assert spans((found,)) == [(file.condition, 1, 0.5, 29.5)]
        assert found.warnings == ()


@pytest.mark.real_data
def test_tag_recording_of_real_files_says_what_their_markers_are(real_data: Path) -> None:
    recording = read(real_data / "acq" / "physio" / "physio-5.0.1.acq")
    with pytest.raises(ProtocolError, match="got 'Segment 1', 'Breathe In'"):
        tag_recording(load_protocol("dt4ecg"), recording)
    (found,) = tag_recording(load_protocol("rest"), recording)
    assert spans((found,)) == [("rest", 1, 0, pytest.approx(recording.duration_s))]
