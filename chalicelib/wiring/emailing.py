"""How emails and calendar files are sent, and how answers of calendars are received."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.wiring.accounts import AccountServices
from chalicelib.wiring.foundation import AwsClient

if TYPE_CHECKING:
    from chalicelib.usecases.calendar_files import CalendarFiles
    from chalicelib.usecases.effects import Effect
    from chalicelib.usecases.mail_allowance import MailAllowance
    from chalicelib.usecases.mail_circuit import GuardedMailer, Mailer
    from chalicelib.usecases.reply_answers import ReplyAnswers


class EmailServices(AccountServices):
    """What sends emails, and what reads those that are received."""

    @cached_property
    def mailer(self) -> GuardedMailer:
        from chalicelib.usecases.mail_circuit import GuardedMailer, MailCircuit

        circuit = MailCircuit(self.ephemeral_store, self.clock, self.random)
        return GuardedMailer(self.mail_transport or self.ses, circuit, self.settings.mail_from)

    @cached_property
    def mail_allowance(self) -> MailAllowance:
        """How many emails of a workspace all processes may send."""
        from chalicelib.usecases.mail_allowance import MailAllowance, mail_limits

        limits = mail_limits(self.settings.mails_per_minute, self.settings.mails_per_day)
        return MailAllowance(self.ephemeral_store, limits, self.clock, self.sample)

    @cached_property
    def ses(self) -> Mailer:
        from chalicelib.mail.addresses import SenderAddress
        from chalicelib.mail.send_rate import SendRate, read_account_rate
        from chalicelib.mail.ses import SesMailer

        sender = SenderAddress(self.settings.mail_from, self.settings.mail_name)
        # SES has no idempotency: a retry by the client could mail twice.
        client = AwsClient(self.aws_session, "sesv2", attempts=1)
        pace = SendRate(lambda: read_account_rate(client), sleep=self.sleep)
        return SesMailer(client, sender, self.settings.mail_configuration_set, pace)

    @cached_property
    def calendar_files(self) -> CalendarFiles:
        from chalicelib.usecases.calendar_files import CalendarFiles
        from chalicelib.usecases.personal_links import PersonalLinks

        add_links = PersonalLinks(self.join_tickets, self.answer_tickets).add
        return CalendarFiles(add_links, self.settings.mail_from, self.clock)

    @cached_property
    def reply_answers(self) -> ReplyAnswers:
        from chalicelib.usecases.proposal_notices import ProposalNotices
        from chalicelib.usecases.reply_answers import ReplyAnswers

        proposals = ProposalNotices(
            self.ephemeral_store,
            self.workspace_store,
            self.suppression_store,
            self.mailer,
            self.clock,
            self.settings.product_name,
        )
        return ReplyAnswers(
            self.reference_store, self.booking_store, self.answers, self.answer_limit, proposals, self.clock
        )

    def reply_references(self) -> Sequence[Effect]:
        """Return the effect that calendars' answers need, if this deployment receives email."""
        from chalicelib.usecases.reply_references import ReplyReferences

        if self.settings.replies_bucket is None:
            return ()
        mail_from = self.settings.mail_from
        stores = (self.reference_store, self.recent_workspaces)
        return (ReplyReferences(*stores, self.retention, self.clock, mail_from=mail_from),)
