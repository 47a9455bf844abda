"""Send emails with Amazon SES (API version 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.domain.invitation import Invite
from chalicelib.mail.addresses import SenderAddress
from chalicelib.mail.send_rate import SendRate
from chalicelib.mail.ses_errors import Refusal, read_refusal
from chalicelib.mail.ses_events import encode_tag
from chalicelib.observability import count, log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.mail.message import Mail


class SesMailer:
    """Sends emails with a botocore `sesv2` client.

    SES has no idempotency, so the client must make only one attempt (`total_max_attempts=1`): a second attempt after a
    timeout might send the email twice. SES publishes bounces and complaints as events of `configuration_set`.
    """

    def __init__(
        self,
        client: Any,
        sender: SenderAddress,
        configuration_set: str | None = None,
        send_rate: SendRate | None = None,
    ) -> None:
        self._client = client
        self._sender = sender
        self._configuration_set = configuration_set
        self._send_rate = send_rate

    def send(self, invite: Invite) -> str:
        """Send `invite` to its recipient and return the SES message id. Raises `MailUnavailable` or `MailRejected`.

        An error of SES is logged, and counted as `MailsRefused` by fault and by code. SES replaces Message-ID, so its
        events are matched by the returned id and by the tags.
        """
        from chalicelib.mail.message import compose  # Imported late, so that a meeting is created sooner.

        tags = {
            "workspace": invite.workspace_id,
            "booking": invite.booking_id,
            "sequence": str(invite.sequence),
            "role": invite.recipient.role.value,
        }
        return self._send(compose(invite, self._sender), tags)

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str:
        """Send a notice to the address `to` and return the SES message id. Raises the same errors as `send`."""
        from chalicelib.mail.message import compose_notice

        return self._send(compose_notice(to, subject, text, html, self._sender), {})

    def _send(self, mail: Mail, tags: Mapping[str, str]) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        request: dict[str, Any] = {
            "FromEmailAddress": mail.sender,
            "Destination": {"ToAddresses": [mail.to]},
            "Content": {"Raw": {"Data": mail.raw}},
            "EmailTags": [{"Name": name, "Value": encode_tag(value)} for name, value in tags.items()],
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        if self._send_rate is not None:
            self._send_rate.wait()
        try:
            response = self._client.send_email(**request)
        except (BotoCoreError, ClientError) as error:
            refusal = read_refusal(error)
            _report_refusal(refusal, tags)
            raise refusal.error() from error
        return str(response["MessageId"])


def _report_refusal(refusal: Refusal, tags: Mapping[str, str]) -> None:
    """Log and count a refused email: by fault for the alarm, by code to find the cause."""
    ids = {f"{name}_id": tags[name] for name in ("workspace", "booking") if name in tags}
    log.warning("SES refused an email", code=refusal.code, fault=refusal.fault.value, detail=refusal.detail, **ids)
    count("MailsRefused", fault=refusal.fault.value)
    count("MailsRefused", code=refusal.code)
