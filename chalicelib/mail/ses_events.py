"""Read the events that SES publishes about sent emails: bounces, complaints, delays.

Message tags lead from an event back to its booking: `encode_tag` writes an id into a tag, `decode_tag` reads it.

docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.domain.invitation import Trouble

_LISTED = ("Suppressed", "OnAccountSuppressionList")
"""SES did not send the email: the address is on the suppression list of SES or of the account."""
_ESCAPES = {"_": "__", ".": "_d", ":": "_c"}
_CHARACTERS = {escape: character for character, escape in _ESCAPES.items()}
_LONGEST_TAG = 256


class MailReport(Struct, frozen=True):
    """An email about a booking that was not delivered, or is delayed."""

    workspace_id: str
    booking_id: str
    message_id: str
    email: str
    trouble: Trouble


def encode_tag(text: str) -> str:
    """Encode `text` as a tag value: at most 256 ASCII letters, digits, `_` and `-`.

    An id (1–128 of `A-Z a-z 0-9 . _ : -`) always fits and can be decoded; other characters are lost.
    docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html
    """
    value = "".join(_ESCAPES.get(character, character) for character in text)
    return re.sub(r"[^A-Za-z0-9_-]", "-", value)[:_LONGEST_TAG] or "-"


def decode_tag(value: str) -> str:
    """Return the id that `encode_tag` encoded."""
    return re.sub(r"_[_dc]", lambda escape: _CHARACTERS[escape.group()], value)


def read_event(text: str) -> MailReport | None:
    """Read an SES event. Return None if it is not about a problem with a booking's email, or is unreadable."""
    try:
        event = msgspec.json.decode(text)
        trouble, mail = _read_trouble(event), event["mail"]
        if trouble is None:
            return None
        # Every email has one recipient. A bounce can name another address, to which email is forwarded.
        (recipient,), tags = mail["destination"], mail["tags"]
        workspace_id, booking_id = (decode_tag(value) for (value,) in (tags["workspace"], tags["booking"]))
        return MailReport(workspace_id, booking_id, str(mail["messageId"]), str(recipient), trouble)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _read_trouble(event: dict[str, Any]) -> Trouble | None:
    match event["eventType"]:
        case "Bounce":
            return _read_bounce(event["bounce"])
        case "Complaint":
            return _read_complaint(event["complaint"])
        case "Reject":
            return Trouble.REJECTED
        case "DeliveryDelay":
            return Trouble.DELAYED
    return None


def _read_bounce(bounce: dict[str, Any]) -> Trouble:
    if bounce.get("bounceSubType") in _LISTED:
        return Trouble.BLOCKED
    return Trouble.HARD_BOUNCE if bounce["bounceType"] == "Permanent" else Trouble.SOFT_BOUNCE


def _read_complaint(complaint: dict[str, Any]) -> Trouble | None:
    if complaint.get("complaintSubType") in _LISTED:
        return Trouble.BLOCKED
    # The recipient moved it out of the junk folder, which is the opposite of a complaint (RFC 5965, 7.3).
    return None if complaint.get("complaintFeedbackType") == "not-spam" else Trouble.COMPLAINT
