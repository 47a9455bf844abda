"""Text that people typed, made safe."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.plain_text import clean_line, clean_lines

# With lone surrogates and everything else that Python can hold.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("Introductory call", "Introductory call"),
        ("  two \t spaces\r\nand lines ", "two spaces and lines"),
        ("a\x00b\x07c\x7fd\x85e", "abcd e"),
        ("a\u2028b\u2029c\vd\fe", "a b c d e"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\u2066b\u2069c", "abc"),
        ("a\ud800b", "ab"),
        ("a\ufffeb\U0001ffffc\ufdd0d", "abcd"),
        ("Ünïcödé 日本語 عربى", "Ünïcödé 日本語 عربى"),
        ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
        ("", ""),
        ("\x00\u202e \n", ""),
    ],
)
def test_a_line_keeps_its_letters_and_loses_what_harms(typed: str, expected: str) -> None:
    assert clean_line(typed, 200) == expected


def test_lines_stay_lines() -> None:
    assert clean_lines("one\r\ntwo\rthree\u2028four\x85five\n", 100) == "one\ntwo\nthree\nfour\nfive"


@given(ANY_TEXT, st.integers(0, 50))
def test_a_line_is_one_line_that_can_be_encoded_and_is_not_too_long(text: str, limit: int) -> None:
    line = clean_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in line)
    line.encode()


@given(ANY_TEXT, st.integers(0, 50))
def test_lines_can_be_encoded_and_are_not_too_long(text: str, limit: int) -> None:
    lines = clean_lines(text, limit)
    assert len(lines) <= limit
    assert not any(unicodedata.category(c) == "Cc" for c in lines.replace("\n", "").replace("\t", ""))
    lines.encode()


@given(ANY_TEXT, st.integers(0, 50))
def test_what_is_clean_stays_as_it_is(text: str, limit: int) -> None:
    line, lines = clean_line(text, limit), clean_lines(text, limit)
    assert clean_line(line, limit) == line
    assert clean_lines(lines, limit) == lines
