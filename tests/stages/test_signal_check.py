import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.signal import butter, iirpeak, lfilter, sosfilt
from support.recordings import in_memory, simulated

from ecgkit.readers import read
from ecgkit.readers.ecg_channel import find_ecg
from ecgkit.simulate.noise import contact
from ecgkit.stages.signal_check import Finding, SignalCheck, check_channel

FS = 500.0
CASES = [
    (subject, condition) for subject in (1, 4, 6) for condition in ("rest", "exercise", "deep_breathing")
]

# chosen by eye from drawings of all of them, before the checks were run on them; docs/checks.md names them
GOOD = {
    "acq": "misc/r42_test.acq physio/physio-3.9.1.acq physio/physio-4.1.0-c.acq physio/physio-5.0.1.acq "
    "nojournal/nojournal-4.4.0.acq unicode/small-unicode-4.4.0.acq",
    "ecgiddb": "26/1 26/2 30/1 30/4 35/3 36/3 44/2 46/1 52/4 52/6 53/1 53/3 54/1 55/1 58/1 64/2 67/1 72/2 "
    "75/2 84/1",
    "electrophys": "S10__rest__S10_ECG_resting S12__rest__S12_ECG_resting S13__rest__S13_ECG_resting "
    "S15__rest__S15_ECG_rest1 smp_S1__rest__S1_rest smp_S1__exercise__S1_exercise smp_S2__rest__S2_rest "
    "smp_S3__rest__S3_rest smp_S3__exercise__S3_exercise smp_T2__rest__T2_rest smp_X1__rest__X1_rest "
    "smp_X2__rest__X2_rest",
    "neurokit": "bio_eventrelated_100hz.csv bio_resting_8min_100hz.csv ecg_1000hz.csv ecg_3000hz.csv",
}
TABLE_RATES = {
    "bio_eventrelated_100hz.csv": 100.0,
    "bio_resting_8min_100hz.csv": 100.0,
    "ecg_1000hz.csv": 1000.0,
    "ecg_3000hz.csv": 3000.0,
}


def check(samples: np.ndarray, fs: float = FS, **more: object) -> SignalCheck:
    recording = in_memory(samples, fs, **more)
    return check_channel(recording, recording.channels[0])


def only(samples: np.ndarray, fs: float = FS, **more: object) -> Finding:
    found = check(samples, fs, **more).findings
    assert len(found) == 1, [finding.text for finding in found]
    return found[0]


def names(found: SignalCheck) -> list[str]:
    return [finding.name for finding in found.findings]


@pytest.mark.parametrize("fs", [100.0, 250.0, 500.0, 1000.0, 2000.0])
@pytest.mark.parametrize(("subject", "condition"), CASES)
def test_check_finds_nothing_in_a_good_signal(fs: float, subject: int, condition: str) -> None:
    recording = simulated(subject, condition, fs=fs)
    assert not {artefact.kind for artefact in recording.artefacts} & {"flat", "railed"}
    found = check(recording.ecg_mv, fs)
    assert [finding.text for finding in found.findings] == []
    assert set(found.skipped) == ({"mains"} if fs == 100 else set())
    # NeuroKit2 misses and invents a beat now and then
    assert found.heart_rate_bpm == pytest.approx(60 / np.diff(recording.r_peaks_s).mean(), rel=0.08)
    assert 0.5 < found.r_amplitude_mv < 2.5


def test_check_finds_the_peaks_and_their_height() -> None:
    recording = simulated(4, clean=True)
    found = check(recording.ecg_mv)
    (peaks_s,) = found.peaks_s
    inner = recording.r_peaks_s[1:-1]
    assert np.quantile(np.abs(inner[:, None] - peaks_s).min(axis=1), 0.9) < 0.002
    heights = recording.ecg_mv[np.rint(recording.r_peaks_s * FS).astype(int)]
    assert found.r_amplitude_mv == pytest.approx(np.median(heights), rel=0.05)
    assert check(1e3 * recording.ecg_mv, unit="uV").r_amplitude_mv == pytest.approx(found.r_amplitude_mv)
    assert check(1e-3 * recording.ecg_mv, unit="Volts").r_amplitude_mv == pytest.approx(found.r_amplitude_mv)
    assert check(recording.ecg_mv, unit="").r_amplitude_mv is None


