"""Every function may do what its code does and nothing else: a long day of a deployment, watched from moto's side."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from botocore.client import BaseClient
from moto import mock_aws

import app
from chalicelib.api.pages.workspace_shell import NAVIGATION
from chalicelib.errors import MailAccountError, MailUnavailable, MeetlinkError
from chalicelib.handlers import (
    booking_stream,
    email_queue,
    mail_events,
    operations,
    received_replies,
    webhook_queue,
    webhook_streams,
)
from chalicelib.observability import Log
from chalicelib.settings import from_environment
from chalicelib.store.encryption import Purpose
from chalicelib.webhooks.http_sender import Outcome
from chalicelib.wiring import build
from infra.deploy import chalice_config, triggers
from infra.deploy.stage import API
from infra.local.aws import REGION
from infra.local.calendar_replies import Answer, gmail
from infra.local.inbound_mail import as_received, notification
from infra.local.standins.zoom import Account
from infra.local.visitor import press
from infra.tables import connections_stream
from tests.component.test_deauthorization import ADDRESS
from tests.component.test_meeting_reports import send, started
from tests.support.aws import Aws, furnish_moto
from tests.support.clock import FakeClock
from tests.support.invites import guest_invite
from tests.support.permissions import Permission, Recorder, allowed, allows_context, covers, is_lambdas_own
from tests.support.product import (
    ACCOUNT,
    CREDENTIALS,
    DAILY_KEY,
    SECOND_ACCOUNT,
    WORKSPACE,
    LambdaContext,
    Product,
    booking,
    calendar,
    recorded_event,
)
from tests.support.queues import Queues
from tests.support.replies import invitation
from tests.support.webhooks import SECRET, Receivers, Streams, send_event
from tests.support.workspace_visitor import follow_emailed_link

BUCKET = f"meetlink-ci-mail-123456789012-{REGION}"
HOOK = "https://receiver.example/hooks"
DAY = 86_400
SANDBOXED = MailAccountError("SES: MessageRejected", code="NotVerified")
_CACHES_SECONDS = 301
_LEASES_SECONDS = 100
FUNCTIONS = chalice_config.function_names()
WEBHOOKS = {"send_webhooks"}
SETTLING = {"on_booking", "on_schedule", "send_emails"}


class Watched:
    """A deployment whose functions are watched. Its secrets are in Secrets Manager, as in every real one."""

    def __init__(self, aws: Aws, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, *, withholds: bool) -> None:
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
            "DeadLettersArn": "arn:aws:sqs:us-east-1:123456789012:meetlink-ci-dead-letters",
            "EmailsQueueArn": "arn:aws:sqs:us-east-1:123456789012:meetlink-ci-emails",
            "WebhooksQueueArn": "arn:aws:sqs:us-east-1:123456789012:meetlink-ci-webhooks",
            "ConfigurationSet": "meetlink-ci",
        }
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        _store_secrets(aws)
        in_environment = dict.fromkeys([*CREDENTIALS, "MEETLINK_TAG_SECRET"], "")
        bucket = {"MEETLINK_REPLIES_BUCKET": BUCKET}
        self.product = Product(aws, clock, MEETLINK_SECRETS_PREFIX="meetlink/ci/", **bucket, **in_environment)
        self.product.services = replace(self.product.services, sleep=clock.advance)
        self.receivers = Receivers.of(self.product)
        self.streams = Streams(self.product)
        self.queues = Queues(self.product)
        self.recorder = Recorder(monkeypatch, self.names)
        self.mailing: set[str] = set()
        self.withholds = withholds
        self.missed: dict[tuple[str, Permission], bool] = {}
        self.failures: list[str] = []
        for level in ("warning", "failure"):
            monkeypatch.setattr(Log, level, lambda _, message, *others, **ids: self.failures.append(message))
        self.does("operate", lambda: self.product.caller(admin_emails=["admin@example.com"]))
        self.caller = self.product.caller()

    def does(self, function: str, act: Callable[[], object]) -> None:
        """Have the function act. With `withholds`, first without each permission that was not missed yet, one by one.

        What failed is done again a while later, when no lease of the try that failed is in the way.
        """
        while self.withholds:
            unmissed = {p for p in granted(self, function) if (function, p) not in self.missed}
            said, error = len(self.failures), None
            with self.recorder.withholding(unmissed), self._mails(function), self.recorder.on_behalf_of(function):
                try:
                    act()
                except (AssertionError, LookupError, ValueError, MeetlinkError, httpx.HTTPError) as raised:
                    error = raised
            if self.recorder.refused is None:
                if error is not None:
                    raise error
                return
            # The caller notices, or Lambda does, or who reads the log for warnings.
            self.missed[function, self.recorder.refused] = error is not None or len(self.failures) > said
            self.product.clock.advance(_LEASES_SECONDS)
        with self._mails(function), self.recorder.on_behalf_of(function):
            act()

    def api(self, method: str, path: str, status: int, **arguments: object) -> None:
        def call() -> None:
            answer = self.caller.request(method, path, **arguments)  # type: ignore[arg-type]
            assert answer.status_code == status, answer.text

        self.does(API, call)

    def connect(self, user_id: str = "u-1", account: Account = ACCOUNT) -> None:
        self.does(API, lambda: self.product.connect(user_id, account))

    def resend_newest(self, deliveries: str) -> None:
        """A caller has the newest event sent again: its message wakes the other function."""

        def resend() -> None:
            newest, *_ = self.caller.get(deliveries).json()["items"]
            answer = self.caller.post(f"{deliveries}/{newest['delivery_id']}/resend")
            assert answer.status_code == 202, answer.text

        self.does(API, resend)

    def visit_door(self, user_id: str = "u-daily") -> None:
        """Someone opens the link of a booking whose guests join through our join page."""
        product = self.product
        self.does(API, lambda: product.connect_with_key("daily", {"api_key": DAILY_KEY}, user_id).raise_for_status())
        self.api("PUT", "/v1/calendars/c-daily", 201, json=calendar(user_id=user_id))
        start = product.clock() + timedelta(minutes=12)  # The door opens a quarter of an hour before.
        self.api("PUT", "/v1/bookings/b-daily", 201, json=booking("c-daily", days=0, start=start))
        self.settle()
        product.clock.advance(_CACHES_SECONDS)

        def open_door() -> None:
            address = self.caller.get("/v1/bookings/b-daily").json()["meeting"]["join_url"]
            answer = product.browser().get(address)
            assert answer.status_code == 302, answer.text

        self.does(API, open_door)

    def visit_workspace(self, email: str) -> None:
        """A member requests a link, and the function that sends emails sends it."""

        def request() -> None:
            assert self.product.browser().post("/workspace/sign-in", data={"email": email}).status_code == 200

        notices = len(self.product.mails.notices)
        while len(self.product.mails.notices) == notices:  # Until its message is sent.
            self.does(API, request)
            self.send_emails()
        browser = self.product.browser()
        self.does(API, partial(follow_emailed_link, self.product, browser))
        for name in NAVIGATION:
            self.does(API, partial(open_page, browser, name))
        people = browser.get("/workspace/people")
        self.does(API, partial(press, browser, people, "/workspace/people/link", typed={"user": "u-1"}))
        self.send_emails()

    def hear(self, event: str) -> None:
        """Zoom reports something about the only meeting."""

        def receive() -> None:
            about = started(self.product, participant={"user_id": "7"})
            assert send(self.product, event, about).status_code == 204

        self.does(API, receive)

    def settle(self) -> None:
        self.product.clock.advance(_CACHES_SECONDS)  # Functions share no memory in a deployment.
        while records := self.product.stream_records():
            for record in records:
                self.does("on_booking", partial(self._settle, record))
            self.send_emails()

    def settle_by_messages(self) -> None:
        """Late records: messages of the queue come first, and `send_emails` settles the bookings."""
        self.product.clock.advance(_CACHES_SECONDS)
        for record in self.product.stream_records():
            keys = record["dynamodb"]["Keys"]
            body = json.dumps([keys["workspace_id"]["S"], keys["booking_id"]["S"]])
            self.does("send_emails", partial(self._send, [{"messageId": "m-1", "body": body}]))
        self.product.stream_records()

    def send_emails(self) -> None:
        while messages := self.queues.messages("Emails"):
            for message in messages:
                self.does("send_emails", partial(self._send, [message]))

    def _send(self, messages: list[dict[str, Any]]) -> None:
        answer = email_queue.send_emails({"Records": messages}, LambdaContext(), self.product.services)
        assert answer == {"batchItemFailures": []}

    def _settle(self, record: dict[str, Any]) -> None:
        answer = booking_stream.settle_records({"Records": [record]}, LambdaContext(), self.product.services)
        assert answer == {"batchItemFailures": []}

    def tick(self, seconds: float = 60) -> None:
        """The schedules a while later, and what they set off."""
        self.product.clock.advance(seconds)
        services = self.product.services
        self.does("on_schedule", lambda: booking_stream.settle_due(LambdaContext(), services))
        self.does("deliver_webhooks", lambda: webhook_streams.deliver_due(LambdaContext(), services))
        self.deliver_webhooks()
        self.settle()
        self.announce()

    def announce(self) -> None:
        for function, arn in (
            (webhook_streams.announce_bookings, self.names["BookingsStreamArn"]),
            (webhook_streams.announce_connections, self.names["ConnectionsStreamArn"]),
        ):
            records = {"Records": self.streams.records(arn)}
            self.does(function.__name__, partial(function, records, LambdaContext(), self.product.services))
        self.deliver_webhooks()

    def deliver_webhooks(self) -> None:
        while messages := self.queues.messages("Webhooks"):
            self.does("send_webhooks", partial(self._deliver, messages))

    def _deliver(self, messages: list[dict[str, Any]]) -> None:
        event = {"Records": messages}
        answer = webhook_queue.deliver_messages(event, LambdaContext(), self.product.services)
        assert answer == {"batchItemFailures": []}

    def bounce(self, name: str, *refusals: Exception) -> None:
        """An email came back, and the notice about it is refused."""
        event = json.dumps(recorded_event("ses_events")[name])

        def take() -> None:
            self.product.mails.refusals[:] = refusals
            mail_events.record_mail_event(event, self.product.services)

        self.does("on_mail_event", take)

    def reply(self, *refusals: Exception, proposed: datetime | None = None) -> None:
        """The guest's calendar answers the newest email, and the notice about it is refused."""
        product, s3 = self.product, self.product.aws.client("s3")
        event = invitation(product.mails.to("guest@example.com")[-1].raw)
        raw = gmail(Answer(event, "guest@example.com", "TENTATIVE", product.clock(), proposed))
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="mail", Body=as_received(raw, "guest@example.com"))

        def take() -> None:
            product.mails.refusals[:] = refusals
            received_replies.receive_reply(notification(BUCKET, "mail", product.clock()), product.services)

        self.does("on_reply", take)

    def operate(self, **request: Any) -> None:
        def run() -> None:
            answer = operations.run({"workspace_id": WORKSPACE, **request}, self.product.services)
            assert "error" not in answer, answer

        self.does("operate", run)

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
def watched() -> Watched:
    """A day that is over: it is lived once for most tests here."""
    return _a_day(withholds=False)


