"""What Google's providers share: sign-in, whose account it is, and what errors mean.

developers.google.com/identity/protocols/oauth2/web-server and accounts.google.com/.well-known/openid-configuration
"""

from __future__ import annotations

from typing import Any, ClassVar

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.errors import Ambiguous, FailedCall, ProviderError, ProviderUnavailable, ReconnectNeeded, Rejected
from chalicelib.providers.base import OAuth, OAuthProvider
from chalicelib.providers.http_client import ProviderResponse, parse_retry_after
from chalicelib.providers.parsing import LONGEST_ID, parse_text

SCOPES = "https://www.googleapis.com/auth/"
# The same 403 says "slower" and "never": only the reason tells (developers.google.com/workspace/calendar/api/guides/
# errors). In camel case they are the older Calendar form, in capitals google.rpc.ErrorInfo.
_LIMITS = {
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "quotaExceeded",
    "dailyLimitExceeded",
    "RATE_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED",
}
OPEN_ROOM = {"accessType": "OPEN"}
"""Everyone with the link enters at once: schema `SpaceConfig` of the Meet API's discovery document, meet.v2.json."""
_PERSONAL_LIMIT_MINUTES = 60
_PERSONAL_LIMIT = "With three or more people a meeting of a personal Google account ends after 60 minutes."
_CLOSED_BY_POLICY = (
    "Your Google account does not let guests in without knocking. In Google Workspace your administrator can allow it: "
    "Admin console, Google Meet, Meet safety settings."
)
_TOO_FEW_SCOPES = {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
_SWITCHED_OFF = "This deployment's Google project has the API switched off. Ask its operator to enable it."
_ADVICE = {
    "accessNotConfigured": _SWITCHED_OFF,
    "SERVICE_DISABLED": _SWITCHED_OFF,
    "domainPolicy": "Your organization does not allow this app at Google. Ask the Google Workspace administrator.",
    "notACalendarUser": "This Google account has no calendar. Open Google Calendar once, or connect another account.",
}
_BAD_REQUEST = "Google does not accept the meeting's details. Check the booking's title and times."
_FORBIDDEN = (
    "Google does not let this account make the meeting. Ask the Google Workspace administrator, or connect another "
    "account."
)


def oauth(scopes: tuple[str, ...], *, optional: tuple[str, ...] = ()) -> OAuth:
    """Google's OAuth with any one of `scopes`; the first is requested, and `optional` ones with it.

    Without `prompt=consent` only the first consent of all gives a refresh token.
    """
    return OAuth(
        authorize_path="/o/oauth2/v2/auth",
        token_path="/token",  # noqa: S106
        revoke_path="/revoke",
        scope_sets=tuple(frozenset({scope}) for scope in scopes),
        requested_scopes=("openid", "email", SCOPES + scopes[0], *(SCOPES + scope for scope in optional)),
        scope_prefix=SCOPES,
        basic_auth=False,
        revoke_needs_client=False,
        extra_parameters={"access_type": "offline", "prompt": "consent"},
    )


class Google(OAuthProvider):
    """An account at Google."""

    identity_urls: ClassVar[dict[str, str]] = {
        "OAUTH": "https://accounts.google.com",
        "TOKEN": "https://oauth2.googleapis.com",
        "USERINFO": "https://openidconnect.googleapis.com",
    }

    def read_account(self, token: str) -> Account:
        # `sub` stays when somebody's address changes; `hd` is the Workspace domain.
        body = self.call(token, "GET", "/v1/userinfo", at="USERINFO").object()
        try:
            return Account(str(body["sub"]), str(body["email"]), parse_text(body.get("hd"), LONGEST_ID))
        except KeyError as error:
            raise Ambiguous(FailedCall(self.name, "userinfo answered without an id or address")) from error

    def experience(
        self, account: Account, admission: GuestEntry, *notes: str, is_observed: bool = False
    ) -> GuestExperience:
        """What guests experience, with the time limit of the account: one without a Workspace domain is personal."""
        is_personal = account.organization is None
        limit = _PERSONAL_LIMIT_MINUTES if is_personal else None
        notes += (_PERSONAL_LIMIT,) if is_personal else ()
        return GuestExperience(admission, Moderator.HOST_ACCOUNT, limit, notes, is_observed)

    def experience_in(self, space: dict[str, Any], account: Account) -> GuestExperience:
        """What guests experience in a room of the Meet API."""
        if is_open(space):
            return self.experience(account, GuestEntry.DIRECT, is_observed=True)
        return self.experience(account, GuestEntry.KNOCK, _CLOSED_BY_POLICY, is_observed=True)

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        if not 400 <= response.status < 500 or response.status in (401, 404, 408, 410):
            return None
        reasons = _reasons(response.body)
        code = min(reasons, default=None)
        if reasons & _LIMITS or response.status == 429:
            at = parse_retry_after(response.headers, self.now())
            call = self.failed_call(response, "a rate limit", code=code)
            return ProviderUnavailable(call, retry_at=at, reason="rate_limited")
        if reasons & _TOO_FEW_SCOPES:
            return ReconnectNeeded(self.failed_call(response, "a scope is missing", code=code))
        advice = next((_ADVICE[reason] for reason in sorted(reasons) if reason in _ADVICE), None)
        general = _FORBIDDEN if response.status == 403 else _BAD_REQUEST
        return Rejected(self.failed_call(response, "the request is refused", code=code), advice=advice or general)


def is_open(space: dict[str, Any]) -> bool:
    """Whether guests enter this room of the Meet API without knocking."""
    config = space.get("config")
    return isinstance(config, dict) and config.get("accessType") == OPEN_ROOM["accessType"]


def said(body: Any) -> str:
    """The message of an error, to compare; it may repeat what was sent, so it never goes into an error of ours."""
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _reasons(body: Any) -> set[str]:
    """Why, in Calendar's form (`errors[].reason`) and in that of google.rpc.Status (`status`, `details[].reason`)."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return set()
    parts = [error.get("errors"), error.get("details")]
    told = [item.get("reason") for part in parts if isinstance(part, list) for item in part if isinstance(item, dict)]
    return {why for why in (*told, error.get("status")) if isinstance(why, str) and why.isidentifier()}
