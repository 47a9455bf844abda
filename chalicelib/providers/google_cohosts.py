"""Co-hosts of a room in Google's Meet API: members with the role COHOST (`spaces.members` in meet.v2.json)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from chalicelib.domain.cohost import CohostResult, CohostState
from chalicelib.domain.invitation import address_key
from chalicelib.errors import Rejected
from chalicelib.providers.cohost_changes import remove_cohost
from chalicelib.providers.http_client import ProviderResponse
from chalicelib.providers.parsing import parse_objects

_COHOST = "COHOST"
_NO_COHOST = (
    "Google does not accept this co-host. Co-hosts need a Google account with this address, and the host's account "
    "must allow co-hosts. Correct this at Google, then retry the booking."
)


def set_cohosts(
    call: Callable[..., ProviderResponse], room_path: str, emails: tuple[str, ...], former: tuple[str, ...]
) -> tuple[CohostResult, ...]:
    """See `Provider.set_cohosts`. `call` sends a request. Members that the host added at Google stay."""
    path = f"{room_path}/members"
    try:
        listed = parse_objects(call("GET", f"{path}?pageSize=500").object().get("members"))
    except Rejected:
        return tuple(CohostResult(email, CohostState.FAILED, _NO_COHOST) for email in emails)
    members = {address_key(str(member.get("email"))): member for member in listed if member.get("role") == _COHOST}
    wanted = {address_key(email) for email in emails}
    for key in {address_key(email) for email in former} & members.keys() - wanted:
        remove_cohost(call, f"/v2/{quote(str(members[key].get('name')))}")
    return tuple(_add(call, path, email, members) for email in emails)


def _add(
    call: Callable[..., ProviderResponse], path: str, email: str, members: dict[str, dict[str, Any]]
) -> CohostResult:
    if address_key(email) not in members:
        try:
            call("POST", path, json={"email": email, "role": _COHOST})
        except Rejected:
            return CohostResult(email, CohostState.FAILED, _NO_COHOST)
    return CohostResult(email, CohostState.HOST)
