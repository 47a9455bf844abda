"""Read the lock file of the packages that ship, `requirements.txt`."""

from __future__ import annotations

import re
from pathlib import Path

FILE = "requirements.txt"
HASH_CHECKED = {"PIP_CONSTRAINT": FILE, "PIP_REQUIRE_HASHES": "1"}
"""Settings of pip, which runs in the project. Chalice makes pip download compiled packages one at a time, by name and
version: the constraint gives pip their hashes. The path is relative because pip splits the variable at spaces."""
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def pins(project: Path) -> dict[str, str]:
    """Return the version of each package; empty without a lock file."""
    path = project / FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return {normalize(name): version for name, version in _PIN.findall(text)}


def normalize(name: str) -> str:
    """Return the package's normalized name: packaging.python.org, "Name normalization"."""
    return re.sub(r"[-_.]+", "-", name).lower()
