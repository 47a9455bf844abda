"""The forms of requests and answers about webhooks, in both directions."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.api import answers
from chalicelib.api.views import moment
from chalicelib.domain.webhook_signing import SigningSecret, key_of
from chalicelib.validation import requires
from chalicelib.webhooks.events import EventType
from chalicelib.webhooks.model import Delivery, DeliveryState, Endpoint

_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105 — the example of the Standard Webhooks text
EndpointUrl = Annotated[str, Meta(max_length=2000, examples=["https://example.com/webhooks"])]
SecretText = Annotated[str, Meta(max_length=200, description="Shown only in this answer. Keep it", examples=[_SECRET])]
ErrorWord = Annotated[
    str,
    Meta(
        description="address_refused, timeout, no_connection, no_http_answer, redirect, bad_status, "
        "endpoint_disabled or endpoint_removed",
        examples=[None],
    ),
]


def _secret_flaw(text: str) -> str | None:
    try:
        key_of(text)
    except ValueError as error:
        return f"This is not a Standard Webhooks secret (whsec_…): {error}."
    return None


class EndpointBody(Struct, forbid_unknown_fields=True):
    """`PUT /v1/webhook-endpoints/{endpoint_id}`. Without `events` every event is sent."""

    url: EndpointUrl
    events: Annotated[list[EventType], Meta(max_length=20, examples=[["meeting.ready"]])] = []


class SecretBody(Struct, forbid_unknown_fields=True):
    """`POST /v1/webhook-secrets`. Give `secret` if your booking system makes its own."""

    secret: Annotated[str, Meta(max_length=200, examples=[_SECRET]), requires(_secret_flaw)] | None = None
    note: Annotated[str, Meta(max_length=200, examples=["booking system"])] = ""


class WebhookEndpoint(Struct):
    """Where events go. `disabled_reason` is `gone` after the address answered 410; PUT it again to go on."""

    id: Annotated[str, Meta(examples=["e-1"])]
    url: EndpointUrl
    events: list[EventType]
    enabled: Annotated[bool, Meta(examples=[True])]
    disabled_reason: Annotated[str | None, Meta(examples=[None])]
    disabled_at: answers.Moment | None
    failures: Annotated[int, Meta(description="Failed tries in a row", examples=[0])]
    paused_until: Annotated[answers.Moment | None, Meta(description="Nothing is tried before", examples=[None])]
    created_at: answers.Moment
    updated_at: answers.Moment
    secret: SecretText | UnsetType = UNSET


class WebhookEndpointPage(Struct):
    items: list[WebhookEndpoint]
    next_cursor: answers.Cursor


class WebhookDelivery(Struct):
    """One event and what came of sending it; `status` is that of the last answer."""

    id: Annotated[str, Meta(description="The event's `webhook-id`", examples=["evt_3f0c"])]
    type: Annotated[str, Meta(examples=["meeting.ready"])]
    state: Annotated[DeliveryState, Meta(examples=["delivered"])]
    attempts: Annotated[int, Meta(examples=[1])]
    status: Annotated[int | None, Meta(examples=[204])]
    error: ErrorWord | None
    created_at: Annotated[
        answers.Moment, Meta(description="When the event happened, RFC 3339; the list is sorted by it")
    ]
    last_attempt_at: answers.Moment | None
    next_attempt_at: Annotated[answers.Moment | None, Meta(examples=[None])]


class WebhookDeliveryPage(Struct):
    items: list[WebhookDelivery]
    next_cursor: answers.Cursor


class WebhookSecret(Struct):
    """A secret that your booking system may sign with; all of a workspace's are valid at once."""

    id: Annotated[str, Meta(examples=["9f2c01ab"])]
    note: Annotated[str, Meta(examples=["booking system"])]
    created_at: answers.Moment
    secret: SecretText | UnsetType = UNSET


class WebhookSecretPage(Struct):
    items: list[WebhookSecret]
    next_cursor: answers.Cursor


def endpoint(known: Endpoint, secret: str | None = None) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=known.endpoint_id,
        url=known.url,
        events=[EventType(name) for name in known.events],
        enabled=known.disabled_at is None,
        disabled_reason=known.disabled_reason,
        disabled_at=moment(known.disabled_at) if known.disabled_at else None,
        failures=known.failures,
        paused_until=moment(known.paused_until) if known.paused_until else None,
        created_at=moment(known.created_at),
        updated_at=moment(known.updated_at),
        secret=secret or UNSET,
    )


def delivery(known: Delivery) -> WebhookDelivery:
    return WebhookDelivery(
        id=known.event_id,
        type=known.type,
        state=known.state,
        attempts=known.attempts,
        status=known.status,
        error=known.error,
        created_at=moment(known.created_at),
        last_attempt_at=moment(known.last_attempt_at) if known.last_attempt_at else None,
        next_attempt_at=moment(known.next_attempt_at) if known.next_attempt_at else None,
    )


def secret(known: SigningSecret, text: str | None = None) -> WebhookSecret:
    return WebhookSecret(known.secret_id, known.note, moment(known.created_at), text or UNSET)
