"""The zip that ships has each package of the lock file, from the locked files, for the functions' processor."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import zipfile
from pathlib import Path

import boto3
import pytest
from packaging.tags import sys_tags

from infra.deploy import lambda_package
from infra.deploy.stage import DeployError, Stage

PYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"
OTHERS = "x86_64" if platform.machine() in ("arm64", "aarch64") else "arm64"
"""A processor that this machine does not have: what is installed or downloaded for this machine does not run there."""
MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}[OTHERS]
HERE = f"{PYTHON}-{PYTHON}-{next(sys_tags()).platform}"
THERE = f"{PYTHON}-{PYTHON}-manylinux2014_{MACHINE}"
ARM, INTEL = 183, 62


def elf(machine: int) -> bytes:
    """The beginning of a compiled file for Linux."""
    return b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + machine.to_bytes(2, "little") + bytes(44)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A project with a pure package and a compiled one, which an index has for here and for there."""
    project = tmp_path / "a project"
    (project / ".chalice").mkdir(parents=True)
    (project / "chalicelib").mkdir()
    (project / ".chalice" / "config.json").write_text(json.dumps({"lambda_architecture": OTHERS}))
    (project / "app.py").write_text("")
    (project / "chalicelib" / "__init__.py").write_text("")
    return Stage("ci", boto3.Session("test", "test", region_name="eu-central-1"), project)


@pytest.fixture
def index(tmp_path: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place that pip takes packages from; the lock file of the project has the hashes of what is there."""
    directory = tmp_path / "index"
    directory.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    wheel(directory, "pure", "1.0", "py3-none-any", "pure.py", b"")
    wheel(directory, "quick", "2.0", HERE, "quick.so", b"of this machine")
    wheel(directory, "quick", "2.0", THERE, "quick.so", elf(ARM if OTHERS == "arm64" else INTEL))
    lines = []
    for name, version in (("pure", "1.0"), ("quick", "2.0")):
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.glob(f"{name}-*")]
        lines += [f"{name}=={version} \\", " \\\n".join(f"    --hash=sha256:{one}" for one in hashes)]
    (stage.project / "requirements.txt").write_text("\n".join([*lines, "    # via meetlink (pyproject.toml)", ""]))
    return directory


def wheel(directory: Path, name: str, version: str, tag: str, file: str, content: bytes) -> Path:
    path = directory / f"{name}-{version}-{tag}.whl"
    metadata = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{metadata}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{metadata}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        archive.writestr(f"{metadata}/RECORD", "")
        archive.writestr(file, content)
    return path


def zips(stage: Stage) -> list[Path]:
    return list((stage.project / ".chalice" / "deployments").glob("*.zip"))


def test_the_zip_has_what_is_locked_for_the_functions_processor(stage: Stage, index: Path) -> None:
    path = lambda_package.build(stage)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("quick.so").startswith(b"\x7fELF")
        assert "pure.py" in archive.namelist()
    assert lambda_package.build(stage) == path
    assert zips(stage) == [path]


@pytest.mark.exhaustive
def test_a_missing_wheel_is_refused_and_the_next_run_builds_again(stage: Stage, index: Path) -> None:
    absent = (index / f"quick-2.0-{THERE}.whl").rename(index / "absent")
    with pytest.raises(
        DeployError, match=r"Nothing was deployed: .* \(quick 2\.0 is missing\)\. .* docs/operators\.md"
    ) as refused:
        lambda_package.build(stage)
    assert "\n" not in str(refused.value)
    assert zips(stage) == []
    absent.rename(index / f"quick-2.0-{THERE}.whl")
    path = lambda_package.build(stage)
    assert zips(stage) == [path]


@pytest.mark.exhaustive
def test_a_compiled_wheel_that_was_replaced_at_the_index_is_refused(stage: Stage, index: Path) -> None:
    wheel(index, "quick", "2.0", THERE, "quick.so", elf(ARM if OTHERS == "arm64" else INTEL) + b"something else")
    with pytest.raises(DeployError, match=r"\(quick 2\.0 is missing\)"):
        lambda_package.build(stage)


def test_a_pure_wheel_that_was_replaced_at_the_index_is_refused_by_name(stage: Stage, index: Path) -> None:
    wheel(index, "pure", "1.0", "py3-none-any", "pure.py", b"something_else = True")
    with pytest.raises(DeployError, match=r"^Nothing was deployed: .* has another file for pure==1\.0 ") as refused:
        lambda_package.build(stage)
    assert "\n" not in str(refused.value)


def test_a_package_that_no_index_has_is_refused(stage: Stage, index: Path) -> None:
    (index / "pure-1.0-py3-none-any.whl").unlink()
    with pytest.raises(
        DeployError, match=r"^Nothing was deployed: pure==1\.0 could not be downloaded\. Check "
    ) as refused:
        lambda_package.build(stage)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("files", "flaws"),
    [
        ({"pure-1.0.dist-info/METADATA": b"Name: Pure\nVersion: 1.0\n"}, []),
        ({}, ["pure 1.0 is missing"]),
        (
            {"pure-0.9.dist-info/METADATA": b"Name: pure\nVersion: 0.9\n"},
            ["pure 1.0 is missing", "pure 0.9 is not listed"],
        ),
        ({"q/_q.abi3.so": elf(ARM), "q.libs/libq.so.1": elf(ARM)}, ["pure 1.0 is missing"]),
        ({"q/_q.abi3.so": elf(INTEL)}, ["pure 1.0 is missing", "q/_q.abi3.so is not for arm64"]),
        ({"q/_q.so": b"\xcf\xfa\xed\xfe"}, ["pure 1.0 is missing", "q/_q.so is not for arm64"]),
        (
            {"q.cpython-312-aarch64-linux-gnu.so": elf(ARM)},
            ["pure 1.0 is missing", "q.cpython-312-aarch64-linux-gnu.so is not for Python 3.11"],
        ),
        ({"q.cpython-311-aarch64-linux-gnu.so": elf(ARM)}, ["pure 1.0 is missing"]),
    ],
)
def test_each_flaw_of_a_zip_is_named(files: dict[str, bytes], flaws: list[str], tmp_path: Path) -> None:
    path = tmp_path / "deployment.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    assert list(lambda_package.find_flaws(path, {"pure": "1.0"}, "arm64", (3, 11))) == flaws
