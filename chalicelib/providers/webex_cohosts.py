"""Co-hosts of a Webex meeting: invitees who may be co-hosts (developer.webex.com/docs/api/v1/meeting-invitees)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from chalicelib.domain.cohost import CohostResult, CohostState
from chalicelib.domain.invitation import address_key
from chalicelib.errors import Rejected
from chalicelib.providers.cohost_changes import remove_cohost
from chalicelib.providers.http_client import ProviderResponse
from chalicelib.providers.parsing import parse_objects

_INVITEES = "/v1/meetingInvitees"
_NO_COHOST = (
    "Webex does not accept this co-host. Co-hosts need a Webex account on the host's site, with this address. Correct "
    "this at Webex, then retry the booking."
)


def write_invitees(emails: tuple[str, ...]) -> dict[str, Any]:
    """Return the field of a create that invites the co-hosts. `sendEmail` of the meeting decides about emails."""
    return {"invitees": [{"email": email, "coHost": True} for email in emails]} if emails else {}


def set_cohosts(
    call: Callable[..., ProviderResponse], meeting_id: str, emails: tuple[str, ...], former: tuple[str, ...]
) -> tuple[CohostResult, ...]:
    """See `Provider.set_cohosts`. `call` sends a request. Invitees that the host added at Webex stay."""
    query = urlencode({"meetingId": meeting_id, "max": "100"})
    try:
        listed = parse_objects(call("GET", f"{_INVITEES}?{query}").object().get("items"))
    except Rejected:
        return tuple(CohostResult(email, CohostState.FAILED, _NO_COHOST) for email in emails)
    invitees = {address_key(str(item.get("email"))): item for item in listed}
    wanted = {address_key(email) for email in emails}
    for key in {address_key(email) for email in former} & invitees.keys() - wanted:
        remove_cohost(call, f"{_INVITEES}/{quote(str(invitees[key].get('id')), safe='')}?sendEmail=false")
    return tuple(_add(call, meeting_id, email, invitees.get(address_key(email))) for email in emails)


def _add(
    call: Callable[..., ProviderResponse], meeting_id: str, email: str, invitee: dict[str, Any] | None
) -> CohostResult:
    """Invite the co-host. Webex invites people who may not be co-hosts as other invitees."""
    if invitee is None:
        body = {"meetingId": meeting_id, "email": email, "coHost": True, "sendEmail": False}
        try:
            invitee = call("POST", _INVITEES, json=body).object()
        except Rejected:
            return CohostResult(email, CohostState.FAILED, _NO_COHOST)
    if invitee.get("coHost") is True:
        return CohostResult(email, CohostState.HOST)
    return CohostResult(email, CohostState.FAILED, _NO_COHOST)
