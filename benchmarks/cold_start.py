"""What a Lambda computes from nothing to its first event's end, from the zip as it is deployed.

Each round starts a new interpreter that sees nothing but the unpacked zip, without leave to write any bytecode, as
`/var/task` is. The floor is a Chalice app with one route and one DynamoDB client, from the zip that Chalice builds,
with bytecode and with all of botocore's data; and once more without bytecode. The rival, from the latter, imports what
most such apps import at their top. A stub replaces DynamoDB and responds at once. Time is the processor's: a Lambda has
a share of it, and elapsed time on a busy machine would include its other work.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import files
from pathlib import Path

from benchmarks.cold_child import API_KEY, booking_row
from benchmarks.measure import Line, bounded, compare
from benchmarks.stub import Row, stub_dynamodb
from infra.deploy import bytecode, package_pruning

ROOT = Path(__file__).parents[1]
KINDS = ("api", "callback", "stream", "settled", "schedule")
AIMS = {"api": 1.0, "callback": 1.25, "stream": 1.1, "schedule": 1.0, "settled": 1.1}
NAMES = {
    "api": "cold start, API: a booking is read",
    "callback": "cold start, OAuth callback",
    "stream": "cold start, stream: a lease is asked for",
    "settled": "cold start, stream: a settled record",
    "schedule": "cold start, schedule: nothing is due",
}
HANDLERS = {"stream": "app.on_booking", "settled": "app.on_booking", "schedule": "app.on_schedule"}
"""What Lambda sets `_HANDLER` to."""
MEMORY_MIB = 80
_RIVAL = ("boto3", "s3transfer", "pydantic", "pydantic-core", "annotated-types", "typing-inspection")
SETTINGS = {
    "MEETLINK_TABLE_PREFIX": "bench-",
    "MEETLINK_BOOKINGS_STREAM_ARN": "arn:aws:dynamodb:us-east-1:000000000000:table/bench-bookings/stream/1",
    "MEETLINK_CONNECTIONS_STREAM_ARN": "arn:aws:dynamodb:us-east-1:000000000000:table/bench-connections/stream/1",
    "MEETLINK_TAG_SECRET": "tag-secret",
    "MEETLINK_MAIL_FROM": "invitations@meetlink.example",
    "ZOOM_CLIENT_ID": "client",
    "ZOOM_CLIENT_SECRET": "secret",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
}


def run(rounds: int = 9) -> Iterator[Line]:
    """The lines of this benchmark."""
    with tempfile.TemporaryDirectory() as directory, stub_dynamodb(rows()) as endpoint:
        task, plain = unpacked(Path(directory))
        bare = Path(directory, "bare")
        shutil.copytree(plain, bare, ignore=shutil.ignore_patterns("__pycache__"))
        yield from measure(task, plain, bare, endpoint, rounds, rival=add_rival(Path(directory)))


def measure(
    task: Path, plain: Path, bare: Path, endpoint: str, rounds: int, *, rival: Path | None = None
) -> Iterator[Line]:
    """Measure each kind of start in turn, round by round.

    `task` is the zip as it ships, `plain` the zip before files were removed, `bare` the latter without bytecode.
    """
    sides: dict[str, Callable[[], dict[str, float]]] = {kind: partial(start, kind, task, endpoint) for kind in KINDS}
    sides["floor"] = partial(start, "floor", plain, endpoint)
    sides["bare floor"] = partial(start, "floor", bare, endpoint)
    if rival:
        sides["rival"] = partial(start, "rival", bare, endpoint, rival)
    for side in sides.values():
        side()  # The files come from memory from now on.
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in sides if number % 2 else reversed(sides):
            found[name].append(sides[name]())
    times = {name: [one["ms"] for one in rows] for name, rows in found.items()}
    for kind in KINDS:
        yield compare(NAMES[kind], times[kind], "Chalice + 1 client", times["floor"], "CPU ms", aim=AIMS[kind])
    for kind in ("api", "stream"):
        yield compare(NAMES[kind], times[kind], "the same, no bytecode", times["bare floor"], "CPU ms", aim=1.0)
    if rival:
        yield compare(NAMES["api"], times["api"], "Powertools + pydantic", times["rival"], "CPU ms", aim=1.0)
    peaks = [max(found[kind][number]["mib"] for kind in KINDS) for number in range(rounds)]
    yield bounded("peak memory after a cold start", peaks, "limit", MEMORY_MIB, "MiB")


def rows() -> dict[str, Row]:
    """The workspace whose key the child sends, and the booking that it reads."""
    _, workspace_id, key_id, secret = API_KEY.split(".")
    created_at = "2029-12-01T09:00:00Z"
    key = {"key_id": key_id, "digest": hashlib.sha256(secret.encode()).hexdigest(), "created_at": created_at}
    workspace = {"workspace_id": workspace_id, "name": "Demo", "created_at": created_at, "keys": [key]}
    return {
        "bench-bookings": booking_row(settled=True),
        "bench-workspaces": {
            "workspace_id": {"S": workspace_id},
            "document": {"S": json.dumps(workspace)},
            "version": {"N": "1"},
        },
    }


def start(kind: str, task: Path, endpoint: str, rival: Path | None = None) -> dict[str, float]:
    """One cold start: milliseconds and the peak of memory in MiB. Raises CalledProcessError if it fails."""
    command, environment = child(kind, task, endpoint, rival)
    done = subprocess.run(command, cwd=task, env=environment, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def child(kind: str, task: Path, endpoint: str, rival: Path | None = None) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of a process that starts."""
    script = Path(__file__).with_name("cold_child.py")
    environment = SETTINGS | {
        "_HANDLER": HANDLERS.get(kind.partition(":")[0], "app.app"),
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": endpoint,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    paths = [str(path) for path in (task, rival) if path]
    # -S and -E: no package of the machine's own can stand in for one that the zip lacks.
    return [sys.executable, "-S", "-E", "-B", str(script), kind, *paths], environment


def unpacked(directory: Path) -> tuple[Path, Path]:
    """Build the zip for this machine's processor. Return it unpacked as it ships, and as Chalice made it."""
    project, out, task, plain = (directory / name for name in ("project", "out", "task", "plain"))
    project.mkdir()
    shutil.copytree(ROOT / "chalicelib", project / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / name, project)
    config = json.loads((ROOT / ".chalice" / "config.json").read_text())
    processor = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    (project / ".chalice").mkdir()
    # The policies are not looked at here, and stand elsewhere.
    config |= {"lambda_architecture": processor, "autogen_policy": True}
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    bytecode.compile_project(project)
    chalice = "import sys; from chalice.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", chalice, "package", "--stage", "dev", str(out)]
    subprocess.run(command, cwd=project, env=os.environ | SETTINGS, check=True, capture_output=True)
    for target, is_pruned in ((plain, False), (task, True)):
        if is_pruned:
            package_pruning.prune(out / "deployment.zip")
        with zipfile.ZipFile(out / "deployment.zip") as archive:
            archive.extractall(target)
    return task, plain


def add_rival(directory: Path) -> Path:
    """The rival's further packages, as the zip would hold them."""
    target = directory / "rival"
    for one in (one for package in _RIVAL for one in files(package) or []):
        if ".." not in one.parts and one.suffix != ".pyc":
            (target / one).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(one.locate()), target / one)
    return target
