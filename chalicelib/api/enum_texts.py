"""What each value of an enumeration in the API means. Only the OpenAPI document loads this."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from chalicelib.api.problems import PREFIX, REASONS
from chalicelib.domain.answers import Choice
from chalicelib.domain.attendance import Attendance
from chalicelib.domain.booking import BookingStatus
from chalicelib.domain.calendar import LocationType, OnDecline
from chalicelib.domain.cohost import CohostState
from chalicelib.domain.connection import ConnectionState, Reason
from chalicelib.domain.guest_experience import GuestEntry, Moderator
from chalicelib.domain.invitation import InvitationState, Role, Trouble
from chalicelib.domain.meeting import MeetingReason, MeetingState
from chalicelib.domain.meeting_settings import PasscodeMode, RecordingMode
from chalicelib.domain.reason_texts import MEETING_REASON_TEXTS
from chalicelib.domain.reminder import Addressees
from chalicelib.domain.workspace import MemberRole
from chalicelib.webhooks.events import EventType
from chalicelib.webhooks.model import DeliveryState

EVENT_TEXTS: Mapping[EventType, str] = {
    EventType.MEETING_READY: "A booking has a link, or its link has changed.",
    EventType.MEETING_WAITING: "The link of a booking is delayed; `meeting.reason` is why.",
    EventType.MEETING_FAILED: "A booking will get no link; `meeting.detail` is what to do.",
    EventType.MEETING_REMOVED: "A booking was cancelled, or its link was removed.",
    EventType.CONNECTION_CREATED: "A user connected an account. With the reason `not_confirmed`, it waits for your "
    "confirmation.",
    EventType.CONNECTION_CONFIRMED: "You confirmed the account of a pending connection.",
    EventType.CONNECTION_BROKEN: "The user must connect the account again.",
    EventType.CONNECTION_REMOVED: "A user has no connection any more: `disconnected`, `deauthorized` at the "
    "provider, or `replaced` by another account.",
    EventType.INVITATION_BOUNCED: "An invitation did not reach its recipient.",
    EventType.INVITATION_ANSWERED: "A guest or the host answered an invitation, or changed the answer.",
    EventType.BOOKING_REMINDER: "It is time to remind of a booking, once for each of its reminders.",
    EventType.MEETING_STARTED: "A meeting was started at its provider.",
    EventType.MEETING_ENDED: "A meeting was ended at its provider.",
    EventType.MEETING_JOINED: "A person joined a meeting. Only endpoints that name this type receive it.",
    EventType.MEETING_RECORDING_READY: "A recording of a meeting can be watched.",
    EventType.BOOKING_NO_SHOW: "No one came to a meeting, as far as its provider reports.",
}
"""When each event is sent."""

ENUM_TEXTS: Mapping[type[StrEnum], Mapping[Any, str]] = {
    BookingStatus: {
        BookingStatus.CONFIRMED: "It takes place.",
        BookingStatus.CANCELLED: "It does not take place. It cannot be changed any more.",
    },
    MeetingState: {
        MeetingState.NONE: "The booking gets no link; `reason` is why.",
        MeetingState.PENDING: "The link is being created. Wait, for example with `Prefer: wait=20`.",
        MeetingState.READY: "`join_url` is set.",
        MeetingState.WAITING: "The link cannot be created now. It is tried again at `next_attempt_at`.",
        MeetingState.FAILED: "The link will not be created unless something changes. See `detail`, then retry.",
        MeetingState.REMOVED: "The booking was cancelled, and the meeting was removed at the provider.",
    },
    MeetingReason: MEETING_REASON_TEXTS,
    ConnectionState: {
        ConnectionState.NONE: "No account is connected.",
        ConnectionState.PENDING: "The user signed in. Your backend must confirm the account.",
        ConnectionState.CONNECTED: "New bookings get links.",
        ConnectionState.BROKEN: "The provider no longer accepts the access. The user must sign in again.",
    },
    Reason: {
        Reason.NOT_CONNECTED: "The user has not connected an account.",
        Reason.NOT_CONFIRMED: "The connection waits for your confirmation.",
        Reason.RECONNECT_NEEDED: "The user must sign in at the provider again.",
        Reason.DEAUTHORIZED: "The owner of the account removed the app at the provider.",
        Reason.DISCONNECTED: "The user or your backend disconnected the account.",
    },
    LocationType: {
        LocationType.VIDEO: "In the host's connected video account; each booking gets its own meeting.",
        LocationType.PHONE: "On the phone.",
        LocationType.IN_PERSON: "At a place.",
        LocationType.CUSTOM_LINK: "Behind your own link.",
    },
    OnDecline: {
        OnDecline.NOTIFY: "The host is notified of each decline, and nothing more.",
        OnDecline.CANCEL: "When every guest declined, the booking is cancelled.",
    },
    Addressees: {
        Addressees.GUESTS: "Every guest.",
        Addressees.HOST: "The host.",
        Addressees.ALL: "Every guest, and the host.",
    },
    Role: {Role.HOST: "The user who hosts.", Role.GUEST: "A guest."},
    InvitationState: {
        InvitationState.SENDING: "It is being sent.",
        InvitationState.SENT: "It was sent.",
        InvitationState.BOUNCED: "The recipient's server refused it.",
        InvitationState.COMPLAINED: "The recipient reported it as unwanted. The address gets no more emails.",
        InvitationState.SUPPRESSED: "It was not sent: the address bounced or complained earlier.",
        InvitationState.NOT_SENT: "You email this person yourself.",
    },
    Trouble: {
        Trouble.COMPLAINT: "The recipient reported it as unwanted.",
        Trouble.HARD_BOUNCE: "It was refused permanently: the address does not exist.",
        Trouble.BLOCKED: "It was not sent: the address bounced or complained earlier.",
        Trouble.REJECTED: "The email service refused it.",
        Trouble.SOFT_BOUNCE: "It was refused this time, for example because the mailbox is full.",
        Trouble.DELAYED: "It is not delivered yet.",
    },
    Choice: {
        Choice.ACCEPTED: "The person comes.",
        Choice.TENTATIVE: "The person may come.",
        Choice.DECLINED: "The person does not come.",
    },
    Attendance: {
        Attendance.BOTH: "The host and at least one guest were in the meeting.",
        Attendance.HOST_ONLY: "Only the host came.",
        Attendance.GUESTS_ONLY: "Only guests came.",
        Attendance.NONE: "No one came.",
        Attendance.UNKNOWN: "It is not decided yet, or the provider does not report it.",
    },
    GuestEntry: {
        GuestEntry.DIRECT: "Guests enter at once.",
        GuestEntry.HOST_FIRST: "Guests wait until the host has joined.",
        GuestEntry.KNOCK: "Guests wait until someone in the meeting admits them.",
        GuestEntry.BLOCKED: "The account's settings keep guests out.",
        GuestEntry.ACCOUNT_SETTINGS: "The account's settings at the provider decide; the provider did not report them.",
    },
    Moderator: {
        Moderator.HOST_ACCOUNT: "The person who joins signed in to the connected account.",
        Moderator.HOST_LINK: "The person who joins with the link in the host's own invitation.",
        Moderator.FIRST_TO_SIGN_IN: "The first person who signs in at the provider.",
        Moderator.FIRST_TO_ARRIVE: "The first person in the meeting.",
    },
    RecordingMode: {
        RecordingMode.NONE: "The meeting is not recorded automatically.",
        RecordingMode.LOCAL: "The host's computer records it.",
        RecordingMode.CLOUD: "The provider records it.",
    },
    PasscodeMode: {
        PasscodeMode.ACCOUNT: "As the account's own settings say.",
        PasscodeMode.GENERATE: "A random passcode. In a response: there is a passcode.",
        PasscodeMode.NONE: "No passcode.",
    },
    CohostState: {
        CohostState.PENDING: "The meeting is not ready, or the co-hosts are not sent yet.",
        CohostState.HOST: "The co-host may join as a host.",
        CohostState.GUEST: "The co-host joins as a guest: the provider has no co-hosts.",
        CohostState.FAILED: "The co-host joins as a guest: the provider does not accept this one. See `detail`.",
    },
    DeliveryState: {
        DeliveryState.PENDING: "It is being sent, or will be sent again.",
        DeliveryState.DELIVERED: "Your endpoint accepted it.",
        DeliveryState.FAILED: "It is not sent any more. You can send it again.",
    },
    MemberRole: {
        MemberRole.ADMIN: "Reads, retries and resends, and changes settings, members and keys.",
        MemberRole.SUPPORT: "Reads, retries and resends.",
    },
    EventType: EVENT_TEXTS,
}

PROBLEM_TEXTS: Mapping[str, str] = {PREFIX + reason: text for reason, (_, text) in REASONS.items()}
"""The meaning of each problem type."""
