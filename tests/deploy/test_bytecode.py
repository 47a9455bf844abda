"""The zip holds bytecode that Python runs for the source beside it, and for no other."""

from __future__ import annotations

import _imp
import subprocess
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from infra.deploy import bytecode

_RAW_MAGIC = int.from_bytes(MAGIC_NUMBER, "little")
_CHECKED_HASH = (0b11).to_bytes(4, "little")
UNCHECKED_HASH = (0b01).to_bytes(4, "little")
"""The flags of PEP 552: made of a hash, which is checked, or of one that is not."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "chalicelib" / "deep").mkdir(parents=True)
    (tmp_path / "app.py").write_text("from chalicelib.deep import module\nprint(module.WORD)\n")
    (tmp_path / "chalicelib" / "__init__.py").write_text("")
    (tmp_path / "chalicelib" / "deep" / "module.py").write_text("WORD = 'old'\n")
    (tmp_path / "requirements.txt").write_text("jinja2==3  # via meetlink\nnever-installed==1\n")
    return tmp_path


def header(source: bytes, flags: bytes = _CHECKED_HASH) -> bytes:
    """How bytecode of this source begins."""
    return MAGIC_NUMBER + flags + _imp.source_hash(_RAW_MAGIC, source)


def test_packages_chalice_and_the_app_lie_in_vendor(project: Path) -> None:
    import jinja2.environment

    bytecode.compile_project(project)
    tag = sys.implementation.cache_tag
    compiled = project / "vendor" / "jinja2" / "__pycache__" / f"environment.{tag}.pyc"
    assert compiled.read_bytes().startswith(header(Path(jinja2.environment.__file__).read_bytes()))
    assert str(sys.prefix).encode() not in compiled.read_bytes()
    assert (project / "vendor" / "chalice" / "__pycache__" / f"app.{tag}.pyc").exists()
    assert (project / "vendor" / "__pycache__" / f"app.{tag}.pyc").exists()


def test_code_that_changed_since_is_what_runs(project: Path) -> None:
    bytecode.compile_project(project)
    (project / "chalicelib" / "deep" / "module.py").write_text("WORD = 'new'\n")
    ran = subprocess.run([sys.executable, "-B", "app.py"], cwd=project, capture_output=True, text=True, check=True)
    assert ran.stdout == "new\n"


def test_what_a_package_left_behind_goes(project: Path) -> None:
    bytecode.compile_project(project)
    (project / "requirements.txt").write_text("")
    bytecode.compile_project(project)
    assert not (project / "vendor" / "jinja2").exists()


def test_the_same_source_gives_the_same_bytes_whatever_the_process_did_before(project: Path) -> None:
    """Otherwise a second deployment of the same code would be a change."""
    (project / "app.py").write_text("BELL = '\\a'\n")
    bytecode.compile_project(project)
    before = {path: path.read_bytes() for path in project.rglob("*.pyc")}
    sys.intern(chr(7))  # Bytecode says of each string whether the process that wrote it had interned it.
    assert bytecode.compile_project(project) == len(before)
    assert {path: path.read_bytes() for path in project.rglob("*.pyc")} == before


def test_the_bytes_do_not_depend_on_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bytecode.compile_project(project)
    before = {path: path.read_bytes() for path in project.rglob("*.pyc")}
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    bytecode.compile_project(project)
    assert {path: path.read_bytes() for path in project.rglob("*.pyc")} == before


def test_bytecode_of_another_python_and_of_deleted_modules_goes(project: Path) -> None:
    cache = project / "chalicelib" / "deep" / "__pycache__"
    cache.mkdir()
    (cache / "module.cpython-399.pyc").write_bytes(b"old")
    (cache / f"deleted.{sys.implementation.cache_tag}.pyc").write_bytes(b"old")
    bytecode.compile_project(project)
    assert [path.name for path in cache.iterdir()] == [f"module.{sys.implementation.cache_tag}.pyc"]
