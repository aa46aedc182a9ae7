"""A small simulated study with labels swapped and recordings spoiled: what the verdicts say of it."""

import pytest
from support.simulated_studies import SPOILED, SWAPS, Outcome, campaign

N_SUBJECTS, FS, DURATION_S = 5, 250.0, 165.0


@pytest.fixture(scope="module")
def studies() -> dict[str, list[Outcome]]:
    return campaign(1, n_subjects=N_SUBJECTS, fs=FS, duration_s=DURATION_S)


@pytest.mark.parametrize("study", ["clean, belt", "clean"])
def test_judge_sessions_is_silent_about_a_clean_study(studies: dict[str, list[Outcome]], study: str) -> None:
    assert [outcome.tags.key for outcome in studies[study] if outcome.verdict.verdict != "pass"] == []


@pytest.mark.parametrize("study", ["spoiled, belt", "spoiled"])
def test_judge_sessions_names_what_is_swapped_or_spoiled_and_nothing_else(
    studies: dict[str, list[Outcome]], study: str
) -> None:
    wrong = {outcome.tags: outcome.fault for outcome in studies[study] if outcome.fault}
    assert list(wrong.values()).count("swapped") == 2 * SWAPS
    assert len(wrong) == 2 * SWAPS + SPOILED
    assert {outcome.tags for outcome in studies[study] if outcome.named} == wrong.keys()


@pytest.mark.parametrize("study", ["spoiled, belt", "spoiled"])
def test_judge_sessions_says_what_a_swapped_session_is(studies: dict[str, list[Outcome]], study: str) -> None:
    swapped = [outcome for outcome in studies[study] if outcome.fault == "swapped"]
    assert [outcome.verdict.looks_like for outcome in swapped] == [o.tags.condition for o in swapped]
    spoiled = [outcome for outcome in studies[study] if outcome.fault not in ("", "swapped")]
    assert all("usable ECG" in outcome.verdict.text for outcome in spoiled)
    assert {outcome.verdict.verdict for outcome in spoiled} == {"fail"}
