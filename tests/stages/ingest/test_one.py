import re
from pathlib import Path

import numpy as np
import pytest

from ecgkit.dataset.read import open_dataset
from ecgkit.errors import ChannelError, DatasetError, ProtocolError, ReadError, SignalError, StudyError
from ecgkit.protocol.model import shipped_protocols
from ecgkit.readers import read
from ecgkit.readers.options import ReadOptions
from ecgkit.records import Tags
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq
from ecgkit.stages import build_dataset, ingest, status
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.study.folder import open_study
from ecgkit.study.session_file import read_headers, read_session

FS = 500.0
REST = Tags("07", "rest")


def beats(duration_s: float, *, r_mv: float = 1.0, rate_bpm: float = 60.0) -> np.ndarray:
    """Narrow beats with a little noise, mV."""
    t = np.arange(round(duration_s * FS)) / FS
    phase_s = (t % (60 / rate_bpm)) - 30 / rate_bpm
    noise = np.random.default_rng(0).normal(size=len(t)) * 0.002
    return r_mv * (np.exp(-(phase_s**2) / (2 * 0.012**2)) + noise)


def acq(
    folder: Path, samples: np.ndarray, *, unit: str = "mV", name: str = "ECG", file: str = "a.acq"
) -> Path:
    path = folder / file
    channels = [
        AcqChannel(samples=samples, name=name, unit=unit),
        AcqChannel(samples=np.zeros(len(samples)), name="Resp", unit="Volts"),
    ]
    write_acq(path, channels, fs=FS, markers=[AcqMarker(0, "Segment 1", style="apnd")])
    return path


def own_protocol(folder: Path) -> Path:
    """A protocol with "sitting" for "rest"."""
    text = shipped_protocols()["dt4ecg"].read_text(encoding="utf-8")
    path = folder / "mine.yaml"
    path.write_text(text.replace("  rest:", "  sitting:"), encoding="utf-8")
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_ingest_takes_what_it_says(tmp_path: Path) -> None:
    summary = ingest.run(acq(tmp_path, beats(70.0, rate_bpm=72)), REST, study_folder=tmp_path / "study")
    assert summary.outcome == "ingested"
    assert (summary.prepared.channels, summary.header.leads, summary.header.fs) == (("ECG",), ("ECG",), FS)
    assert (summary.header.duration_s, summary.prepared.respiration, summary.header.lost) == (
        70.0,
        "Resp",
        (),
    )
    assert summary.header.heart_rate_bpm == pytest.approx(72, abs=0.2)
    assert summary.header.warnings == ()
    session = read_session(tmp_path / "study" / "sessions" / f"{REST.key}.h5")
    assert (session.tags, session.ecg, session.leads, session.respiration) == (REST, (0,), ("ECG",), 1)
    assert open_study(tmp_path / "study").settings.protocol == "dt4ecg"


def test_ingest_again_changes_nothing(tmp_path: Path) -> None:
    file, study = acq(tmp_path, beats(70.0)), tmp_path / "study"
    ingest.run(file, REST, study_folder=study)
    before = content(study)
    assert ingest.run(file, REST, study_folder=study).outcome == "already there"
    assert content(study) == before


def test_ingest_completes_what_was_interrupted_before_the_participant(tmp_path: Path) -> None:
    file, study = acq(tmp_path, beats(70.0)), tmp_path / "study"
    ingest.run(file, REST, study_folder=study)
    before = content(study)
    (study / "participants.tsv").unlink()
    ingest.run(file, REST, study_folder=study)
    assert content(study) == before


def test_ingest_other_bytes_under_the_same_tags_need_replace_or_a_take(tmp_path: Path) -> None:
    study = tmp_path / "study"
    ingest.run(acq(tmp_path, beats(70.0)), REST, study_folder=study)
    other = acq(tmp_path, beats(80.0), file="b.acq")
    before = content(study)
    with pytest.raises(StudyError, match=r"is there already, from another file .*--take 2.*--replace"):
        ingest.run(other, REST, study_folder=study)
    assert content(study) == before
    ingest.run(other, Tags("07", "rest", take=2), study_folder=study)
    assert len(open_study(study).session_paths()) == 2


