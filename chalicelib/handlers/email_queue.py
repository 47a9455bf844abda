"""Settle the bookings whose emails another function handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.domain.deadline import Deadline
from chalicelib.handlers.booking_stream import settle_one
from chalicelib.observability import log
from chalicelib.store.work_queue import read_messages

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def send_emails(event: dict[str, Any], context: Any, services: Services) -> dict[str, Any]:
    """Settle the booking of each message: the same work as on a stream record, with a part of its emails.

    A booking that another process settles at the moment needs nothing: that process sees what is left. Messages that
    the database failed for, or that cannot be read, are reported as failed.
    """
    deadline, failed = Deadline.of(context), []
    for message_id, wake_up in read_messages(event):
        succeeded = False
        if wake_up is not None and len(wake_up) == 2:
            key = wake_up[0], wake_up[1]
            succeeded, _ = settle_one(services.email_settling, deadline, log.request_id, key)
        if not succeeded:
            failed.append({"itemIdentifier": message_id})
    return {"batchItemFailures": failed}
