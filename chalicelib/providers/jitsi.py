"""Jitsi Meet: the public server or one's own. A room is nothing but its name, so there is nothing to call.

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
from chalicelib.providers.base import KeyField, RoomProvider

_PUBLIC = "https://meet.jit.si"
_SERVER = re.compile(r"(?:https://)?([a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[1-9][0-9]{0,4})?)/?", re.ASCII)
_CLOCKS_DIFFER = timedelta(minutes=5)
_AUDIENCE = "jitsi"
_ONLY_IF_CONFIGURED = (
    "This needs a server that is configured for it, as docs/providers.md describes: a stock server makes every guest a "
    "moderator."
)
_SIGN_IN_FIRST = f"Sign in at {_PUBLIC} before your guests arrive, with the button “I am the host”: they wait for you."
_ANYONE_FIRST = "Join before your guests do: on this server the first person in the meeting moderates it."
_SHORTEST_SECRET = 14
"""112 bits: what RFC 7518 (3.2) and NIST SP 800-131A leave as the least for HMAC."""


class Jitsi(RoomProvider):
    """Rooms with names of 160 bits that no one can guess; where the server wants a token, it is made when joining.

    Whether a token makes its holder a moderator is decided by the server: docs/providers.md says how to configure it.
    """

    name = "jitsi"
    display_name = "Jitsi Meet"
    needs = "No account, or your own Jitsi server."
    limits = "On meet.jit.si the first to arrive has to sign in there before the others are let in."
    urls = {}
    fields = (
        KeyField("server", "Server", f"Leave empty for {_PUBLIC}.", optional=True),
        KeyField("app_id", "App ID", "Only for a server that asks for tokens.", optional=True),
        KeyField("app_secret", "App secret", "Only for a server that asks for tokens.", secret=True, optional=True),
        KeyField("audience", "Audience", f"Only if your server does not accept “{_AUDIENCE}”.", optional=True),
    )

    def read_key(self, typed: Mapping[str, str]) -> str:
        app_id, app_secret = typed.get("app_id", ""), typed.get("app_secret", "")
        if bool(app_id) != bool(app_secret):
            raise self.invalid_key("Give both App ID and App secret, or neither.")
        if app_secret and len(app_secret.encode()) < _SHORTEST_SECRET:
            raise self.invalid_key(f"The App secret is too short: use {_SHORTEST_SECRET} characters or more.")
        if typed.get("audience") and not app_secret:
            raise self.invalid_key("Leave Audience empty for a server that asks for no tokens.")
        server, audience = self._server(typed.get("server", "")), typed.get("audience") or _AUDIENCE
        return json.dumps({"server": server, "app_id": app_id, "app_secret": app_secret, "audience": audience})

    def _server(self, typed: str) -> str:
        found = _SERVER.fullmatch(typed.lower() or _PUBLIC)
        if found is None:
            raise self.invalid_key("Give the server's address such as https://meet.example.com, without a path.")
        return f"https://{found[1]}"

    def read_account(self, token: str) -> Account:
        # Whether the server accepts the secret shows when somebody joins: only a browser talks to it.
        key = _key(token)
        host = urlsplit(key["server"]).netloc
        app_id = key["app_id"]
        return Account(f"{host}/{app_id}", "", f"{host} ({app_id})") if app_id else Account(host, "", host)

    def guest_experience(self, account: Account) -> GuestExperience:
        label = account.organization or ""
        if label.endswith(")"):  # With tokens: see `account`.
            return GuestExperience(GuestEntry.DIRECT, Moderator.HOST_LINK, notes=(_ONLY_IF_CONFIGURED,))
        if label == urlsplit(_PUBLIC).netloc:
            return GuestExperience(GuestEntry.HOST_FIRST, Moderator.FIRST_TO_SIGN_IN, notes=(_SIGN_IN_FIRST,))
        return GuestExperience(GuestEntry.DIRECT, Moderator.FIRST_TO_ARRIVE, notes=(_ANYONE_FIRST,))

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        key = _key(token)
        return ProviderMeeting(request.tag, None if key["app_secret"] else f"{key['server']}/{request.tag}")

    def create_join_link(self, token: str, meeting_id: str, visit: Visit) -> str:
        from joserfc import jwt
        from joserfc.jwk import OctKey

        key = _key(token)
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
            "nbf": int((visit.opens_at - _CLOCKS_DIFFER).timestamp()),
            "exp": int(visit.closes_at.timestamp()),
            "context": {"user": user | ({"name": visit.name} if visit.name else {})},
        }
        signed = jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, OctKey.import_key(key["app_secret"]))
        return f"{key['server']}/{quote(meeting_id)}?{urlencode({'jwt': signed})}"


def _key(token: str) -> dict[str, str]:
    key: dict[str, str] = json.loads(token)
    return key
