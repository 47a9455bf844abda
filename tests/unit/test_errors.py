"""The error tree and its drawing."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from chalicelib import errors

_LINE = re.compile(r"^    (?P<branch>[│ ├└─]*)(?P<name>[A-Z]\w+)(?:\s{2,}(?P<status>\d{3})\b)?", re.MULTILINE)


def error_classes() -> dict[str, type[Exception]]:
    return {
        name: cls
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if cls.__module__ == errors.__name__ and issubclass(cls, Exception)
    }


def drawn() -> Iterator[tuple[str, str | None, str | None]]:
    """(class, parent, HTTP status) of each line of the drawing."""
    path: list[str] = []
    for line in _LINE.finditer(str(errors.__doc__)):
        depth = len(line["branch"]) // 4
        path = [*path[:depth], line["name"]]
        yield line["name"], path[-2] if depth else None, line["status"]


def test_the_drawing_shows_every_class_under_its_parent() -> None:
    parents = {
        name: cls.__bases__[0].__name__ if cls is not errors.MeetlinkError else None
        for name, cls in error_classes().items()
    }
    assert {name: parent for name, parent, _ in drawn()} == parents


def test_the_drawing_has_the_status_of_every_problem() -> None:
    statuses = {
        cls.__name__: str(cls.status)
        for cls in errors.CallerError.__subclasses__()
        if cls.__module__ == errors.__name__
    }
    assert {name: status for name, parent, status in drawn() if parent == "CallerError"} == statuses


def test_every_class_has_a_docstring() -> None:
    assert [name for name, cls in error_classes().items() if not cls.__dict__.get("__doc__")] == []
