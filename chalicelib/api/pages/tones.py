"""How the badge of a state looks: good, bad or plain."""

from __future__ import annotations

from chalicelib.domain.meeting import MeetingState
from chalicelib.webhooks.model import DeliveryState

MEETING_TONES = {
    MeetingState.NONE: "plain",
    MeetingState.PENDING: "plain",
    MeetingState.READY: "good",
    MeetingState.WAITING: "bad",
    MeetingState.FAILED: "bad",
    MeetingState.REMOVED: "plain",
}
DELIVERY_TONES = {DeliveryState.DELIVERED: "good", DeliveryState.FAILED: "bad", DeliveryState.PENDING: "plain"}
