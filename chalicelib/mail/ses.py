"""Handing mails over to Amazon SES (API version 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.domain.invitation import Invite
from chalicelib.mail.addresses import sending_address
from chalicelib.mail.send_rate import SendRate
from chalicelib.mail.sender import Mail, Sender
from chalicelib.mail.ses_errors import Refusal, read_refusal
from chalicelib.mail.tags import tag_value
from chalicelib.observability import count, log

if TYPE_CHECKING:
    from collections.abc import Mapping


class SesMailer:
    """Sends through `client`, a boto3 `sesv2` client.

    SES has no idempotency, so the client must make one attempt only (`total_max_attempts=1`): a second one after a
    timeout might mail twice. Events of `configuration_set` tell of bounces and complaints. `pace` makes a mail wait
    its turn.
    """

    def __init__(
        self, client: Any, sender: Sender, configuration_set: str | None = None, pace: SendRate | None = None
    ) -> None:
        self._client = client
        self._sender = sender
        self._configuration_set = configuration_set
        self._pace = pace

    def send(self, invite: Invite) -> str:
        """Mail `invite` to its recipient; the SES message id. Raises `MailUnavailable`, `MailRejected`.

        A refusal by SES is logged, and counted as `MailsRefused` by fault and by code.

        SES overwrites Message-ID: its events are matched by the id returned here, and by the tags.
        """
        from chalicelib.mail.message import compose  # A link need not wait for the mail builder.

        tags = {
            "workspace": invite.workspace_id,
            "booking": invite.booking_id,
            "sequence": str(invite.sequence),
            "role": invite.recipient.role.value,
        }
        return self._send(compose(invite, self._sender), invite.sender or self._sender.address, tags)

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str:
        """Mail a notice of the service itself to the address `to`; the SES message id. Raises as `send` does."""
        from chalicelib.mail.message import compose_notice

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
            refusal = read_refusal(error)
            _report(refusal, tags)
            raise refusal.error() from error
        return str(answer["MessageId"])


def _report(refusal: Refusal, tags: Mapping[str, str]) -> None:
    """Log and count a refused send: by fault for the alarm, by code to find the cause."""
    ids = {f"{name}_id": tags[name] for name in ("workspace", "booking") if name in tags}
    log.warning("SES refused a mail", code=refusal.code, fault=refusal.fault.value, detail=refusal.detail, **ids)
    count("MailsRefused", fault=refusal.fault.value)
    count("MailsRefused", code=refusal.code)
