"""Everything on one machine: AWS, the stand-in Zoom, the app with its triggers, the console. Nothing to configure.

The environment wins over the stack's own settings, so `ZOOM_API_URL` and the like point Zoom at any other stand-in,
or at Zoom itself. AWS alone is always the local one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx

from infra.local.aws import LocalAws
from infra.local.console import Demo, Mailbox, create_console
from infra.local.lambdas import Schedule, StreamPump
from infra.local.standins.kit import Server, serve
from infra.tables import connections_stream, create_tables

if TYPE_CHECKING:
    from infra.local.standins.zoom import Zoom

HOST = "127.0.0.1"
MAIL_FROM = "invitations@meetlink.example"
WORKSPACE_ID = "demo"
USER_ID = "demo-host"
HOST_NAME = "Demo Host"
HOST_EMAIL = "host@example.com"
CALENDAR_ID = "demo-calendar"
ZOOM_PASSWORD = "demo-password"  # noqa: S105 — the stand-in's, shown on its sign-in page
_KMS_ALIAS = "alias/meetlink-local"


@dataclass(frozen=True)
class Ports:
    """Where to listen; 0 takes a free port."""

    app: int = 0
    console: int = 0
    zoom: int = 0
    aws: int | None = None


def ports_from_environment(environment: Mapping[str, str]) -> Ports:
    """The fixed ports of `make run`, each a setting. Raises ValueError for one that is none."""

    def port(name: str, default: int) -> int:
        text = environment.get(name, str(default))
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise ValueError(f"{name} must be a port number, not {text!r}")
        return int(text)

    return Ports(
        app=port("MEETLINK_PORT", 8000),
        console=port("MEETLINK_CONSOLE_PORT", 8001),
        zoom=port("MEETLINK_ZOOM_PORT", 8002),
        aws=port("MEETLINK_AWS_PORT", 8003),
    )


class LocalStack:
    """The whole stack as a context manager; leaving it leaves nothing behind."""

    app_url: str
    console_url: str
    zoom_url: str
    demo: Demo
    zoom: Zoom
    mailbox: Mailbox
    schedule: Schedule

    def __init__(self, ports: Ports, say: Callable[[str], None] = lambda _: None) -> None:
        self._ports = ports
        self._say = say
        self._parts = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._parts.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.close()

    def _start(self) -> None:
        self._say("AWS (DynamoDB, KMS) ...")
        aws = self._parts.enter_context(LocalAws(self._ports.aws))
        self._say("Zoom stand-in ...")
        self._start_zoom()
        self._say("console with inbox ...")
        console = self._reserve_console()
        stream_arn = create_tables(aws.client("dynamodb"), "meetlink-local-")
        aws.create_key(_KMS_ALIAS)
        self._set_environment(aws, stream_arn)
        self._say("app, stream and schedule ...")
        app = self._start_app(aws, stream_arn)
        self._make_demo(console, app)

    def _start_zoom(self) -> None:
        from infra.local.standins.zoom import Account, Zoom, create_app

        account = Account("zoom-user-1", "zoom-account-1", HOST_EMAIL, ZOOM_PASSWORD, HOST_NAME)
        second = Account("zoom-user-2", "zoom-account-1", "second-host@example.com", ZOOM_PASSWORD, "Second Host")
        self.zoom = Zoom(
            client_id="local-client",
            client_secret=secrets.token_hex(16),
            webhook_secret=secrets.token_hex(16),
            redirect_uris=[],
            accounts=[account, second],
        )
        self.zoom_url = self._serve(create_app(self.zoom), self._ports.zoom).url
        self.zoom.api_url = self.zoom.web_url = self.zoom_url

    def _reserve_console(self) -> _Deferred:
        deferred = _Deferred()
        self.console_url = self._serve(deferred, self._ports.console).url
        return deferred

    def _set_environment(self, aws: LocalAws, stream_arn: str) -> None:
        os.environ.pop("AWS_PROFILE", None)
        os.environ.update(aws.environment())
        os.environ["AWS_ENDPOINT_URL_SESV2"] = self.console_url
        own = {
            "MEETLINK_STAGE": "local",
            "MEETLINK_TABLE_PREFIX": "meetlink-local-",
            "MEETLINK_BOOKINGS_STREAM_ARN": stream_arn,
            "MEETLINK_CONNECTIONS_STREAM_ARN": connections_stream(aws.client("dynamodb"), "meetlink-local-"),
            "MEETLINK_WEBHOOKS_TO_LOOPBACK": "1",
            "MEETLINK_KMS_KEY_ID": _KMS_ALIAS,
            "MEETLINK_TAG_SECRET": secrets.token_hex(16),
            "MEETLINK_MAIL_FROM": MAIL_FROM,
            "ZOOM_OAUTH_URL": self.zoom_url,
            "ZOOM_API_URL": self.zoom_url,
            "ZOOM_CLIENT_ID": self.zoom.client_id,
            "ZOOM_CLIENT_SECRET": self.zoom.client_secret,
            "ZOOM_WEBHOOK_SECRET": self.zoom.webhook_secret,
        }
        for name, value in own.items():
            os.environ.setdefault(name, value)

    def _start_app(self, aws: LocalAws, stream_arn: str) -> Any:
        import app
        from infra.local.gateway import wsgi

        self.app_url = self._serve(wsgi(app.app), self._ports.app).url
        callback = "/oauth/zoom/callback"
        self.zoom.redirect_uris = frozenset(
            {self.app_url + callback, self.app_url.replace(HOST, "localhost") + callback}
        )
        self.zoom.webhook_url = f"{self.app_url}/v1/webhooks/providers/zoom"
        streams = aws.client("dynamodbstreams")
        connections_arn = connections_stream(aws.client("dynamodb"), "meetlink-local-")
        self.schedule = Schedule(app.on_schedule)
        parts: list[StreamPump | Schedule] = [
            StreamPump(streams, stream_arn, app.on_booking),
            StreamPump(streams, stream_arn, app.announce_bookings),
            StreamPump(streams, connections_arn, app.announce_connections),
            self.schedule,
            Schedule(app.deliver_webhooks),
        ]
        for part in parts:
            part.start()
            self._parts.callback(part.stop)
        return app

    def _make_demo(self, console: _Deferred, app: Any) -> None:
        booking_page = f"{self.console_url}/book"
        made = app.operate(
            {
                "do": "create-workspace",
                "workspace_id": WORKSPACE_ID,
                "name": "Demo Workspace",
                "admin_emails": ["admin@example.com"],
                "return_to": [booking_page, booking_page.replace(HOST, "localhost")],
            },
            None,
        )
        self.demo = Demo(
            app_url=self.app_url,
            console_url=self.console_url,
            workspace_id=WORKSPACE_ID,
            api_key=made["api_key"],
            user_id=USER_ID,
            host_name=HOST_NAME,
            host_email=HOST_EMAIL,
            calendar_id=CALENDAR_ID,
            zoom_url=self.zoom_url,
            zoom_email=HOST_EMAIL,
            zoom_password=ZOOM_PASSWORD,
            verified_senders=frozenset({MAIL_FROM}),
        )
        self.mailbox = Mailbox()
        console.app = create_console(self.demo, self.mailbox)
        calendar = {
            "name": "Introduction",
            "host": {"user_id": USER_ID, "name": HOST_NAME, "email": HOST_EMAIL},
            "location": {"type": "phone"},
        }
        with httpx.Client(headers={"Authorization": f"Bearer {self.demo.api_key}"}, timeout=30) as caller:
            caller.put(f"{self.app_url}/v1/calendars/{CALENDAR_ID}", json=calendar).raise_for_status()

    def _serve(self, app: Any, port: int) -> Server:
        try:
            server = serve(app, HOST, port)
        except (OSError, SystemExit) as error:
            raise RuntimeError(f"port {port} is taken: stop what listens there, or choose another") from error
        self._parts.callback(server.close)
        return server


class _Deferred:
    """A WSGI app whose address is known before it exists: the console tells the app's address, and the reverse."""

    app: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if self.app is None:
            start_response("503 Service Unavailable", [("Retry-After", "1"), ("Content-Length", "0")])
            return [b""]
        return self.app(environ, start_response)
