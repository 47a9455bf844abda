"""The whole product on one machine: AWS, a provider's stand-in, the app with its triggers, and the console.

Settings in the environment take precedence over those of the stack: `ZOOM_API_URL`, for example, points the app at
another stand-in, or at Zoom itself. Only AWS is always local.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from chalicelib.providers.registry import PROVIDERS
from chalicelib.wiring import services
from infra.local import breakage
from infra.local.aws import LocalAws
from infra.local.breakage import Breakage
from infra.local.clock import LocalClock
from infra.local.console import Demo, Mailbox, Receiver, StackParts, create_console
from infra.local.demo_workspace import WORKSPACE_ID, DemoWorkspace
from infra.local.inbound_mail import BUCKET, InboundMail
from infra.local.kept_state import KeptState, StackData
from infra.local.lambdas import Context, QueuePump, Schedule, StreamPump
from infra.local.mail_reports import MailReports
from infra.local.request_log import RequestLog
from infra.local.standins import catalogue
from infra.local.standins.catalogue import StandIn
from infra.local.standins.faults import Faults
from infra.local.standins.server import Deferred, Server, serve
from infra.queues import create_queues, queue_arn
from infra.tables import connections_stream, create_tables

HOST = "127.0.0.1"
MAIL_FROM = "invitations@meetlink.example"
USER_ID = "demo-host"
HOST_NAME = "Demo Host"
HOST_EMAIL = "host@example.com"
CALENDAR_ID = "demo-calendar"
PASSWORD = "demo-password"  # noqa: S105 — of the stand-in, which shows it on its sign-in page
_KMS_ALIAS = "alias/meetlink-local"


@dataclass(frozen=True)
class Ports:
    """The ports to listen on. 0 picks a free port."""

    app: int = 0
    console: int = 0
    provider: int = 0
    aws: int | None = None


def ports_from_environment(environment: Mapping[str, str]) -> Ports:
    """Read the ports of `make run` from the environment. Raises ValueError for an invalid port number."""

    def port(name: str, default: int) -> int:
        text = environment.get(name, str(default))
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise ValueError(f"{name} must be a port number, not {text!r}")
        return int(text)

    return Ports(
        app=port("MEETLINK_PORT", 8000),
        console=port("MEETLINK_CONSOLE_PORT", 8001),
        provider=port("MEETLINK_PROVIDER_PORT", 8002),
        aws=port("MEETLINK_AWS_PORT", 8003),
    )


class StartedParts:
    """Base of a context manager that starts several parts.

    `_start` registers each part on `_parts`. Parts are stopped in reverse order, also if a later one fails to start.
    """

    def __init__(self) -> None:
        self._parts = ExitStack()

    def _start(self) -> None:
        raise NotImplementedError

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


class LocalStack(StartedParts):
    """The whole stack as a context manager. Nothing but what is kept is left on the machine when it ends."""

    app_url: str
    console_url: str
    provider_url: str
    demo: Demo
    provider_name: str
    stand_in: StandIn
    mailbox: Mailbox

    def __init__(
        self,
        ports: Ports,
        report: Callable[[str], None] = lambda _: None,
        *,
        provider: str = "zoom",
        report_request: Callable[[str], None] = lambda _: None,
        kept: KeptState | None = None,
    ) -> None:
        """`report` is called with the name of each part as it starts, `report_request` with a line for each request.

        `provider` is the one that has a stand-in, or several, separated by commas. `kept` is what the stack continues
        with, and where it is kept; None starts empty and keeps nothing.
        """
        self._kept = kept
        self._before = kept.data if kept else None
        self._report_request = report_request
        self._ports = ports
        self._providers = provider.split(",")
        self.stand_ins: dict[str, StandIn] = {}
        self._report = report
        self.clock = LocalClock(self._before.skipped if self._before else timedelta())
        super().__init__()

    def _start(self) -> None:
        self._report("AWS (DynamoDB, KMS, SQS, S3) ...")
        environment = self._kept.aws_environment if self._kept else {}
        aws = self._parts.enter_context(LocalAws(self._ports.aws, environment=environment))
        # What is kept is written when the triggers and servers have stopped, but the AWS has not.
        self._when_stopped = self._parts.enter_context(ExitStack())
        self._start_providers()
        self._report("console with inbox ...")
        console = self._reserve_console()
        self._s3 = aws.client("s3")
        stream_arn = create_tables(aws.client("dynamodb"), "meetlink-local-")
        aws.create_key(_KMS_ALIAS)
        self._queues = create_queues(aws.client("sqs"), "local")
        self._set_environment(aws, stream_arn)
        self._report("app, streams, queues and schedules ...")
        app = self._start_app(aws, stream_arn)
        self._make_demo(console, app)

    def _start_providers(self) -> None:
        host = catalogue.Host(HOST_EMAIL, PASSWORD, HOST_NAME)
        self.provider_urls = dict[str, str]()
        for number, name in enumerate(self._providers):
            stand_in = self.stand_ins[name] = catalogue.create_stand_in(name, host, clock=self.clock)
            if self._before and name in self._before.stand_ins:
                stand_in.restore(self._before.stand_ins[name])
            self._report(f"{PROVIDERS[name].display_name} stand-in ...")
            port = self._ports.provider and self._ports.provider + 10 * number  # 0 picks a free one.
            self.provider_urls[name] = self._serve(stand_in.app, port).url if stand_in.app else ""
        first = self._providers[0]
        self.provider_name, self.stand_in = PROVIDERS[first].display_name, self.stand_ins[first]
        self.provider_url = self.provider_urls[first]

    def _reserve_console(self) -> Deferred:
        deferred = Deferred()
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
            "MEETLINK_EMAILS_QUEUE_ARN": queue_arn(aws.client("sqs"), self._queues["Emails"]),
            "MEETLINK_WEBHOOKS_QUEUE_ARN": queue_arn(aws.client("sqs"), self._queues["Webhooks"]),
            "MEETLINK_WEBHOOKS_TO_LOOPBACK": "1",
            "MEETLINK_KMS_KEY_ID": _KMS_ALIAS,
            "MEETLINK_TAG_SECRET": self._before.tag_secret if self._before else secrets.token_hex(16),
            "MEETLINK_MAIL_FROM": MAIL_FROM,
            "MEETLINK_REPLIES_BUCKET": BUCKET,
            "MEETLINK_PROVIDERS": ",".join(self._providers),  # Any other provider would be the real one.
        }
        for name, stand_in in self.stand_ins.items():
            own |= stand_in.environment(self.provider_urls[name])
        for name, value in own.items():
            os.environ.setdefault(name, value)

    def _start_app(self, aws: LocalAws, stream_arn: str) -> Any:
        import app
        from infra.local.gateway import wsgi

        # The process's services take their clock when they are first used, which is not yet. Their fields are frozen.
        object.__setattr__(services(), "clock", self.clock)
        self._request_log = RequestLog(self.clock, self._report_request)
        self.app_url = self._serve(self._request_log.wrap(wsgi(app.app)), self._ports.app).url
        for name, stand_in in self.stand_ins.items():
            callback = f"/oauth/{name}/callback"
            redirect_uris = frozenset({self.app_url + callback, self.app_url.replace(HOST, "localhost") + callback})
            stand_in.configure(self.provider_urls[name], redirect_uris)
        streams, sqs = aws.client("dynamodbstreams"), aws.client("sqs")
        connections_arn = connections_stream(aws.client("dynamodb"), "meetlink-local-")
        triggers: list[StreamPump | QueuePump | Schedule] = [
            self._stream_pump(streams, stream_arn, app.on_booking),
            self._stream_pump(streams, stream_arn, app.announce_bookings),
            self._stream_pump(streams, connections_arn, app.announce_connections),
            QueuePump(sqs, self._queues["Emails"], "send_emails", app.send_emails, batch_size=1),
            QueuePump(sqs, self._queues["Webhooks"], "send_webhooks", app.send_webhooks, batch_size=10),
            Schedule("on_schedule", app.on_schedule),
            Schedule("deliver_webhooks", app.deliver_webhooks),
        ]
        self._schedules = [trigger for trigger in triggers if isinstance(trigger, Schedule)]
        for trigger in triggers:
            trigger.start()
            self._parts.callback(trigger.stop)
        return app

    def _stream_pump(self, streams: Any, stream_arn: str, function: Any) -> StreamPump:
        return StreamPump(streams, stream_arn, function.func.__name__, function, lambda: self.clock.skipped)

    def _make_demo(self, console: Deferred, app: Any) -> None:
        workspace = DemoWorkspace(self.app_url, self.console_url, self._before)
        api_key = workspace.create(lambda request: app.operate(request, Context("operate")))
        self.demo = self._describe_demo(api_key)
        self.mailbox = Mailbox(self.clock)
        receiver, faults = Receiver(self.clock), Faults()
        reports = MailReports(lambda event: app.on_mail_event(event, Context("on_mail_event")))
        self.mailbox.on_accepted = reports.note_accepted
        self.breakage = self._create_breakage(reports, faults)
        inbound = InboundMail(self._s3, lambda event: app.on_reply(event, Context("on_reply")), self.clock)
        parts = StackParts(self.breakage, self._request_log, receiver, reports, inbound.receive)
        console.app = create_console(self.demo, self.mailbox, faults=faults, clock=self.clock, parts=parts)
        host = {"user_id": USER_ID, "name": HOST_NAME, "email": HOST_EMAIL}
        receiver.secret = workspace.set_up(api_key, CALENDAR_ID, host)
        if self._before:
            self.mailbox.restore(self._before.mails)
            receiver.restore(self._before.webhooks)
        if self._kept:
            self._when_stopped.callback(self._keep, self._kept, receiver)

    def _describe_demo(self, api_key: str) -> Demo:
        return Demo(
            app_url=self.app_url,
            console_url=self.console_url,
            workspace_id=WORKSPACE_ID,
            api_key=api_key,
            user_id=USER_ID,
            host_name=HOST_NAME,
            host_email=HOST_EMAIL,
            calendar_id=CALENDAR_ID,
            provider=self._providers[0],
            provider_url=self.provider_url,
            provider_email=HOST_EMAIL if self.stand_in.sign_in else "",
            provider_password=PASSWORD if self.stand_in.sign_in else "",
            verified_senders=frozenset({MAIL_FROM}),
            key_form=self.stand_in.key_form,
            others={name: self.stand_ins[name].key_form for name in self._providers[1:]},
        )

    def _keep(self, kept: KeptState, receiver: Receiver) -> None:
        data = StackData(
            os.environ["MEETLINK_TAG_SECRET"],
            self.demo.api_key,
            receiver.secret,
            self.clock.skipped,
            self.mailbox.mails(),
            receiver.received,
            {name: stand_in.keep() for name, stand_in in self.stand_ins.items()},
        )
        kept.keep(data)

    def _create_breakage(self, reports: MailReports, console: Faults) -> Breakage:
        return Breakage(
            [
                *breakage.provider_breaks(list(self.stand_ins.values())),
                *breakage.mail_breaks(console, reports),
                *breakage.webhook_breaks(console),
                *breakage.clock_breaks(self.clock, self._tick),
            ]
        )

    def _tick(self) -> None:
        """Run the schedules now, twice: the first run can make more due."""
        for schedule in (*self._schedules, *self._schedules):
            schedule.tick()

    def _serve(self, app: Any, port: int) -> Server:
        try:
            server = serve(app, HOST, port)
        except (OSError, SystemExit) as error:
            raise RuntimeError(f"port {port} is in use: stop what listens there, or choose another") from error
        self._parts.callback(server.close)
        return server