@pytest.mark.parametrize(("scale", "offset", "unit"), [(1e-3, 0.0, "V"), (1e3, -4e4, "uV"), (1.0, 9.0, "")])
def test_check_says_the_same_in_every_unit(scale: float, offset: float, unit: str) -> None:
    ecg = simulated(1).ecg_mv.copy()
    ecg += 0.2 * np.sin(2 * np.pi * 50 * np.arange(len(ecg)) / FS)
    ecg[10_000:12_500] = 0.0
    ecg[12_500] = np.nan
    plain, other = check(ecg), check(scale * ecg + offset, unit=unit)
    assert names(plain) == names(other) == ["flat", "mains", "samples"]
    assert other.heart_rate_bpm == pytest.approx(plain.heart_rate_bpm)


def test_check_of_nothing_is_unusable() -> None:
    for samples, name, text in (
        (np.empty(0), "samples", "not one sample is a number (0 samples)"),
        (np.full(5000, np.nan), "samples", "not one sample is a number (5000 samples)"),
        (np.full(5000, np.inf), "samples", "not one sample is a number"),
        (np.full(5000, 0.25), "flat", "flat from start to end, 10.0 s at 0.25"),
        (np.array([1.0]), "flat", "flat from start to end"),
    ):
        found = check(samples)
        assert (found.heart_rate_bpm, found.r_amplitude_mv) == (None, None)
        (finding,) = found.findings
        assert (finding.name, finding.severity) == (name, "unusable")
        assert text in finding.text
        assert set(found.skipped.values()) == {"there is no signal"}


def test_check_tells_too_few_beats() -> None:
    t = np.arange(0, 60, 1 / FS)
    signal = np.zeros_like(t)
    for beat_s in (20.0, 21.0, 22.0):
        signal += np.exp(-((t - beat_s) ** 2) / (2 * 0.012**2))
    found = {finding.name: finding for finding in check(signal).findings}
    assert "no more than 3 heart beats were found in 60.0 s" in found["beats"].text


def test_check_tells_flat_stretches() -> None:
    ecg = simulated(1).ecg_mv.copy()
    ecg[10_000:12_500] = ecg[10_000]
    finding = only(ecg)
    assert (finding.name, finding.severity) == ("flat", "warning")
    assert "a flat stretch of 5.0 s, at 20.0 s" in finding.text
    assert finding.values == {"flat_s": 5.0, "stretches": 1, "longest_s": 5.0, "first_s": 20.0}
    assert finding.spans_s == ((20.0, 25.0),)
    ecg[15_000:16_000] = 0.0
    assert "2 flat stretches, 7.0 s in all, the first at 20.0 s" in only(ecg).text
    assert only(ecg).spans_s == ((20.0, 25.0), (30.0, 32.0))


def test_check_tells_samples_that_are_no_numbers() -> None:
    ecg = simulated(1).ecg_mv.copy()
    ecg[[700, 20_000]] = np.nan, np.inf
    ecg[25_000] = 1e300
    finding = only(ecg)
    assert finding.name == "samples"
    assert "3 samples are not numbers, the first at 1.4 s" in finding.text
    assert finding.values == {"bad_samples": 3, "share": 1e-4, "first_s": 1.4}


@pytest.mark.parametrize("level", [0.9, 0.7, 0.5])
def test_check_tells_clipping(level: float) -> None:
    ecg = simulated(4).ecg_mv
    tips = np.array([part.max() for part in np.array_split(ecg, 40)])
    rail = level * float(np.median(tips))
    finding = only(np.minimum(ecg, rail))
    assert finding.name == "clipped"
    n_cut = np.count_nonzero(np.diff((ecg >= rail).astype(int)) == 1)
    assert finding.values["tops"] == pytest.approx(n_cut, rel=0.25)
    assert finding.values["share"] == pytest.approx(np.mean(ecg >= rail), rel=0.4)
    assert finding.values["cut_s"] == pytest.approx(60 * finding.values["share"])
    counts = np.clip(np.rint(ecg / rail * 2047), -2048, 2047).astype(np.int16)
    assert only(counts, scale=rail / 2047).name == "clipped"


@pytest.mark.parametrize(("subject", "condition"), CASES)
def test_check_tells_what_is_upside_down(subject: int, condition: str) -> None:
    finding = only(-simulated(subject, condition).ecg_mv)
    assert finding.name == "inverted"
    assert finding.values["down_to_up_ratio"] > 2


@pytest.mark.parametrize("mains_hz", [50, 60])
@pytest.mark.parametrize("fs", [250.0, 1000.0, 2000.0])
def test_check_tells_mains_and_how_much(mains_hz: int, fs: float) -> None:
    ecg = simulated(4, fs=fs).ecg_mv
    finding = only(ecg + 0.2 * np.sin(2 * np.pi * mains_hz * np.arange(len(ecg)) / fs + 0.7), fs)
    assert finding.text.startswith(f"{mains_hz} Hz mains of 0.")
    assert (finding.values["mains_hz"], finding.values["at_hz"]) == (mains_hz, mains_hz)
    assert finding.values["amplitude_mv"] == pytest.approx(0.2, rel=0.1)
    assert finding.values["time_share"] == 1


