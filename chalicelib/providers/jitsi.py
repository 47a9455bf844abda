"""Jitsi Meet: the public server or the host's own. A room is only a name, so there is no API to call.

jitsi.github.io/handbook/docs/devops-guide/token-authentication; claims as in lib-jitsi-meet/doc/tokens.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote, urlencode, urlsplit

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting, Visit
from chalicelib.providers.base import KeyField
from chalicelib.providers.rooms import RoomProvider

_PUBLIC = "https://meet.jit.si"
_SERVER = re.compile(r"(?:https://)?([a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[1-9][0-9]{0,4})?)/?", re.ASCII)
_CLOCK_SKEW = timedelta(minutes=5)
_AUDIENCE = "jitsi"
_CONFIGURE_SERVER = (
    "Your server must be configured for this, as docs/providers.md describes: by default, Jitsi makes every guest a "
    "moderator."
)
_SIGN_IN_FIRST = f"Your guests wait until you sign in at {_PUBLIC}: open the meeting first and choose “I am the host”."
_ANYONE_FIRST = "Join before your guests do: on this server, the first person in the meeting becomes its moderator."
_SHORTEST_SECRET = 14
"""In bytes. 112 bits is the minimum for HMAC in RFC 7518 (3.2) and NIST SP 800-131A."""


class Jitsi(RoomProvider):
    """Rooms with unguessable names of 160 bits. If the server requires tokens, one is signed for each visit.

    The server decides whether a token makes its holder a moderator: docs/providers.md describes the configuration.
    """

    name = "jitsi"
    display_name = "Jitsi Meet"
    needs = "No account, or your own Jitsi server."
    limits = "On meet.jit.si, guests wait until one person has signed in there."
    urls = {}
    fields = (
        KeyField("server", "Server", f"Leave empty for {_PUBLIC}.", optional=True),
        KeyField("app_id", "App ID", "Only if your server requires tokens.", optional=True),
        KeyField("app_secret", "App secret", "Only if your server requires tokens.", secret=True, optional=True),
        KeyField("audience", "Audience", f"Only if your server does not accept “{_AUDIENCE}”.", optional=True),
    )

    def read_key(self, values: Mapping[str, str]) -> str:
        app_id, app_secret = values.get("app_id", ""), values.get("app_secret", "")
        if bool(app_id) != bool(app_secret):
            raise self.invalid_key("Enter both the App ID and the App secret, or leave both empty.")
        if app_secret and len(app_secret.encode()) < _SHORTEST_SECRET:
            raise self.invalid_key(f"The App secret is too short: it must have at least {_SHORTEST_SECRET} characters.")
        if values.get("audience") and not app_secret:
            raise self.invalid_key("Leave the Audience empty if your server does not require tokens.")
        server, audience = self._read_server(values.get("server", "")), values.get("audience") or _AUDIENCE
        return json.dumps({"server": server, "app_id": app_id, "app_secret": app_secret, "audience": audience})

    def _read_server(self, address: str) -> str:
        match = _SERVER.fullmatch(address.lower() or _PUBLIC)
        if match is None:
            raise self.invalid_key("Enter only the server's address, such as https://meet.example.com.")
        return f"https://{match[1]}"

    def read_account(self, token: str) -> Account:
        # Only a browser connects to the server, so a wrong secret shows when a visitor joins.
        key = _parse_key(token)
        host = urlsplit(key["server"]).netloc
        app_id = key["app_id"]
        return Account(f"{host}/{app_id}", "", f"{host} ({app_id})") if app_id else Account(host, "", host)

    def guest_experience(self, account: Account) -> GuestExperience:
        label = account.organization or ""
        if label.endswith(")"):  # The server requires tokens: see `read_account`.
            return GuestExperience(GuestEntry.DIRECT, Moderator.HOST_LINK, notes=(_CONFIGURE_SERVER,))
        if label == urlsplit(_PUBLIC).netloc:
            return GuestExperience(GuestEntry.HOST_FIRST, Moderator.FIRST_TO_SIGN_IN, notes=(_SIGN_IN_FIRST,))
        return GuestExperience(GuestEntry.DIRECT, Moderator.FIRST_TO_ARRIVE, notes=(_ANYONE_FIRST,))

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        key = _parse_key(token)
        return ProviderMeeting(request.tag, None if key["app_secret"] else f"{key['server']}/{request.tag}")

    def create_join_link(self, token: str, meeting_id: str, visit: Visit) -> str:
        from joserfc import jwt
        from joserfc.jwk import OctKey

        key = _parse_key(token)
        # Values are strings, numbers or null (lib-jitsi-meet/doc/tokens.md); Prosody's modules accept "true".
        user = {
            "id": visit.visitor_id,
            "moderator": "true" if visit.is_host else "false",
            "affiliation": "owner" if visit.is_host else "member",
        }
        claims = {
            "iss": key["app_id"],
            "aud": key["audience"],
            "sub": urlsplit(key["server"]).hostname,
            "room": meeting_id,
            "nbf": int((visit.opens_at - _CLOCK_SKEW).timestamp()),
            "exp": int(visit.closes_at.timestamp()),
            "context": {"user": user | ({"name": visit.name} if visit.name else {})},
        }
        signed = jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, OctKey.import_key(key["app_secret"]))
        return f"{key['server']}/{quote(meeting_id)}?{urlencode({'jwt': signed})}"


def _parse_key(token: str) -> dict[str, str]:
    key: dict[str, str] = json.loads(token)
    return key
