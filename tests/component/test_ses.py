"""Handing mails to SES: what it is given, and what its refusals become."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends
from msgspec.structs import replace

from chalicelib import observability
from chalicelib.errors import MailAccountError, MailError, MailRejected, MailUnavailable
from chalicelib.mail.ses import SesMailer
from chalicelib.mail.ses_errors import CODES
from chalicelib.mail.ses_events import decode_tag, encode_tag
from tests.support.invites import GUEST, HOST, SENDER, guest_invite, host_invite
from tests.support.mailcheck import check_mail

REGION = "eu-central-1"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        ses = boto3.client("sesv2", region_name=REGION, config=Config(retries={"total_max_attempts": 1}))
        ses.create_email_identity(EmailIdentity=SENDER.address)
        yield ses


@pytest.fixture
def requests(client: Any) -> list[dict[str, Any]]:
    """What SES is asked, as the SDK's own validation saw it."""
    seen: list[dict[str, Any]] = []
    client.meta.events.register("provide-client-params.sesv2.SendEmail", lambda params, **_: seen.append(params))
    return seen


def delivered() -> list[Any]:
    return list(ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages)


def tags(request: dict[str, Any]) -> dict[str, str]:
    return {tag["Name"]: tag["Value"] for tag in request["EmailTags"]}


def test_an_invitation_reaches_ses_as_it_was_composed(client: Any):
    message_id = SesMailer(client, SENDER).send(guest_invite())
    (message,) = delivered()
    assert (message.id, message.source, message.destinations[0]) == (message_id, SENDER.address, GUEST.email)
    assert check_mail(message.raw_data.encode()) == []


def test_the_events_can_be_traced_to_the_booking(client: Any, requests: list[dict[str, Any]]):
    SesMailer(client, SENDER).send(host_invite(workspace_id="ws_1", booking_id="b:42.x", sequence=7))
    assert tags(requests[0]) == {"workspace": "ws__1", "booking": "b_c42_dx", "sequence": "7", "role": "host"}


def test_the_configuration_set_is_named_when_there_is_one(client: Any, requests: list[dict[str, Any]]):
    SesMailer(client, SENDER, "meetlink-events").send(guest_invite())
    SesMailer(client, SENDER).send(guest_invite())
    assert [request.get("ConfigurationSetName") for request in requests] == ["meetlink-events", None]


def test_a_recipient_in_an_international_domain_is_told_in_ascii(client: Any, requests: list[dict[str, Any]]):
    guest = replace(GUEST, email="guest@räume.example")
    SesMailer(client, SENDER).send(guest_invite(recipient=guest, attendees=(HOST, guest)))
    assert requests[0]["Destination"] == {"ToAddresses": ["guest@xn--rume-loa.example"]}


def test_an_unusable_recipient_is_refused_before_ses_is_asked(client: Any, requests: list[dict[str, Any]]):
    with pytest.raises(MailRejected):
        SesMailer(client, SENDER).send(guest_invite(recipient=replace(GUEST, email="nobody")))
    assert requests == []


def test_a_notice_has_text_and_html_and_no_calendar(client: Any):
    SesMailer(client, SENDER).send_notice(
        "host@example.com", "Please reconnect", "Open https://x.example", "<p>Open</p>"
    )
    raw = delivered()[0].raw_data
    assert "Subject: Please reconnect" in raw and "multipart/alternative" in raw and "text/calendar" not in raw
    assert "Open https://x.example" in raw


