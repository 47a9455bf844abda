"""Handing mails over to Amazon SES (API version 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.domain.invitation import Invite
from chalicelib.errors import MailError, MailRejected, MailUnavailable
from chalicelib.mail.addresses import sending_address
from chalicelib.mail.pace import Pace
from chalicelib.mail.sender import Mail, Sender
from chalicelib.mail.tags import tag_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.exceptions import BotoCoreError, ClientError

# The message's own fault. Anything else (throttling, a paused or suspended account, missing rights, a missing
# configuration set) may be put right while the mail still matters.
# docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
_REFUSALS = frozenset({"MessageRejected", "MailFromDomainNotVerifiedException", "BadRequestException"})


class SesMailer:
    """Sends through `client`, a boto3 `sesv2` client.

    SES has no idempotency, so the client must make one attempt only (`total_max_attempts=1`): a second one after a
    timeout might mail twice. Events of `configuration_set` tell of bounces and complaints. `pace` makes a mail wait
    its turn.
    """

    def __init__(
        self, client: Any, sender: Sender, configuration_set: str | None = None, pace: Pace | None = None
    ) -> None:
        self._client = client
        self._sender = sender
        self._configuration_set = configuration_set
        self._pace = pace

    def send(self, invite: Invite) -> str:
        """Mail `invite` to its recipient; the SES message id. Raises `MailUnavailable`, `MailRejected`.

        SES overwrites Message-ID: its events are matched by the id returned here, and by the tags.
        """
        from chalicelib.mail.compose import compose  # A link need not wait for the mail builder.

        tags = {
            "workspace": invite.workspace_id,
            "booking": invite.booking_id,
            "sequence": str(invite.sequence),
            "role": invite.recipient.role.value,
        }
        return self._send(compose(invite, self._sender), invite.sender or self._sender.address, tags)

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str:
        """Mail a notice of the service itself to the address `to`; the SES message id. Raises as `send` does."""
        from chalicelib.mail.compose import compose_notice

        return self._send(compose_notice(to, subject, text, html, self._sender), self._sender.address, {})

    def _send(self, mail: Mail, sender: str, tags: Mapping[str, str]) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        request: dict[str, Any] = {
            "FromEmailAddress": sending_address(sender),
            "Destination": {"ToAddresses": [mail.to]},
            "Content": {"Raw": {"Data": mail.raw}},
            "EmailTags": [{"Name": name, "Value": tag_value(value)} for name, value in tags.items()],
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        if self._pace is not None:
            self._pace.wait()
        try:
            answer = self._client.send_email(**request)
        except (BotoCoreError, ClientError) as error:
            raise _translated(error) from error
        return str(answer["MessageId"])


def _translated(error: BotoCoreError | ClientError) -> MailError:
    """Names the error's kind only: SES repeats addresses in its messages."""
    from botocore.exceptions import ClientError, ParamValidationError

    if not isinstance(error, ClientError):
        kind = MailRejected if isinstance(error, ParamValidationError) else MailUnavailable
        return kind(f"SES: {type(error).__name__}")
    code = error.response.get("Error", {}).get("Code", "unknown")
    known = error.response.get("ResponseMetadata", {})
    kind = MailRejected if code in _REFUSALS else MailUnavailable
    return kind(f"SES: {code} (status {known.get('HTTPStatusCode')}, request {known.get('RequestId')})")
