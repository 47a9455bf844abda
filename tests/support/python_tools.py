"""Python tools for tests, in an environment of their own: their dependencies are not the product's."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_HOME = _ROOT / "build" / "python-tools"
_QUIET = ["install", "--quiet", "--require-hashes", "-r"]


def install(requirements: Path) -> Path:
    """Return the folder of the environment's programs. It is installed if the requirements have changed."""
    programs, installed = _HOME / "bin", _HOME / ".installed"
    _HOME.mkdir(parents=True, exist_ok=True)
    with (_HOME.parent / ".python-tools.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = requirements.read_bytes()
        if not installed.exists() or installed.read_bytes() != wanted:
            _create(requirements)
            installed.write_bytes(wanted)
    return programs


def _create(requirements: Path) -> None:
    """With uv, which the Makefile installs, this takes a third of the time."""
    uv = shutil.which("uv") or shutil.which("uv", path=_ROOT / ".tools" / "bin")
    python = str(_HOME / "bin" / "python")
    if uv:
        commands = [[uv, "venv", "--clear", str(_HOME)], [uv, "pip", *_QUIET, str(requirements), "--python", python]]
    else:
        pip = [python, "-m", "pip", *_QUIET, str(requirements), "--no-compile"]
        commands = [[sys.executable, "-m", "venv", "--clear", str(_HOME)], pip]
    for command in commands:
        subprocess.run(command, check=True, timeout=300)
