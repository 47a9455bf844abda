"""Plain technical English (STYLE 1): the code and the guides do not go back to a language of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = sorted([ROOT / "app.py", *(ROOT / "chalicelib").rglob("*.py"), *(ROOT / "chalicelib").rglob("*.html")])
GUIDES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "infra").rglob("*.py")])
GUIDES += sorted((ROOT / "infra").glob("*.yaml"))
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))

PRONOUNS = re.compile(r"\b(nobody|somebody|whoever|whom|whose|whatever|everybody|anybody)\b", re.IGNORECASE)
REGISTER = re.compile(
    r"\b(stands|told|tells|beside|by itself|is to be|are to be|anew|shall|mended?|of our own|of ours|in vain"
    r"|makes no sense)\b",
    re.IGNORECASE,
)
VARIABLES = re.compile(r"^\s*(known|given|told|said|made|found|kept|mine|owed|asked)\s*(:[^=]+)?=")
IN_GUIDES = re.compile(
    r"\b(nobody|somebody|whoever|everybody|anybody|anew|shall|mend(ed)?|in vain|makes no sense|of ours|is to be"
    r"|are to be)\b",
    re.IGNORECASE,
)


def matches(pattern: re.Pattern[str], paths: list[Path]) -> tuple[list[str], int]:
    """The lines that match, as file:line: text, and the number of lines that are not empty."""
    found, lines = [], 0
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            lines += bool(line.strip())
            found += [f"{path.relative_to(ROOT)}:{number}: {line.strip()}"] * len(pattern.findall(line))
    return found, lines


@pytest.mark.parametrize(
    ("pattern", "limit"), [(PRONOUNS, 2), (REGISTER, 2), (VARIABLES, 1)], ids=["pronouns", "register", "variables"]
)
def test_the_product_is_written_in_plain_english(pattern: re.Pattern[str], limit: int) -> None:
    """`limit` is in matches per 1,000 lines that are not empty."""
    found, lines = matches(pattern, PRODUCT)
    assert len(found) <= limit * lines / 1000, "\n".join(found)


def test_guides_and_deployment_are_written_in_plain_english() -> None:
    found, lines = matches(IN_GUIDES, GUIDES)
    assert len(found) <= lines / 1000, "\n".join(found)


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [(PRONOUNS, 2.9), (REGISTER, 4.6), (VARIABLES, 8.8)],
    ids=["pronouns", "register", "variables"],
)
def test_the_language_of_the_tests_does_not_get_worse(pattern: re.Pattern[str], limit: float) -> None:
    """`limit` is the state reached, in matches per 1,000 lines that are not empty. Lower it, never raise it."""
    found, lines = matches(pattern, TESTS)
    assert len(found) <= limit * lines / 1000, "\n".join(found)
