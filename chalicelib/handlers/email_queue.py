"""Settle the bookings whose emails another function handed over, and email links to sign in and to connect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chalicelib.domain.deadline import Deadline
from chalicelib.errors import MailUnavailable, StoreError
from chalicelib.handlers.booking_stream import settle_one
from chalicelib.observability import log
from chalicelib.store.work_queue import read_messages
from chalicelib.usecases.connect_invitations import CONNECT_WAKE_UP
from chalicelib.usecases.workspace_sign_in import SIGN_IN_WAKE_UP

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def send_emails(event: dict[str, Any], context: Any, services: Services) -> dict[str, Any]:
    """Settle the booking of each message: the same work as on a stream record, with a part of its emails. A message
    about a requested link, to sign in or to connect, sends its email.

    A booking that another process settles at the moment needs nothing: that process sees what is left. Messages that
    the database failed for, or that cannot be read, are reported as failed.
    """
    deadline, failed = Deadline.of(context), []
    for message_id, wake_up in read_messages(event):
        succeeded = False
        if wake_up is not None and len(wake_up) == 2:
            key = wake_up[0], wake_up[1]
            if key[0] == SIGN_IN_WAKE_UP:
                succeeded = _send_link(services.sign_in_emails.send, key[1])
            elif key[0] == CONNECT_WAKE_UP:
                succeeded = _send_link(services.connect_invitation_emails.send, key[1])
            else:
                succeeded, _ = settle_one(services.email_settling, deadline, log.request_id, key)
        if not succeeded:
            failed.append({"itemIdentifier": message_id})
    return {"batchItemFailures": failed}


def _send_link(send: Callable[[str], None], request_id: str) -> bool:
    """Return False if the email should be tried again: SQS then delivers the message again."""
    try:
        send(request_id)
    except (MailUnavailable, StoreError) as error:
        log.failure("a link could not be emailed", error)
        return False
    return True
