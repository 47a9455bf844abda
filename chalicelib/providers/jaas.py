"""Jitsi as a Service (8x8.vc): rooms below the host's App ID, which people join with a token signed with their key.

developer.8x8.com/jaas/docs/api-keys-jwt
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote, urlencode

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting, Visit
from chalicelib.providers.base import KeyField
from chalicelib.providers.rooms import RoomProvider

_CLOCK_SKEW = timedelta(minutes=5)
_FEATURES = ("livestreaming", "recording", "transcription", "outbound-call")
_LEAST_BITS, _MOST_BITS = 2048, 4096
"""8x8 recommends 4096. Each visit signs a token, which takes 4 s of CPU with 8192 bits."""


class Jaas(RoomProvider):
    """Tokens are bearer secrets: they are signed when a visitor joins, and never mailed."""

    name = "jaas"
    display_name = "Jitsi as a Service"
    needs = "A JaaS account at 8x8 and an API key."
    limits = "8x8 bills by monthly active users."
    urls = {"API": "https://8x8.vc"}
    fields = (
        KeyField("app_id", "App ID", "It begins with vpaas-magic-cookie-."),
        KeyField("key_id", "Key ID", "The API key's ID, with or without the App ID before it."),
        KeyField("private_key", "Private key", "The file, from BEGIN to END.", secret=True, lines=6, longest=4096),
    )

    def read_key(self, values: Mapping[str, str]) -> str:
        app_id, key_id = values.get("app_id", ""), values.get("key_id", "")
        if not re.fullmatch(r"vpaas-magic-cookie-[0-9a-zA-Z]+", app_id):
            raise self.invalid_key("The App ID is incomplete: it begins with vpaas-magic-cookie-.")
        key_id = key_id.removeprefix(f"{app_id}/")
        if not re.fullmatch(r"[0-9a-zA-Z_.-]+", key_id):
            raise self.invalid_key("Enter the Key ID as the JaaS console shows it.")
        private_key = self._read_private_key(values.get("private_key", ""))
        return json.dumps({"app_id": app_id, "key_id": key_id, "private_key": private_key})

    def _read_private_key(self, pem: str) -> str:
        from joserfc.errors import JoseError
        from joserfc.jwk import RSAKey

        try:
            key = RSAKey.import_key(pem.replace("\r\n", "\n"))
        except (JoseError, ValueError, TypeError):
            raise self.invalid_key("This is not an RSA key in PEM form. Paste the whole file that you saved.") from None
        if key.private_key is None:
            raise self.invalid_key("This is the public key. Paste the private key instead.")
        if not _LEAST_BITS <= key.private_key.key_size <= _MOST_BITS:
            raise self.invalid_key(
                "The private key must have 2048 to 4096 bits. Generate a new one on the JaaS console."
            )
        return key.as_pem(private=True).decode()

    def read_account(self, token: str) -> Account:
        # 8x8 has no call to check the key. A wrong key shows when a visitor joins.
        app_id = _parse_key(token)["app_id"]
        return Account(app_id, "", app_id)

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.DIRECT, Moderator.HOST_LINK)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        return ProviderMeeting(request.tag, None)

    def create_join_link(self, token: str, meeting_id: str, visit: Visit) -> str:
        from joserfc import jwt
        from joserfc.jwk import RSAKey

        key = _parse_key(token)
        # 8x8 documents flags as strings. Features are for moderators only, and the account's owner pays for them.
        user = {"id": visit.visitor_id, "moderator": "true" if visit.is_host else "false"}
        claims = {
            "aud": "jitsi",
            "iss": "chat",
            "sub": key["app_id"],
            "room": meeting_id,
            "nbf": int((visit.opens_at - _CLOCK_SKEW).timestamp()),
            "exp": int(visit.closes_at.timestamp()),
            "context": {
                "user": user | ({"name": visit.name} if visit.name else {}),
                "features": dict.fromkeys(_FEATURES, "false"),
            },
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": f"{key['app_id']}/{key['key_id']}"}
        signed = jwt.encode(header, claims, RSAKey.import_key(key["private_key"]))
        return f"{self.addresses['API']}/{quote(key['app_id'])}/{quote(meeting_id)}?{urlencode({'jwt': signed})}"


def _parse_key(token: str) -> dict[str, str]:
    key: dict[str, str] = json.loads(token)
    return key
