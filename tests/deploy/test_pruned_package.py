"""The code runs with what is left of its packages in the zip."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

import chalice
import pytest

from infra.deploy import package_pruning, requirements

ROOT = Path(__file__).parents[2]
SHIPPED = [ROOT / "app.py", *sorted((ROOT / "chalicelib").rglob("*.py"))]
CLIENTS = f"""
import botocore.session
session = botocore.session.get_session()
for service in {sorted(package_pruning.SERVICES)}:
    session.create_client(service, "eu-central-1")
"""
CERTIFICATES = """
import botocore.httpsession
assert "/certifi/" in botocore.httpsession.where()
"""
REQUEST = """
import http.server, threading, httpx
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
assert httpx.Client(trust_env=False).get(f"http://127.0.0.1:{server.server_port}/").status_code == 200
"""
LINES = """
from chalicelib import observability
observability.enable_metrics("dev")
observability.count("RequestsRefused")
observability.log.warning("a line")
"""
TOKENS = """
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
AESGCM(bytes(32)).encrypt(bytes(12), b"text", None)
key = RSAKey.import_key(RSAKey.generate_key(2048).as_pem(private=True))
jwt.decode(jwt.encode({"alg": "RS256"}, {"iss": "chat"}, key, algorithms=["RS256"]), key, algorithms=["RS256"])
jwt.encode({"alg": "HS256"}, {"iss": "chat"}, OctKey.import_key(b"secret" * 8), algorithms=["HS256"])
"""
CALENDAR = """
from datetime import datetime
from zoneinfo import ZoneInfo
from icalendar import Calendar, Event
calendar, event = Calendar(), Event()
event.add("dtstart", datetime(2030, 1, 1, 9, tzinfo=ZoneInfo("Europe/Berlin")))
calendar.add_component(event)
calendar.add_missing_timezones()
assert Calendar.from_ical(calendar.to_ical()).events[0].start == event.start
"""
PAGE = """
import jinja2
assert jinja2.Environment(autoescape=True).from_string("<p>{{ name }}").render(name="<") == "<p>&lt;"
"""


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a pruned zip: the code, and its packages as they are installed here."""
    directory = tmp_path_factory.mktemp("task")
    path = directory / "deployment.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for source, name in _files():
            archive.write(source, name)
    package_pruning.prune(path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(directory / "task")
    return directory / "task"


def _files() -> Iterator[tuple[Path, str]]:
    for source in SHIPPED:
        yield source, str(source.relative_to(ROOT))
    for module in ("__init__.py", "app.py"):
        yield Path(chalice.__file__).with_name(module), f"chalice/{module}"
    for package in requirements.pins(ROOT):
        for file in files(package) or []:
            if ".." not in file.parts and file.suffix != ".pyc":
                yield Path(str(file.locate())), str(file)


def run(task: Path, code: str) -> None:
    """Run code that sees the zip's content and the standard library alone."""
    environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    process = subprocess.run(
        [sys.executable, "-S", "-E", "-B", "-c", f"import sys; sys.path[0] = {str(task)!r}\n{code}"],
        cwd=task,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr


def test_every_module_that_the_code_imports_ships(task: Path) -> None:
    statements = {
        ast.unparse(node)
        for path in SHIPPED
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__")
    }
    assert "import httpx" in statements
    run(task, "\n".join(sorted(statements)))


@pytest.mark.parametrize(
    "code",
    [CLIENTS, CERTIFICATES, REQUEST, LINES, TOKENS, CALENDAR, PAGE],
    ids=["clients", "certificates", "request", "lines", "tokens", "calendar", "page"],
)
def test_the_packages_work_with_what_is_left_of_them(code: str, task: Path) -> None:
    run(task, code)
