"""The specification is what tools expect: a strict linter passes, and generated clients follow the callers' guide."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.stack import LocalStack
from tests.support import npm
from tests.support.guide_reader import blocks, client, connect, environment
from tests.support.python_tools import install

TOOLS = Path(__file__).parent / "openapi_tools"
ROOT = Path(__file__).parents[2]
USER = "u-generated"
RESULT = {
    "connection": "connected",
    "booked": "ready",
    "same_link": True,
    "metadata": {"order": {"lines": [1, "two", None]}},
    "listed": True,
    "cancelled": "cancelled",
    "missing": "urn:meetlink:problem:not_found",
}
pytestmark = [pytest.mark.exhaustive, pytest.mark.node]


@pytest.fixture(scope="module")
def node() -> Path:
    return npm.install(TOOLS, purpose="the specification is NOT linted and NOT compiled for TypeScript")


@pytest.fixture(scope="module")
def python() -> Path:
    """The folder of the programs of an environment with the generators."""
    return install(TOOLS / "requirements.txt")


@pytest.fixture
def java() -> None:
    if shutil.which("java") is None:
        message = "Java is missing: OpenAPI Generator was NOT run"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@pytest.fixture(scope="module")
def run(stack: LocalStack) -> Callable[..., str]:
    """Runs a program with the stack's address and key, and returns what it prints. A host is connected."""
    with client(stack) as meetlink:
        connect(meetlink.create_connect_link(USER)["url"])
    settings = os.environ | environment(stack) | {"GUIDE_USER": USER, "NODE_NO_WARNINGS": "1"}

    def run(command: Sequence[str | Path], home: Path, **more: str) -> str:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=home,
            env=settings | more,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def specification(stack: LocalStack, tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_text(httpx.get(f"{stack.app_url}/openapi.json").text, encoding="utf-8")
    return path


def test_a_strict_linter_passes(run: Callable[..., str], node: Path, specification: Path) -> None:
    linter = ["node_modules/.bin/spectral", "lint", specification, "--ruleset", "spectral.yaml"]
    assert "No results with a severity of 'hint' or higher found!" in run([*linter, "--fail-severity", "hint"], node)


def test_typescript_knows_the_guides_bodies_and_follows_the_guide(
    run: Callable[..., str], node: Path, specification: Path
) -> None:
    run(["node_modules/.bin/openapi-typescript", specification, "-o", "schema.ts"], node)
    document = json.loads(specification.read_text(encoding="utf-8"))
    bodies = list(guide_bodies(document))
    assert len(bodies) > 4
    lines = ['import type { paths } from "./schema.js";']
    for number, (path, method, body) in enumerate(bodies):
        kind = f'NonNullable<paths["{path}"]["{method}"]["requestBody"]>["content"]["application/json"]'
        lines.append(f"export const body{number}: {kind} = {body};")
    (node / "bodies.ts").write_text("\n".join(lines), encoding="utf-8")
    run(["node_modules/.bin/tsc"], node)
    assert json.loads(run(["node", "dist/guide.js"], node)) == RESULT


def test_a_client_of_openapi_python_client_follows_the_guide(
    run: Callable[..., str], python: Path, specification: Path, tmp_path: Path
) -> None:
    generate = ["openapi-python-client", "generate", "--path", specification, "--meta", "none", "--fail-on-warning"]
    path = f"{python}{os.pathsep}{os.environ['PATH']}"
    run([python / generate[0], *generate[1:], "--output-path", tmp_path / "generated"], tmp_path, PATH=path)
    # One class for each schema, and none for each problem of each operation.
    assert len(list((tmp_path / "generated" / "models").glob("*.py"))) < 150
    program = TOOLS / "guide_openapi_python_client.py"
    assert json.loads(run([python / "python", program], tmp_path, PYTHONPATH=str(tmp_path))) == RESULT


@pytest.mark.usefixtures("java")
def test_a_client_of_openapi_generator_follows_the_guide(
    run: Callable[..., str], python: Path, specification: Path, tmp_path: Path
) -> None:
    generate = [python / "openapi-generator-cli", "generate", "-g", "python", "-i", specification, "-o", "g"]
    code_only = ["--global-property", "apiDocs=false,modelDocs=false,apiTests=false,modelTests=false"]
    said = run([*generate, *code_only], tmp_path, JAVA_TOOL_OPTIONS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    assert "ERROR" not in said
    program = TOOLS / "guide_openapi_generator.py"
    assert json.loads(run([python / "python", program], tmp_path, PYTHONPATH=str(tmp_path / "g"))) == RESULT


def test_a_type_checker_knows_the_programs_of_the_python_client(tmp_path: Path) -> None:
    readme = (ROOT / "clients" / "python" / "README.md").read_text(encoding="utf-8")
    program = tmp_path / "readme.py"
    program.write_text("\n".join(code for _, code in blocks(readme, "python")), encoding="utf-8")
    check = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-warn-return-any",
        "--config-file",
        os.devnull,
        str(program),
    ]
    settings = os.environ | {"MYPYPATH": str(ROOT / "clients" / "python" / "src")}
    done = subprocess.run(check, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


def guide_bodies(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(path of the specification, method, JSON) of each request with a body in the guide."""
    guide = (ROOT / "docs" / "callers.md").read_text(encoding="utf-8")
    found = []
    guide = re.sub(r"'\"\$(\w+)\"'", r"\1", guide)  # A variable of the shell in the middle of a body.
    for _, code in blocks(guide, "bash"):
        for url, body in re.findall(r"\$MEETLINK_URL(/[^\"]+)\"[^']*-d '([^']*)'", code):
            method = "put" if "-X PUT" in code else "post"
            paths = [path for path in document["paths"] if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), url)]
            (path,) = [path for path in paths if method in document["paths"][path]]
            found.append((path, method, body))
    return found
