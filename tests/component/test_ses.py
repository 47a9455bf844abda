"""Handing mails to SES: what it is given, and what its refusals become."""

from __future__ import annotations

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
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends
from msgspec.structs import replace

from chalicelib.errors import MailError, MailRejected, MailUnavailable
from chalicelib.mail.ses import SesMailer
from chalicelib.mail.tags import tag_value, untag
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


def test_an_unverified_sender_is_refused(client: Any):
    with pytest.raises(MailRejected):
        SesMailer(client, replace(SENDER, address="other@elsewhere.example")).send(guest_invite())


class Failing:
    """A client whose every call fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def send_email(self, **_: Any) -> None:
        raise self.error


def answer(code: str, status: int) -> ClientError:
    error = {"Code": code, "Message": "guest@example.com is no good"}
    return ClientError(
        {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r-1"}}, "SendEmail"
    )


FAILURES: list[tuple[Exception, type[MailError]]] = [
    (answer("TooManyRequestsException", 429), MailUnavailable),
    (answer("ThrottlingException", 400), MailUnavailable),
    (answer("LimitExceededException", 400), MailUnavailable),
    (answer("SendingPausedException", 400), MailUnavailable),
    (answer("AccountSuspendedException", 400), MailUnavailable),
    (answer("NotFoundException", 404), MailUnavailable),
    (answer("AccessDeniedException", 403), MailUnavailable),
    (answer("InternalServiceErrorException", 500), MailUnavailable),
    (answer("503", 503), MailUnavailable),
    (EndpointConnectionError(endpoint_url="https://email.example"), MailUnavailable),
    (ConnectTimeoutError(endpoint_url="https://email.example"), MailUnavailable),
    (ReadTimeoutError(endpoint_url="https://email.example"), MailUnavailable),
    (NoCredentialsError(), MailUnavailable),
    (answer("MessageRejected", 400), MailRejected),
    (answer("MailFromDomainNotVerifiedException", 400), MailRejected),
    (answer("BadRequestException", 400), MailRejected),
    (ParamValidationError(report="guest@example.com"), MailRejected),
]


@pytest.mark.parametrize(("failure", "becomes"), FAILURES, ids=lambda value: str(value)[:50])
def test_a_failure_becomes_our_own_error_without_addresses(failure: Exception, becomes: type[MailError]):
    with pytest.raises(becomes) as caught:
        SesMailer(Failing(failure), SENDER).send(guest_invite())
    assert caught.value.__cause__ is failure and "@" not in str(caught.value)


IDS = st.text("AZaz09._:-", min_size=1, max_size=128)


@settings(deadline=None)
@given(IDS)
def test_every_id_survives_its_tag(identifier: str):
    assert untag(tag_value(identifier)) == identifier


@settings(deadline=None)
@given(st.text())
def test_every_tag_is_one_that_ses_allows(text: str):
    value = tag_value(text)
    assert 1 <= len(value) <= 256 and all(c.isascii() and (c.isalnum() or c in "_-") for c in value)
