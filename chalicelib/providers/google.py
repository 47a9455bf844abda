"""What Google's providers share: sign-in, account, guest experience and errors.

developers.google.com/identity/protocols/oauth2/web-server and accounts.google.com/.well-known/openid-configuration
"""

from __future__ import annotations

from typing import Any, ClassVar

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.errors import Ambiguous, FailedCall, ProviderError, ProviderUnavailable, ReconnectNeeded, Rejected
from chalicelib.providers.base import OAuth, OAuthProvider
from chalicelib.providers.google_rooms import is_open
from chalicelib.providers.http_client import ProviderResponse, parse_retry_after
from chalicelib.providers.parsing import LONGEST_ID, parse_objects, parse_text

SCOPES = "https://www.googleapis.com/auth/"
# A 403 can be a rate limit or a permanent refusal; the reason decides (developers.google.com/workspace/
# calendar/api/guides/errors). Camel case is the older form of Calendar, capitals are google.rpc.ErrorInfo.
_RATE_LIMITS = {
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "quotaExceeded",
    "dailyLimitExceeded",
    "RATE_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED",
}
_PERSONAL_LIMIT_MINUTES = 60
_PERSONAL_LIMIT = "Meetings of a personal Google account end after 60 minutes if three or more people join."
_CLOSED_BY_POLICY = (
    "Your Google account makes guests knock. In Google Workspace, your administrator can change this: Admin console, "
    "Google Meet, Meet safety settings."
)
_MISSING_SCOPE = {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
_API_DISABLED = "The Google API is disabled for this service. Ask its operator to enable it in their Google project."
_ADVICE = {
    "accessNotConfigured": _API_DISABLED,
    "SERVICE_DISABLED": _API_DISABLED,
    "domainPolicy": "Your organization does not allow this app. Ask your Google Workspace administrator to allow it.",
    "notACalendarUser": "This Google account has no calendar. Open Google Calendar once, or connect another account.",
}
_BAD_REQUEST = "Google does not accept the meeting's details. Check the booking's title and times."
_FORBIDDEN = (
    "Google does not allow this account to create the meeting. Ask your Google Workspace administrator, or connect "
    "another account."
)


def build_oauth(scopes: tuple[str, ...], *, optional: tuple[str, ...] = ()) -> OAuth:
    """Return Google's OAuth for a grant of any one of `scopes`. The first one and the `optional` ones are requested.

    Without `prompt=consent`, only the very first consent returns a refresh token.
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
        # `sub` stays the same when the address changes; `hd` is the Workspace domain.
        body = self.call(token, "GET", "/v1/userinfo", at="USERINFO").object()
        try:
            return Account(str(body["sub"]), str(body["email"]), parse_text(body.get("hd"), LONGEST_ID))
        except KeyError as error:
            raise Ambiguous(FailedCall(self.name, "userinfo has no id or address")) from error

    def describe_experience(
        self, account: Account, admission: GuestEntry, *notes: str, is_observed: bool = False
    ) -> GuestExperience:
        """Describe what guests experience. An account without a Workspace domain is personal, and has a time limit."""
        is_personal = account.organization is None
        limit = _PERSONAL_LIMIT_MINUTES if is_personal else None
        notes += (_PERSONAL_LIMIT,) if is_personal else ()
        return GuestExperience(admission, Moderator.HOST_ACCOUNT, limit, notes, is_observed)

    def describe_room(self, space: dict[str, Any], account: Account) -> GuestExperience:
        """Describe what guests experience in a room of the Meet API."""
        if is_open(space):
            return self.describe_experience(account, GuestEntry.DIRECT, is_observed=True)
        return self.describe_experience(account, GuestEntry.KNOCK, _CLOSED_BY_POLICY, is_observed=True)

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        if not 400 <= response.status < 500 or response.status in (401, 404, 408, 410):
            return None
        reasons = _read_reasons(response.body)
        code = min(reasons, default=None)
        if reasons & _RATE_LIMITS or response.status == 429:
            call = self.failed_call(response, "rate limit", code=code)
            retry_at = parse_retry_after(response.headers, self.now())
            return ProviderUnavailable(call, retry_at=retry_at, reason="rate_limited")
        if reasons & _MISSING_SCOPE:
            return ReconnectNeeded(self.failed_call(response, "a scope is missing", code=code))
        advice = next((_ADVICE[reason] for reason in sorted(reasons) if reason in _ADVICE), None)
        general = _FORBIDDEN if response.status == 403 else _BAD_REQUEST
        return Rejected(self.failed_call(response, "the request is refused", code=code), advice=advice or general)


def error_message(body: Any) -> str:
    """Return the message of an error, to compare it. Never log it: it may repeat parts of the request."""
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _read_reasons(body: Any) -> set[str]:
    """Return the reasons of an error, from Calendar (`errors[].reason`) and google.rpc.Status (`details[].reason`)."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return set()
    parts = [error.get("errors"), error.get("details")]
    reasons = [item.get("reason") for part in parts for item in parse_objects(part)]
    return {name for name in (*reasons, error.get("status")) if isinstance(name, str) and name.isidentifier()}
