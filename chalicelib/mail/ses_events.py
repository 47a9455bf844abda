"""What SES tells of mails after it took them over.

docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.domain.invitation import Trouble
from chalicelib.mail.tags import untag

_LISTED = ("Suppressed", "OnAccountSuppressionList")
"""SES sent nothing: the address is on its own list, or on the account's."""


class MailReport(Struct, frozen=True):
    """A mail about a booking that did not arrive, or not yet."""

    workspace_id: str
    booking_id: str
    message_id: str
    email: str
    trouble: Trouble


def read_event(text: str) -> MailReport | None:
    """The report in one of SES's event records; None for one that says nothing of a booking's mail, or is no record."""
    try:
        event = msgspec.json.decode(text)
        trouble, mail = _trouble(event), event["mail"]
        if trouble is None:
            return None
        # Our mails have one recipient each. A bounce may name another address, one that mail is forwarded to.
        (recipient,), tags = mail["destination"], mail["tags"]
        (workspace_id,), (booking_id,) = tags["workspace"], tags["booking"]
        return MailReport(untag(workspace_id), untag(booking_id), str(mail["messageId"]), str(recipient), trouble)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _trouble(event: dict[str, Any]) -> Trouble | None:
    match event["eventType"]:
        case "Bounce":
            return _bounce(event["bounce"])
        case "Complaint":
            return _complaint(event["complaint"])
        case "Reject":
            return Trouble.REJECTED
        case "DeliveryDelay":
            return Trouble.DELAYED
    return None


def _bounce(bounce: dict[str, Any]) -> Trouble:
    if bounce.get("bounceSubType") in _LISTED:
        return Trouble.BLOCKED
    return Trouble.HARD_BOUNCE if bounce["bounceType"] == "Permanent" else Trouble.SOFT_BOUNCE


def _complaint(complaint: dict[str, Any]) -> Trouble | None:
    if complaint.get("complaintSubType") in _LISTED:
        return Trouble.BLOCKED
    # Somebody took it out of the junk folder: the opposite of a complaint (RFC 5965, 7.3).
    return None if complaint.get("complaintFeedbackType") == "not-spam" else Trouble.COMPLAINT
