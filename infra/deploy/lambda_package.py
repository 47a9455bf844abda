"""Build the zip that ships with Chalice, from wheels whose hashes pip verifies, and check it before the upload.

The check is needed because Chalice only warns about a wheel that it could not get, and deploys without it.
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

from infra.deploy import chalice_config, package_pruning, requirements
from infra.deploy.stage import DeployError, Stage

_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
_LIBRARY = re.compile(r".+\.(?:so(?:\.\d+)*|pyd|dylib|dll)")
_OF_PYTHON = re.compile(r"\.(?:cpython-|cp)(\d+)-")
_WRONG_FILE = re.compile(r"^\s+(\S+==\S+) from ", re.MULTILINE)
_UNAVAILABLE = re.compile(r"(?:Cannot install|requirement:?) (\S+==[^\s,]+)")
_MACHINES = {"arm64": 183, "x86_64": 62}
"""`e_machine` of the ELF format."""


def build(stage: Stage) -> Path:
    """Build and check the zip. `chalice deploy` and `chalice package` use it as long as the sources are unchanged.

    Raises `DeployError` if the zip is incomplete; the next call builds it again.
    """
    architecture, python = chalice_config.architecture(stage), (sys.version_info.major, sys.version_info.minor)
    tools = _HashCheckedPip(stage.project)
    builder = DependencyBuilder(tools, PipRunner(SubprocessPip(tools), tools), architecture)
    packager = LambdaDeploymentPackager(tools, builder, UI(out=io.StringIO()), architecture)
    try:
        path = Path(packager.create_deployment_package(str(stage.project), f"python{python[0]}.{python[1]}"))
    except (NoSuchPackageError, PackageDownloadError) as error:
        raise DeployError(f"Nothing was deployed: {_explain(str(error))}") from error
    package_pruning.prune(path)
    if flaws := list(find_flaws(path, requirements.pins(stage.project), architecture, python)):
        path.unlink()  # Otherwise Chalice would reuse it.
        raise DeployError(
            f"Nothing was deployed: the package differs from {requirements.FILE} ({'; '.join(flaws)}). "
            'To find the cause, see docs/operators.md, "When the package is incomplete".'
        )
    return path


def find_flaws(path: Path, pins: Mapping[str, str], architecture: str, python: tuple[int, int]) -> Iterator[str]:
    """Yield differences between the zip and the lock file, and compiled files for another processor or Python."""
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
    """Start pip for Chalice, with hash checking switched on."""

    def __init__(self, project: Path) -> None:
        self._project = project

    def popen(
        self, command: list[str], stdout: Any = None, stderr: Any = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        environment = {**(os.environ if env is None else env), **requirements.HASH_CHECKED}
        return subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment, cwd=self._project)  # noqa: S603


def _packages(archive: zipfile.ZipFile) -> set[tuple[str, str]]:
    """Return name and version of each package, from its wheel's metadata."""
    files = filter(_METADATA.fullmatch, archive.namelist())
    headers = [BytesHeaderParser().parsebytes(archive.read(name)) for name in files]
    return {(requirements.normalize(str(header["Name"])), str(header["Version"])) for header in headers}


def _runs_on(start: bytes, architecture: str) -> bool:
    """Return whether a file with this start is an ELF file (Linux) for the processor."""
    return start[:4] == b"\x7fELF" and int.from_bytes(start[18:20], "little") == _MACHINES[architecture]


def _explain(output: str) -> str:
    """Return the cause of pip's failure from its output."""
    if "DO NOT MATCH THE HASHES" in output:
        names = ", ".join(dict.fromkeys(_WRONG_FILE.findall(output))) or "a package"
        return f"the package index has another file for {names} than {requirements.FILE} locks. Find out why."
    # If a package is missing, pip reports a conflict: the lock file is both the requirement and the constraint.
    name = _UNAVAILABLE.search(output)
    reason = f"{name[1]} could not be downloaded" if name else " ".join(output.split())
    return f"{reason}. Check the network and the package index, then run this again."
