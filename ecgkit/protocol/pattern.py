"""Text patterns of protocol files: a safe part of regular expressions, matched on short texts.

A protocol file may come from anyone, and a careless pattern can take Python's matcher longer than the
universe has. Here the number of ways in which a pattern can be tried is bounded before it is used.
"""

from __future__ import annotations

import functools
import re
import unicodedata
import warnings

LONGEST_PATTERN = 200
LONGEST_TEXT = 100
MOST_WAYS = 100_000

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?:?|\{\d*(?:,\d*)?\}|.", re.DOTALL)
_BACK_REFERENCE = re.compile(r"\\[1-9]")


def check_pattern(pattern: str) -> str:
    """Return the pattern if it is one that can't take long to match.

    Allowed are characters, ``.``, classes (``[a-z]``, ``\\d``), groups, ``|`` and the quantifiers
    ``? * + {m,n}``; a group may only have ``?`` after it. ``*`` and ``+`` count as 100 ways, ``{m,n}`` as
    n - m + 1, ``?`` and ``|`` as two; multiplied these are at least as many as the matcher can try.

    Raises
    ------
    ValueError
        The pattern is too long, wrong, outside of this part, or can be tried in too many ways.
    """
    if not 0 < len(pattern) <= LONGEST_PATTERN:
        raise ValueError(f"pattern of {len(pattern)} characters, expected 1 to {LONGEST_PATTERN}")
    ways, before = 1, ""
    for token in _TOKEN.findall(pattern):
        if token == "(?" or _BACK_REFERENCE.match(token):
            raise ValueError(f"pattern {pattern!r}: {token} is not accepted; groups (…) and (?:…) are")
        if before == ")" and (token in ("*", "+") or token[0] == "{"):
            raise ValueError(f"pattern {pattern!r}: {token} after a group is not accepted, only ?")
        ways *= _ways(token)
        before = token
    if ways > MOST_WAYS:
        raise ValueError(
            f"pattern {pattern!r}: can take long to match; use fewer of * + {{m,n}} ? |, or several rules"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python may read otherwise one day
            re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, Warning) as error:
        raise ValueError(f"pattern {pattern!r}: not a regular expression ({error})") from error
    return pattern


@functools.lru_cache(maxsize=4096)
def matches(pattern: str, text: str) -> bool:
    """Tell whether a checked pattern matches the whole of a text; case and extra spaces make no difference.

    A text of more than 100 characters matches nothing.
    """
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    return len(plain) <= LONGEST_TEXT and re.fullmatch(pattern, plain, re.IGNORECASE) is not None


def _ways(token: str) -> int:
    """Return by how many a token multiplies the ways to try a pattern."""
    if token in ("*", "+"):
        return LONGEST_TEXT
    if token in ("?", "|"):
        return 2
    if token[0] != "{" or "," not in token:
        return 1
    least, _, most = token[1:-1].partition(",")
    return min(max(int(most or LONGEST_TEXT) - int(least or 0) + 1, 1), LONGEST_TEXT)
