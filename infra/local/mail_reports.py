"""SES's events about emails of the local stack: bounces, complaints and delays, as the product's function gets them.

docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.console.mailbox import Mail

_ARRIVES_AFTER_SECONDS = 1.0
"""The product stores the id of the email when SES has responded, so the event must come later."""


class ReportedAs(StrEnum):
    """What happened to an email."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    DELAY = "delay"


class MailReports:
    """Reports emails that were accepted: single ones, or all to guests from now on."""

    def __init__(self, publish: Callable[[dict[str, Any]], object]) -> None:
        """`publish` takes an SNS event."""
        self._publish = publish
        self._all_as: ReportedAs | None = None

    def report_all_as(self, kind: ReportedAs) -> None:
        """Report every email to a guest from now on. Reported hosts would get no more emails, for good."""
        self._all_as = kind

    def report_none(self) -> None:
        """Report no further emails."""
        self._all_as = None

    def note_accepted(self, mail: Mail) -> None:
        """Report an email in a moment, if all are to be reported."""
        if self._all_as is not None and mail.tags.get("role") == "guest":
            timer = threading.Timer(_ARRIVES_AFTER_SECONDS, self.report, (mail, self._all_as))
            timer.daemon = True
            timer.start()

    def report(self, mail: Mail, kind: ReportedAs) -> None:
        """Report one email now."""
        self._publish(sns_event(json.dumps(_ses_event(mail, kind))))


def sns_event(message: str) -> dict[str, Any]:
    """Return the event with which SNS invokes a Lambda function."""
    notification = {"Type": "Notification", "MessageId": str(uuid.uuid4()), "Subject": "", "Message": message}
    return {"Records": [{"EventSource": "aws:sns", "Sns": notification | {"MessageAttributes": {}}}]}


def _ses_event(mail: Mail, kind: ReportedAs) -> dict[str, Any]:
    recipients = [{"emailAddress": address} for address in mail.to]
    about = {
        "timestamp": mail.sent_at.isoformat(),
        "messageId": mail.id,
        "destination": list(mail.to),
        "tags": {name: [value] for name, value in mail.tags.items()},
    }
    match kind:
        case ReportedAs.BOUNCE:
            bounce = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": recipients}
            return {"eventType": "Bounce", "bounce": bounce, "mail": about}
        case ReportedAs.COMPLAINT:
            complaint = {"complaintFeedbackType": "abuse", "complainedRecipients": recipients}
            return {"eventType": "Complaint", "complaint": complaint, "mail": about}
        case ReportedAs.DELAY:
            delay = {"delayType": "MailboxFull", "delayedRecipients": recipients}
            return {"eventType": "DeliveryDelay", "deliveryDelay": delay, "mail": about}
