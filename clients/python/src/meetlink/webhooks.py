"""Webhooks: check that a request comes from meetlink, and read its event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from meetlink.errors import MeetlinkError
from meetlink.types import Event


class WrongSignatureError(MeetlinkError):
    """The request does not come from meetlink, or is older than five minutes. Respond with 401."""


def verify(body: bytes | str, headers: Mapping[str, str], secret: str) -> Event:
    """Return the event in a webhook. `secret` is that of the endpoint, `whsec_…`.

    `body` is the request's body exactly as it was received. Raises `WrongSignatureError`.

    The same event may arrive more than once, with the same header `webhook-id`.
    """
    webhook = Webhook(secret)
    try:
        return cast(Event, webhook.verify(body, dict(headers)))
    except (WebhookVerificationError, ValueError) as error:  # ValueError: a header or body that is no text.
        raise WrongSignatureError(str(error)) from error
