"""The arrows between modules (STYLE 3), and lists that must agree, read from the source itself."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([ROOT / "app.py", *(ROOT / "chalicelib").rglob("*.py")])
# Who may import whom. A package may always import itself; `anything` knows all.
ANYTHING = {"api", "handlers", "wiring"}
ARROWS = {
    "errors": set(),
    "decoding": set(),
    "settings": set(),
    "version": set(),
    "observability": {"errors"},
    "domain": {"errors"},
    "store": {"decoding", "domain", "errors", "settings", "observability"},
    "providers": {"domain", "errors", "observability"},
    "wording": {"decoding", "domain"},
    "mail": {"decoding", "domain", "errors", "observability", "wording"},
    "validation": {"decoding", "errors"},
    "webhooks": {"decoding", "domain", "errors", "observability", "store", "validation"},
    "usecases": {
        "decoding",
        "domain",
        "errors",
        "settings",
        "observability",
        "store",
        "providers",
        "mail",
        "wording",
        "webhooks",
        "validation",
    },
}
VALUES = {"str", "bytes", "int", "float", "bool", "datetime", "timedelta"}
CLIENTS = {"Client", "AsyncClient", "client", "resource", "Session", "get_session"}


def layer(module: str) -> str:
    """The part of the product that `chalicelib.<part>...` belongs to."""
    return module.split(".")[1] if module.startswith("chalicelib.") else module


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Every module that is imported anywhere in a file, also inside functions and for types only."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from chalicelib import settings` imports chalicelib.settings.
            own = node.module == "chalicelib"
            yield from (f"{node.module}.{alias.name}" if own else str(node.module) for alias in node.names)


def at_import(path: Path) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: bodies of functions do not."""
    waiting: list[ast.AST] = [tree(path)]
    while waiting:
        node = waiting.pop()
        yield node
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            children = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif isinstance(node, ast.Lambda):
            children = []
        waiting += children


@pytest.mark.parametrize("part", sorted(ARROWS))
def test_a_part_knows_only_what_lies_below_it(part: str) -> None:
    wrong = [
        f"{name_of(path)} imports {module}"
        for path in SHIPPED
        if layer(name_of(path)) == part
        for module in imports(path)
        if module.startswith("chalicelib.") and layer(module) not in ARROWS[part] | {part}
    ]
    assert wrong == []


def test_every_part_has_its_arrows() -> None:
    parts = {layer(name_of(path)) for path in SHIPPED} - {"app", "chalicelib"}
    assert parts == set(ARROWS) | ANYTHING


RESOURCE_FOLDERS = ("api", "domain", "store", "usecases")
"""A resource's name may be used once in each of these, and in `api/schemas`."""


def test_a_modules_name_is_unique() -> None:
    """Resources apart, whose name may be used once in each layer."""
    places: dict[str, list[str]] = {}
    for path in SHIPPED:
        if path.stem != "__init__":
            places.setdefault(path.stem, []).append(path.parent.relative_to(ROOT).as_posix())
    allowed = {f"chalicelib/{folder}" for folder in RESOURCE_FOLDERS} | {"chalicelib/api/schemas"}
    repeated = {stem: folders for stem, folders in places.items() if len(folders) > 1 and not set(folders) <= allowed}
    assert repeated == {}


def test_a_classs_name_is_unique() -> None:
    """The API's own forms of a resource are named as the resource."""
    places: dict[str, list[str]] = {}
    for path in SHIPPED:
        if "chalicelib/api/schemas" not in path.as_posix():
            for node in tree(path).body:
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(name_of(path))
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


def test_the_domain_needs_nothing_but_the_standard_library_and_a_way_to_write_values() -> None:
    """msgspec's structs for dataclasses: each of the latter takes 50 times as long to make, at every cold start."""
    foreign = {
        module.split(".")[0]
        for path in SHIPPED
        if layer(name_of(path)) in ("domain", "errors")
        for module in imports(path)
    }
    assert foreign - set(sys.stdlib_module_names) <= {"chalicelib", "msgspec"}


def test_only_the_edge_knows_chalice() -> None:
    wrong = [name_of(p) for p in SHIPPED for m in imports(p) if m.split(".")[0] == "chalice"]
    assert {name.split(".")[1] if "." in name else name for name in wrong} <= {"api", "app"}


def test_nothing_that_ships_knows_the_local_stack_or_the_tests() -> None:
    wrong = [f"{name_of(p)}: {m}" for p in SHIPPED for m in imports(p) if m.split(".")[0] in ("infra", "tests", "moto")]
    assert wrong == []


def test_settings_alone_reads_the_environment() -> None:
    readers = {
        name_of(path)
        for path in SHIPPED
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"))
        or (isinstance(node, ast.alias) and node.name in ("environ", "getenv"))
    }
    assert readers == {"chalicelib.settings"}


