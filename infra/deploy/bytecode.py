"""Bytecode for the zip: `/var/task` is read-only, so each cold start would compile every module that it imports.

Chalice installs packages without bytecode, but copies the content of `vendor/` to the root of the zip, so that
`vendor/httpx/__pycache__` ends up beside `httpx`. The bytecode is compiled from the packages installed here, which
have the versions of `requirements.txt`; that of `chalicelib` is where Python keeps it, and ships with it.

It is of the kind *checked-hash* (PEP 552): Python runs it only for the source that it was compiled from, and compiles
anything else. After a plain `chalice deploy` of new code it can be stale, never wrong.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import chalice

from infra.deploy import requirements

_COMPILER = Path(__file__).with_name("bytecode_compiler.py")
# No site-packages, no other module's bytecode, one hash seed: the output depends on the sources alone.
_ISOLATED = (sys.executable, "-s", "-S", "-P", "-B", str(_COMPILER))


def write(project: Path) -> int:
    """Compile everything that ships, and remove what earlier runs left. Return the number of modules."""
    vendor, own = project / "vendor", project / "chalicelib"
    shutil.rmtree(vendor, ignore_errors=True)
    # Python 3.12's bytecode, or that of a deleted module, would ship too.
    for cache in list(own.rglob("__pycache__")):
        shutil.rmtree(cache)
    jobs = [
        *(_job(path, project, path.relative_to(project)) for path in sorted(own.rglob("*.py"))),
        _job(project / "app.py", vendor, Path("app.py")),
        *sorted(_job(source, vendor, name) for source, name in _packages(project)),
    ]
    compiler = subprocess.run(  # noqa: S603
        _ISOLATED, input=json.dumps(jobs), env={"PYTHONHASHSEED": "0"}, stdout=subprocess.PIPE, text=True, check=True
    )
    return int(compiler.stdout)


def _packages(project: Path) -> Iterator[tuple[Path, Path]]:
    """The modules of dependencies, each with its place in the zip."""
    for module in ("__init__.py", "app.py"):  # Chalice ships no other part of itself.
        yield Path(chalice.__file__).with_name(module), Path("chalice", module)
    for name in requirements.pins(project):
        try:
            installed = files(name) or []
        except PackageNotFoundError:
            continue  # Not installed here: cold starts compile it.
        for path in installed:
            if path.suffix == ".py" and ".." not in path.parts:
                yield Path(str(path.locate())), Path(path)


def _job(source: Path, root: Path, name: Path) -> tuple[str, str, str]:
    """What to compile, where to write it, and the name that the bytecode has for its source."""
    compiled = root / name.parent / "__pycache__" / f"{name.stem}.{sys.implementation.cache_tag}.pyc"
    return str(source), str(compiled), str(name)
