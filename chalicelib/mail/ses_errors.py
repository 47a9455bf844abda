"""Classify the errors of SES: who is at fault, and under which code an error is counted.

docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import MailAccountError, MailError, MailRejected, MailUnavailable

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

NOT_VERIFIED = "NotVerified"
"""SES's `MessageRejected` for an address that is not verified: the sender's or, in the sandbox, the recipient's."""
QUOTA = "DailyQuotaExceeded"
"""SES uses one code for the limits by second and by day; only its message distinguishes them."""
SUSPENDED = "AccountSuspendedException"
NO_RESPONSE = "NoResponse"
OTHER = "Other"


class Fault(StrEnum):
    """Who is at fault. A closed list: it is a dimension of the metric `MailsRefused`."""

    ACCOUNT = "account"
    MESSAGE = "message"
    TEMPORARY = "temporary"


_FAULTS = {
    NOT_VERIFIED: Fault.ACCOUNT,
    QUOTA: Fault.ACCOUNT,
    SUSPENDED: Fault.ACCOUNT,
    "AccessDeniedException": Fault.ACCOUNT,
    "LimitExceededException": Fault.ACCOUNT,
    "MailFromDomainNotVerifiedException": Fault.ACCOUNT,
    "NotFoundException": Fault.ACCOUNT,  # The configuration set.
    "SendingPausedException": Fault.ACCOUNT,
    "BadRequestException": Fault.MESSAGE,
    "MessageRejected": Fault.MESSAGE,
    "InternalServiceErrorException": Fault.TEMPORARY,
    "ThrottlingException": Fault.TEMPORARY,
    "TooManyRequestsException": Fault.TEMPORARY,
    NO_RESPONSE: Fault.TEMPORARY,
    OTHER: Fault.TEMPORARY,
}
CODES = frozenset(_FAULTS)
"""Every value of the dimension `code`."""
_OF_SENDER = frozenset({NOT_VERIFIED, "MailFromDomainNotVerifiedException"})
_BY_MESSAGE = (
    (re.compile(r"daily \w+ quota exceeded", re.IGNORECASE), QUOTA),
    (re.compile(r"not verified", re.IGNORECASE), NOT_VERIFIED),
    (re.compile(r"sending suspended", re.IGNORECASE), SUSPENDED),
    (re.compile(r"sending paused", re.IGNORECASE), "SendingPausedException"),
)


class Refusal(Struct, frozen=True):
    """One refused email."""

    code: str
    """One of `CODES`."""
    fault: Fault
    detail: str
    """Codes and ids only, because SES repeats addresses in its messages."""

    def error(self) -> MailError:
        """Return the error for callers of the mailer."""
        match self.fault:
            case Fault.ACCOUNT:
                return MailAccountError(self.detail, code=self.code, concerns_sender=self.code in _OF_SENDER)
            case Fault.MESSAGE:
                return MailRejected(self.detail)
            case Fault.TEMPORARY:
                return MailUnavailable(self.detail)


def read_refusal(error: BotoCoreError | ClientError) -> Refusal:
    """Classify an error of the SDK's `send_email`."""
    from botocore.exceptions import ClientError, ParamValidationError

    if isinstance(error, ParamValidationError):
        return Refusal("BadRequestException", Fault.MESSAGE, "SES: ParamValidationError")
    if not isinstance(error, ClientError):
        return Refusal(NO_RESPONSE, Fault.TEMPORARY, f"SES: {type(error).__name__}")
    reported = error.response.get("Error", {})
    name, metadata = reported.get("Code", "unknown"), error.response.get("ResponseMetadata", {})
    matches = (code for pattern, code in _BY_MESSAGE if pattern.search(reported.get("Message", "")))
    code = next(matches, name if name in CODES else OTHER)
    detail = f"SES: {name} (status {metadata.get('HTTPStatusCode')}, request {metadata.get('RequestId')})"
    return Refusal(code, _FAULTS[code], detail)
