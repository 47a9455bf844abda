"""Bytecode for the zip. `/var/task` is read-only, so without it each cold start compiles every module that it imports.

Chalice installs packages without bytecode, but copies the content of `vendor/` to the root of the zip, so that
`vendor/httpx/__pycache__` ends up next to `httpx`. The bytecode is compiled from the packages installed here, which
have the versions of `requirements.txt`. Bytecode of `chalicelib` is written to its own `__pycache__` and ships with it.

The invalidation mode is checked-hash (PEP 552): Python uses the bytecode only if its source is unchanged. After a plain
`chalice deploy` of new code the bytecode can be unused, but never wrong. `package_pruning` compares each file with its
source, so that Python need not.
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
# No site-packages, no other module's bytecode, a fixed hash seed: the output depends on the sources only.
_ISOLATED = (sys.executable, "-s", "-S", "-P", "-B", str(_COMPILER))


def compile_project(project: Path) -> int:
    """Remove the bytecode of earlier runs and compile everything that ships. Return the number of modules."""
    vendor, own = project / "vendor", project / "chalicelib"
    shutil.rmtree(vendor, ignore_errors=True)
    # Otherwise bytecode of another Python version or of a deleted module would ship too.
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
    """Yield the modules of dependencies, each with its path in the zip."""
    for module in ("__init__.py", "app.py"):  # Chalice ships only these two of its own modules.
        yield Path(chalice.__file__).with_name(module), Path("chalice", module)
    for name in requirements.pins(project):
        try:
            installed = files(name) or []
        except PackageNotFoundError:
            continue  # The package is not installed here, so cold starts compile it.
        for path in installed:
            if path.suffix == ".py" and ".." not in path.parts:
                yield Path(str(path.locate())), Path(path)


def _job(source: Path, root: Path, name: Path) -> tuple[str, str, str]:
    """Return the source to compile, the file to write, and the source's name in the bytecode."""
    compiled = root / name.parent / "__pycache__" / f"{name.stem}.{sys.implementation.cache_tag}.pyc"
    return str(source), str(compiled), str(name)
