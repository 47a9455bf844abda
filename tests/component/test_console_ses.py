"""The stand-in SES, driven by the client that the product uses."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from infra.local.console import Demo, Mailbox, create_console
from infra.local.console.ses import SEND_PATH, failing, throttled
from infra.local.standins.faults import Action, Fault, Faults
from infra.local.standins.server import serve

DEMO = Demo(
    app_url="http://app.test",
    console_url="http://console.test",
    workspace_id="w-1",
    api_key="key",
    user_id="u-1",
    host_name="Demo Host",
    host_email="host@example.com",
    calendar_id="c-1",
    provider_url="http://zoom.test",
    verified_senders=frozenset({"bookings@mail.example.com", "meet.example.com"}),
)
SENDER = "bookings@meet.example.com"
GUEST = "guest@example.com"


def source(sender: str = SENDER, more: str = "", body: str = "Hello") -> bytes:
    return f"From: Demo Host <{sender}>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n{more}\r\n{body}\r\n".encode()


@dataclass
class Running:
    """A served console, its mailbox and its faults."""

    url: str
    mailbox: Mailbox
    faults: Faults

    def client(self, **config: Any) -> Any:
        """The product's client: one attempt only."""
        return boto3.client(
            "sesv2",
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=5, **config),
        )

    def send(self, raw: bytes, to: list[str] | None = None, tags: dict[str, str] | None = None, **more: Any) -> str:
        destination = {"Destination": {"ToAddresses": [GUEST] if to is None else to}}
        named = [{"Name": name, "Value": value} for name, value in (tags or {}).items()]
        answer = self.client().send_email(Content={"Raw": {"Data": raw}}, EmailTags=named, **destination | more)
        return str(answer["MessageId"])


@pytest.fixture(scope="module")
def console() -> Iterator[Running]:
    mailbox, faults = Mailbox(), Faults()
    with serve(create_console(DEMO, mailbox, faults=faults)) as server:
        yield Running(server.url, mailbox, faults)


@pytest.fixture
def ses(console: Running) -> Running:
    console.mailbox.clear()
    console.faults.reset()
    return console


def refusal(ses: Running, *args: Any, **kwargs: Any) -> tuple[str, int]:
    """The name and status of the error that sending raises."""
    with pytest.raises(ClientError) as raised:
        ses.send(*args, **kwargs)
    assert ses.mailbox.mails() == []
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_an_accepted_mail_is_kept_as_sent_under_the_id_that_was_answered(ses: Running) -> None:
    message_id = ses.send(source(), tags={"booking": "b-1"})
    (mail,) = ses.mailbox.mails()
    assert (mail.id, mail.to, mail.subject) == (message_id, (GUEST,), "Grüße")
    assert mail.source == source()
    assert mail.tags == {"booking": "b-1"}


def test_every_mail_has_an_id_of_its_own(ses: Running) -> None:
    assert ses.send(source()) != ses.send(source())


@pytest.mark.parametrize(
    "sender",
    ["any@meet.example.com", "any@eu.Meet.example.com", "bookings@mail.example.com", "bookings+b-1@mail.example.com"],
)
def test_verified_addresses_and_domains_may_send(ses: Running, sender: str) -> None:
    assert ses.send(source(sender))


@pytest.mark.parametrize("sender", ["other@mail.example.com", "x@example.com", "x@notmeet.example.com"])
def test_an_unverified_sender_is_rejected(ses: Running, sender: str) -> None:
    assert refusal(ses, source(sender)) == ("MessageRejected", 400)


def test_the_rejection_names_the_unverified_identity(ses: Running) -> None:
    with pytest.raises(ClientError, match=r"failed the check in region US-EAST-1: Demo Host <x@example\.com>"):
        ses.send(source("x@example.com"))


def test_an_unverified_from_parameter_is_rejected_though_the_header_is_verified(ses: Running) -> None:
    assert refusal(ses, source(), FromEmailAddress="x@example.com") == ("MessageRejected", 400)


def test_a_mail_without_from_header_is_refused(ses: Running) -> None:
    assert refusal(ses, b"Subject: x\r\n\r\nx\r\n", FromEmailAddress=SENDER) == ("BadRequestException", 400)


