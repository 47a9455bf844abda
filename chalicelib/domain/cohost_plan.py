"""How each co-host joins, and whether the provider has to be called because of them."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.calendar import Host
from chalicelib.domain.cohost import CohostResult, CohostState
from chalicelib.domain.invitation import address_key
from chalicelib.domain.meeting import Meeting


def cohost_result(booking: Booking, meeting: Meeting, cohost: Host) -> CohostResult | None:
    """Return how the co-host joins; None if the booking has no meeting."""
    if not booking.wants_video or booking.eligibility is None:
        return None
    key = address_key(cohost.email)
    result = next((result for result in meeting.cohosts if address_key(result.email) == key), None)
    if result is not None:
        return result
    if meeting.is_fallback:
        return CohostResult(cohost.email, CohostState.GUEST)
    if not meeting.exists or meeting.fingerprint is None:
        return CohostResult(cohost.email, CohostState.PENDING)
    # With join links of this product, each host has one that admits its visitor as a host.
    return CohostResult(cohost.email, CohostState.GUEST if meeting.host_url is None else CohostState.HOST)


def are_current(results: tuple[CohostResult, ...], emails: tuple[str, ...], *, is_known: bool) -> bool:
    """Return whether the results are those of exactly these co-hosts. `is_known`: no later call may have changed them.

    Without co-hosts, now and before, there is nothing to send.
    """
    before = {address_key(result.email) for result in results}
    return before == {address_key(email) for email in emails} and (is_known or not before)


def retry_failed(meeting: Meeting) -> Meeting:
    """Return the meeting so that failed co-hosts are tried again. Called when the booking is changed or retried."""
    accepted = tuple(result for result in meeting.cohosts if result.state is not CohostState.FAILED)
    return meeting if accepted == meeting.cohosts else replace(meeting, fingerprint=None, cohosts=accepted)