class Failing:
    """A client whose every call fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def send_email(self, **_: Any) -> None:
        raise self.error


def answer(code: str, status: int = 400, message: str = "guest@example.com is no good") -> ClientError:
    error = {"Code": code, "Message": message}
    return ClientError(
        {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r-1"}}, "SendEmail"
    )


SANDBOX = (
    "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: guest@example.com"
)
FAILURES: list[tuple[Exception, type[MailError], str, str]] = [
    (answer("TooManyRequestsException", 429), MailUnavailable, "temporary", "TooManyRequestsException"),
    (
        answer("ThrottlingException", message="Maximum sending rate exceeded."),
        MailUnavailable,
        "temporary",
        "ThrottlingException",
    ),
    (answer("InternalServiceErrorException", 500), MailUnavailable, "temporary", "InternalServiceErrorException"),
    (answer("503", 503), MailUnavailable, "temporary", "Other"),
    (EndpointConnectionError(endpoint_url="https://email.example"), MailUnavailable, "temporary", "NoResponse"),
    (ConnectTimeoutError(endpoint_url="https://email.example"), MailUnavailable, "temporary", "NoResponse"),
    (ReadTimeoutError(endpoint_url="https://email.example"), MailUnavailable, "temporary", "NoResponse"),
    (NoCredentialsError(), MailUnavailable, "temporary", "NoResponse"),
    (
        answer("ThrottlingException", message="Daily message quota exceeded."),
        MailAccountError,
        "account",
        "DailyQuotaExceeded",
    ),
    (
        answer("TooManyRequestsException", 429, "Daily sending quota exceeded"),
        MailAccountError,
        "account",
        "DailyQuotaExceeded",
    ),
    (answer("LimitExceededException"), MailAccountError, "account", "LimitExceededException"),
    (answer("SendingPausedException"), MailAccountError, "account", "SendingPausedException"),
    (answer("AccountSuspendedException"), MailAccountError, "account", "AccountSuspendedException"),
    (
        answer("MessageRejected", message="Sending suspended for this account."),
        MailAccountError,
        "account",
        "AccountSuspendedException",
    ),
    (answer("NotFoundException", 404), MailAccountError, "account", "NotFoundException"),
    (answer("AccessDeniedException", 403), MailAccountError, "account", "AccessDeniedException"),
    (answer("MessageRejected", message=SANDBOX), MailAccountError, "account", "NotVerified"),
    (answer("MailFromDomainNotVerifiedException"), MailAccountError, "account", "MailFromDomainNotVerifiedException"),
    (answer("MessageRejected"), MailRejected, "message", "MessageRejected"),
    (answer("BadRequestException"), MailRejected, "message", "BadRequestException"),
    (ParamValidationError(report="guest@example.com"), MailRejected, "message", "BadRequestException"),
]


@pytest.mark.parametrize(("failure", "becomes", "fault", "code"), FAILURES, ids=lambda value: str(value)[:50])
def test_a_refused_mail_becomes_our_own_error_and_is_logged_and_counted_without_addresses(
    failure: Exception,
    becomes: type[MailError],
    fault: str,
    code: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(observability, "_dimensions", {"service": "meetlink", "stage": "ci"})
    with pytest.raises(becomes) as caught:
        SesMailer(Failing(failure), SENDER).send(guest_invite())
    assert type(caught.value) is becomes and caught.value.__cause__ is failure
    (logged,) = [vars(line) for line in caplog.records if line.message == "SES refused an email"]
    assert (logged["levelname"], logged["code"], logged["fault"]) == ("WARNING", code, fault)
    assert (logged["workspace_id"], logged["booking_id"]) == (guest_invite().workspace_id, guest_invite().booking_id)
    printed = capsys.readouterr().out
    lines = [json.loads(line) for line in printed.splitlines()]
    dimensions = [line for line in lines if line.get("MailsRefused") == [1.0]]
    assert [line.get("fault") for line in dimensions] == [fault, None]
    assert [line.get("code") for line in dimensions] == [None, code]
    assert code in CODES
    assert "@" not in f"{caught.value} {logged['detail']} {printed}"


@pytest.mark.parametrize(
    ("failure", "concerns_sender"),
    [
        (answer("MessageRejected", message=SANDBOX), True),
        (answer("MailFromDomainNotVerifiedException"), True),
        (answer("SendingPausedException"), False),
    ],
)
def test_a_sender_that_is_not_verified_says_nothing_of_other_senders(failure: Exception, concerns_sender: bool):
    with pytest.raises(MailAccountError) as caught:
        SesMailer(Failing(failure), SENDER).send(guest_invite())
    assert caught.value.concerns_sender is concerns_sender


IDS = st.text("AZaz09._:-", min_size=1, max_size=128)


@given(IDS)
def test_every_id_survives_its_tag(identifier: str):
    assert decode_tag(encode_tag(identifier)) == identifier


@given(st.text())
def test_every_tag_is_one_that_ses_allows(text: str):
    value = encode_tag(text)
    assert 1 <= len(value) <= 256 and all(c.isascii() and (c.isalnum() or c in "_-") for c in value)
