import base64
import hashlib
import hmac
import re

from hypothesis import given
from hypothesis import strategies as st

from ecgkit.records import SUBJECT_PATTERN
from ecgkit.study.pseudonym import canonical_id, key_fingerprint, pseudonym

KEY = b"0123456789abcdef"
IDS = st.from_regex(SUBJECT_PATTERN, fullmatch=True)


def test_pseudonym_is_a_keyed_hash_of_the_id() -> None:
    digest = hmac.new(KEY, b"subject:s07", hashlib.sha256).digest()
    assert pseudonym("S07", KEY) == "p" + base64.b32encode(digest)[:10].decode().lower()
    assert pseudonym("S07", KEY[::-1]) != pseudonym("S07", KEY)


@given(IDS)
def test_pseudonym_is_an_id_that_keeps_nothing_of_the_one_given(subject: str) -> None:
    made = pseudonym(subject, KEY)
    assert re.fullmatch("p[a-z2-7]{10}", made)
    assert SUBJECT_PATTERN.fullmatch(made)
    assert made == pseudonym("0" + subject.upper(), KEY) == pseudonym(subject.lower(), KEY)


def test_canonical_id_is_the_same_for_all_spellings() -> None:
    assert {canonical_id(subject) for subject in ("7", "07", "007")} == {"7"}
    assert {canonical_id(subject) for subject in ("0", "000")} == {"0"}
    assert canonical_id("S07") == canonical_id("s07") != canonical_id("S7")


def test_key_fingerprint_tells_keys_apart() -> None:
    assert re.fullmatch("[0-9a-f]{32}", key_fingerprint(KEY))
    assert key_fingerprint(KEY) != key_fingerprint(KEY + b"0")
    assert KEY.hex()[:8] not in key_fingerprint(KEY)
