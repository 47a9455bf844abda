"""Bytecode for the zip: `/var/task` cannot be written, so every cold start would compile whatever it imports.

Chalice installs packages without theirs, but puts what lies in `vendor/` into the zip's root, so that
`vendor/httpx/__pycache__` comes to lie beside `httpx`. The bytecode is made from the packages installed here, which
have the versions of `requirements.txt`; that of `chalicelib` lies where Python keeps it, and ships with it.

It is of the kind *checked-hash* (PEP 552): Python runs it only for the very source it was made of, and compiles
anything else. After a plain `chalice deploy` of new code it can be stale, never wrong.
"""

from __future__ import annotations

import py_compile
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import chalice


def write(project: Path) -> int:
    """Compile all that ships; the number of modules. `vendor/` is made anew: nothing else belongs there."""
    vendor = project / "vendor"
    shutil.rmtree(vendor, ignore_errors=True)
    own = sorted(path.relative_to(project) for path in (project / "chalicelib").rglob("*.py"))
    return sum(
        [
            *(_compile(project / name, project, name) for name in own),
            _compile(project / "app.py", vendor, Path("app.py")),
            *(_compile(source, vendor, name) for source, name in _packages(project)),
        ]
    )


def _packages(project: Path) -> Iterator[tuple[Path, Path]]:
    """The modules of others, each with its place in the zip."""
    for name in ("__init__.py", "app.py"):  # Chalice ships no more of itself.
        yield Path(chalice.__file__).with_name(name), Path("chalice", name)
    requirements = project / "requirements.txt"
    for line in requirements.read_text(encoding="utf-8").splitlines() if requirements.exists() else []:
        try:
            installed = files(line.partition("==")[0]) or []
        except PackageNotFoundError:
            continue  # Not installed here: its own cold starts compile it.
        for one in installed:
            if one.suffix == ".py" and ".." not in one.parts:
                yield Path(str(one.locate())), Path(one)


def _compile(source: Path, root: Path, name: Path) -> bool:
    compiled = root / name.parent / "__pycache__" / f"{name.stem}.{sys.implementation.cache_tag}.pyc"
    try:
        py_compile.compile(
            str(source),
            cfile=str(compiled),
            dfile=str(name),  # No path of this machine; Python itself notes where it found the module.
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
        )
    except py_compile.PyCompileError:
        return False  # Some packages hold templates that are no Python.
    return True
