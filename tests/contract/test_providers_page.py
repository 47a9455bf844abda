"""`docs/providers.md` is true: its table is what the tests declare, and its example is followed to the letter."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.providers.registry import PROVIDERS
from infra.local.standins.catalogue import Host, create_stand_in
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.matrix import declared, reasons, settings_table, table
from tests.live import questions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")


def contracts() -> list[type[ProviderContract]]:
    """Every provider's contract, as its own test declares it."""
    classes: list[type[ProviderContract]] = []
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.contract.{path.stem}")
        own = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
        classes += [c for c in own if issubclass(c, ProviderContract)]
    return classes


def test_every_provider_passes_the_contract() -> None:
    assert {contract.subject_kind.kind.name for contract in contracts()} == set(PROVIDERS)


def test_the_table_is_what_the_tests_declare() -> None:
    behaviours = declared(contracts())
    shown = PAGE.partition("<!-- matrix -->\n")[2].partition("<!-- end -->")[0]
    assert shown.strip() == f"{table(behaviours)}\n\n{reasons(behaviours)}"


def test_the_table_of_settings_is_what_the_providers_declare() -> None:
    shown = PAGE.partition("<!-- settings -->\n")[2].partition("<!-- end of settings -->")[0]
    assert shown.strip() == settings_table(contracts())


def test_every_open_question_is_on_the_page_with_its_command() -> None:
    shown = PAGE.partition("<!-- questions -->\n")[2].partition("<!-- end of questions -->")[0]
    assert shown.strip() == questions.table()
    assert set(questions.QUESTIONS) == set(PROVIDERS)


def test_every_provider_is_on_the_page_and_in_the_demo() -> None:
    for name, provider in PROVIDERS.items():
        assert f"| {provider.display_name} | `{name}` |" in PAGE
        assert create_stand_in(name, Host("host@example.com", "password-1", "Demo Host")).provider == name


@pytest.mark.exhaustive
def test_the_example_works_when_it_is_followed_to_the_letter(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", PAGE, re.DOTALL)
    assert [path for path, _ in blocks] == [
        "chalicelib/providers/example.py",
        "infra/local/standins/example.py",
        "tests/contract/test_example.py",
    ]
    leave = shutil.ignore_patterns("__pycache__", "node_modules", "images")
    for part in ("chalicelib", "infra", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=leave)
    for file in (ROOT / "app.py", ROOT / "pyproject.toml", *ROOT.glob("requirements*.txt")):
        shutil.copy(file, tmp_path)
    for path, text in blocks:
        (tmp_path / path).write_text(text, encoding="utf-8")
    registry = tmp_path / "chalicelib" / "providers" / "registry.py"
    listed = registry.read_text(encoding="utf-8").replace("in (Zoom,", "in (Example, Zoom,")
    listed = listed.replace("\nPROVIDERS", "from chalicelib.providers.example import Example\n\nPROVIDERS", 1)
    registry.write_text(listed, encoding="utf-8")

    tests = ("tests/contract/test_example.py", "tests/unit/test_architecture.py")
    run = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "| a create without a response leaves one meeting | yes |" in done.stdout
