"""Every error that the product raises on purpose.

::

    MeetlinkError
    ├── CallerError              the request cannot be fulfilled; each class is one HTTP problem
    │   ├── InvalidInput         422
    │   ├── Malformed            400
    │   ├── TooLarge             413
    │   ├── Unauthorized         401
    │   ├── Forbidden            403
    │   ├── NotFound             404
    │   ├── Conflict             409
    │   └── TooManyRequests      429
    ├── StoreError               the database; this class itself: the database refuses the request for good
    │   ├── RowTooLarge          the row would exceed the database's limit of 400 kB
    │   ├── LostRace             another process wrote first: read again
    │   └── StoreUnavailable     outage or throttling: a retry can help
    │       └── IndexUnavailable  the index does not exist yet, or is being filled
    ├── ProviderError            a video provider; contains a `FailedCall`
    │   ├── ProviderUnavailable  a definite "not now" (503, 429): retry after `retry_at`
    │   │   └── ClientRefused    this deployment's own credentials are refused: only the operator can help
    │   ├── CircuitOpen          the circuit breaker sends the provider no calls for now
    │   ├── Ambiguous            no response, or an unclear one: the provider may have done the call
    │   ├── TokenRejected        the access token is not accepted: refresh once, then `ReconnectNeeded`
    │   ├── ReconnectNeeded      the grant is revoked or lacks a scope: only its owner can help
    │   ├── MeetingGone          the meeting does not exist any more
    │   └── Rejected             permanent: a retry cannot help
    └── MailError
        ├── MailUnavailable      throttled or down: a retry can help
        │   └── MailAccountError  the sending account or the sender: every other email would be refused too
        └── MailRejected         this message or recipient is refused for good

Errors that only one module raises and catches are defined there (`OutOfTime`, `KeyRefused`, …).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct


class MeetlinkError(Exception):
    """The base class of the tree above."""


class FieldError(Struct, frozen=True):
    """One invalid field of a request body."""

    pointer: str
    """Where the field is: a JSON pointer (RFC 6901) into the body."""
    detail: str
    """What is wrong, and what to send instead."""


class ParameterError(Struct, frozen=True):
    """One wrong query parameter, and what to do about it."""

    parameter: str
    detail: str


class CallerError(MeetlinkError):
    """The request cannot be fulfilled. `reason` is the stable last part of the problem's `type`."""

    status = 400
    reason = "bad_request"

    def __init__(
        self, detail: str, *, reason: str | None = None, errors: Sequence[FieldError | ParameterError] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason or type(self).reason
        self.errors = tuple(errors)


class InvalidInput(CallerError):
    """The request is well-formed JSON, but its content is invalid."""

    status = 422
    reason = "invalid_input"


class Malformed(CallerError):
    """The body is not strict JSON (RFC 8259; no duplicate keys, no NaN, bounded depth)."""

    status = 400
    reason = "malformed"


class TooLarge(CallerError):
    """The body is over the size limit."""

    status = 413
    reason = "too_large"


class Unauthorized(CallerError):
    """The key or signature is missing or wrong. The ids are those in the request, for the log."""

    status = 401
    reason = "unauthorized"

    def __init__(self, detail: str, *, workspace_id: str | None = None, key_id: str | None = None) -> None:
        super().__init__(detail)
        self.workspace_id = workspace_id
        self.key_id = key_id


class Forbidden(CallerError):
    """The caller is known, but may not do this."""

    status = 403
    reason = "forbidden"


class NotFound(CallerError):
    """The caller's workspace has no such resource. The response is the same if another workspace has it."""

    status = 404
    reason = "not_found"


class Conflict(CallerError):
    """The request conflicts with the resource's current state."""

    status = 409
    reason = "conflict"


class TooManyRequests(CallerError):
    """The caller is over a rate limit."""

    status = 429
    reason = "too_many_requests"


class StoreError(MeetlinkError):
    """The database failed or refused a request."""


class LostRace(StoreError):
    """A conditional write failed because another process wrote first. Read the row again before you retry."""


class RowTooLarge(StoreError):
    """The row would exceed DynamoDB's limit of 400 kB. Nothing was written."""


class StoreUnavailable(StoreError):
    """The database, or the queue of a request that only its message finds, is down or throttles. A retry can help."""


class IndexUnavailable(StoreUnavailable):
    """The table does not have the index yet, or DynamoDB is still filling it."""


class FailedCall(Struct, frozen=True):
    """What a failed provider call reports. Never contains bodies, tokens or addresses, because errors are logged."""

    provider: str
    """The provider's `name`."""
    what: str
    """What happened, in a few words, for logs and for the person who connects an account."""
    status: int | None = None
    """The HTTP status; None if there was no response, or no request."""
    code: str | None = None
    """The provider's own error code."""
    request_id: str | None = None
    """The provider's id of the request, which its support asks for."""
    is_unreachable: bool = False
    """True if the provider could not be reached or did not respond in time."""

    def __str__(self) -> str:
        return f"{self.provider}: {self.what} (status {self.status}, code {self.code}, request {self.request_id})"


class ProviderError(MeetlinkError):
    """A call to a video provider failed. `reason` is from the closed list in `docs/callers.md`."""

    reason = "provider_error"
    may_be_done = False
    """Whether the provider may have done the call."""

    def __init__(self, call: FailedCall, *, reason: str | None = None) -> None:
        super().__init__(str(call))
        self.call = call
        self.reason = reason or type(self).reason

    @property
    def provider(self) -> str:
        return self.call.provider

    @property
    def status(self) -> int | None:
        return self.call.status

    @property
    def code(self) -> str | None:
        return self.call.code

    @property
    def is_outage(self) -> bool:
        """Whether the provider itself is down, for every account: unreachable, or a 5xx status."""
        return self.call.is_unreachable or (self.call.status is not None and self.call.status >= 500)


class ProviderUnavailable(ProviderError):
    """The provider refuses for now, and did nothing. `retry_at` is the time from its response, if it named one."""

    reason = "provider_unavailable"

    def __init__(
        self,
        call: FailedCall,
        *,
        retry_at: datetime | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(call, reason=reason)
        self.retry_at = retry_at


class ClientRefused(ProviderUnavailable):
    """The token endpoint does not accept this deployment's client id or secret.

    `may_be_grant`: the provider uses the same code when an organization removed the app for its own users.
    """

    def __init__(self, call: FailedCall, *, may_be_grant: bool = False) -> None:
        super().__init__(call)
        self.may_be_grant = may_be_grant


class CircuitOpen(ProviderError):
    """The circuit breaker sends the provider no calls before `until`.

    This call's failure opened the circuit (then it is the cause), or the circuit was open and the call was not sent.
    """

    reason = "provider_unavailable"

    def __init__(self, call: FailedCall, until: datetime, *, may_be_done: bool = False) -> None:
        super().__init__(call)
        self.until = until
        self.may_be_done = may_be_done


class Ambiguous(ProviderError):
    """The provider may have done the call: a timeout, a lost connection, 500, 502, 504, an unreadable response."""

    reason = "provider_unavailable"
    may_be_done = True


class TokenRejected(ProviderError):
    """The provider did not accept the access token. Refresh it once and try again."""

    reason = "reconnect_needed"


class ReconnectNeeded(ProviderError):
    """The grant is revoked or lacks a scope. Only the owner of the account can fix this, by reconnecting."""

    reason = "reconnect_needed"


class MeetingGone(ProviderError):
    """The provider does not have the meeting, or no longer has it."""

    reason = "meeting_gone"


class Rejected(ProviderError):
    """The provider refuses for good. `advice` is what the host can do, in a sentence or two without secrets."""

    reason = "provider_rejected"

    def __init__(self, call: FailedCall, *, advice: str = "") -> None:
        super().__init__(call)
        self.advice = advice


class MailError(MeetlinkError):
    """The mail service did not accept an email."""


class MailUnavailable(MailError):
    """Throttled, or no response. A retry can help: at `retry_at`, if that is known."""

    def __init__(self, detail: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(detail)
        self.retry_at = retry_at


class MailAccountError(MailUnavailable):
    """SES refuses the account or the sender, so it would refuse every other email too.

    `code` is from the closed list in `mail.ses_errors`. `concerns_sender` is true if another sender might be accepted.
    """

    def __init__(self, detail: str, *, code: str, concerns_sender: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.concerns_sender = concerns_sender


class MailRejected(MailError):
    """The mail service refuses this message or recipient for good."""
