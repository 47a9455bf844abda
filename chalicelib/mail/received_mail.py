"""Read the notification that SES publishes after it stored an email in S3.

docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.decoding import convert_value


class ReceivedMail(Struct, frozen=True):
    """An email that SES received, and what SES found out about its sender."""

    bucket: str
    key: str
    """The name of the object that contains the raw message."""
    received_at: datetime
    passed_dmarc: bool
    """Whether the domain in From confirms the email (RFC 7489)."""
    passed_dkim: bool
    """Whether the email's signatures are valid. They may be of any domain."""


def read_notification(text: str) -> ReceivedMail | None:
    """Read a notification. Return None for another message, such as the one by which SES tests a new topic."""
    try:
        notification = msgspec.json.decode(text)
        mail, receipt = notification["mail"], notification["receipt"]
        received_at = convert_value(mail["timestamp"], datetime)
        if received_at.tzinfo is None:
            return None
        return ReceivedMail(
            bucket=convert_value(receipt["action"]["bucketName"], str),
            key=convert_value(receipt["action"]["objectKey"], str),
            received_at=received_at,
            passed_dmarc=_passed(receipt, "dmarcVerdict"),
            passed_dkim=_passed(receipt, "dkimVerdict"),
        )
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
        return None


def _passed(receipt: dict[str, Any], verdict: str) -> bool:
    return bool(receipt.get(verdict, {}).get("status") == "PASS")
