"""Texts come back as they were written, or are refused with a reason."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.errors import StudyError
from ecgkit.h5 import attribute, read_json, read_texts, texts, write_attribute, write_json, write_texts

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def memory() -> h5py.File:
    return h5py.File.in_memory()


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, max_size=5))
def test_texts_come_back(listed: list[str]) -> None:
    with memory() as file:
        stored = write_texts(file, "texts", listed, error=StudyError)
        assert stored.dtype.itemsize == max([1, *(len(text.encode()) for text in listed)])
        assert read_texts(file, "texts", error=StudyError) == tuple(listed)
        assert stored.asstr()[:].tolist() == listed


@settings(max_examples=60, deadline=None)
@given(TEXT)
def test_attribute_text_comes_back(text: str) -> None:
    with memory() as file:
        write_attribute(file, "text", text, error=StudyError)
        assert attribute(file, "text", str, error=StudyError) == text == file.attrs["text"].decode()


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_json_comes_back(content: object) -> None:
    with memory() as file:
        write_json(file, "it", content, error=StudyError)
        assert read_json(file, "it", error=StudyError) == content


def test_texts_are_null_padded_utf_8(tmp_path: Path) -> None:
    with memory() as file:
        write_texts(file, "texts", ["a", "éé"], error=StudyError)
        write_attribute(file, "text", "", error=StudyError)
        write_json(file, "it", {"b": "é", "a": 1}, error=StudyError)
        types = [stored.id.get_type() for stored in (file["texts"], file["about/it"])]
        types.append(file.attrs.get_id("text").get_type())
        assert [found.get_size() for found in types] == [4, 19, 1]
        for found in types:
            assert not found.is_variable_str()
            assert found.get_cset() == h5py.h5t.CSET_UTF8
            assert found.get_strpad() == h5py.h5t.STR_NULLPAD
        assert file["about/it"][()] == '{"a": 1, "b": "é"}'.encode()
        assert file["about/it"].shape == ()


def test_json_of_half_a_pair_becomes_its_escape() -> None:
    with memory() as file:
        write_json(file, "it", ["\udcff\0"], error=StudyError)
        assert file["about/it"][()] == b'["\\udcff\\u0000"]'
        assert read_json(file, "it", error=StudyError) == ["\udcff\0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("a\0", "has a NUL in it"), ("\0a", "has a NUL in it"), ("\ud800", "can't be written as UTF-8")],
)
def test_texts_that_would_not_come_back_are_refused(text: str, message: str) -> None:
    with memory() as file:
        with pytest.raises(StudyError, match=f"/names: .*{message}"):
            write_texts(file, "names", ["x", text], error=StudyError)
        with pytest.raises(StudyError, match=f"attribute 'name': .*{message}"):
            write_attribute(file, "name", text, error=StudyError)


def test_texts_that_are_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "LARGE_BYTES", 5000)
    monkeypatch.setattr(texts, "MOST_TEXTS", 100)
    monkeypatch.setattr(texts, "MOST_JSON_BYTES", 10)
    with memory() as file:
        with pytest.raises(StudyError, match=r"2 texts, the longest of 3000 bytes.* Shorten that one"):
            write_texts(file, "names", ["", "x" * 3000], error=StudyError)
        with pytest.raises(StudyError, match="101 texts"):
            write_texts(file, "names", [""] * 101, error=StudyError)
        with pytest.raises(StudyError, match="60001 bytes, expected at most 60000; shorten it"):
            write_attribute(file, "name", "x" * 60_001, error=StudyError)
        with pytest.raises(StudyError, match="/about/it: 12 bytes of JSON, expected at most 10"):
            write_json(file, "it", "x" * 10, error=StudyError)


def test_json_of_numbers_that_are_none_is_refused() -> None:
    with memory() as file, pytest.raises(StudyError, match=r"/about/it: .*expected finite numbers"):
        write_json(file, "it", {"a": float("nan")}, error=StudyError)


def test_long_lists_are_packed_and_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "SMALL_BYTES", 1000)
    listed, spent = [f"{number:x}" * (number % 9) for number in range(500)], []
    with memory() as file:
        stored = write_texts(file, "names", listed, error=StudyError)
        assert (stored.chunks, stored.compression) == ((1000 // stored.dtype.itemsize,), "gzip")
        found = read_texts(file, "names", error=StudyError, spend=lambda n, where: spent.append(n))
    assert found == tuple(listed)
    assert sum(spent) == sum(64 + 4 * len(text) for text in listed)
    assert len(spent) > 5


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (["x"], "of variable length"),
        (np.array([[b"x"]]), "2 axes; expected kind 'S', 1 axes"),
        (np.arange(3), "type int64"),
        (np.array([b"a", b"\xc3"]), "no UTF-8"),
    ],
)
def test_read_texts_refuses_what_is_no_list_of_texts(stored: object, message: str) -> None:
    with memory() as file:
        file["names"] = stored
        with pytest.raises(StudyError, match=f"/names: .*{message}"):
            read_texts(file, "names", error=StudyError)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ("{}", "of variable length"),
        (np.array([b"{}"]), "1 axes; expected kind 'S', 0 axes"),
        (np.bytes_(b"{"), "damaged JSON"),
        (np.bytes_(b"[NaN]"), "NaN is no JSON"),
        (np.bytes_(b"[" * 100_000), "damaged JSON"),
        (np.bytes_(b"\xff"), "no UTF-8"),
        (np.bytes_(b" " * 100_001), "100001 bytes of JSON, expected at most 100000"),
        (5, "type int64"),
    ],
)
def test_read_json_refuses_what_is_none(stored: object, message: str) -> None:
    with memory() as file:
        with pytest.raises(StudyError, match="/about: missing"):
            read_json(file, "it", error=StudyError)
        file["about/it"] = stored
        with pytest.raises(StudyError, match=f"/about/it: .*{message}"):
            read_json(file, "it", error=StudyError, most_bytes=100_000)