def test_ingest_replace_takes_the_new_file(tmp_path: Path) -> None:
    study = tmp_path / "study"
    ingest.run(acq(tmp_path, beats(70.0)), REST, study_folder=study)
    other = acq(tmp_path, beats(80.0), file="b.acq")
    assert ingest.run(other, REST, study_folder=study, replace=True).outcome == "replaced"
    (path,) = open_study(study).session_paths()
    assert read_session(path).recording.duration_s == 80.0


def test_ingest_the_same_file_under_other_tags_is_refused_then_moved(tmp_path: Path) -> None:
    file, study = acq(tmp_path, beats(70.0)), tmp_path / "study"
    ingest.run(file, REST, study_folder=study)
    with pytest.raises(StudyError, match=f"this very file is in the study as {REST.key}"):
        ingest.run(file, Tags("08", "rest"), study_folder=study)
    ingest.run(file, Tags("08", "rest"), study_folder=study, replace=True)
    assert [path.stem for path in open_study(study).session_paths()] == ["sub-08_visit-1_cond-rest_take-1"]


def test_ingest_refuses_before_it_writes(tmp_path: Path) -> None:
    study = tmp_path / "study"
    good = acq(tmp_path, beats(70.0))
    with pytest.raises(ProtocolError, match="known are: deep_breathing, exercise, rest"):
        ingest.run(good, Tags("07", "running"), study_folder=study)
    with pytest.raises(ProtocolError, match="unknown protocol"):
        ingest.run(good, REST, study_folder=study, protocol="nope")
    with pytest.raises(ChannelError, match="Resp"):
        ingest.run(acq(tmp_path, beats(70.0), name="CH3", file="c.acq"), REST, study_folder=study)
    for samples, message in ((np.zeros(5000), "flat"), (np.full(5000, np.nan), "not one sample is a number")):
        with pytest.raises(SignalError, match=message):
            ingest.run(acq(tmp_path, samples, file="d.acq"), REST, study_folder=study)
    assert not study.exists()


def test_ingest_takes_the_channel_that_is_named(tmp_path: Path) -> None:
    file = acq(tmp_path, beats(70.0), name="CH3")
    for key in ("CH3", "0"):
        summary = ingest.run(file, REST, study_folder=tmp_path / "study", leads=(key,))
        assert summary.prepared.channels == ("CH3",)
    with pytest.raises(ChannelError, match="known are: CH3, Resp"):
        ingest.run(file, REST, study_folder=tmp_path / "other", leads=("ECG",))


