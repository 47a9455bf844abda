"""Plural rules for whole numbers (CLDR): they return the form of a `Plural`."""

from __future__ import annotations


def one_or_other(number: int) -> str:
    """English, German, Spanish: `one` for 1."""
    return "one" if number == 1 else "other"


def one_below_two(number: int) -> str:
    """French: `one` for 0 and 1."""
    return "one" if number < 2 else "other"


def only_other(_: int) -> str:
    """Japanese: one form for all numbers."""
    return "other"
