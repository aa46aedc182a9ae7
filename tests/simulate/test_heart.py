from __future__ import annotations

import numpy as np
import pytest

from ecgkit.simulate import heart

DURATION_S = 180.0


def rhythm(condition: str, person: int = 1, seed: int = 0) -> heart.Rhythm:
    traits = heart.draw_traits(np.random.default_rng(person))
    return heart.simulate_rhythm(
        traits, condition, duration_s=DURATION_S, rng=np.random.default_rng((person, seed))
    )


def mean_rate(drawn: heart.Rhythm, start_s: float, stop_s: float) -> float:
    peaks = drawn.r_peaks_s[(drawn.r_peaks_s >= start_s) & (drawn.r_peaks_s < stop_s)]
    return float(60 / np.diff(peaks).mean())


def test_draw_traits_are_those_of_healthy_young_adults() -> None:
    people = [heart.draw_traits(np.random.default_rng(seed)) for seed in range(200)]
    rest = np.array([person.rest_bpm for person in people])
    assert rest.mean() == pytest.approx(68, abs=2)
    assert rest.std() == pytest.approx(9, abs=2)
    assert rest.min() >= 50
    assert all(6 <= person.deep_rsa_bpm <= 20 for person in people)


@pytest.mark.parametrize("person", range(5))
def test_exercise_recovers_and_stays_above_rest(person: int) -> None:
    exercise, rest = rhythm("exercise", person), heart.draw_traits(np.random.default_rng(person)).rest_bpm
    early, late = mean_rate(exercise, 0, 20), mean_rate(exercise, 160, 180)
    assert 95 < early < 140
    assert late < early - 12
    assert mean_rate(exercise, 0, 180) > rest + 10


@pytest.mark.parametrize("person", range(5))
def test_deep_breathing_peaks_at_a_tenth_hertz(person: int) -> None:
    peaks = rhythm("deep_breathing", person).r_peaks_s
    time_s = np.arange(2, 178, 0.25)
    tachogram = np.interp(time_s, peaks[1:], np.diff(peaks))
    spectrum = np.abs(np.fft.rfft((tachogram - tachogram.mean()) * np.hanning(time_s.size)))
    frequencies = np.fft.rfftfreq(time_s.size, 0.25)
    within = (frequencies > 0.03) & (frequencies < 0.5)
    assert frequencies[within][spectrum[within].argmax()] == pytest.approx(0.1, abs=0.01)


def test_deep_breathing_is_five_seconds_in_and_five_out() -> None:
    drawn = rhythm("deep_breathing")
    first_out = drawn.expire_s[drawn.expire_s > drawn.inspire_s[0]]
    assert np.diff(drawn.inspire_s).mean() == pytest.approx(10, abs=0.2)
    assert (first_out[:15] - drawn.inspire_s[:15]).mean() == pytest.approx(5, abs=0.3)


def test_breathing_is_free_at_rest_and_faster_after_exercise() -> None:
    rest, exercise = rhythm("rest"), rhythm("exercise")
    assert 3.2 < np.diff(rest.inspire_s).mean() < 5.2
    assert np.diff(exercise.inspire_s)[:10].mean() < np.diff(rest.inspire_s).mean()


def test_variability_is_less_after_exercise() -> None:
    def beat_to_beat(drawn: heart.Rhythm) -> float:
        return float(np.sqrt(np.mean(np.diff(drawn.r_peaks_s, n=2) ** 2)))

    assert beat_to_beat(rhythm("exercise")) < 0.5 * beat_to_beat(rhythm("rest"))


def test_rates_of_conditions_overlap_between_people() -> None:
    resting = [mean_rate(rhythm("rest", person), 0, 180) for person in range(15)]
    recovered = [mean_rate(rhythm("exercise", person), 120, 180) for person in range(15)]
    deep = [mean_rate(rhythm("deep_breathing", person), 0, 180) for person in range(15)]
    assert max(resting) > min(recovered)
    assert max(resting) > min(deep)


def test_simulate_rhythm_beats_follow_the_rate_and_cover_the_edges() -> None:
    drawn = rhythm("rest")
    rr_s = np.diff(drawn.r_peaks_s)
    middle_s = (drawn.r_peaks_s[1:] + drawn.r_peaks_s[:-1]) / 2
    assert np.abs(60 / rr_s - np.interp(middle_s, drawn.time_s, drawn.rate_bpm)).max() < 3
    assert drawn.r_peaks_s[0] < 0
    assert drawn.r_peaks_s[-1] > DURATION_S
    assert np.abs(drawn.breath).max() <= 1
