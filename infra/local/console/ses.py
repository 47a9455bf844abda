"""A stand-in for Amazon SES v2 that refuses what SES refuses and keeps the full MIME source of what it accepts.

Emulators drop attachments and headers, and an invitation is made of these. Only sending raw mail is supported.
Source of the rules: SES API v2 reference, SendEmail; SES Developer Guide, "Service quotas".
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Iterable
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses, parseaddr
from typing import Any

from flask import Blueprint, Response, jsonify, request

from infra.local.console.mailbox import Mailbox
from infra.local.standins.faults import Action, Fault

SEND_PATH = "/v2/email/outbound-emails"

_MAX_ENCODED_BYTES = 40 * 1024 * 1024
_MAX_RECIPIENTS = 50
_MAX_SEND_RATE = 200.0  # mails a second
_MAX_LINE_BYTES = 998  # RFC 5321 4.5.3.1.6, without CRLF
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", re.ASCII)
_HEADERS_AND_BODY = re.compile(rb"\r?\n\r?\n")


class _Refused(Exception):
    """A request that SES answers with an error; `kind` is the AWS name of the error."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status


def throttled(times: int | None = 1) -> Fault:
    """A fault that makes SES refuse so many sends as too fast; None: until cleared."""
    return failing(429, "TooManyRequestsException", "Maximum sending rate exceeded.", times)


def failing(status: int, kind: str, message: str = "", times: int | None = 1) -> Fault:
    """A fault that makes SES answer with one of its errors, the mail unsent. `kind` is the AWS name of the error."""
    headers = {"x-amzn-ErrorType": kind}
    return Fault(
        SEND_PATH, Action.BEFORE, "POST", times, status=status, headers=headers, body={"message": message or kind}
    )


def create_ses(mailbox: Mailbox, verified_senders: Iterable[str]) -> Blueprint:
    """The SES API, delivering into `mailbox`. `verified_senders` are addresses and domains."""
    ses = Blueprint("ses", __name__)
    identities = frozenset(_identity(sender) for sender in verified_senders)

    @ses.post(SEND_PATH)
    def send_email() -> Response:
        if not request.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 "):
            raise _Refused("MissingAuthenticationTokenException", "Missing Authentication Token", status=403)
        order = request.get_json(silent=True)
        if not isinstance(order, dict):
            raise _Refused("SerializationException", "The request is not a JSON object.")
        source = _source(order)
        message = message_from_bytes(source, policy=policy.default)
        recipients = _recipients(order, message)
        _check_senders(order, message, identities)
        mail = mailbox.deliver(source, recipients, _tags(order))
        return _answer({"MessageId": mail.id})

    @ses.get("/v2/email/account")
    def get_account() -> Response:
        return jsonify({"SendingEnabled": True, "SendQuota": {"MaxSendRate": _MAX_SEND_RATE}})

    @ses.errorhandler(_Refused)
    def refuse(error: _Refused) -> Response:
        answer = _answer({"message": str(error)})
        answer.status_code = error.status
        answer.headers["x-amzn-ErrorType"] = error.kind
        return answer

    return ses


def _answer(body: dict[str, str]) -> Response:
    answer = jsonify(body)
    answer.headers["x-amzn-RequestId"] = str(uuid.uuid4())
    return answer


def _source(order: dict[str, Any]) -> bytes:
    content = order.get("Content") or {}
    data = (content.get("Raw") or {}).get("Data")
    if not isinstance(data, str):
        raise _Refused("BadRequestException", "This stand-in sends Content.Raw.Data only.")
    if len(data) > _MAX_ENCODED_BYTES:
        raise _Refused("BadRequestException", f"Message length is more than {_MAX_ENCODED_BYTES} bytes long.")
    try:
        source = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise _Refused("SerializationException", "Content.Raw.Data is not base64.") from error
    if not _HEADERS_AND_BODY.search(source):
        raise _Refused("BadRequestException", "The message needs headers and a body, parted by a blank line.")
    if max(len(line) for line in source.splitlines()) > _MAX_LINE_BYTES:
        raise _Refused("BadRequestException", f"A line is longer than {_MAX_LINE_BYTES} characters.")
    return source


def _recipients(order: dict[str, Any], message: EmailMessage) -> list[str]:
    destination = order.get("Destination") or {}
    named = [address for key in ("To", "Cc", "Bcc") for address in destination.get(f"{key}Addresses") or ()]
    if not named:
        # Without a destination SES goes by the message's own headers.
        named = [str(value) for key in ("To", "Cc", "Bcc") for value in message.get_all(key, [])]
    addresses = [address for _, address in getaddresses(named)]
    if not addresses:
        raise _Refused("BadRequestException", "The message has no recipients.")
    if len(addresses) > _MAX_RECIPIENTS:
        raise _Refused("BadRequestException", f"Recipient count exceeds {_MAX_RECIPIENTS}.")
    for address in addresses:
        if not _ADDRESS.fullmatch(address) or not address.isascii():
            raise _Refused("BadRequestException", f"Not an address: {address!r}.")
    return addresses


def _check_senders(order: dict[str, Any], message: EmailMessage, identities: frozenset[str]) -> None:
    headers = [value for key in ("From", "Sender", "Return-Path") for value in message.get_all(key, [])]
    if not message.get_all("From"):
        raise _Refused("BadRequestException", "Missing required header 'From'.")
    senders = [str(value) for value in [order.get("FromEmailAddress") or "", *headers] if value]
    unverified = [sender for sender in senders if not _is_verified(parseaddr(sender)[1], identities)]
    if unverified:
        raise _Refused(
            "MessageRejected",
            "Email address is not verified. The following identities failed the check in region US-EAST-1: "
            + ", ".join(dict.fromkeys(unverified)),
        )


def _is_verified(address: str, identities: frozenset[str]) -> bool:
    local, _, domain = _identity(address).rpartition("@")
    # A label (user+label@domain) is verified with its user, a subdomain with its domain.
    labels = domain.split(".")
    domains = {".".join(labels[start:]) for start in range(len(labels))}
    return bool(identities & {f"{local}@{domain}", f"{local.partition('+')[0]}@{domain}", *domains})


def _identity(sender: str) -> str:
    local, at, domain = sender.rpartition("@")
    return f"{local}{at}{domain.lower()}"


def _tags(order: dict[str, Any]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in order.get("EmailTags") or ():
        name, value = str(tag.get("Name", "")), str(tag.get("Value", ""))
        for what, text in (("name", name), ("value", value)):
            if not _TAG.fullmatch(text):
                raise _Refused(
                    "BadRequestException",
                    f"Invalid tag {what} <{text}>: 1 to 256 ASCII letters, digits, '_' and '-' are allowed.",
                )
        if name in tags:
            raise _Refused("BadRequestException", f"Duplicate tag name <{name}>.")
        tags[name] = value
    return tags
