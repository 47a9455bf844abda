"""The whole product in one process, deterministic: AWS by moto, Zoom by its stand-in, time by a fake clock.

Callers and browsers come in through Lambda's own door (API Gateway's events); nothing is settled before the test says
`settle()`, which delivers what the bookings stream holds, or `tick()`, which is the schedule a minute later.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import httpx
from chalice.app import Chalice

from chalicelib import api
from chalicelib.domain.invitation import Invite
from chalicelib.handlers import booking_stream, operations
from chalicelib.mail.addresses import SenderAddress
from chalicelib.mail.message import compose, compose_notice
from chalicelib.settings import from_environment
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.deployment_secrets import DeploymentSecrets
from chalicelib.wiring import Services, build
from infra.local.gateway import wsgi
from infra.local.standins.daily import Daily
from infra.local.standins.server import InProcessTransport
from infra.local.standins.zoom import Account, Zoom, create_app
from infra.local.visitor import press, sign_in_and_consent
from infra.stream_records import lambda_record
from tests.support.aws import Aws, restore_tables, save_tables
from tests.support.clock import START, FakeClock

APP = "http://localhost:8000"
ZOOM = "https://zoom.us"
WORKSPACE = "ws-1"
ACCOUNT = Account("zoom-user-1", "zoom-account-1", "host@example.com", "password-1", "Demo Host")
SECOND_ACCOUNT = Account("zoom-user-2", "zoom-account-2", "second-host@example.com", "password-2", "Second Host")
GUEST = {"name": "Demo Guest", "email": "guest@example.com", "time_zone": "America/New_York"}
SENDER = SenderAddress("invitations@meetlink.example", "meetlink")
CREDENTIALS = {"ZOOM_CLIENT_ID": "client-1", "ZOOM_CLIENT_SECRET": "zoom-secret-1", "ZOOM_WEBHOOK_SECRET": "webhook-1"}
DAILY_KEY = "daily-key-canary"
_SAVED_OF_IDENTITY = ("access_tokens", "refresh_tokens", "refresh_calls", "_codes", "_grants")
_EVENTS = Path(__file__).parent.parent / "component" / "events"


@dataclass(frozen=True)
class Letter:
    """An invitation that was handed over: what was asked for and the mail that came of it."""

    invite: Invite
    raw: bytes


@dataclass(frozen=True)
class Notice:
    """A mail of the service itself."""

    to: str
    subject: str
    text: str


class Mails:
    """A mailer that keeps what it sends, in order. Composing is the product's own, so its refusals are real.

    `refusals` holds what the next sends are to raise, one each; None lets one through.
    """

    def __init__(self) -> None:
        self.sent: list[Letter] = []
        self.notices: list[Notice] = []
        self.refusals: list[Exception | None] = []

    def send(self, invite: Invite) -> str:
        self._refuse()
        self.sent.append(Letter(invite, compose(invite, SENDER).raw))
        return f"mail-{len(self.sent)}"

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str:
        self._refuse()
        compose_notice(to, subject, text, html, SENDER)
        self.notices.append(Notice(to, subject, text))
        return f"notice-{len(self.notices)}"

    def to(self, email: str) -> list[Letter]:
        return [letter for letter in self.sent if letter.invite.recipient.email == email]

    def _refuse(self) -> None:
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal


@dataclass(frozen=True)
class Saved:
    """The state of a product between two calls. What its process has in memory is not part of it."""

    tables: bytes
    keys: Mapping[str, str]
    """The Authorization header of each workspace's caller."""
    stand_in: bytes


class LambdaContext:
    """A Lambda with so little time left that a handler never waits for a later try: that is the schedule's then."""

    aws_request_id = "run-1"

    def get_remaining_time_in_millis(self) -> int:
        return 34_000


