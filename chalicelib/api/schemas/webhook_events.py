"""The bodies of webhooks, for the OpenAPI document. `webhooks.events` writes them, and a test compares both."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_type_hints

from msgspec import Meta, Struct

from chalicelib.api.schemas.connections import Account
from chalicelib.api.schemas.fields import CalendarFilePath, MeetingReasonName, Metadata, Timestamp, Url
from chalicelib.api.schemas.reminders import Reminder
from chalicelib.domain.answers import Choice
from chalicelib.domain.invitation import InvitationState, Role
from chalicelib.domain.meeting import MeetingState
from chalicelib.webhooks.events import EventType


class EventMeeting(Struct, forbid_unknown_fields=True):
    state: Annotated[MeetingState, Meta(examples=["ready"])]
    reason: Annotated[MeetingReasonName | None, Meta(examples=[None])]
    detail: Annotated[str | None, Meta(examples=[None])]
    provider: Annotated[str | None, Meta(examples=["zoom"])]
    join_url: Url | None
    passcode: Annotated[str | None, Meta(examples=["482913"])]


class EventCalendarFile(Struct, forbid_unknown_fields=True):
    email: Annotated[str, Meta(examples=["guest@example.com"])]
    role: Role
    calendar_file_path: CalendarFilePath


class MeetingEventData(Struct, forbid_unknown_fields=True):
    booking_id: Annotated[str, Meta(examples=["b-42"])]
    revision: Annotated[int, Meta(examples=[1])]
    calendar_id: Annotated[str, Meta(examples=["c-1"])]
    user_id: Annotated[str, Meta(examples=["u-1"])]
    starts_at: Timestamp
    ends_at: Annotated[Timestamp, Meta(examples=["2027-01-05T15:30:00Z"])]
    metadata: Metadata
    meeting: EventMeeting
    calendar_files: Annotated[list[EventCalendarFile], Meta(description="The participants whom you email yourself")]


class MeetingEvent(Struct, forbid_unknown_fields=True):
    """The state of a booking's meeting changed."""

    type: Literal["meeting.ready", "meeting.waiting", "meeting.failed", "meeting.removed"]
    timestamp: Timestamp
    data: MeetingEventData


class ReportedBooking(Struct, forbid_unknown_fields=True):
    booking_id: Annotated[str, Meta(examples=["b-42"])]
    revision: Annotated[int, Meta(examples=[1])]
    calendar_id: Annotated[str, Meta(examples=["c-1"])]
    user_id: Annotated[str, Meta(examples=["u-1"])]
    starts_at: Timestamp
    ends_at: Annotated[Timestamp, Meta(examples=["2027-01-05T15:30:00Z"])]
    metadata: Metadata
    provider: Annotated[str, Meta(examples=["zoom"])]


class MeetingRunEvent(Struct, forbid_unknown_fields=True):
    """A meeting was started or ended at its provider. `timestamp` is the provider's."""

    type: Literal["meeting.started", "meeting.ended"]
    timestamp: Timestamp
    data: ReportedBooking


class ParticipantJoined(ReportedBooking, forbid_unknown_fields=True):
    role: Role
    present: Annotated[int, Meta(description="People in the meeting by then", examples=[2])]


class MeetingJoinedEvent(Struct, forbid_unknown_fields=True):
    """Someone joined a meeting. Only endpoints that name this type receive it."""

    type: Literal["meeting.joined"]
    timestamp: Timestamp
    data: ParticipantJoined


class ReadyRecording(ReportedBooking, forbid_unknown_fields=True):
    share_url: Annotated[str, Meta(description="Without a passcode", examples=["https://zoom.us/rec/share/abc123"])]


class RecordingEvent(Struct, forbid_unknown_fields=True):
    """A recording of a meeting can be watched."""

    type: Literal["meeting.recording_ready"]
    timestamp: Timestamp
    data: ReadyRecording


class NoShowEvent(Struct, forbid_unknown_fields=True):
    """No one came to a meeting, as far as its provider reports."""

    type: Literal["booking.no_show"]
    timestamp: Timestamp
    data: ReportedBooking


class ConnectionEventData(Struct, forbid_unknown_fields=True):
    user_id: Annotated[str, Meta(examples=["u-1"])]
    provider: Annotated[str, Meta(examples=["zoom"])]
    account: Account | None
    connected_at: Timestamp
    reason: Annotated[
        str | None,
        Meta(description="not_confirmed, reconnect_needed, disconnected, deauthorized or replaced", examples=[None]),
    ]


class ConnectionEvent(Struct, forbid_unknown_fields=True):
    """The state of a user's connection changed."""

    type: Literal["connection.created", "connection.confirmed", "connection.broken", "connection.removed"]
    timestamp: Timestamp
    data: ConnectionEventData


class BouncedInvitation(Struct, forbid_unknown_fields=True):
    email: Annotated[str, Meta(examples=["guest@example.com"])]
    role: Role
    state: Annotated[InvitationState, Meta(examples=["bounced"])]


class InvitationEventData(Struct, forbid_unknown_fields=True):
    booking_id: Annotated[str, Meta(examples=["b-42"])]
    invitation: BouncedInvitation


class InvitationEvent(Struct, forbid_unknown_fields=True):
    """An invitation was not delivered."""

    type: Literal["invitation.bounced"]
    timestamp: Timestamp
    data: InvitationEventData


class AnsweredInvitation(Struct, forbid_unknown_fields=True):
    email: Annotated[str, Meta(examples=["guest@example.com"])]
    role: Role
    answer: Annotated[Choice, Meta(examples=["declined"])]
    answered_at: Timestamp
    answer_outdated: Annotated[bool, Meta(description="Whether the answer is to an earlier time", examples=[False])]


class AnswerEventData(Struct, forbid_unknown_fields=True):
    booking_id: Annotated[str, Meta(examples=["b-42"])]
    revision: Annotated[int, Meta(examples=[1])]
    calendar_id: Annotated[str, Meta(examples=["c-1"])]
    user_id: Annotated[str, Meta(examples=["u-1"])]
    starts_at: Timestamp
    ends_at: Annotated[Timestamp, Meta(examples=["2027-01-05T15:30:00Z"])]
    metadata: Metadata
    invitation: AnsweredInvitation


class AnswerEvent(Struct, forbid_unknown_fields=True):
    """A guest or the host answered an invitation."""

    type: Literal["invitation.answered"]
    timestamp: Timestamp
    data: AnswerEventData


class ReminderEventData(MeetingEventData):
    reminder: Reminder


class ReminderEvent(Struct, forbid_unknown_fields=True):
    """It is time to remind of a booking, once for each of its reminders, also if meetlink sends no email."""

    type: Literal["booking.reminder"]
    timestamp: Timestamp
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


def _path_item(event_type: EventType) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{event_struct(event_type).__name__}"}
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
                "2XX": {"description": "Received"},
                "410": {"description": "No longer wanted: the endpoint is disabled"},
                "default": {"description": "Sent again, for up to a day"},
            },
        }
    }


WEBHOOKS: dict[str, Any] = {event_type.value: _path_item(event_type) for event_type in EventType}
"""The value of `webhooks` in the OpenAPI document: name → path item."""
