"""Texts put into files of ours past their writers, as h5py alone does it."""

from __future__ import annotations

import h5py
import numpy as np


def put_text(item: h5py.HLObject, name: str, text: object) -> None:
    """Set an attribute; a text becomes one of fixed length."""
    item.attrs[name] = np.bytes_(text.encode()) if isinstance(text, str) else text


def put_json(file: h5py.File, name: str, content: str | bytes) -> None:
    """Put a text in the place of some JSON, whatever it is."""
    encoded = content.encode() if isinstance(content, str) else content
    file["about"].pop(name, None)
    file["about"][name] = np.array(encoded, dtype=f"S{max(1, len(encoded))}")
