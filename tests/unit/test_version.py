"""The product and its clients have one version."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import meetlink

from chalicelib.version import VERSION

ROOT = Path(__file__).parents[2]


def test_the_project_has_the_version_that_responses_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION


def test_the_python_client_has_the_version_of_the_product() -> None:
    project = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == meetlink.VERSION == VERSION


def test_the_typescript_client_has_the_version_of_the_product() -> None:
    home = ROOT / "clients/typescript"
    for name in ("package.json", "package-lock.json"):
        assert json.loads((home / name).read_text(encoding="utf-8"))["version"] == VERSION, name
    assert re.findall(r'VERSION = "(.*)"', (home / "src/version.ts").read_text(encoding="utf-8")) == [VERSION]


def test_no_lock_file_names_a_registry() -> None:
    """An address in it would be used even where npm is set up with another registry."""
    locks = [path for folder in ("clients", "tests") for path in (ROOT / folder).rglob("package-lock.json")]
    assert len(locks) >= 3
    own = [path for path in locks if "node_modules" not in path.parts]
    assert [path for path in own if '"resolved"' in path.read_text(encoding="utf-8")] == []


def test_each_package_contains_the_licence() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    for name in ("python", "typescript"):
        assert (ROOT / "clients" / name / "LICENSE").read_text(encoding="utf-8") == licence