def test_a_mail_without_recipients_is_refused(ses: Running) -> None:
    assert refusal(ses, source(), to=[]) == ("BadRequestException", 400)


def test_without_a_destination_the_headers_name_the_recipients(ses: Running) -> None:
    ses.send(source(more=f"To: Demo Guest <{GUEST}>\r\nBcc: host@example.com\r\n"), to=[])
    assert ses.mailbox.mails()[0].to == (GUEST, "host@example.com")


def test_fifty_recipients_are_accepted_and_one_more_is_refused(ses: Running) -> None:
    addresses = [f"guest{number}@example.com" for number in range(51)]
    assert refusal(ses, source(), to=addresses) == ("BadRequestException", 400)
    assert ses.send(source(), to=addresses[:50])


@pytest.mark.parametrize("address", ["guest", "guest@localhost", "gäst@example.com", "a b@example.com"])
def test_an_address_that_ses_cannot_send_to_is_refused(ses: Running, address: str) -> None:
    assert refusal(ses, source(), to=[address]) == ("BadRequestException", 400)


def test_a_mail_over_40_mb_is_refused(ses: Running) -> None:
    line = "x" * 900 + "\r\n"
    assert refusal(ses, source(body=line * (32 * 1024 * 1024 // 902))) == ("BadRequestException", 400)


def test_a_line_over_998_characters_is_refused(ses: Running) -> None:
    assert refusal(ses, source(body="x" * 999)) == ("BadRequestException", 400)


@pytest.mark.parametrize(
    "tags", [{"booking": "b.1"}, {"booking": ""}, {"bo:oking": "b-1"}, {"booking": "b" * 257}, {"booking": "größe"}]
)
def test_tags_take_only_what_ses_takes(ses: Running, tags: dict[str, str]) -> None:
    assert refusal(ses, source(), tags=tags) == ("BadRequestException", 400)


def test_content_other_than_raw_is_refused(ses: Running) -> None:
    simple = {"Simple": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x"}}}}
    with pytest.raises(ClientError, match=r"Content\.Raw\.Data only"):
        ses.client().send_email(Destination={"ToAddresses": [GUEST]}, Content=simple)


def test_an_unsigned_request_is_refused(ses: Running) -> None:
    with pytest.raises(ClientError, match="MissingAuthenticationTokenException"):
        ses.client(signature_version=UNSIGNED).send_email(Content={"Raw": {"Data": source()}})


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"Content": {"Raw": {"Data": "%"}}}'])
def test_a_malformed_request_is_refused(ses: Running, body: bytes) -> None:
    headers = {"Authorization": "AWS4-HMAC-SHA256 x", "Content-Type": "application/json"}
    answer = httpx.post(ses.url + SEND_PATH, content=body, headers=headers)
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (400, "SerializationException")


def test_a_throttled_send_succeeds_when_it_is_tried_again(ses: Running) -> None:
    ses.faults.add(throttled())
    assert refusal(ses, source()) == ("TooManyRequestsException", 429)
    assert ses.send(source())


def test_an_outage_is_answered_in_the_form_of_ses(ses: Running) -> None:
    ses.faults.add(failing(503, "ServiceUnavailable"))
    assert refusal(ses, source()) == ("ServiceUnavailable", 503)


@pytest.mark.parametrize(("action", "kept"), [(Action.LOST_BEFORE, 0), (Action.LOST_AFTER, 1)])
def test_a_lost_answer_may_or_may_not_have_sent_the_mail(ses: Running, action: Action, kept: int) -> None:
    ses.faults.add(Fault(SEND_PATH, action))
    with pytest.raises(HTTPClientError):
        ses.send(source())
    assert len(ses.mailbox.mails()) == kept


def test_scripts_can_arm_faults_over_http(ses: Running) -> None:
    fault = {"path": SEND_PATH, "action": "before", "status": 500, "body": {"__type": "InternalFailure"}}
    assert httpx.post(ses.url + "/_admin/faults", json=fault).status_code == 201
    assert refusal(ses, source()) == ("InternalFailure", 500)
