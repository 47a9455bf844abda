"""What the settings page calls things."""

from __future__ import annotations

from chalicelib.domain.calendar import LocationType
from chalicelib.domain.connection import Reason
from chalicelib.domain.guest_experience import GuestEntry, Moderator
from chalicelib.domain.meeting import MeetingReason, MeetingState

LOCATIONS = {
    LocationType.VIDEO: "Video meeting",
    LocationType.PHONE: "Phone",
    LocationType.IN_PERSON: "In person",
    LocationType.CUSTOM_LINK: "Your own link",
}
STATES = {
    MeetingState.NONE: ("No link", "plain"),
    MeetingState.PENDING: ("Link on its way", "plain"),
    MeetingState.READY: ("Link ready", "good"),
    MeetingState.WAITING: ("Link waits", "bad"),
    MeetingState.FAILED: ("No link", "bad"),
    MeetingState.REMOVED: ("Meeting removed", "plain"),
}
REASONS: dict[str, str] = {
    MeetingReason.NOT_CONNECTED: "No account was connected when it was booked.",
    MeetingReason.DISCONNECTED: "The account was disconnected before the link was made.",
    MeetingReason.DEAUTHORIZED: "The connection was ended at the provider.",
    MeetingReason.NOT_UPDATABLE: "The link stays valid, but the meeting can no longer be changed from here.",
    MeetingReason.LEFT_AT_PROVIDER: "The meeting could not be removed at the provider.",
    MeetingReason.RECONNECT_NEEDED: "Reconnect the account: the link follows by itself.",
    MeetingReason.PROVIDER_UNAVAILABLE: "The provider does not answer. We keep trying.",
    MeetingReason.RATE_LIMITED: "The provider's limit is reached. We try again later.",
    MeetingReason.PROVIDER_REJECTED: "The provider refused to make the meeting.",
    MeetingReason.START_PASSED: "The start passed before the link could be made.",
    MeetingReason.INTERNAL_ERROR: "An error on our side. It was reported, and can be tried again.",
}
UNAVAILABLE: dict[str, str] = {
    Reason.NOT_CONNECTED: "Connect an account to offer video.",
    Reason.NOT_CONFIRMED: "Video is available once the connection is confirmed.",
    Reason.RECONNECT_NEEDED: "Video works again once the account is reconnected.",
    Reason.DEAUTHORIZED: "The connection was ended at the provider. Connect again to offer video.",
}
ADMISSIONS = {
    GuestEntry.DIRECT: "They open the link and are in the meeting.",
    GuestEntry.HOST_FIRST: "They wait until you have joined. Nobody has to let them in.",
    GuestEntry.KNOCK: "They knock, and wait until you let them in.",
    GuestEntry.BLOCKED: "They cannot join: your account's settings keep them out.",
    GuestEntry.ACCOUNT_SETTINGS: "Your settings at {provider} decide whether they wait. The check below reads them.",
}
MODERATORS = {
    Moderator.HOST_ACCOUNT: "You, when you join signed in to {provider} with the account above.",
    Moderator.HOST_LINK: "You, when you join with the link in your own invitation.",
    Moderator.FIRST_TO_SIGN_IN: "The first person who signs in there.",
    Moderator.FIRST_TO_ARRIVE: "The first person in the meeting.",
}
STEPS = {
    "connection": "An account is connected",
    "token": "We can sign in",
    "scopes": "All permissions are there",
    "account": "The account answers",
    "create_meeting": "A meeting can be made",
    "delete_meeting": "A meeting can be removed",
}


def duration(minutes: int) -> str:
    """Such as “40 minutes” or “30 hours”."""
    return f"{minutes // 60} hours" if minutes >= 120 and minutes % 60 == 0 else f"{minutes} minutes"
