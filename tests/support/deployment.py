"""meetlink as `python -m infra.deploy` puts it on a ministack that enforces the roles' policies (`AUTH=true`).

Zoom, the console with its SES and the front door (a domain of one's own before API Gateway) are on loopback. Lambdas
run on this Python with its packages: the packages in the zip are not tested here.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from werkzeug.wrappers import Request, Response

from infra.local.aws import LocalAws
from infra.local.console import Demo, Mailbox, create_console
from infra.local.stack import (
    CALENDAR_ID,
    HOST_EMAIL,
    HOST_NAME,
    MAIL_FROM,
    PASSWORD,
    USER_ID,
    WORKSPACE_ID,
    StartedParts,
)
from infra.local.standins import catalogue
from infra.local.standins.server import serve

STAGE = "ci"
_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")
_SHIPPED = ("app.py", "chalicelib", "docs", "infra", ".chalice/config.json")
_SERVICES = (
    "apigateway",
    "budgets",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "dynamodbstreams",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "secretsmanager",
    "ses",
    "sesv2",
    "sns",
    "sqs",
    "sts",
)


class Deployment(StartedParts):
    """The stage and everything around it. It has what the demo's story asks of a stack."""

    demo: Demo
    stand_in: catalogue.StandIn
    provider_name = "Zoom"
    mailbox: Mailbox
    app_url: str

    def __init__(self, directory: Path, *, refuse_once: str = "") -> None:
        """`refuse_once` names a call of API Gateway that fails the first time, such as `POST deployments`."""
        self.project = directory / "project"
        self._refuse_once = refuse_once
        self._fence = directory / "beyond-this-machine"
        self._log = directory / "aws.log"
        super().__init__()

    def deploy(self, *arguments: str) -> str:
        """Run the command for the stage; what it says. Fails if it does."""
        return self.run("-m", "infra.deploy", "--stage", STAGE, *arguments)

    def run(self, *arguments: str) -> str:
        """Run Python in the project, with this AWS as the only one it can reach."""
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        fence = {"PYTHONPATH": str(Path(__file__).with_name("fenced")), "FENCED_LOG": str(self._fence)}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.project,
            env=inherited | fence | self.aws.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def asked_beyond(self) -> list[str]:
        """Hosts other than this machine that the commands have tried to reach."""
        return self._fence.read_text().split() if self._fence.exists() else []

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Invoke a function and return its result. `errorType` is the type of the error, if any."""
        answer = self.client("lambda").invoke(
            FunctionName=f"meetlink-{STAGE}-{function}", Payload=json.dumps(event).encode()
        )
        said: dict[str, Any] = json.loads(answer["Payload"].read()) or {}
        return said

    def store_zooms_secret(self) -> None:
        """What an operator does by hand: `aws secretsmanager put-secret-value`."""
        secret = dict(self.stand_in.secrets)
        name = f"meetlink/{STAGE}/providers/zoom"
        self.client("secretsmanager").put_secret_value(SecretId=name, SecretString=json.dumps(secret))

    def make_workspace(self, workspace_id: str = WORKSPACE_ID) -> None:
        """A workspace with its key for the next story, as the README makes it, and the story's calendar."""
        command = _README.partition("$ .venv/bin/python -m infra.operate ")[2].partition("```")[0].replace("\\\n", "")
        asked = [{"prod": STAGE, "acme": workspace_id}.get(word, word) for word in shlex.split(command)]
        made = json.loads(self.run("-m", "infra.operate", *asked, "--json"))
        self.demo = replace(self.demo, workspace_id=workspace_id, api_key=made["api_key"])
        calendar = {
            "name": "Introduction",
            "host": {"user_id": USER_ID, "name": HOST_NAME, "email": HOST_EMAIL},
            "location": {"type": "phone"},
        }
        self.call("PUT", f"/v1/calendars/{CALENDAR_ID}", json=calendar).raise_for_status()

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Call the live API with the workspace's key."""
        headers = {"Authorization": f"Bearer {self.demo.api_key}"}
        return httpx.request(method, self.app_url + path, headers=headers, timeout=60, **arguments)

    @contextmanager
    def without(self, function: str, action: str, resource: str) -> Iterator[None]:
        """Take one permission away from a function: the action on resources that end like that."""
        role = f"meetlink-{STAGE}-{function}"
        iam = self.client("iam")
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        less = deepcopy(policy)
        statement = next(
            s for s in less["Statement"] if action in s["Action"] and str(s["Resource"]).endswith(resource)
        )
        statement["Action"].remove(action)
        statement["Action"].append("sts:GetCallerIdentity")  # A statement without an action is none.
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(less))
        try:
            yield
        finally:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))

    def _start(self) -> None:
        self._copy_project()
        self.aws = self._parts.enter_context(
            LocalAws(
                services=_SERVICES,
                log=self._log,
                environment={"AUTH": "true", "REFUSE_ONCE": self._refuse_once},
                child=Path(__file__).with_name("deploy_child.py"),
            )
        )
        self._start_zoom()
        front_door = _FrontDoor(self.aws)
        self.app_url = self._serve(front_door)
        self.stand_in.configure(self.zoom_url, frozenset({f"{self.app_url}/oauth/zoom/callback"}))
        self.mailbox = Mailbox()
        self.demo = Demo(
            app_url=self.app_url,
            console_url="",
            workspace_id=WORKSPACE_ID,
            api_key="",
            user_id=USER_ID,
            host_name=HOST_NAME,
            host_email=HOST_EMAIL,
            calendar_id=CALENDAR_ID,
            provider_url=self.zoom_url,
            verified_senders=frozenset({MAIL_FROM}),
        )
        self.console_url = self._serve(create_console(self.demo, self.mailbox))

    def first_deploy(self, *arguments: str) -> str:
        settings = {
            "PUBLIC_BASE_URL": self.app_url,
            "ZOOM_OAUTH_URL": self.zoom_url,
            "ZOOM_API_URL": self.zoom_url,
            "AWS_ENDPOINT_URL_SESV2": self.console_url,
        }
        chosen = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        return self.deploy("--mail-from", MAIL_FROM, "--alarm-email", "operator@example.com", *chosen, *arguments)

    def _copy_project(self) -> None:
        for name in _SHIPPED:
            source, target = _ROOT / name, self.project / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        (self.project / "requirements.txt").write_text("")
        # The tests run on any supported Python; the deployment takes the pinned one only.
        (self.project / ".python-version").write_text(f"{sys.version_info.major}.{sys.version_info.minor}\n")

    def _start_zoom(self) -> None:
        self.stand_in = catalogue.create_stand_in("zoom", catalogue.Host(HOST_EMAIL, PASSWORD, HOST_NAME))
        self.zoom_url = self._serve(self.stand_in.app)

    def _serve(self, app: Any) -> str:
        server = serve(app)
        self._parts.callback(server.close)
        return server.url


class _FrontDoor:
    """Forward requests to the deployed API. Its address is known only after the deployment."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self._client = httpx.Client(base_url=aws.endpoint, timeout=60)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        (api,) = self._aws.client("apigateway").get_rest_apis()["items"]
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
        answer = self._client.request(
            request.method,
            f"/_aws/execute-api/{api['id']}/{STAGE}{request.environ['RAW_URI']}",
            headers=headers,
            content=request.get_data(),
        )
        response = Response(answer.content, answer.status_code)
        response.headers.clear()
        for name, value in answer.headers.multi_items():
            if name not in ("content-length", "content-encoding", "transfer-encoding", "connection", "date", "server"):
                response.headers.add(name, value)
        return response(environ, start_response)
