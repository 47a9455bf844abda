"""The forms of what workspaces are told, for the API's description; `domain.events` writes them and a test compares."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from chalicelib.api import answers
from chalicelib.api.schema import Metadata
from chalicelib.domain.invitation import InvitationState, Role
from chalicelib.domain.meeting import MeetingState
from chalicelib.webhooks.events import EventType


class ToldMeeting(Struct, forbid_unknown_fields=True):
    state: Annotated[MeetingState, Meta(examples=["ready"])]
    reason: Annotated[answers.MeetingWhy | None, Meta(examples=[None])]
    detail: Annotated[str | None, Meta(examples=[None])]
    provider: Annotated[str | None, Meta(examples=["zoom"])]
    join_url: answers.Url | None
    passcode: Annotated[str | None, Meta(examples=["482913"])]


class MeetingEventData(Struct, forbid_unknown_fields=True):
    booking_id: Annotated[str, Meta(examples=["b-42"])]
    revision: Annotated[int, Meta(examples=[1])]
    calendar_id: Annotated[str, Meta(examples=["c-1"])]
    user_id: Annotated[str, Meta(examples=["u-1"])]
    starts_at: answers.Moment
    ends_at: Annotated[answers.Moment, Meta(examples=["2027-01-05T15:30:00Z"])]
    metadata: Metadata
    meeting: ToldMeeting


class MeetingEvent(Struct, forbid_unknown_fields=True):
    """What became of a booking's meeting."""

    type: Literal["meeting.ready", "meeting.waiting", "meeting.failed", "meeting.removed"]
    timestamp: answers.Moment
    data: MeetingEventData


class ConnectionEventData(Struct, forbid_unknown_fields=True):
    user_id: Annotated[str, Meta(examples=["u-1"])]
    provider: Annotated[str, Meta(examples=["zoom"])]
    account: answers.Account | None
    connected_at: answers.Moment
    reason: Annotated[
        str | None,
        Meta(description="not_confirmed, reconnect_needed, disconnected, deauthorized or replaced", examples=[None]),
    ]


class ConnectionEvent(Struct, forbid_unknown_fields=True):
    """What became of a user's connection."""

    type: Literal["connection.created", "connection.confirmed", "connection.broken", "connection.removed"]
    timestamp: answers.Moment
    data: ConnectionEventData


class BouncedInvitation(Struct, forbid_unknown_fields=True):
    email: Annotated[str, Meta(examples=["guest@example.com"])]
    role: Role
    state: Annotated[InvitationState, Meta(examples=["bounced"])]


class InvitationEventData(Struct, forbid_unknown_fields=True):
    booking_id: Annotated[str, Meta(examples=["b-42"])]
    invitation: BouncedInvitation


class InvitationEvent(Struct, forbid_unknown_fields=True):
    """An invitation did not reach somebody."""

    type: Literal["invitation.bounced"]
    timestamp: answers.Moment
    data: InvitationEventData


STRUCTS: tuple[type[Struct], ...] = (MeetingEvent, ConnectionEvent, InvitationEvent)
_FORMS = dict(zip(("meeting", "connection", "invitation"), STRUCTS, strict=True))
_HEADERS = {
    "webhook-id": "The same however often the event is sent",
    "webhook-timestamp": "Seconds since 1970, of this try",
    "webhook-signature": "`v1,` and base64 of HMAC-SHA256; two of them while a secret is rotated",
}


def form(event_type: str) -> type[Struct]:
    """The struct that describes an event."""
    return _FORMS[event_type.partition(".")[0]]


def _item(event_type: EventType) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{form(event_type).__name__}"}
    parameters = [
        {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in _HEADERS.items()
    ]
    return {
        "post": {
            "operationId": event_type.replace(".", "_"),
            "tags": ["Webhook endpoints"],
            "summary": f"`{event_type}`, sent to your webhook endpoints",
            "parameters": parameters,
            "requestBody": {"required": True, "content": {"application/json": {"schema": reference}}},
            "responses": {
                "2XX": {"description": "Taken"},
                "410": {"description": "Not wanted any more: the endpoint is disabled"},
                "default": {"description": "Sent again, for a day"},
            },
        }
    }


WEBHOOKS: dict[str, Any] = {event_type.value: _item(event_type) for event_type in EventType}
"""OpenAPI's `webhooks`: name → path item."""
