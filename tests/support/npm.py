"""npm packages for tests, installed from their lock files into the build folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_BUILD = Path(__file__).parents[2] / "build"
_CI = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]


def install(source: Path, *, purpose: str) -> Path:
    """Copy a package into the build folder, install what its lock file names if it has changed, and return the copy.

    `purpose` is what is left out without Node.js; in CI that is a failure.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        message = f"Node.js and npm are missing: {purpose}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    home = _BUILD / "npm" / source.name
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copytree(source, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist"))
        wanted, installed = (source / "package-lock.json").read_bytes(), home / ".installed"
        if not installed.exists() or installed.read_bytes() != wanted:
            subprocess.run(_CI, cwd=home, check=True, timeout=300)
            installed.write_bytes(wanted)
    return home