@pytest.mark.parametrize(("fs", "mains_hz", "at_hz"), [(85.0, 50, 35), (85.0, 60, 25), (70.0, 50, 20)])
def test_check_tells_mains_at_its_alias(fs: float, mains_hz: int, at_hz: int) -> None:
    ecg = simulated(4, fs=10 * fs).ecg_mv.reshape(-1, 10).mean(axis=1)
    finding = only(ecg + 0.2 * np.sin(2 * np.pi * mains_hz * np.arange(len(ecg)) / fs + 0.7), fs)
    assert finding.text.startswith(f"{mains_hz} Hz mains, aliased to {at_hz} Hz at {fs:g} Hz, of 0.")
    assert finding.values["amplitude_mv"] == pytest.approx(0.2, rel=0.1)
    assert finding.values["time_share"] > 0.9


def test_check_tells_60_hz_at_100_hz_and_says_that_50_hz_cannot_be_told() -> None:
    ecg = simulated(1, fs=100.0).ecg_mv
    t = np.arange(len(ecg)) / 100
    assert check(ecg, 100.0).skipped["mains"].startswith("at 100 Hz, mains of 50 Hz falls on an end")
    finding = only(ecg + 0.2 * np.sin(2 * np.pi * 60 * t), 100.0)
    assert finding.text.startswith("60 Hz mains, aliased to 40 Hz at 100 Hz, of 0.")


@pytest.mark.parametrize(
    ("share", "is_told"), [(0.02, False), (0.04, False), (0.06, True), (0.5, True), (3, True)]
)
def test_check_tells_mains_from_a_twentieth_of_the_qrs_on(share: float, is_told: bool) -> None:
    ecg = simulated(4, "exercise").ecg_mv
    height = check(ecg).r_amplitude_mv
    hum = share * height * np.sin(2 * np.pi * 50 * np.arange(len(ecg)) / FS)
    assert ("mains" in names(check(ecg + hum, unit="counts"))) is is_told


def test_check_counts_the_harmonics_of_mains() -> None:
    ecg, t = simulated(4).ecg_mv, np.arange(30_000) / FS
    hum = 0.06 * np.sin(2 * np.pi * 50 * t) + 0.08 * np.sin(2 * np.pi * 150 * t)
    assert only(ecg + hum).values["amplitude_mv"] == pytest.approx(0.1, rel=0.1)


def test_check_tells_mains_on_an_open_input() -> None:
    hum = np.sin(2 * np.pi * 60 * np.arange(30_000) / FS) + 0.01 * np.random.default_rng(0).normal(
        size=30_000
    )
    assert "mains" in names(check(hum))


@pytest.mark.parametrize("sign", [1, -1])
def test_check_tells_r_wave_mode(sign: int) -> None:
    for subject in (1, 4):
        ecg = sign * simulated(subject, fs=1000.0).ecg_mv
        b, a = iirpeak(17.0, 5.0, fs=1000.0)
        pulses = sosfilt(butter(3, 10.0, fs=1000.0, output="sos"), np.abs(lfilter(b, a, ecg)))
        finding = only(5 * pulses, 1000.0)
        assert finding.name == "r-wave-mode"
        assert 80 < finding.values["width_ms"] < 130


def patch(kind: str) -> np.ndarray:
    """Five seconds without an electrode."""
    rng, t = np.random.default_rng(0), np.arange(2500) / FS
    return {
        "rail with noise": 10 + 0.02 * rng.standard_normal(2500),
        "hum": 0.03 * np.sin(2 * np.pi * 60 * t),
        "noise": 0.05 * rng.standard_normal(2500),
        "strong noise": rng.standard_normal(2500),
        "quiet": 0.002 * rng.standard_normal(2500),
        "wander": 0.2 * np.cumsum(rng.standard_normal(2500)),
    }[kind]


@pytest.mark.parametrize("kind", ["rail with noise", "hum", "noise", "strong noise", "quiet", "wander"])
def test_check_tells_a_dropped_electrode(kind: str) -> None:
    for subject in (1, 4):
        ecg = simulated(subject).ecg_mv.copy()
        ecg[10_000:12_500] = patch(kind)
        finding = only(ecg)
        assert finding.name == "electrode"
        assert finding.values["stretches"] == 1
        assert finding.values["lost_s"] == pytest.approx(5.0, abs=2.5)  # from the last beat to the next
        assert finding.values["first_s"] == pytest.approx(20.0, abs=1.3)


