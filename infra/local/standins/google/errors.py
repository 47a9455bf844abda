"""How Google says no: google.rpc.Status, with Calendar's older `errors` where Calendar says it.

developers.google.com/workspace/calendar/api/guides/errors and cloud.google.com/apis/design/errors
"""

from __future__ import annotations

from typing import Any

_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_NO_SUCH_SPACE = "Permission denied on resource Space (or it might not exist)"


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.status = status
        self.body = {"error": {"code": status, **error}}


def calendar(status: int, reason: str, message: str, *, domain: str = "global", **where: str) -> Refusal:
    """An error of the Calendar API; `where` is `location` and `locationType`."""
    item = {"domain": domain, "reason": reason, "message": message, **where}
    return Refusal(status, {"message": message, "errors": [item]})


def rpc(status: int, message: str, *, name: str | None = None, reason: str | None = None) -> Refusal:
    """An error of a newer API such as Meet; `name` is its canonical code where the HTTP status has several."""
    error: dict[str, Any] = {"message": message, "status": name or _STATUS[status]}
    if reason:
        error["details"] = [{"@type": _INFO, "reason": reason, "domain": "googleapis.com"}]
    return Refusal(status, error)


def unauthenticated() -> Refusal:
    """The access token is unknown, ended or expired; both APIs say it in both forms."""
    where = {"location": "Authorization", "locationType": "header"}
    item = {"message": "Invalid Credentials", "domain": "global", "reason": "authError", **where}
    message = "Request had invalid authentication credentials."
    return Refusal(401, {"message": message, "errors": [item], "status": "UNAUTHENTICATED"})


def scope_missing() -> Refusal:
    """The access token was granted none of the scopes that would do."""
    item = {"message": "Insufficient Permission", "domain": "global", "reason": "insufficientPermissions"}
    info = {"@type": _INFO, "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "domain": "googleapis.com"}
    message = "Request had insufficient authentication scopes."
    return Refusal(403, {"message": message, "errors": [item], "status": "PERMISSION_DENIED", "details": [info]})


def no_such_space() -> Refusal:
    """Meet does not tell whether a space is unknown or another's; nor that a meeting code will not do here."""
    return rpc(403, _NO_SUCH_SPACE)
