"""The zip that ships: built by Chalice from wheels whose hashes pip checks, and checked itself before it is sent.

Chalice prints a warning about a wheel that it could not get, and deploys without it.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from chalice.deploy.packager import (
    DependencyBuilder,
    LambdaDeploymentPackager,
    NoSuchPackageError,
    PackageDownloadError,
    PipRunner,
    SubprocessPip,
)
from chalice.utils import UI, OSUtils

from infra.deploy import requirements, settings
from infra.deploy.stage import DeployError, Stage

_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
_LIBRARY = re.compile(r".+\.(?:so(?:\.\d+)*|pyd|dylib|dll)")
_OF_PYTHON = re.compile(r"\.(?:cpython-|cp)(\d+)-")
_WRONG_FILE = re.compile(r"^\s+(\S+==\S+) from ", re.MULTILINE)
_UNAVAILABLE = re.compile(r"(?:Cannot install|requirement:?) (\S+==[^\s,]+)")
_MACHINES = {"arm64": 183, "x86_64": 62}
"""`e_machine` of the ELF format."""


def build(stage: Stage) -> Path:
    """Return the checked zip, which `chalice deploy` and `chalice package` use while the sources are the same.

    Raises `DeployError` if the zip is incomplete; the next call builds it again.
    """
    project, architecture, python = (
        stage.project,
        settings.architecture(stage),
        (sys.version_info.major, sys.version_info.minor),
    )
    tools = _HashCheckedPip(project)
    builder = DependencyBuilder(tools, PipRunner(SubprocessPip(tools), tools), architecture)
    packager = LambdaDeploymentPackager(tools, builder, UI(out=io.StringIO()), architecture)
    try:
        path = Path(packager.create_deployment_package(str(stage.project), f"python{python[0]}.{python[1]}"))
    except (NoSuchPackageError, PackageDownloadError) as error:
        raise DeployError(f"Nothing was sent: {_explain(str(error))}") from error
    if flaws := list(find_flaws(path, requirements.pins(stage.project), architecture, python)):
        path.unlink()  # Chalice would use it again.
        raise DeployError(
            f"Nothing was sent: the package is not what {requirements.FILE} lists ({'; '.join(flaws)}). "
            'docs/operators.md, "When the package is incomplete", says how to find out why.'
        )
    return path


def find_flaws(path: Path, pins: Mapping[str, str], architecture: str, python: tuple[int, int]) -> Iterator[str]:
    """Compare the zip with the lock file, and its compiled files with the functions' processor and Python."""
    with zipfile.ZipFile(path) as archive:
        included = _packages(archive)
        for name, version in sorted(set(pins.items()) - included):
            yield f"{name} {version} is missing"
        for name, version in sorted(included - set(pins.items())):
            yield f"{name} {version} is not listed"
        for name in sorted(filter(_LIBRARY.fullmatch, archive.namelist())):
            with archive.open(name) as file:
                if not _runs_on(file.read(20), architecture):
                    yield f"{name} is not for {architecture}"
            tag = _OF_PYTHON.search(name)
            if tag and tag[1] != f"{python[0]}{python[1]}":
                yield f"{name} is not for Python {python[0]}.{python[1]}"


class _HashCheckedPip(OSUtils):
    """How Chalice starts pip."""

    def __init__(self, project: Path) -> None:
        self._project = project

    def popen(
        self, command: list[str], stdout: Any = None, stderr: Any = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        environment = {**(os.environ if env is None else env), **requirements.HASH_CHECKED}
        return subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment, cwd=self._project)  # noqa: S603


def _packages(archive: zipfile.ZipFile) -> set[tuple[str, str]]:
    """Name and version of each package, from the metadata that its wheel brings."""
    files = filter(_METADATA.fullmatch, archive.namelist())
    headers = [BytesHeaderParser().parsebytes(archive.read(name)) for name in files]
    return {(requirements.normalize(str(header["Name"])), str(header["Version"])) for header in headers}


def _runs_on(start: bytes, architecture: str) -> bool:
    """Whether a file that begins so is an ELF file (Linux) for the processor."""
    return start[:4] == b"\x7fELF" and int.from_bytes(start[18:20], "little") == _MACHINES[architecture]


def _explain(output: str) -> str:
    """What the output of a failed pip means."""
    if "DO NOT MATCH THE HASHES" in output:
        names = ", ".join(dict.fromkeys(_WRONG_FILE.findall(output))) or "a package"
        return f"the package index has another file for {names} than {requirements.FILE} locks. Find out why."
    # pip takes the lock file and the same file as a constraint for a conflict, where there is only no such package.
    name = _UNAVAILABLE.search(output)
    reason = f"{name[1]} could not be downloaded" if name else " ".join(output.split())
    return f"{reason}. Check the network and the package index, then run this again."