def test_check_tells_an_electrode_at_the_rail_once() -> None:
    ecg = simulated(1).ecg_mv.copy()
    ecg[10_000:12_500] = 10.0
    assert only(ecg).name == "flat"


def test_check_tells_a_jump_of_the_baseline() -> None:
    ecg = simulated(1).ecg_mv.copy()
    ecg[10_100:] += 20.0
    finding = only(ecg)
    assert finding.name == "electrode"
    assert (finding.values["jumps"], finding.values["lost_s"]) == (1, 0)
    assert finding.spans_s == (2 * (finding.values["first_s"],),)
    assert finding.values["first_s"] == pytest.approx(20.2, abs=0.5)
    assert finding.text.startswith("1 jump of the baseline by more than five times the QRS, the first at 20")


@pytest.mark.parametrize(
    ("factor", "hint"),
    [
        (500, "gain of 500 had"),
        (1000, "gain of 1000 had not been undone, or microvolts had been taken for millivolts"),
        (2000, "gain of 2000 had"),
        (5000, "gain of 5000 had"),
        (0.001, "as if volts had been taken for millivolts"),
        (0.02, "mV: check"),
        (10, "mV: check"),
    ],
)
def test_check_names_the_likely_gain_or_unit(factor: float, hint: str) -> None:
    ecg = simulated(4).ecg_mv
    ecg = ecg / check(ecg).r_amplitude_mv
    finding = only(factor * ecg)
    assert finding.name == "amplitude"
    assert finding.text.startswith(f"R waves of {factor:g} mV, expected 0.1 to 5 mV")
    assert hint in finding.text
    assert finding.values["r_amplitude_mv"] == pytest.approx(factor)


def test_check_skips_amplitude_without_a_unit_of_voltage() -> None:
    found = check(1000 * simulated(4).ecg_mv, unit="furlong")
    assert found.findings == ()
    assert found.skipped == {
        "amplitude": "unit 'furlong' is no voltage that ecgkit knows: amplitudes are kept as they are"
    }


def test_check_tells_that_there_are_no_beats() -> None:
    breath = np.sin(2 * np.pi * 0.25 * np.arange(30_000) / FS)
    finding = only(breath, unit="Volts")
    assert finding.name == "beats"
    for seed in range(4):
        noise = check(np.random.default_rng(seed).standard_normal(30_000))
        assert names(noise) == ["beats"]
        assert "heart beats were found in 60.0 s; is this the ECG channel?" in noise.findings[0].text


def test_check_tells_beats_that_are_unlike_each_other() -> None:
    ecg, random = simulated(4).ecg_mv, np.random.default_rng(0)
    noisy = check(ecg + contact(len(ecg), FS, rms_mv=0.5, rng=random))
    assert names(noisy)[0] == "beats"
    assert 0 < noisy.findings[0].values["likeness"] < 0.66
    assert noisy.skipped["inverted"] == "the beats found are too unlike each other"


def test_check_says_what_it_could_not_judge() -> None:
    short = check(simulated(4).ecg_mv[:750])
    assert "whole beats were found, 5 or more are needed" in short.skipped["inverted"]
    assert short.skipped["mains"] == "no stretch of 4 s without a gap"
    assert check(np.arange(100.0) % 7).skipped["beats"] == "no stretch of 2 s without a gap"
    slow = check(np.arange(100.0) % 7, 4.0)
    assert slow.skipped["beats"] == "beats can't be found at 4 Hz, 50 Hz or more are needed"


def test_check_honours_pauses_and_gaps() -> None:
    ecg = simulated(4).ecg_mv.copy()
    ecg[20_000:20_500] = np.nan
    found = check(ecg, pauses=(5000, 12_000))
    assert names(found) == ["samples"]
    assert len(found.peaks_s) == 4
    for peaks_s, (start_s, stop_s) in zip(
        found.peaks_s, ((0, 10), (10, 24), (24, 40), (41, 60)), strict=True
    ):
        assert len(peaks_s) > 5
        assert start_s <= peaks_s[0] < peaks_s[-1] <= stop_s


def test_check_puts_the_worst_first() -> None:
    ecg, t = simulated(4).ecg_mv, np.arange(30_000) / FS
    bad = -2000 * np.minimum(ecg, 0.7) + 300 * np.sin(2 * np.pi * 50 * t)
    bad[0] = np.nan
    found = check(bad)
    assert names(found) == ["inverted", "amplitude", "mains", "samples"]
    assert {finding.severity for finding in found.findings} == {"warning"}


