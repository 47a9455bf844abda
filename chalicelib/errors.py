"""Every error that the product raises on purpose.

::

    MeetlinkError
    ├── CallerError              the request cannot be done as asked; each class is one HTTP problem
    │   ├── InvalidInput         422
    │   ├── Malformed            400
    │   ├── TooLarge             413
    │   ├── Unauthorized         401
    │   ├── Forbidden            403
    │   ├── NotFound             404
    │   ├── Conflict             409
    │   └── TooManyRequests      429
    ├── StoreError               the database; itself, if it refuses a request for good
    │   ├── LostRace             another process wrote first: read again
    │   └── StoreUnavailable     outage or throttling: a retry can help
    ├── ProviderError            a video provider; carries provider, status, code, request id, never bodies or tokens
    │   ├── ProviderUnavailable  a definite "not now" (503, 429): retry after `retry_at`
    │   │   └── ClientRefused    this deployment's own credentials are refused: only the operator can help
    │   ├── Ambiguous            no response, or an unclear one: the call may have been done
    │   ├── TokenRejected        the access token is not accepted: refresh once, then `ReconnectNeeded`
    │   ├── ReconnectNeeded      the grant is revoked or lacks a scope: only its owner can help
    │   ├── MeetingGone          the meeting does not exist any more
    │   └── Rejected             permanent: a retry cannot help
    └── MailError
        ├── MailUnavailable      throttled or down: a retry can help
        │   └── MailAccountError  the sending account or the sender: every other mail would be refused too
        └── MailRejected         this message or recipient is refused for good

Modules define further classes for what they alone raise and catch (`OutOfTime`, `KeyRefused`, …).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct


class MeetlinkError(Exception):
    """The root of the tree above."""


class FieldError(Struct, frozen=True):
    """One wrong field: a JSON pointer (RFC 6901) into the request body, and what to do about it."""

    pointer: str
    detail: str


class ParameterError(Struct, frozen=True):
    """One wrong query parameter, and what to do about it."""

    parameter: str
    detail: str


class CallerError(MeetlinkError):
    """A request that cannot be done as asked. `reason` is the stable end of the problem's `type`."""

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
    """The request is malformed or its content makes no sense."""

    status = 422
    reason = "invalid_input"


class Malformed(CallerError):
    """The body is not JSON that we accept (RFC 8259; no duplicate keys, no NaN, bounded depth)."""

    status = 400
    reason = "malformed"


class TooLarge(CallerError):
    status = 413
    reason = "too_large"


class Unauthorized(CallerError):
    """A key or signature is missing or wrong. The ids are the ones that it named, for the log."""

    status = 401
    reason = "unauthorized"

    def __init__(self, detail: str, *, workspace_id: str | None = None, key_id: str | None = None) -> None:
        super().__init__(detail)
        self.workspace_id = workspace_id
        self.key_id = key_id


class Forbidden(CallerError):
    status = 403
    reason = "forbidden"


class NotFound(CallerError):
    """There is no such thing in the caller's workspace (or it belongs to another one: nobody learns which)."""

    status = 404
    reason = "not_found"


class Conflict(CallerError):
    status = 409
    reason = "conflict"


class TooManyRequests(CallerError):
    status = 429
    reason = "too_many_requests"


class StoreError(MeetlinkError):
    """The database did not do what was asked."""


class LostRace(StoreError):
    """A conditional write found that somebody else wrote first. Read again and decide anew."""


class StoreUnavailable(StoreError):
    """An outage or throttling of the database. Trying again can help."""


class ProviderError(MeetlinkError):
    """A provider's failure, told without its body, tokens or addresses.

    `reason` is one of the closed list in `docs/callers.md`; `request_id` is the provider's own, for its support.
    `is_outage` says that the provider itself does not serve, whoever asks; `out_until` until when it is therefore left
    alone.
    """

    reason = "provider_error"

    def __init__(
        self,
        provider: str,
        what: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        reason: str | None = None,
        is_outage: bool = False,
        out_until: datetime | None = None,
    ) -> None:
        super().__init__(f"{provider}: {what} (status {status}, code {code}, request {request_id})")
        self.provider = provider
        self.what = what
        self.status = status
        self.code = code
        self.request_id = request_id
        self.reason = reason or type(self).reason
        self.is_outage = is_outage or (status is not None and status >= 500)
        self.out_until = out_until


class ProviderUnavailable(ProviderError):
    """A definite 'not now': nothing was done. `retry_at` is when the provider wants to be asked again, if it said."""

    reason = "provider_unavailable"

    def __init__(
        self, provider: str, what: str, *, retry_at: datetime | None = None, **known: str | int | datetime | None
    ) -> None:
        super().__init__(provider, what, **known)  # type: ignore[arg-type]
        self.retry_at = retry_at


class ClientRefused(ProviderUnavailable):
    """The token endpoint does not accept this deployment's client id or secret.

    `may_be_grant`: the provider uses the same code when an organization removed the app for its own users.
    """

    def __init__(self, provider: str, what: str, *, may_be_grant: bool = False, **known: str | int | None) -> None:
        super().__init__(provider, what, **known)  # type: ignore[arg-type]
        self.may_be_grant = may_be_grant


class Ambiguous(ProviderError):
    """The call may or may not have been done: a timeout, a lost connection, 500, 502, 504, an unreadable answer."""

    reason = "provider_unavailable"


class TokenRejected(ProviderError):
    """The access token was not accepted. Refresh it once and try again."""

    reason = "reconnect_needed"


class ReconnectNeeded(ProviderError):
    """Only the account's owner can help: the grant is dead, or lacks a scope."""

    reason = "reconnect_needed"


class MeetingGone(ProviderError):
    """The provider does not know the meeting (any more)."""

    reason = "meeting_gone"


class Rejected(ProviderError):
    """The provider refuses for good; `advice` tells the host what to do, in one sentence without secrets."""

    reason = "provider_rejected"

    def __init__(self, provider: str, what: str, *, advice: str = "", **known: str | int | None) -> None:
        super().__init__(provider, what, **known)  # type: ignore[arg-type]
        self.advice = advice


class MailError(MeetlinkError):
    """A mail was not handed over."""


class MailUnavailable(MailError):
    """Throttled, or no answer. Trying again can help: at `retry_at`, if that is known."""

    def __init__(self, detail: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(detail)
        self.retry_at = retry_at


class MailAccountError(MailUnavailable):
    """SES refuses because of the account or the sender, and would refuse any other mail too.

    `code` is from the closed list in `mail.refusals`. `concerns_sender` is true if another sender might be accepted.
    """

    def __init__(self, detail: str, *, code: str, concerns_sender: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.concerns_sender = concerns_sender


class MailRejected(MailError):
    """The message or its recipient is refused for good."""