def test_no_client_is_made_at_import() -> None:
    made = [
        f"{name_of(path)}:{node.lineno}"
        for path in SHIPPED
        for node in at_import(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLIENTS
    ]
    assert made == []


@pytest.mark.parametrize("library", ["boto3", "botocore", "icalendar", "authlib", "cryptography", "jinja2"])
def test_heavy_libraries_are_loaded_only_where_they_are_needed(library: str) -> None:
    """The API's cold start must not pay for them. pynamodb brings botocore itself, so that one counts for our code."""
    early = [
        name_of(path)
        for path in SHIPPED
        for node in at_import(path)
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in _only_for_types(path)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if str(name).split(".")[0] == library
    ]
    assert early == []


def test_time_is_a_collaborator() -> None:
    """`datetime.now` stands where the clock is made, and where a mail's own date is written."""
    users = {
        name_of(path)
        for path in SHIPPED
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today") and _is_datetime(node.value)
    }
    assert users <= {"chalicelib.wiring.foundation", "chalicelib.mail.message"}


def test_no_class_has_more_than_seven_collaborators() -> None:
    """More means two subjects. Plain values do not count, nor do the clock, `sleep` and `random`."""
    counts = {
        f"{name_of(path)}.{node.name}": len(list(_collaborators(function)))
        for path in SHIPPED
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        for function in node.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
    }
    assert counts["chalicelib.usecases.connections.Connections"] == 6
    assert {name: number for name, number in counts.items() if number > 7} == {}


def test_every_provider_has_a_test_of_its_own() -> None:
    from chalicelib.providers.registry import PROVIDERS

    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    missing = [name for name in PROVIDERS if not any(re.fullmatch(rf"test_{name}(_\w+)?\.py", test) for test in tests)]
    assert missing == []


def test_a_providers_name_is_its_files_name_and_its_key() -> None:
    from chalicelib.providers.registry import PROVIDERS

    for key, provider in PROVIDERS.items():
        assert provider.name == key == provider.__module__.rsplit(".", 1)[1]


def test_what_ships_is_what_pyproject_asks_for() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[\[<>=!~; ]", dependency)[0].lower() for dependency in project["dependencies"]}
    lock = locked("requirements.txt")
    direct = {name for name, (_, reasons) in lock.items() if "meetlink (pyproject.toml)" in reasons}
    assert direct == asked


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt", "requirements-uv.txt"])
def test_every_locked_version_has_the_hashes_of_its_files(file: str) -> None:
    without = [name for name, (pin, _) in locked(file).items() if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", pin)]
    assert without == []
    # No address of an index and no path: a lock file is for every machine.
    assert re.findall(r"://|^-|(?:^|\s)/", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE) == []


def test_what_ships_is_what_the_tests_run_with() -> None:
    shipped, tested = (
        {(name, pin.split()[0]) for name, (pin, _) in locked(file).items()}
        for file in ("requirements.txt", "requirements-dev.txt")
    )
    assert shipped <= tested


def locked(file: str) -> dict[str, tuple[str, str]]:
    """Each package of a lock file, in the form that `make lock` writes: its version with its hashes, and why."""
    text = (ROOT / file).read_text(encoding="utf-8")
    entries = re.findall(r"^([a-z0-9._-]+)(==(?:.*\\\n)*.*)\n    # via (.*)\n", text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[^ #\n]", text, re.MULTILINE)), f"an entry of {file} has another form"
    return {name: (pin, reasons) for name, pin, reasons in entries}


def test_what_is_imported_is_asked_for() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[\[<>=!~; ]", d)[0].lower().replace("-", "_") for d in project["dependencies"]}
    found = {m.split(".")[0].lower() for p in SHIPPED for m in imports(p)} - set(sys.stdlib_module_names)
    # Lambda's Chalice packages its own runtime; botocore comes with boto3, MarkupSafe with Jinja2.
    own = {"chalicelib", "chalice", "botocore", "markupsafe"}
    assert found - own <= asked


@cache
def _only_for_types(path: Path) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING:`."""
    guards = [n for n in ast.walk(tree(path)) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    return {node for guard in guards for node in ast.walk(guard)}


def _is_datetime(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("datetime", "date")


def _collaborators(function: ast.FunctionDef) -> Iterator[str]:
    for parameter in [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]:
        types = {node.id for node in ast.walk(parameter.annotation or ast.Tuple()) if isinstance(node, ast.Name)}
        is_value = bool(types) and types <= VALUES
        if parameter.arg not in {"self", "clock", "sleep", "random"} and not is_value:
            yield parameter.arg
