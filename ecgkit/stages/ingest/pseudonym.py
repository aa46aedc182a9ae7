"""`ecgkit ingest --pseudonymise KEYFILE`: the key, and the ids that come of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ecgkit.errors import StudyError
from ecgkit.study.folder import STUDY_FILE, Study
from ecgkit.study.pseudonym import canonical_id, key_fingerprint, pseudonym

LEAST_BYTES = 32  # a study's fingerprint of it lets anyone try out keys that people would think of
MOST_BYTES = 4096
HOW_TO = 'make one by: python -c "import secrets; print(secrets.token_hex(32))" > KEYFILE, and keep it safe'


def read_key(path: Path, *, study_folder: Path) -> bytes:
    """Read the key that ids are made with; line ends after it do not count.

    Raises
    ------
    StudyError
        There is none, it is too short, or it lies in the study, where it would tell who everybody is.
    """
    if path.resolve().is_relative_to(study_folder.resolve()):
        raise StudyError(
            f"{path}: lies in the study, where whoever gets that can tell who is who; keep the key elsewhere"
        )
    try:
        with path.open("rb") as file:
            key = file.read(MOST_BYTES + 1).rstrip(b"\r\n")
    except OSError as error:
        raise StudyError(f"{path}: no key can be read ({error.strerror}); {HOW_TO}") from error
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise StudyError(
            f"{path}: {len(key)} bytes, expected a key of {LEAST_BYTES} to {MOST_BYTES}; {HOW_TO}"
        )
    return key


def check_key(study: Study, key: bytes | None) -> None:
    """Check that a study's ids are made with this key, or with none.

    Raises
    ------
    StudyError
        They are made in another way: the same person would be in the study twice.
    """
    ours = None if key is None else key_fingerprint(key)
    theirs = study.settings.pseudonym_key
    if ours == theirs:
        return
    where = study.folder / STUDY_FILE
    if theirs is None:
        raise StudyError(
            f"{where}: the study has ids as they were given; --pseudonymise needs a study of its own"
        )
    if ours is None:
        raise StudyError(
            f"{where}: the study has pseudonyms; give --pseudonymise with the key file they were made with"
        )
    raise StudyError(
        f"{where}: the study's pseudonyms were made with another key; give --pseudonymise that one"
    )


def pseudonyms(subjects: Iterable[str], key: bytes) -> dict[str, str]:
    """Return the pseudonym of each subject.

    Raises
    ------
    StudyError
        Two subjects would have the same one.
    """
    meant: dict[str, str] = {}
    found = {}
    for subject in subjects:
        found[subject] = pseudonym(subject, key)
        if meant.setdefault(found[subject], canonical_id(subject)) != canonical_id(subject):
            raise StudyError(
                f"subject {subject!r} would have the pseudonym of another; give one of them another id"
            )
    return found
