"""Every function may do what its code does and nothing else: a long day of a deployment, watched from moto's side."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from moto import mock_aws

import app
from chalicelib import announcing, handlers, operations
from chalicelib.errors import MailUnavailable
from chalicelib.outbound.sender import Outcome
from infra.deploy import settings, triggers
from infra.deploy.stage import API
from infra.local.aws import REGION
from infra.tables import connections_stream
from tests.component.test_deauthorization import ADDRESS
from tests.support.aws import Aws, furnish, moto_client
from tests.support.clock import FakeClock
from tests.support.permissions import Permission, Recorder, allowed, covers, is_lambdas_own
from tests.support.product import (
    ACCOUNT,
    CREDENTIALS,
    SECOND_ACCOUNT,
    WORKSPACE,
    LambdaContext,
    Product,
    booking,
    calendar,
    recorded_event,
)
from tests.support.webhooks import SECRET, Receivers, Streams, send_event

HOOK = "https://receiver.example/hooks"
DAY = 86_400
_CACHES_SECONDS = 301
FUNCTIONS = settings.functions()


class Watched:
    """A deployment whose functions are watched. Its secrets are in Secrets Manager, as in every real one."""

    def __init__(self, aws: Aws, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names = {
            "Partition": "aws",
            "Region": REGION,
            "Account": "123456789012",
            "Stage": "ci",
            "TablePrefix": aws.table_prefix,
            "SecretsPrefix": "meetlink/ci/",
            "BookingsStreamArn": aws.stream_arn,
            "ConnectionsStreamArn": connections_stream(aws.client("dynamodb"), aws.table_prefix),
            "KeyArn": "arn:of:the-key",
            "DeadLettersArn": "arn:of:the-queue",
            "ConfigurationSet": "meetlink-ci",
        }
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        _store_secrets(aws)
        in_environment = dict.fromkeys([*CREDENTIALS, "MEETLINK_TAG_SECRET"], "")
        self.product = Product(aws, clock, MEETLINK_SECRETS_PREFIX="meetlink/ci/", **in_environment)
        self.receivers = Receivers.of(self.product)
        self.streams = Streams(self.product)
        self.recorder = Recorder(monkeypatch, self.names)
        self.mailing: set[str] = set()
        with self.recorder.on_behalf_of("operate"):
            self.caller = self.product.caller(admin_emails=["admin@example.com"])

    def api(self, method: str, path: str, status: int, **arguments: object) -> None:
        with self.recorder.on_behalf_of(API):
            answer = self.caller.request(method, path, **arguments)  # type: ignore[arg-type]
        assert answer.status_code == status, answer.text

    def settle(self) -> None:
        self.product.clock.advance(_CACHES_SECONDS)  # Functions share no memory in a deployment.
        with self._mails("on_booking"), self.recorder.on_behalf_of("on_booking"):
            assert self.product.settle() == []

    def tick(self, seconds: float = 60) -> None:
        """The schedules a while later, and what they set off."""
        self.product.clock.advance(seconds)
        with self._mails("on_schedule"), self.recorder.on_behalf_of("on_schedule"):
            handlers.settle_due(LambdaContext(), self.product.services)
        with self.recorder.on_behalf_of("deliver_webhooks"):
            announcing.deliver_due(LambdaContext(), self.product.services)
        self.settle()
        self.announce()

    def announce(self) -> None:
        for function, arn in (
            (announcing.announce_bookings, self.names["BookingsStreamArn"]),
            (announcing.announce_connections, self.names["ConnectionsStreamArn"]),
        ):
            records = {"Records": self.streams.records(arn)}
            with self.recorder.on_behalf_of(function.__name__):
                function(records, LambdaContext(), self.product.services)

    def bounce(self, name: str) -> None:
        with self._mails("on_mail_event"), self.recorder.on_behalf_of("on_mail_event"):
            handlers.take_mail_event(json.dumps(recorded_event("ses_events")[name]), self.product.services)

    def operate(self, **request: str) -> None:
        with self.recorder.on_behalf_of("operate"):
            answer = operations.run({"workspace_id": WORKSPACE, **request}, self.product.services)
        assert "error" not in answer, answer

    def _mails(self, function: str) -> _Mailing:
        return _Mailing(self, function)


class _Mailing:
    """Notes whether a function mails: the harness takes mails before they get to SES."""

    def __init__(self, watched: Watched, function: str) -> None:
        self._watched = watched
        self._function = function

    def __enter__(self) -> None:
        self._before = self._count()

    def __exit__(self, *_: object) -> None:
        if self._count() > self._before:
            self._watched.mailing.add(self._function)

    def _count(self) -> int:
        mails = self._watched.product.mails
        return len(mails.sent) + len(mails.notices)


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """A day that is over: it is lived once for all tests here."""
    with pytest.MonkeyPatch.context() as monkeypatch, mock_aws():
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        watched = Watched(furnish(moto_client, "moto-"), FakeClock(), monkeypatch)
        live_a_day(watched)
        yield watched


def test_everything_that_a_function_does_is_allowed_to_it(watched: Watched) -> None:
    missing = [
        f"{function}: {use}"
        for function, used in watched.recorder.used.items()
        for use in sorted(used)
        if not any(covers(permission, use) for permission in granted(watched, function))
    ]
    assert missing == []


def test_everything_that_a_function_is_allowed_it_does(watched: Watched) -> None:
    idle = [
        f"{function}: {permission}"
        for function in FUNCTIONS
        for permission in sorted(granted(watched, function))
        if not is_lambdas_own(permission)
        and not permission[0].startswith("ses:")
        and not any(covers(permission, use) for use in watched.recorder.used.get(function, set()))
    ]
    assert idle == []


def test_those_that_mail_may_mail_and_nobody_else(watched: Watched) -> None:
    assert {f for f in FUNCTIONS if any(p[0].startswith("ses:") for p in granted(watched, f))} == watched.mailing


def test_those_with_a_trigger_may_read_it_and_give_up(watched: Watched) -> None:
    actions = {function: {action for action, _ in granted(watched, function)} for function in FUNCTIONS}
    assert {f for f in FUNCTIONS if "dynamodb:GetRecords" in actions[f]} == set(triggers.STREAMS)
    assert {f for f in FUNCTIONS if "sqs:SendMessage" in actions[f]} == {*triggers.STREAMS, *triggers.ASYNCHRONOUS}
    assert all("logs:PutLogEvents" in actions[function] for function in FUNCTIONS)


def test_every_function_has_a_policy_and_no_policy_is_left_over() -> None:
    assert {API, *(function.name for function in app.app.pure_lambda_functions), *event_handlers()} == set(FUNCTIONS)


def test_no_policy_reaches_beyond_its_stage() -> None:
    for function in FUNCTIONS:
        for statement in json.loads((settings.POLICIES / f"{function}.json").read_text())["Statement"]:
            everywhere = statement["Resource"] == "*"
            assert not everywhere or statement["Action"] == ["dynamodb:ListStreams"]
            assert not any("*" in action for action in statement["Action"])


def event_handlers() -> set[str]:
    return {source.name for source in app.app.event_sources}


def granted(watched: Watched, function: str) -> set[Permission]:
    return allowed(settings.render(function, watched.names))


def live_a_day(watched: Watched) -> None:
    """Whatever the product does, once."""
    product, zoom = watched.product, watched.product.zoom
    watched.api("GET", "/health", 200)
    with watched.recorder.on_behalf_of(API):
        product.connect()
    calendar_of_nobody = calendar("phone", user_id="u-2")
    watched.api("PUT", "/v1/calendars/c-1", 201, json=calendar())
    watched.api("PUT", "/v1/calendars/c-2", 201, json=calendar_of_nobody)
    watched.api("GET", "/v1/calendars", 200)
    watched.api("DELETE", "/v1/calendars/c-2", 204)
    watched.api("PUT", "/v1/webhook-endpoints/e-1", 201, json={"url": HOOK})
    watched.settle()
    watched.announce()

    # A booking's life.
    watched.api("PUT", "/v1/bookings/b-1", 201, json=booking())
    watched.settle()
    watched.announce()
    watched.api("PUT", "/v1/bookings/b-1", 200, json=booking(days=40))
    watched.settle()
    watched.api("GET", "/v1/bookings", 200)
    watched.api("GET", "/v1/bookings?user_id=u-1", 200)
    watched.api("POST", "/v1/bookings/b-1/retry", 200)
    product.mails.refusals.append(MailUnavailable("SES: Throttling"))
    with pytest.raises(MailUnavailable):
        watched.bounce("hard_bounce")
    watched.bounce("hard_bounce")
    watched.operate(do="lift-suppression", email="guest@example.com")
    watched.operate(do="create-key")

    # Webhooks: in and out, and a receiver that is out of order for a while.
    watched.api("POST", "/v1/webhook-secrets", 201, json={"secret": SECRET})
    event = {"type": "booking.cancelled", "timestamp": product.clock().isoformat(), "data": {"booking_id": "b-9"}}
    with watched.recorder.on_behalf_of(API):
        assert send_event(product, event).status_code == 204
    watched.api("POST", "/v1/webhook-endpoints/e-1/test", 200)
    watched.api("GET", "/v1/webhook-endpoints/e-1/deliveries", 200)
    watched.receivers.answers[HOOK] = Outcome(500, "bad_status")
    watched.api("PUT", "/v1/bookings/b-2", 201, json=booking(days=36))
    watched.settle()
    watched.announce()
    with watched.recorder.on_behalf_of(API):
        product.connect("u-2", SECOND_ACCOUNT)
    watched.announce()
    watched.receivers.answers.clear()
    watched.tick(2 * 3600)
    watched.api("PUT", "/v1/bookings/b-2", 200, json=booking(days=38))
    product.clock.advance(3600)
    watched.settle()

    # An account's life: its check, another account, tokens that end, a goodbye.
    product.clock.advance(DAY)
    watched.api("POST", "/v1/users/u-1/connection/check", 200)
    with watched.recorder.on_behalf_of(API):
        product.connect(account=SECOND_ACCOUNT)
    watched.tick()
    watched.announce()
    with watched.recorder.on_behalf_of(API):
        product.connect()
    with zoom.lock:
        zoom.grants.end(ACCOUNT.user_id)
    watched.api("PUT", "/v1/bookings/b-3", 201, json=booking(days=37))
    watched.settle()
    watched.tick()
    with watched.recorder.on_behalf_of(API):
        product.connect()
    watched.tick(2 * DAY)
    watched.api("DELETE", "/v1/users/u-1/connection?meetings=delete", 204)
    for _ in range(3):
        watched.tick()
    with watched.recorder.on_behalf_of(API):
        product.connect()
        zoom.webhook_url, zoom.webhook_transport = f"{product.base_url}{ADDRESS}", product.browser()._transport
        product.clock.advance(1)
        assert zoom.deauthorize(ACCOUNT.user_id) is not None
    watched.tick()
    watched.receivers.answers[HOOK] = Outcome(410, "bad_status")
    watched.api("POST", "/v1/webhook-endpoints/e-1/test", 200)
    watched.api("DELETE", "/v1/webhook-endpoints/e-1", 204)
    watched.api("DELETE", "/v1/users/u-2/connection", 204)


def _store_secrets(aws: Aws) -> None:
    client = aws.client("secretsmanager")
    zoom = {name.removeprefix("ZOOM_").lower(): value for name, value in CREDENTIALS.items()}
    client.create_secret(Name="meetlink/ci/providers/zoom", SecretString=json.dumps(zoom))
    client.create_secret(Name="meetlink/ci/deployment", SecretString=json.dumps({"tag_secret": "tag-secret-1"}))
