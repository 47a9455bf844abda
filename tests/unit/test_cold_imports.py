"""What each Lambda function imports before and during its first event: every module is time of a cold start."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks.cold_start import HANDLERS, ROOT, SETTINGS, rows
from benchmarks.stub import stub_dynamodb
from chalicelib.wiring import warm_up
from infra.deploy.chalice_config import function_names

LIBRARIES = {
    "authlib",
    "aws_lambda_powertools",
    "boto3",
    "cryptography",
    "httpcore",
    "httpx",
    "icalendar",
    "jinja2",
    "joserfc",
}
"""Those that only some events need."""
FUNCTIONS = [f"app.{name}".replace("app.api_handler", "app.app") for name in function_names()]


def run(code: Sequence[str], handler: str, **changes: str | None) -> Any:
    """Run these lines in a new process of the function, with changes of its environment. Return the JSON they print."""
    lines = "; ".join(("import sys, json; sys.path[:0] = ['benchmarks']", *code))
    environment = SETTINGS | {"_HANDLER": handler} | changes
    process = subprocess.run(
        [sys.executable, "-c", lines],
        cwd=ROOT,
        env={name: value for name, value in environment.items() if value is not None},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(process.stdout.splitlines()[-1])


def imported(handler: str, **changes: str | None) -> set[str]:
    """The modules of a process that waits for its first event."""
    return set(run(["import app", "print(json.dumps(list(sys.modules)))"], handler, **changes))


@pytest.mark.parametrize("handler", ["app.app", "app.on_booking", "app.on_schedule"])
def test_a_start_loads_only_the_libraries_that_every_event_needs(handler: str) -> None:
    assert {name.split(".")[0] for name in imported(handler)} & LIBRARIES == set()


@pytest.mark.parametrize(
    ("handler", "absent"),
    [
        ("app.app", {"handlers", "mail", "providers", "wording"}),
        ("app.on_booking", {"api", "wording"}),
        ("app.on_schedule", {"api", "mail", "providers", "usecases", "wording"}),
    ],
)
def test_a_start_loads_only_the_parts_that_every_event_needs(handler: str, absent: set[str]) -> None:
    parts = {name.split(".")[1] for name in imported(handler) if name.startswith("chalicelib.")}
    assert "store" in parts
    assert parts & absent == set()


@pytest.mark.parametrize("kind", ["api", "stream", "schedule"])
def test_the_first_event_of_a_prepared_process_imports_none_of_our_modules(kind: str) -> None:
    code = [
        "import app, cold_child",
        "before = set(sys.modules)",
        f"cold_child.{kind}()",
        "print(json.dumps([name for name in sys.modules if name not in before]))",
    ]
    with stub_dynamodb(rows()) as endpoint:
        during = run(code, HANDLERS.get(kind, "app.app"), AWS_ENDPOINT_URL=endpoint)
    assert [name for name in during if name.split(".")[0] in ("chalicelib", "aws_lambda_powertools")] == []


def test_only_a_process_of_lambda_prepares_something() -> None:
    code = ["import app", "from chalicelib.wiring import services", "print(json.dumps(services.cache_info().currsize))"]
    assert run(code, "app.on_booking") == 1
    assert run(code, "app.on_booking", AWS_LAMBDA_FUNCTION_NAME=None) == 0


@pytest.mark.parametrize("handler", FUNCTIONS)
def test_every_function_starts_without_a_call(handler: str) -> None:
    assert "chalicelib.store.tables" in imported(handler, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert warm_up._MODULES.keys() | warm_up._SERVICES.keys() <= set(FUNCTIONS)


def test_the_garbage_collector_works_after_the_start() -> None:
    code = ["import app, gc", "print(json.dumps([gc.isenabled(), gc.get_freeze_count() > 10_000]))"]
    assert run(code, "app.app") == [True, True]


def test_a_process_prepares_the_modules_that_its_function_imports() -> None:
    functions = [node for node in ast.parse((ROOT / "app.py").read_text()).body if isinstance(node, ast.FunctionDef)]
    handlers = {
        f"app.{function.name}": node.names[0].name
        for function in functions
        for node in function.body
        if isinstance(node, ast.ImportFrom) and node.module == "chalicelib.handlers"
    }
    assert handlers.pop("app.operate") == "operations"  # Operators can wait.
    assert handlers == warm_up._MODULES
