"""Why a meeting is in its state, in sentences for people: for the settings page, the local console and the docs."""

from __future__ import annotations

from chalicelib.domain.meeting import MeetingReason

MEETING_REASON_TEXTS: dict[str, str] = {
    MeetingReason.LOCATION_NOT_VIDEO: "The calendar's location is not video.",
    MeetingReason.NOT_CONNECTED: "No video account was connected when this was booked.",
    MeetingReason.DISCONNECTED: "The video account was disconnected before the link was created.",
    MeetingReason.DEAUTHORIZED: "The connection was ended at the provider.",
    MeetingReason.NOT_UPDATABLE: "The link is still valid, but the meeting can no longer be changed: its account is "
    "disconnected.",
    MeetingReason.LEFT_AT_PROVIDER: "The meeting could not be removed at the provider: its account is disconnected.",
    MeetingReason.RECONNECT_NEEDED: "The video account has to be reconnected. The link then follows automatically.",
    MeetingReason.PROVIDER_UNAVAILABLE: "The video provider does not respond. Retries continue automatically.",
    MeetingReason.RATE_LIMITED: "The video provider allows no more meetings for now. We try again later.",
    MeetingReason.PROVIDER_REJECTED: "The video provider refused to create the meeting.",
    MeetingReason.START_PASSED: "The start passed before the link could be created.",
    MeetingReason.INTERNAL_ERROR: "An internal error. It was reported, and a retry can help.",
}
