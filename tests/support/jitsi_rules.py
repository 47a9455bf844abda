"""What Jitsi's own programs require of a token, written from their documentation and behaviour.

`prosody_problems`: Prosody's token authentication with luajwtjitsi (handbook, devops-guide/token-authentication;
lib-jitsi-meet/doc/tokens.md). `browser_problems`: jitsi-meet's check in the browser before it joins a JaaS room
(react/features/base/jwt of jitsi-meet, developer.8x8.com/jaas/docs/api-keys-jwt).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

_USER_VALUE = str | int | float | None
_FEATURES = {"livestreaming", "recording", "transcription", "outbound-call", "sip-inbound-call", "sip-outbound-call"}
_FLAGS = (True, False, "true", "false")


def prosody_problems(
    claims: dict[str, Any], *, app_id: str, room: str, now: datetime, audiences: tuple[str, ...] = ("*",)
) -> list[str]:
    """What a Prosody with these settings would refuse in a token with a valid signature."""
    wrong = _time_problems(claims, now)
    if claims.get("iss") != app_id:
        wrong.append("iss is no accepted issuer")
    if not isinstance(claims.get("aud"), str) or not ("*" in audiences or claims["aud"] in audiences):
        wrong.append("aud is no accepted audience")
    if not isinstance(claims.get("sub"), str):
        wrong.append("sub is no text")
    if claims.get("room") not in ("*", room.lower()):
        wrong.append("room is another one")
    return wrong + _user_problems(claims)


def browser_problems(header: dict[str, Any], claims: dict[str, Any], *, tenant: str, now: datetime) -> list[str]:
    """What jitsi-meet would show as errors of a token for a room below `tenant` at 8x8.vc."""
    wrong = _time_problems(claims, now)
    if header.get("alg") != "RS256":
        wrong.append("alg is not RS256")
    if not str(header.get("kid", "")).startswith(f"{tenant}/"):
        wrong.append("kid belongs to another tenant")
    wanted = {"aud": "jitsi", "iss": "chat", "sub": tenant}
    wrong += [f"{name} is not {value}" for name, value in wanted.items() if claims.get(name) != value]
    features = claims.get("context", {}).get("features", {})
    wrong += [f"feature {name} is unknown" for name in features if name not in _FEATURES]
    wrong += [f"feature {name} is no flag" for name, value in features.items() if value not in _FLAGS]
    return wrong + _user_problems(claims)


def _time_problems(claims: dict[str, Any], now: datetime) -> list[str]:
    begins, ends, seconds = claims.get("nbf"), claims.get("exp"), now.timestamp()
    if not isinstance(begins, int) or not isinstance(ends, int):
        return ["nbf or exp is no whole number"]
    return ([] if begins <= seconds else ["it is not valid yet"]) + ([] if seconds < ends else ["it has expired"])


def _user_problems(claims: dict[str, Any]) -> list[str]:
    user = claims.get("context", {}).get("user", {})
    wrong = [f"user.{name} is a boolean or an object" for name, v in user.items() if isinstance(v, bool)]
    wrong += [f"user.{name} is no plain value" for name, v in user.items() if not isinstance(v, _USER_VALUE)]
    return wrong + ([] if user.get("id") else ["user.id is missing"])
