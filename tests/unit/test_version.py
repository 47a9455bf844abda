"""The product and its clients have one version."""

from __future__ import annotations

import tomllib
from pathlib import Path

from chalicelib.version import VERSION

ROOT = Path(__file__).parents[2]


def test_the_project_has_the_version_that_responses_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION
