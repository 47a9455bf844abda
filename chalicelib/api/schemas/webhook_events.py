"""The bodies of webhooks, for the OpenAPI document. `webhooks.events` writes them, and a test compares both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_type_hints

from msgspec import Meta, Struct

from chalicelib.api.enum_texts import EVENT_TEXTS
from chalicelib.api.openapi_schemas import Schema, example, reference
from chalicelib.api.schemas.connections import Account
from chalicelib.api.schemas.fields import (
    BookingId,
    CalendarFilePath,
    CalendarId,
    EmailAddress,
    EndTimestamp,
    JoinUrl,
    MeetingReasonName,
    Metadata,
    Passcode,
    ProviderName,
    Revision,
    Timestamp,
    UserId,
)
from chalicelib.api.schemas.reminders import Reminder
from chalicelib.domain.answers import Choice
from chalicelib.domain.invitation import InvitationState, Role
from chalicelib.domain.meeting import MeetingState
from chalicelib.webhooks.events import EventType

EventTimestamp = Annotated[Timestamp, Meta(description="When it happened, RFC 3339 in UTC")]


class EventMeeting(Struct, forbid_unknown_fields=True):
    """The meeting of a booking, as in `Meeting`."""

    state: Annotated[MeetingState, Meta(description="Where the meeting is", examples=["ready"])]
    reason: Annotated[MeetingReasonName | None, Meta(description="Why it is in this state", examples=[None])]
    detail: Annotated[str | None, Meta(description="The reason in words, and what to do", examples=[None])]
    provider: ProviderName | None
    join_url: JoinUrl | None
    passcode: Passcode | None


class EventCalendarFile(Struct, forbid_unknown_fields=True):
    """Where to get the calendar file of a person who gets your own emails."""

    email: EmailAddress
    role: Annotated[Role, Meta(description="The host, or a guest")]
    calendar_file_path: CalendarFilePath


class MeetingEventData(Struct, forbid_unknown_fields=True):
    """A booking and its meeting."""

    booking_id: BookingId
    revision: Revision
    calendar_id: CalendarId
    user_id: UserId
    starts_at: Annotated[Timestamp, Meta(description="The start, RFC 3339 in UTC")]
    ends_at: EndTimestamp
    metadata: Metadata
    meeting: EventMeeting
    calendar_files: Annotated[list[EventCalendarFile], Meta(description="The participants who get your own emails")]


class MeetingEvent(Struct, forbid_unknown_fields=True):
    """The state of a booking's meeting changed."""

    type: Literal["meeting.ready", "meeting.waiting", "meeting.failed", "meeting.removed"]
    timestamp: EventTimestamp
    data: MeetingEventData


class ReportedBooking(Struct, forbid_unknown_fields=True):
    """A booking whose meeting the provider reported about."""

    booking_id: BookingId
    revision: Revision
    calendar_id: CalendarId
    user_id: UserId
    starts_at: Annotated[Timestamp, Meta(description="The start, RFC 3339 in UTC")]
    ends_at: EndTimestamp
    metadata: Metadata
    provider: ProviderName


class MeetingRunEvent(Struct, forbid_unknown_fields=True):
    """A meeting was started or ended at its provider. `timestamp` is the provider's."""

    type: Literal["meeting.started", "meeting.ended"]
    timestamp: EventTimestamp
    data: ReportedBooking


class ParticipantJoined(ReportedBooking, forbid_unknown_fields=True):
    """A booking, and who joined its meeting."""

    role: Annotated[Role, Meta(description="The host, or a guest")]
    present: Annotated[int, Meta(description="People in the meeting by then", examples=[2])]


class MeetingJoinedEvent(Struct, forbid_unknown_fields=True):
    """Someone joined a meeting. Only endpoints that name this type receive it."""

    type: Literal["meeting.joined"]
    timestamp: EventTimestamp
    data: ParticipantJoined


class ReadyRecording(ReportedBooking, forbid_unknown_fields=True):
    """A booking, and the recording of its meeting."""

    share_url: Annotated[str, Meta(description="Without a passcode", examples=["https://zoom.us/rec/share/abc123"])]


class RecordingEvent(Struct, forbid_unknown_fields=True):
    """A recording of a meeting can be watched."""

    type: Literal["meeting.recording_ready"]
    timestamp: EventTimestamp
    data: ReadyRecording


class NoShowEvent(Struct, forbid_unknown_fields=True):
    """No one came to a meeting, as far as its provider reports."""

    type: Literal["booking.no_show"]
    timestamp: EventTimestamp
    data: ReportedBooking


class ConnectionEventData(Struct, forbid_unknown_fields=True):
    """A user's connection."""

    user_id: UserId
    provider: ProviderName
    account: Annotated[Account | None, Meta(description="The account; null after its owner revoked the access")]
    connected_at: Annotated[Timestamp, Meta(description="When the account was connected, RFC 3339 in UTC")]
    reason: Annotated[
        str | None,
        Meta(description="not_confirmed, reconnect_needed, disconnected, deauthorized or replaced", examples=[None]),
    ]


class ConnectionEvent(Struct, forbid_unknown_fields=True):
    """The state of a user's connection changed."""

    type: Literal["connection.created", "connection.confirmed", "connection.broken", "connection.removed"]
    timestamp: EventTimestamp
    data: ConnectionEventData


class BouncedInvitation(Struct, forbid_unknown_fields=True):
    """Whose invitation was not delivered."""

    email: EmailAddress
    role: Annotated[Role, Meta(description="The host, or a guest")]
    state: Annotated[InvitationState, Meta(description="Why it did not arrive", examples=["bounced"])]


class InvitationEventData(Struct, forbid_unknown_fields=True):
    """A booking, and one of its invitations."""

    booking_id: BookingId
    invitation: BouncedInvitation


class InvitationEvent(Struct, forbid_unknown_fields=True):
    """An invitation was not delivered."""

    type: Literal["invitation.bounced"]
    timestamp: EventTimestamp
    data: InvitationEventData


class AnsweredInvitation(Struct, forbid_unknown_fields=True):
    """The answer of one person."""

    email: EmailAddress
    role: Annotated[Role, Meta(description="The host, or a guest")]
    answer: Annotated[Choice, Meta(description="Whether the person comes", examples=["declined"])]
    answered_at: Annotated[Timestamp, Meta(description="Since when this is the answer, RFC 3339 in UTC")]
    answer_outdated: Annotated[bool, Meta(description="Whether the answer is to an earlier time", examples=[False])]


class AnswerEventData(Struct, forbid_unknown_fields=True):
    """A booking, and the answer of one person."""

    booking_id: BookingId
    revision: Revision
    calendar_id: CalendarId
    user_id: UserId
    starts_at: Annotated[Timestamp, Meta(description="The start, RFC 3339 in UTC")]
    ends_at: EndTimestamp
    metadata: Metadata
    invitation: AnsweredInvitation


class AnswerEvent(Struct, forbid_unknown_fields=True):
    """A guest or the host answered an invitation."""

    type: Literal["invitation.answered"]
    timestamp: EventTimestamp
    data: AnswerEventData


class ReminderEventData(MeetingEventData):
    """A booking, its meeting, and the reminder."""

    reminder: Annotated[Reminder, Meta(description="The reminder that is due")]


class ReminderEvent(Struct, forbid_unknown_fields=True):
    """It is time to remind of a booking, once for each of its reminders, also if meetlink sends no email."""

    type: Literal["booking.reminder"]
    timestamp: EventTimestamp
    data: ReminderEventData


STRUCTS: tuple[type[Struct], ...] = (
    MeetingEvent,
    ConnectionEvent,
    InvitationEvent,
    AnswerEvent,
    ReminderEvent,
    MeetingRunEvent,
    MeetingJoinedEvent,
    RecordingEvent,
    NoShowEvent,
)
_STRUCT_BY_TYPE = {name: struct for struct in STRUCTS for name in get_args(get_type_hints(struct)["type"])}
_HEADERS = {
    "webhook-id": "The event's id: the same for every attempt",
    "webhook-timestamp": "When this attempt was sent, in seconds since 1970",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA256. Two signatures while a secret is rotated",
}


def event_struct(event_type: str) -> type[Struct]:
    """Return the struct of an event's body."""
    return _STRUCT_BY_TYPE[event_type]


def webhooks(components: Mapping[str, Schema]) -> dict[str, Any]:
    """Return the value of `webhooks` in the OpenAPI document: name → path item."""
    return {event_type.value: _path_item(event_type, components) for event_type in EventType}


def _path_item(event_type: EventType, components: Mapping[str, Schema]) -> dict[str, Any]:
    struct = event_struct(event_type)
    body = {"schema": reference(struct), "example": example(reference(struct), components) | {"type": event_type}}
    parameters = [
        {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in _HEADERS.items()
    ]
    return {
        "post": {
            "operationId": event_type.replace(".", "_"),
            "tags": ["Webhook events"],
            "summary": f"`{event_type}`, sent to your webhook endpoints",
            "description": EVENT_TEXTS[event_type],
            "parameters": parameters,
            "requestBody": {"required": True, "content": {"application/json": body}},
            "responses": {
                "2XX": {"description": "Received"},
                "410": {"description": "No longer wanted: the endpoint is disabled"},
                "default": {"description": "Sent again, for up to a day"},
            },
        }
    }
