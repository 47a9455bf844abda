"""Process the emails that calendars send to the organizer of an invitation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.errors import StoreUnavailable
from chalicelib.observability import count, log

if TYPE_CHECKING:
    from chalicelib.mail.received_mail import ReceivedMail
    from chalicelib.store.mail_bucket import MailBucket
    from chalicelib.wiring import Services

_KEPT_FOR = timedelta(days=1)
"""The bucket's lifecycle."""


def receive_reply(message: str, services: Services) -> None:
    """Process an email that SES reports (JSON). An error is raised to Lambda, which retries the invocation."""
    from chalicelib.mail.received_mail import read_notification
    from chalicelib.mail.replies import UnusableReply, read_reply

    received = read_notification(message)
    bucket = services.mail_bucket
    if received is None or bucket is None or received.bucket != bucket.name:
        log.info("a message was ignored that is no notification about a received email")
        return
    try:
        reply = read_reply(_load(bucket, received, services.clock()), received)
        services.reply_answers.receive(reply, received.received_at)
    except UnusableReply as error:
        log.info("a received email was dropped", reason=error.reason.value)
        count("RepliesDropped", reason=error.reason.value)
    else:
        count("RepliesReceived")


def _load(bucket: MailBucket, received: ReceivedMail, now: datetime) -> bytes:
    from chalicelib.mail.replies import MAX_BYTES, DropReason, UnusableReply

    try:
        raw = bucket.read(received.key, max_bytes=MAX_BYTES)
    except StoreUnavailable:
        if now - received.received_at < _KEPT_FOR:
            raise
        raise UnusableReply(DropReason.EXPIRED) from None
    if raw is None:
        raise UnusableReply(DropReason.TOO_LARGE)
    return raw