def test_check_as_json_is_plain() -> None:
    found = check(simulated(1, fs=100.0).ecg_mv * 1000, 100.0)
    text = json.dumps(found.as_json(), allow_nan=False)
    assert json.loads(text) == found.as_json()
    assert set(found.as_json()) == {"channel", "heart_rate_bpm", "r_amplitude_mv", "findings", "skipped"}
    (finding,) = found.as_json()["findings"]
    assert set(finding) == {"name", "severity", "text", "values", "spans_s"}
    assert json.dumps(check(np.full(9, np.nan)).as_json(), allow_nan=False)


STRANGE = {
    "one sample": np.array([3.0]),
    "two samples": np.array([3.0, 4.0]),
    "infinite": np.array([np.inf, -np.inf, np.nan, 1.0] * 3000),
    "huge": np.random.default_rng(0).standard_normal(9000) * 1e99,
    "tiny": np.random.default_rng(0).standard_normal(9000) * 1e-320,
    "every other": np.where(np.arange(9000) % 2, np.nan, 1.0),
    "spike": np.r_[np.zeros(9000), 1e99, np.zeros(9000)],
    "rising": np.arange(9000.0),
    "square": np.sign(np.sin(np.arange(9000) / 50)),
    "rails": np.tile(np.array([32767, -32768], dtype=np.int16), 9000),
    "one bit": (np.arange(9000) % 997 == 0).astype(np.int16),
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("fs", [1e-6, 4.0, 20.0, 63.7, 110.0, 333.3, 1e5, 1e12])
def test_check_answers_whatever_the_samples(kind: str, fs: float) -> None:
    found = check(STRANGE[kind], fs)
    assert json.dumps(found.as_json(), allow_nan=False)
    for finding in found.findings:
        assert "nan" not in finding.text.replace("nan ", "")


@settings(deadline=None, max_examples=50)
@given(
    hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(width=64)),
    st.sampled_from([4.0, 50.0, 100.0, 1000.0]),
)
def test_check_answers_whatever_the_numbers(samples: np.ndarray, fs: float) -> None:
    assert json.dumps(check(np.tile(samples, 30), fs).as_json(), allow_nan=False)


def test_check_of_an_infinite_scale() -> None:
    assert names(check(np.array([32767] * 500 + [1] * 500, dtype=np.int16), scale=1e305)) == ["samples"]


def good_recordings() -> list[str]:
    ecg_id = [f"ecgiddb/Person_{name.replace('/', '/rec_')}.hea" for name in GOOD["ecgiddb"].split()]
    wav = [f"electrophys/{name}.wav" for name in GOOD["electrophys"].split()]
    rest = [f"{folder}/{name}" for folder in ("acq", "neurokit") for name in GOOD[folder].split()]
    return [*ecg_id, *wav, *rest]


@pytest.mark.real_data
@pytest.mark.parametrize("name", good_recordings())
def test_check_finds_nothing_in_good_real_recordings(name: str, real_data: Path) -> None:
    path = real_data / name
    is_table = path.suffix == ".csv"
    recording = read(path, fs=TABLE_RATES[path.name], unit="mV") if is_table else read(path)
    is_acq = path.suffix == ".acq"
    channel = recording.channels[find_ecg(recording.channels).index if is_acq else 0]
    found = check_channel(recording, channel)
    assert [finding.text for finding in found.findings] == []
    expected = {"amplitude"} if path.suffix == ".wav" else {"mains"} if channel.fs == 100 else set()
    assert set(found.skipped) - {"electrode", "inverted", "r-wave-mode"} == expected
    assert 40 < found.heart_rate_bpm < 180


BAD = {
    "ecgiddb/Person_14/rec_2.hea": ["mains"],
    "ecgiddb/Person_24/rec_5.hea": ["flat", "mains"],
    "ecgiddb/Person_76/rec_2.hea": ["electrode"],
    "electrophys/S4__rest__S4_ECG_resting.wav": ["clipped"],
    "electrophys/S5__exercise__S5_ECG_exercise2.wav": ["electrode"],
    "electrophys/smp_T2__exercise__T2_exercise.wav": ["mains"],
    "wrist/s4_run.edf": ["beats", "amplitude"],
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", BAD)
def test_check_finds_what_the_eye_sees_in_bad_real_recordings(name: str, real_data: Path) -> None:
    recording = read(real_data / name)
    assert names(check_channel(recording, recording.channels[0])) == BAD[name]