def test_ingest_honours_the_protocols_subject_ids_and_least_rate(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    text = shipped_protocols()["rest"].read_text(encoding="utf-8")
    assert "least_fs_hz: 250" in text
    mine.write_text(
        text.replace("least_fs_hz: 250", "least_fs_hz: 600") + "\nsubject_pattern: 'S\\d\\d'\n",
        encoding="utf-8",
    )
    file, study = acq(tmp_path, beats(400.0)), tmp_path / "study"
    with pytest.raises(ProtocolError, match="subject id '07', expected one that matches"):
        ingest.run(file, REST, study_folder=study, protocol=str(mine))
    assert not study.exists()
    summary = ingest.run(file, Tags("S07", "rest"), study_folder=study, protocol=str(mine))
    assert "500 Hz; the protocol wants at least 600 Hz" in summary.header.warnings


def test_ingest_refuses_another_protocol_than_the_studys(tmp_path: Path) -> None:
    study = tmp_path / "study"
    ingest.run(acq(tmp_path, beats(70.0)), REST, study_folder=study)
    mine = own_protocol(tmp_path)
    with pytest.raises(StudyError, match="follows protocol 'dt4ecg'"):
        ingest.run(acq(tmp_path, beats(80.0)), REST, study_folder=study, protocol=str(mine))


def test_ingest_keeps_a_protocol_of_ones_own_in_the_study(tmp_path: Path) -> None:
    study, mine, file = tmp_path / "study", own_protocol(tmp_path), acq(tmp_path, beats(70.0))
    for _ in range(2):
        ingest.run(file, Tags("07", "sitting"), study_folder=study, protocol=str(mine))
    assert (study / "protocol.yaml").read_bytes() == mine.read_bytes()
    mine.unlink()
    assert status.run(study).protocol.conditions.keys() == {"sitting", "exercise", "deep_breathing"}


@pytest.mark.parametrize(
    ("samples", "unit", "message"),
    [
        (beats(70.0), "furlong", "unit 'furlong' is no voltage"),
        (beats(70.0, r_mv=1000.0), "mV", "R waves of 993 mV.*gain of 1000 had not been undone"),
        (beats(70.0, r_mv=0.02), "mV", "R waves of 0.0199 mV, expected 0.1 to 5"),
        (np.concatenate([beats(40.0), np.zeros(2500), beats(40.0)]), "mV", "a flat stretch of 5.0 s"),
        (np.concatenate([beats(40.0), [np.nan], beats(40.0)]), "mV", "1 samples are not numbers"),
    ],
)
def test_ingest_warns_of_what_a_lab_should_know(
    tmp_path: Path, samples: np.ndarray, unit: str, message: str
) -> None:
    summary = ingest.run(acq(tmp_path, samples, unit=unit), REST, study_folder=tmp_path / "study")
    assert len(summary.header.warnings) == 1
    assert re.search(message, summary.header.warnings[0])


def test_ingest_heart_rate_agrees_with_neurokit_on_real_data(tmp_path: Path, real_data: Path) -> None:
    import neurokit2

    file = real_data / "acq" / "physio" / "physio-5.0.1.acq"
    summary = ingest.run(file, REST, study_folder=tmp_path / "study")
    assert (summary.prepared.channels, summary.prepared.respiration) == (("EKG - ERS100C",), "RESP - RSP100C")
    session = read_session(tmp_path / "study" / "sessions" / f"{REST.key}.h5")
    signal = session.recording.channels[session.ecg[0]].read()
    _, found = neurokit2.ecg_process(signal, sampling_rate=1000)
    reference = 60 / np.diff(found["ECG_R_Peaks"] / 1000).mean()
    assert summary.header.heart_rate_bpm == pytest.approx(reference, abs=2)
    build_dataset.run(tmp_path / "study")
    data = open_dataset(tmp_path / "study" / "dataset.h5")
    assert data.windows.shape == (20, 1, 300)
    assert np.nanmedian(data.table["heart_rate_bpm"]) == pytest.approx(reference, abs=2)


def test_ingest_of_the_fixture_study_is_complete(
    built_study: Path, simulated_files: tuple[SimulatedFile, ...]
) -> None:
    assert len(open_study(built_study).session_paths()) == len(simulated_files) == 24


def two_channels(folder: Path) -> Path:
    """A recording with an ECG and a second, faster one."""
    channels = [
        AcqChannel(samples=beats(70.0), name="ECG", unit="mV"),
        AcqChannel(samples=beats(70.0, rate_bpm=90), name="other", unit="mV"),
    ]
    write_acq(folder / "two.acq", channels, fs=FS)
    return folder / "two.acq"


def test_ingest_of_another_channel_is_refused_then_replaces(tmp_path: Path) -> None:
    file, study = two_channels(tmp_path), tmp_path / "study"
    ingest.run(file, REST, study_folder=study)
    with pytest.raises(StudyError, match=r"ECG is ECG there, other now\. .*--replace"):
        ingest.run(file, REST, study_folder=study, leads=("other",))
    summary = ingest.run(file, REST, study_folder=study, leads=("other",), replace=True)
    assert (summary.outcome, summary.prepared.channels) == ("replaced", ("other",))
    session = read_session(study / "sessions" / f"{REST.key}.h5")
    assert session.ecg == (1,)


@pytest.mark.parametrize("subject", ["7", "007"])
def test_ingest_refuses_an_id_that_looks_like_another(tmp_path: Path, subject: str) -> None:
    study = tmp_path / "study"
    ingest.run(acq(tmp_path, beats(70.0)), REST, study_folder=study)
    other = acq(tmp_path, beats(80.0), file="b.acq")
    with pytest.raises(StudyError, match=f"subject '{subject}' looks like '07'"):
        ingest.run(other, Tags(subject, "exercise"), study_folder=study)


def test_ingest_that_fails_on_another_channel_leaves_no_study(tmp_path: Path) -> None:
    channels = [
        AcqChannel(samples=beats(70.0), name="ECG", unit="mV"),
        AcqChannel(samples=np.random.default_rng(0).normal(size=35_000), name="Resp", unit="Volts"),
    ]
    file = tmp_path / "damaged.acq"
    write_acq(file, channels, fs=FS, compressed=True)
    content = bytearray(file.read_bytes())
    content[-5000:-4900] = bytes(100)
    file.write_bytes(content)
    with pytest.raises(ReadError):
        ingest.run(file, REST, study_folder=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_ingest_keeps_a_protocol_file_that_was_there(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "protocol.yaml").write_text("mine: all mine")
    own = tmp_path / "own.yaml"
    own.write_text(load_shipped("dt4ecg"))
    with pytest.raises(StudyError, match="another protocol is in the way"):
        ingest.run(acq(tmp_path, beats(70.0)), REST, study_folder=study, protocol=str(own))
    assert (study / "protocol.yaml").read_text() == "mine: all mine"


def load_shipped(name: str) -> str:
    return shipped_protocols()[name].read_text(encoding="utf-8")


def two_leads(folder: Path, *, name: str = "leads.acq") -> Path:
    channels = [
        AcqChannel(samples=beats(70.0), name="Lead I", unit="mV"),
        AcqChannel(samples=beats(70.0, r_mv=1.5), name="Lead II", unit="mV"),
    ]
    write_acq(folder / name, channels, fs=FS)
    return folder / name


def test_ingest_takes_several_leads_as_far_as_the_data_set(tmp_path: Path) -> None:
    study = tmp_path / "study"
    summary = ingest.run(two_leads(tmp_path), REST, study_folder=study, leads=("I", "II", "III"))
    assert (summary.prepared.channels, summary.header.leads) == (
        ("Lead I", "Lead II", "III = II - I"),
        ("I", "II", "III"),
    )
    session = read_session(study / "sessions" / f"{REST.key}.h5")
    one, two, three = (session.recording.channels[index].read() for index in session.ecg)
    np.testing.assert_array_equal(three, two - one)
    build_dataset.run(study)
    data = open_dataset(study / "dataset.h5")
    assert data.leads == ("I", "II", "III")
    assert data.windows.shape == (23, 3, 300)


def test_build_dataset_leaves_out_sessions_of_other_leads(tmp_path: Path) -> None:
    study = tmp_path / "study"
    for visit, leads in ((1, ("I", "II")), (2, ("I", "II")), (3, ("II", "I"))):
        file = acq_of_visit(tmp_path, visit)
        ingest.run(file, Tags("07", "rest", visit), study_folder=study, leads=leads)
    summary = build_dataset.run(study)
    reason = "its leads are II, I, the others' I, II; ingest it with --leads"
    assert summary.left_out == {
        "sub-07_visit-3_cond-rest_take-1": {"sha256": read(file).sha256(), "reason": reason}
    }
    assert open_dataset(study / "dataset.h5").leads == ("I", "II")


@pytest.mark.parametrize(
    ("taken", "leads"),
    [(("I", "I"), ("I",)), (("ECG", "ECG"), ("LA-RA",)), (("ECG", "I"), ("LA-RA",)), (("I", "II"), None)],
)
def test_build_dataset_names_a_lead_as_all_sessions_do(
    tmp_path: Path, taken: tuple[str, ...], leads: tuple[str, ...] | None
) -> None:
    study = tmp_path / "study"
    for visit, name in enumerate(taken, start=1):
        file = acq(tmp_path, beats(70.0 + visit), name="ECG" if name == "ECG" else f"Lead {name}")
        ingest.run(file, Tags("07", "rest", visit), study_folder=study)
    if leads is None:
        with pytest.raises(
            DatasetError, match="1 sessions have the leads I, as many have II: ingest all with"
        ):
            build_dataset.run(study)
    else:
        build_dataset.run(study)
        assert open_dataset(study / "dataset.h5").leads == leads


def acq_of_visit(folder: Path, visit: int) -> Path:
    """Two leads, one sample more on each visit, so that no file is another's copy."""
    n = round(70.0 * FS) + visit
    channels = [AcqChannel(samples=beats(71.0)[:n], name=f"Lead {lead}", unit="mV") for lead in ("I", "II")]
    write_acq(folder / f"{visit}.acq", channels, fs=FS)
    return folder / f"{visit}.acq"


def test_ingest_of_a_salvaged_file_keeps_what_was_lost(tmp_path: Path) -> None:
    whole = acq(tmp_path, beats(100.0))
    cut = tmp_path / "cut.acq"
    cut.write_bytes(whole.read_bytes()[: -round(20 * FS) * 16])
    study = tmp_path / "study"
    with pytest.raises(ReadError, match="--salvage"):
        ingest.run(cut, REST, study_folder=study)
    assert not study.exists()
    summary = ingest.run(cut, REST, study_folder=study, reading=ReadOptions(salvage=True))
    assert 79 < summary.header.duration_s < 80.1
    assert "ECG" in summary.header.lost[0]
    assert f"lost: {summary.header.lost[0]}" in summary.header.warnings
    (header,) = read_headers(open_study(study))
    assert header.lost == summary.header.lost
    session = read_session(header.path)
    assert session.recording.lost == summary.header.lost
    stored = session.recording.channels[0].read()
    np.testing.assert_array_equal(stored, read(whole).channels[0].read(0, len(stored)))


def test_ingest_of_the_same_file_read_in_another_way_is_refused_then_replaces(tmp_path: Path) -> None:
    file, study = tmp_path / "a.csv", tmp_path / "study"
    np.savetxt(
        file, np.column_stack([beats(140.0), beats(140.0)]), delimiter=",", header="ECG,X", comments=""
    )
    ingest.run(file, REST, study_folder=study, reading=ReadOptions(fs=FS, unit="mV"))
    for reading, message in (
        (ReadOptions(fs=2 * FS, unit="mV"), "fs of channel 0 is 500.0 there, 1000.0 now"),
        (ReadOptions(fs=FS, unit="V"), "unit of channel 0 is mV there, V now"),
        (ReadOptions(fs=FS, unit="mV", columns=("ECG",)), "name of channel 1 is X there, none now"),
    ):
        with pytest.raises(StudyError, match=f"read in another way: {message}.*--replace"):
            ingest.run(file, REST, study_folder=study, reading=reading)
    reading = ReadOptions(fs=2 * FS, unit="mV")
    assert ingest.run(file, REST, study_folder=study, reading=reading, replace=True).outcome == "replaced"
    assert ingest.run(file, REST, study_folder=study, reading=reading).outcome == "already there"


def test_ingest_takes_a_text_file_with_what_it_does_not_say(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    np.savetxt(
        file,
        np.column_stack([beats(70.0, rate_bpm=72), beats(70.0, rate_bpm=90)]),
        header="ECG,X",
        comments="",
        delimiter=",",
    )
    reading = ReadOptions(fs=FS, unit="mV")
    summary = ingest.run(file, REST, study_folder=tmp_path / "study", reading=reading)
    assert (summary.prepared.channels, summary.header.fs, summary.header.warnings) == (("ECG",), FS, ())
    assert summary.header.heart_rate_bpm == pytest.approx(72, abs=0.2)
