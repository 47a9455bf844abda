"""`/v1/webhooks/…`: events from providers and booking systems. Signatures are checked before anything is parsed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from chalice.app import Response
from msgspec import Meta, Struct

from chalicelib.api import json_body
from chalicelib.api.calls import Call
from chalicelib.api.problems import ProblemDetails
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.schemas.bookings import BookingBody, parse_appointment
from chalicelib.api.schemas.fields import DateTime, Id, Version
from chalicelib.domain import webhook_signing
from chalicelib.errors import InvalidInput, NotFound, ProviderError, TooLarge, Unauthorized
from chalicelib.observability import log
from chalicelib.usecases.booking_events import BookingEvent, EventKind
from chalicelib.validation import convert

_MAX_BYTES = 64 * 1024
_KINDS = {
    "booking.created": EventKind.CREATED,
    "booking.rescheduled": EventKind.RESCHEDULED,
    "booking.cancelled": EventKind.CANCELLED,
}

routes = Routes("Webhooks")


class BookingEventData(BookingBody, kw_only=True):
    """The body of `PUT /v1/bookings/{booking_id}`, with the booking's id."""

    booking_id: Annotated[Id, Meta(description="Your id of the booking")]


class BookingEventBody(Struct):
    """A signed event of your booking system. For a cancellation, `booking_id` alone is enough in `data`."""

    type: Annotated[
        Literal["booking.created", "booking.rescheduled", "booking.cancelled"],
        Meta(
            description="`booking.created` and `booking.rescheduled`: the whole booking is in `data`. "
            "`booking.cancelled`: it does not take place"
        ),
    ]
    timestamp: Annotated[DateTime, Meta(description="When it happened, RFC 3339 with an offset and milliseconds")]
    data: BookingEventData


class CancelledData(Struct):
    booking_id: Id
    version: Version | None = None


class CancellationBody(Struct):
    """A cancellation without the booking's other fields."""

    timestamp: DateTime
    data: CancelledData


@routes.post(
    "/v1/webhooks/providers/{provider}",
    "Receive a provider's events",
    text="For the provider, not for you. Signed with the provider's own signature.",
    responses={200: "application/json", 204: None},
    problems=("unauthorized", "not_found", "too_large"),
    auth="signature",
)
def provider_event(call: Call, provider: str) -> Response:
    from chalicelib.domain.meeting_report import MeetingReport
    from chalicelib.providers.base import Deauthorized, Reply

    sender = call.services.providers.get(provider)
    # Only for known names: any other would cost a call to Secrets Manager.
    credentials = call.services.deployment_secrets.credentials(provider) if sender else None
    if sender is None or credentials is None or not credentials.webhook_secret:
        raise NotFound("This provider sends no webhooks here.")
    _check_size(call)
    event = sender.read_event(call.request.headers, call.raw_body, credentials.webhook_secret)
    match event:
        case None:
            raise Unauthorized("The signature is missing, wrong or too old.")
        case Reply(body):
            return json_response(body)
        case MeetingReport():
            call.services.meeting_reports.receive(sender, event)
        case Deauthorized(account_id, at):
            try:
                call.services.connections.deauthorize(provider, account_id, at)
            except ProviderError as error:
                log.failure("a deauthorization could not be verified", error, provider=provider)
                detail = "The event could not be verified. Send it again."
                return ProblemDetails(503, "unavailable", detail, headers={"Retry-After": "60"}).response()
    return Response("", status_code=204)


@routes.post(
    "/v1/webhooks/bookings/{workspace_id}",
    "Receive your booking system's events",
    text="Signed with one of the workspace's webhook secrets (Standard Webhooks). Has the same effect as PUT or DELETE "
    "of the booking. Events may arrive in any order and more than once. Unknown events are accepted and ignored.",
    request=BookingEventBody,
    responses={204: None},
    problems=("unauthorized", "unknown_calendar", "booking_cancelled", "version_reused"),
    auth="signature",
)
def booking_event(call: Call, workspace_id: str) -> Response:
    _check_size(call)
    _check_signature(call, workspace_id)
    event = parse_booking_event(call.raw_body)
    if event is not None:
        call.services.booking_events.apply(workspace_id, event, base_url=call.base_url)
    return Response("", status_code=204)


def parse_booking_event(body: bytes) -> BookingEvent | None:
    """Return what happened to a booking; None for an event of another type. Raises `CallerError`.

    Other types are accepted because the sender would otherwise send them again for a day.
    """
    value = json_body.parse(body)
    event_type = value.get("type") if isinstance(value, dict) else None
    if isinstance(event_type, str) and event_type not in _KINDS:
        return None
    try:
        event = convert(value, BookingEventBody)
    except InvalidInput:
        if event_type != "booking.cancelled":
            raise
        return _parse_cancellation(value)
    kind, data = _KINDS[event.type], event.data
    version = _version(event.timestamp, kind, data.version)
    return BookingEvent(kind, data.booking_id, version, parse_appointment(data))


def _parse_cancellation(value: object) -> BookingEvent:
    cancellation = convert(value, CancellationBody)
    data = cancellation.data
    version = _version(cancellation.timestamp, EventKind.CANCELLED, data.version)
    return BookingEvent(EventKind.CANCELLED, data.booking_id, version)


def _version(at: datetime, kind: EventKind, sender_version: int | None) -> int:
    """Return the sender's own version. Without one, later events win, in whichever order they arrive.

    It consists of milliseconds and the kind of event: a creation and a cancellation may have the same time. It will
    always be below 2⁵³.
    """
    return int(at.timestamp() * 1000) * len(EventKind) + kind if sender_version is None else sender_version


def _check_size(call: Call) -> None:
    if len(call.raw_body) > _MAX_BYTES:
        raise TooLarge("The event is too large.")


def _check_signature(call: Call, workspace_id: str) -> None:
    """Raise `Unauthorized` unless one of the workspace's secrets signed the raw body recently."""
    headers, now = call.request.headers, call.services.clock()
    # Secrets are decrypted only for requests with a timely signature, because that costs calls to KMS.
    is_timely = webhook_signing.is_timely(headers, now)
    keys = call.services.webhook_secrets.load_keys(workspace_id) if is_timely else []
    if not webhook_signing.verify(keys, headers, call.raw_body, now):
        # The same error for a workspace that does not exist: the response must not reveal which ones do.
        raise Unauthorized("The signature is missing, wrong or too old.", workspace_id=workspace_id)