class Product:
    """One deployment. `environment` has settings besides the usual ones. `base_url` is its address for browsers.

    `stand_ins` are WSGI apps of other providers by origin.
    """

    def __init__(
        self,
        aws: Aws,
        clock: FakeClock,
        *,
        base_url: str = APP,
        stand_ins: Mapping[str, Any] | None = None,
        **environment: str,
    ) -> None:
        self.aws = aws
        self.clock = clock
        self.base_url = base_url
        self.mails = Mails()
        self._zoom_random = Random(7)
        self.zoom = _zoom(clock, f"{base_url}/oauth/zoom/callback", self._zoom_random)
        zoom = create_app(self.zoom)
        self.daily = Daily(api_key=DAILY_KEY, clock=clock, random=Random(7))
        self._network = {
            ZOOM: zoom,
            "https://api.zoom.us": zoom,
            "https://api.daily.co": self.daily.app(),
            **(stand_ins or {}),
        }
        own = {
            "MEETLINK_TABLE_PREFIX": aws.table_prefix,
            "MEETLINK_BOOKINGS_STREAM_ARN": aws.stream_arn,
            "MEETLINK_KMS_KEY_ID": aws.key_id,
            "MEETLINK_TAG_SECRET": "tag-secret-1",
            "MEETLINK_MAIL_FROM": SENDER.address,
            "MEETLINK_RATE_BURST": "1000000",  # The clock stops in most tests: a bucket would stay empty.
        }
        self.services: Services = build(
            from_environment(own | CREDENTIALS | environment),
            transport=InProcessTransport(self._network),
            clock=clock,
            random=Random(0),
            sample=lambda: 1.0,  # Requests are not reported: that would be a write of one request in four.
            mail_transport=self.mails,
        )
        # Making clients costs more than most tests, and moto has boto3 forget its own for every test.
        secrets = DeploymentSecrets(self.services.settings, aws.client("secretsmanager"), clock)
        vars(self.services).update(
            encryption=aws.vault(clock), deployment_secrets=secrets, connection_store=_connections(aws.table_prefix)
        )
        self.app = Chalice(app_name="meetlink", configure_logs=False)
        api.register(self.app, lambda: self.services)
        self._wsgi = wsgi(self.app)
        self._callers: dict[str, httpx.Client] = {}
        self._iterators: dict[tuple[str, str], str] = {}

    def caller(self, workspace_id: str = WORKSPACE, **workspace: Any) -> httpx.Client:
        """A caller with a key of the workspace, which is made with the fields `workspace` if it is new."""
        if workspace_id not in self._callers:
            made = operations.run({"do": "create-workspace", "workspace_id": workspace_id, **workspace}, self.services)
            headers = {"Authorization": f"Bearer {made['api_key']}"}
            self._callers[workspace_id] = self._client(headers=headers)
        return self._callers[workspace_id]

    def stranger(self) -> httpx.Client:
        """A caller without a key."""
        return self._client()

    def browser(self) -> httpx.Client:
        """A browser of its own: it keeps cookies and reaches the product and Zoom. It follows no redirect unasked."""
        return self._client()

    def connect_link(self, user_id: str = "u-1", workspace_id: str = WORKSPACE, **body: Any) -> str:
        answer = self.caller(workspace_id).post(f"/v1/users/{user_id}/connect-links", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["url"])

    def open_settings(
        self, browser: httpx.Client, user_id: str = "u-1", workspace_id: str = WORKSPACE
    ) -> httpx.Response:
        """The settings page, reached by a new connect link."""
        return press(browser, browser.get(self.connect_link(user_id, workspace_id)), "/connect/")

    def consent(
        self, browser: httpx.Client, settings: httpx.Response, account: Account = ACCOUNT, **decision: Any
    ) -> str:
        """Press Connect, sign in at Zoom and allow: the address that Zoom sends the browser back to, unvisited."""
        leave = press(browser, with_offers(browser, settings), "/oauth/zoom/start", follow=False)
        at_zoom = self._client()  # A browser profile without a session at Zoom.
        return sign_in_and_consent(at_zoom, leave.headers["Location"], account.email, account.password, **decision)

    def save(self) -> Saved:
        """Return the state of this product, for `restore` of a new product with the same settings in this process."""
        keys = {workspace_id: caller.headers["Authorization"] for workspace_id, caller in self._callers.items()}
        identity, faults = vars(self.zoom.identity), vars(self.zoom.faults)
        stand_in = {name: identity[name] for name in _SAVED_OF_IDENTITY}, self._zoom_random.getstate(), faults["_calls"]
        return Saved(save_tables(), keys, pickle.dumps(stand_in))

    def restore(self, saved: Saved) -> None:
        """Replace the state of the tables, the callers and the stand-in Zoom."""
        restore_tables(saved.tables)
        identity, random_state, calls = pickle.loads(saved.stand_in)
        vars(self.zoom.identity).update(identity)
        vars(self.zoom.faults).update(_calls=calls)
        self._zoom_random.setstate(random_state)
        for workspace_id, authorization in saved.keys.items():
            self._callers[workspace_id] = self._client(headers={"Authorization": authorization})

    def connect(self, user_id: str = "u-1", account: Account = ACCOUNT, *, workspace_id: str = WORKSPACE) -> None:
        """Connect a user as the pages do, without rendering them: half of a test's time."""
        token = self.connect_link(user_id, workspace_id).rpartition("/")[2]
        session = self.services.connect_links.open_session(token)
        address = self.services.oauth_flow.start(session, "zoom", self.base_url)
        consent = {"email": account.email, "password": account.password, "decision": "allow"}
        back = self._client().post(address, data=consent).headers["Location"]
        self.services.oauth_flow.finish(session, "zoom", dict(httpx.URL(back).params))

    def connect_in_browser(
        self, user_id: str = "u-1", account: Account = ACCOUNT, *, workspace_id: str = WORKSPACE
    ) -> httpx.Response:
        """Connect a user through the real pages; the settings page that is shown in the end."""
        browser = self.browser()
        back = self.consent(browser, self.open_settings(browser, user_id, workspace_id), account)
        page = browser.get(back, follow_redirects=True)
        assert page.status_code == 200, page.text
        return page

    def connect_with_key(
        self, provider: str, typed: Mapping[str, str], user_id: str = "u-1", workspace_id: str = WORKSPACE
    ) -> httpx.Response:
        """Connect a user by what is typed into the provider's form; the settings page that is shown in the end."""
        browser = self.browser()
        settings = with_offers(browser, self.open_settings(browser, user_id, workspace_id))
        return press(browser, settings, f"/settings/connect/{provider}", typed=typed)

    def settle(self) -> list[str]:
        """Deliver the stream, record by record, until it is silent; the sequence numbers that were reported failed."""
        failures: list[str] = []
        while records := self.stream_records():
            for record in records:
                answer = booking_stream.settle_records({"Records": [record]}, LambdaContext(), self.services)
                failures += [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        return failures

    def tick(self, seconds: float = 60) -> dict[str, int]:
        """Let time pass, run the schedule once, and deliver what that wrote."""
        self.clock.advance(seconds)
        done = booking_stream.settle_due(LambdaContext(), self.services)
        self.settle()
        return done

    def stream_records(self) -> list[dict[str, Any]]:
        """Return the new records of the bookings stream, as Lambda passes them. The caller must deliver them."""
        return read_stream(self.aws, self.aws.stream_arn, self._iterators)

    def _client(self, headers: Mapping[str, str] | None = None) -> httpx.Client:
        transport = _Web({self.base_url: self._wsgi, **self._network})
        return httpx.Client(transport=transport, base_url=self.base_url, headers=headers)


def with_offers(browser: httpx.Client, settings: httpx.Response) -> httpx.Response:
    """The settings page with the providers: that of a connected user shows them after *Use another account*."""
    return browser.get("/settings?accounts=all") if "?accounts=all" in settings.text else settings


class _Web(httpx.BaseTransport):
    """The product and the stand-ins by their addresses; paths arrive as they were sent, percent signs and all."""

    def __init__(self, apps: Mapping[str, Any]) -> None:
        self._apps = {httpx.URL(origin).netloc: app for origin, app in apps.items()}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        app = self._apps[request.url.netloc]

        def raw(environ: dict[str, Any], start_response: Any) -> Any:
            environ["RAW_URI"] = request.url.raw_path.decode("ascii")
            # PEP 3333 wants octets as Latin-1 here; httpx leaves text.
            environ["PATH_INFO"] = environ["PATH_INFO"].encode("utf-8", "surrogateescape").decode("latin-1")
            return app(environ, start_response)

        return httpx.WSGITransport(app=raw).handle_request(request)


def read_stream(aws: Aws, arn: str, iterators: dict[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Return the records since the last call with the same `iterators`, as Lambda passes them to functions."""
    client = aws.client("dynamodbstreams")
    records: list[dict[str, Any]] = []
    if not any(stream == arn for stream, _ in iterators):  # No emulator opens another shard.
        for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            start = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterators[arn, shard["ShardId"]] = client.get_shard_iterator(**start)["ShardIterator"]
    for key in [key for key in iterators if key[0] == arn]:
        response = client.get_records(ShardIterator=iterators[key])
        iterators[key] = response["NextShardIterator"]
        records += [lambda_record(record, arn) for record in response["Records"]]
    return records


def calendar(location: str | dict[str, Any] = "video", *, user_id: str = "u-1", **changes: Any) -> dict[str, Any]:
    """A calendar as a caller puts it."""
    host = {"user_id": user_id, "name": "Demo Host", "email": "host@example.com", "time_zone": "Europe/Berlin"}
    place = {"type": location} if isinstance(location, str) else location
    return {"name": "Introduction", "host": host, "location": place} | changes


def booking(
    calendar_id: str = "c-1", *, days: float = 35, minutes: float = 30, start: datetime = START, **changes: Any
) -> dict[str, Any]:
    """A booking as a caller puts it, `days` after `start`."""
    starts_at = start + timedelta(days=days)
    body = {
        "calendar_id": calendar_id,
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(minutes=minutes)).isoformat(),
        "time_zone": "Europe/Berlin",
        "title": "Introductory call",
        "description": "We will look at your questions.",
        "guests": [GUEST],
    }
    return body | changes


def recorded_event(name: str) -> dict[str, Any]:
    """One of the recorded Lambda events."""
    event: dict[str, Any] = json.loads((_EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


@cache
def _connections(table_prefix: str) -> ConnectionStore:
    """One for all tests with the same tables, and so the same AWS."""
    return ConnectionStore()


def _zoom(clock: FakeClock, redirect_uri: str, random: Random) -> Zoom:
    return Zoom(
        client_id=CREDENTIALS["ZOOM_CLIENT_ID"],
        client_secret=CREDENTIALS["ZOOM_CLIENT_SECRET"],
        webhook_secret=CREDENTIALS["ZOOM_WEBHOOK_SECRET"],
        redirect_uris=[redirect_uri],
        accounts=[ACCOUNT, SECOND_ACCOUNT],
        clock=clock,
        random=random,
    )