def _a_day(*, withholds: bool) -> Watched:
    with pytest.MonkeyPatch.context() as monkeypatch, mock_aws():
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        watched = Watched(furnish_moto("moto-"), FakeClock(), monkeypatch, withholds=withholds)
        live_a_day(watched)
        return watched


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


@pytest.mark.exhaustive
def test_without_any_one_permission_what_needs_it_fails_and_is_noticed() -> None:
    """Each is refused at its first use, in a day of its own; the work is done when the permission is back."""
    watched = _a_day(withholds=True)
    provable = {
        (function, permission)
        for function in FUNCTIONS
        for permission in granted(watched, function)
        if not is_lambdas_own(permission) and not permission[0].startswith("ses:")
    }
    assert provable - set(watched.missed) == set()
    assert [missed for missed, noticed in watched.missed.items() if not noticed] == []


def test_those_that_mail_may_mail_and_no_one_else(watched: Watched) -> None:
    assert {f for f in FUNCTIONS if any(p[0].startswith("ses:") for p in granted(watched, f))} == watched.mailing


def test_what_mailing_asks_of_ses_is_allowed_to_those_that_mail(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = set()

    def answer(client: Any, operation: str, _: object) -> dict[str, Any]:
        asked.add(f"{client.meta.service_model.signing_name}:{operation}")
        return {"MessageId": "m-1", "SendQuota": {"MaxSendRate": 14.0}}

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    own = {"MEETLINK_TABLE_PREFIX": watched.names["TablePrefix"], "MEETLINK_MAIL_FROM": "invitations@example.com"}
    build(from_environment(own)).mailer.send(guest_invite())
    # SendEmail needs it too where the mail is a raw one.
    asked.add("ses:SendRawEmail")
    for function in sorted(watched.mailing):
        assert {action for action, _ in granted(watched, function) if action.startswith("ses:")} == asked, function


def test_those_with_a_trigger_may_read_it_and_give_up(watched: Watched) -> None:
    actions = {function: {action for action, _ in granted(watched, function)} for function in FUNCTIONS}
    assert {f for f in FUNCTIONS if "dynamodb:GetRecords" in actions[f]} == set(triggers.STREAMS)
    assert {f for f in FUNCTIONS if "sqs:ReceiveMessage" in actions[f]} == set(triggers.QUEUES)
    dead_letters = ("sqs:SendMessage", watched.names["DeadLettersArn"])
    gives_up = {f for f in FUNCTIONS if dead_letters in granted(watched, f)}
    assert gives_up == {*triggers.STREAMS, *triggers.ASYNCHRONOUS}
    assert all("logs:PutLogEvents" in actions[function] for function in FUNCTIONS)


def test_every_encryption_context_that_a_function_sends_meets_its_policy(watched: Watched) -> None:
    refused = [
        (function, context)
        for function, contexts in watched.recorder.contexts.items()
        for context in contexts
        if not allows_context(chalice_config.render_policy(function, watched.names), "kms:Decrypt", context)
    ]
    assert refused == []
    assert {context["meetlink:purpose"] for contexts in watched.recorder.contexts.values() for context in contexts} == {
        *Purpose
    }


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
def test_a_function_opens_and_seals_only_what_is_its_own_purpose(watched: Watched, action: str) -> None:
    def functions(**context: str) -> set[str]:
        sent = {f"meetlink:{name}": value for name, value in context.items()}
        return {f for f in FUNCTIONS if allows_context(chalice_config.render_policy(f, watched.names), action, sent)}

    of_webhooks = WEBHOOKS if action == "kms:Decrypt" else set()
    assert functions(purpose="tokens", owner="digest") == {API, *SETTLING}
    assert functions(purpose="endpoint_secrets", owner="digest") == {API, *of_webhooks}
    assert functions(purpose="booking_secrets", owner="digest") == {API}
    assert functions() == functions(owner="digest") == functions(purpose="other", owner="digest") == set()
    assert functions(purpose="tokens") == set()
    assert functions(purpose="tokens", owner="digest", more="text") == set()


def test_every_permission_on_the_key_has_a_condition_on_the_context(watched: Watched) -> None:
    for function in FUNCTIONS:
        for statement in json.loads(chalice_config.render_policy(function, watched.names))["Statement"]:
            is_keys = any(action.startswith("kms:") for action in statement["Action"])
            is_rows = statement["Sid"] in ("Members", "CalendarEntries")
            assert ("Condition" in statement) == (is_keys or is_rows), function


def test_the_api_and_operators_change_no_references_but_those_of_members(watched: Watched) -> None:
    changing = {
        (function, resource.partition(" ")[2])
        for function in (API, "operate")
        for action, resource in granted(watched, function)
        if "table/" in resource and "references" in resource and action != "dynamodb:GetItem"
    }
    assert changing == {(API, "key=member#*"), ("operate", "key=member#*")}


def test_every_function_has_a_policy_and_no_policy_is_left_over() -> None:
    assert {API, *(function.name for function in app.app.pure_lambda_functions), *event_handlers()} == set(FUNCTIONS)


def test_no_policy_reaches_beyond_its_stage() -> None:
    for function in FUNCTIONS:
        for statement in json.loads((chalice_config.POLICIES / f"{function}.json").read_text())["Statement"]:
            everywhere = statement["Resource"] == "*"
            assert not everywhere or statement["Action"] in (["dynamodb:ListStreams"], ["ses:GetAccount"])
            assert not any("*" in action for action in statement["Action"])


def event_handlers() -> set[str]:
    return {source.name for source in app.app.event_sources}


def open_page(browser: httpx.Client, name: str) -> None:
    assert browser.get(f"/workspace/{name}").status_code == 200, name


def granted(watched: Watched, function: str) -> set[Permission]:
    return allowed(chalice_config.render_policy(function, watched.names))


def live_a_day(watched: Watched) -> None:
    """Whatever the product does, once."""
    product, zoom = watched.product, watched.product.zoom
    watched.api("GET", "/health", 200)
    watched.connect()
    calendar_of_no_one = calendar("phone", user_id="u-2")
    watched.api("PUT", "/v1/calendars/c-1", 201, json=calendar())
    watched.api("PUT", "/v1/calendars/c-2", 201, json=calendar_of_no_one)
    watched.api("GET", "/v1/calendars", 200)
    watched.api("DELETE", "/v1/calendars/c-2", 204)
    watched.api("PUT", "/v1/webhook-endpoints/e-1", 201, json={"url": HOOK})
    watched.settle()
    watched.announce()

    # A booking's life.
    watched.api("PUT", "/v1/bookings/b-1", 201, json=booking())
    watched.settle()
    watched.announce()
    for event in ("meeting.started", "meeting.participant_joined"):
        watched.hear(event)
    for days in (40, 41, 42):  # SES refuses; the schedule finds that it is over.
        product.mails.refusals[:] = [SANDBOXED]
        watched.api("PUT", "/v1/bookings/b-1", 200, json=booking(days=days))
        watched.settle()
        product.mails.refusals.clear()
        product.clock.advance(20 * 60)
        watched.does("on_schedule", lambda: booking_stream.settle_due(LambdaContext(), product.services))
    watched.settle()
    for _ in range(10):  # As many share their count.
        watched.api("GET", "/v1/bookings", 200)
    watched.api("GET", "/v1/bookings?user_id=u-1", 200)
    watched.api("GET", "/v1/bookings?meeting_state=waiting,failed", 200)
    watched.api("GET", "/v1/bookings?guest_email=guest@example.com", 200)
    watched.api("POST", "/v1/bookings/b-1/retry", 200)
    with suppress(MailUnavailable):
        watched.bounce("hard_bounce", SANDBOXED)
    product.clock.advance(20 * 60)
    with suppress(MailUnavailable):
        watched.bounce("hard_bounce", MailUnavailable("SES: Throttling"))
    product.clock.advance(20 * 60)
    product.mails.refusals.clear()
    watched.bounce("hard_bounce")
    watched.operate(do="lift-suppression", email="guest@example.com")
    watched.operate(do="create-key")
    watched.reply()
    product.clock.advance(3600)  # A person answers so often an hour.
    proposed = product.clock() + timedelta(days=3)
    for refusal in (SANDBOXED, MailUnavailable("SES: Throttling")):
        with suppress(MailUnavailable):
            watched.reply(refusal, proposed=proposed)
        product.clock.advance(3600)
    product.mails.refusals.clear()
    watched.reply(proposed=proposed)
    watched.operate(do="show-audit")

    # Members, and their own pages.
    for members in ([{"email": "a@example.com"}, {"email": "b@example.com"}], [{"email": "a@example.com"}]):
        watched.api("PUT", "/v1/members", 200, json={"members": members})
        watched.operate(do="update-workspace", members=[{"email": "b@example.com", "role": "admin"}])
    for _ in range(2):
        watched.visit_workspace("b@example.com")
        product.clock.advance(3600)  # An address gets three links an hour.

    # Webhooks: in and out, and a receiver that is out of order for a while.
    watched.api("POST", "/v1/webhook-secrets", 201, json={"secret": SECRET})
    event = {"type": "booking.cancelled", "timestamp": product.clock().isoformat(), "data": {"booking_id": "b-9"}}
    product.clock.advance(_CACHES_SECONDS)

    def take_event() -> None:
        answer = send_event(product, event)
        assert answer.status_code == 204, answer.text

    watched.does(API, take_event)
    watched.api("POST", "/v1/webhook-endpoints/e-1/test", 200)
    watched.resend_newest("/v1/webhook-endpoints/e-1/deliveries")
    watched.api("POST", "/v1/webhook-endpoints/e-1/resend-failed", 202)
    watched.api("GET", "/v1/connections", 200)
    # As often as something can be refused between owing an event and telling it: it is not owed again.
    for number in range(2, 7 if watched.withholds else 3):
        booking_id, user_id = f"b-{number}", f"u-{number}"
        watched.receivers.answers[HOOK] = Outcome(500, "bad_status")
        watched.api("PUT", f"/v1/bookings/{booking_id}", 201, json=booking(days=36))
        watched.settle()
        watched.announce()
        watched.connect(user_id, SECOND_ACCOUNT)
        watched.announce()
        watched.receivers.answers.clear()
        watched.tick(2 * 3600)
    watched.api("PUT", "/v1/bookings/b-2", 200, json=booking(days=38))
    product.clock.advance(3600)
    watched.settle()

    # A booking with many guests: its emails are handed over, by the schedule too if the message is lost.
    guests = [{"name": "Guest", "email": f"guest-{number}@example.com"} for number in range(25)]
    # It overlaps with another of its host.
    watched.api("PUT", "/v1/bookings/b-20", 201, json=booking(days=38, guests=guests))
    for record in product.stream_records():
        watched.does("on_booking", partial(watched._settle, record))
    watched.queues.messages("Emails")
    watched.tick(180)
    watched.send_emails()

    # The life of a booking whose stream records are late.
    watched.api("PUT", "/v1/bookings/b-21", 201, json=booking(days=36))
    watched.settle_by_messages()
    for days in (40, 41, 42):
        product.mails.refusals[:] = [SANDBOXED]
        watched.api("PUT", "/v1/bookings/b-21", 200, json=booking(days=days))
        watched.settle_by_messages()
        product.mails.refusals.clear()
        product.clock.advance(20 * 60)
    product.clock.advance(3600)
    watched.api("PUT", "/v1/bookings/b-21", 200, json=booking(days=38))
    watched.settle_by_messages()

    # An account's life: its check, another account, tokens that end, a goodbye.
    product.clock.advance(DAY)
    watched.api("POST", "/v1/users/u-1/connection/check", 200)
    watched.connect(account=SECOND_ACCOUNT)
    watched.tick()
    watched.announce()
    watched.connect()
    for booking_id in ("b-8", "b-9"):
        with zoom.lock:
            zoom.identity.end_grant(ACCOUNT.user_id)
        watched.api("PUT", f"/v1/bookings/{booking_id}", 201, json=booking(days=37))
        watched.settle()
        watched.tick()
        watched.connect()
    watched.tick(2 * DAY)
    watched.api("DELETE", "/v1/users/u-1/connection?meetings=delete", 204)
    for _ in range(3):
        watched.tick()
    watched.connect()
    with watched.recorder.on_behalf_of(API):
        zoom.webhook_url, zoom.webhook_transport = f"{product.base_url}{ADDRESS}", product.browser()._transport
        product.clock.advance(1)
        assert zoom.deauthorize(ACCOUNT.user_id) is not None
    watched.tick()
    watched.receivers.answers[HOOK] = Outcome(410, "bad_status")
    watched.api("POST", "/v1/webhook-endpoints/e-1/test", 200)
    watched.api("DELETE", "/v1/webhook-endpoints/e-1", 204)
    watched.api("DELETE", "/v1/users/u-2/connection", 204)
    watched.visit_door()


def _store_secrets(aws: Aws) -> None:
    client = aws.client("secretsmanager")
    zoom = {name.removeprefix("ZOOM_").lower(): value for name, value in CREDENTIALS.items()}
    client.create_secret(Name="meetlink/ci/providers/zoom", SecretString=json.dumps(zoom))
    client.create_secret(Name="meetlink/ci/deployment", SecretString=json.dumps({"tag_secret": "tag-secret-1"}))
