"""What a pipeline runs, `.ci/run`, on machines that lack something: every program it calls is a stand-in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / ".ci" / "run"


@pytest.mark.parametrize(("user_id", "asks"), [("0", "env"), ("1001", "sudo env")])
def test_what_is_missing_is_installed_by_root_or_by_who_may_become_it(tmp_path: Path, user_id: str, asks: str) -> None:
    said = run(tmp_path, user_id)
    wanted = [line for line in said if "apt-get install" in line]
    assert [line.partition(" DEBIAN")[0] for line in wanted] == [asks]
    packages = set(wanted[0].partition("--no-install-recommends ")[2].split())
    # A header file is looked for at its place, where no stand-in can be.
    assert packages | {"libical-dev"} == {"chromium", "libical-dev", "gcc", "libc6-dev", "default-jre-headless"}
    assert said[-2:] == ["make lint", "make test ALL=1"]


@pytest.mark.parametrize("browser", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_that_the_tests_can_use_is_not_installed_again(tmp_path: Path, browser: str) -> None:
    program(tmp_path, browser, "")
    assert not any("chromium" in line for line in run(tmp_path, "0"))


def run(directory: Path, user_id: str) -> list[str]:
    """The commands that were called, in order, on a machine that has only these."""
    log = directory / "log"
    program(directory, "id", f"echo {user_id}")
    program(directory, "dirname", f"echo {RUN.parent}")
    for name in ("sudo", "env", "apt-get", "make"):
        program(directory, name, f'echo "{name} $*" >>{log}')
    subprocess.run(["/bin/bash", RUN], env={"PATH": str(directory)}, check=True, capture_output=True)
    return log.read_text().splitlines()


def program(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
