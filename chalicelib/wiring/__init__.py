"""Build the objects of a process and give each its collaborators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from chalicelib import settings as environment
from chalicelib.errors import StoreUnavailable
from chalicelib.observability import enable_metrics
from chalicelib.settings import Settings
from chalicelib.store import tables
from chalicelib.wiring.emailing import EmailServices

if TYPE_CHECKING:
    from chalicelib.usecases.bounces import Bounces
    from chalicelib.usecases.connect_invitations import ConnectInvitationEmails, ConnectInvitations
    from chalicelib.usecases.daily_counting import DailyCounting
    from chalicelib.usecases.effects import Effect
    from chalicelib.usecases.grant_upkeep import GrantUpkeep
    from chalicelib.usecases.meeting_reports import MeetingReports
    from chalicelib.usecases.sending_shares import SendingShare, WorkspaceShare
    from chalicelib.usecases.settling import Settling
    from chalicelib.usecases.workspace_sign_in import SignInEmails, SignInRequests
    from chalicelib.webhooks.delivery import WebhookDeliveries
    from chalicelib.webhooks.endpoints import WebhookEndpoints
    from chalicelib.webhooks.events import Event
    from chalicelib.webhooks.model import DeliveryKey
    from chalicelib.webhooks.outbox import Outbox
    from chalicelib.webhooks.signing_secrets import WebhookSecrets


class Services(EmailServices):
    """Everything that routes and handlers use: accounts, and what settles bookings and sends emails and webhooks."""

    @cached_property
    def grant_upkeep(self) -> GrantUpkeep:
        from chalicelib.usecases.broken_grants import BrokenGrants
        from chalicelib.usecases.grant_upkeep import GrantUpkeep
        from chalicelib.usecases.notices import ReconnectNotices

        notices = ReconnectNotices(
            self.mailer,
            self.workspace_store,
            self.calendar_store,
            self.suppression_store,
            lambda visitor, life: self.connect_links.create_link(visitor, life)[0],
            lambda name: self.providers[name].display_name,
            self.settings.product_name,
            self.settings.public_base_url,
        )
        return GrantUpkeep(
            self.connection_store,
            self.grant_store,
            self.bookings,
            self.access_tokens,
            self.offered_providers,
            BrokenGrants(self.grant_store, notices, self.outbox, self.clock),
            self.clock,
        )

    @cached_property
    def settling(self) -> Settling:
        """Settles bookings that changed or are due, and sends few emails."""
        from chalicelib.usecases.sending_shares import FirstRunShare, send_all

        return self.settling_with(FirstRunShare(self.clock) if self.email_queue else send_all)

    @cached_property
    def email_settling(self) -> Settling:
        """Settles bookings whose emails were handed over."""
        from chalicelib.usecases.sending_shares import send_part

        return self.settling_with(send_part)

    @cached_property
    def booking_share(self) -> WorkspaceShare:
        """How many bookings of a workspace this process settles when the stream reports them."""
        from chalicelib.usecases.sending_shares import BOOKINGS, WorkspaceShare

        return WorkspaceShare(BOOKINGS, timedelta(seconds=10), self.clock)

    def settling_with(self, share: SendingShare) -> Settling:
        """Build what settles bookings and sends this share of their emails."""
        from chalicelib.usecases.settling import Settling

        return Settling(self.booking_leases, self.effects(share), self.clock, self.sleep, self._hand_over)

    def _hand_over(self, workspace_id: str, booking_id: str) -> None:
        if self.email_queue is not None:
            self.email_queue.send([(workspace_id, booking_id)])

    def effects(self, share: SendingShare) -> Sequence[Effect]:
        """Return what settling maintains, in this order: an invitation contains the meeting's link."""
        from chalicelib.usecases.attendance_decisions import AttendanceDecisions

        decisions = AttendanceDecisions(self.grant_store, self._reporting_providers, self.clock)
        return *self._provider_effects(), *self.reply_references(), *self._email_effects(share), decisions

    @cached_property
    def _reporting_providers(self) -> list[str]:
        return [name for name, provider in self.providers.items() if provider.reports_meetings]

    def _provider_effects(self) -> Sequence[Effect]:
        """Return the effects that maintain the meeting and what is known about it."""
        from chalicelib.usecases.circuit_breaker import CircuitBreaker
        from chalicelib.usecases.host_loads import HostLoads
        from chalicelib.usecases.meeting_references import MeetingReferences
        from chalicelib.usecases.meeting_steps import MeetingSteps
        from chalicelib.usecases.meetings import Meetings
        from chalicelib.usecases.provider_calls import ProviderCalls

        calls = ProviderCalls(self.access_tokens, self.providers, CircuitBreaker(self.clock))
        connections, tickets, tag_secret = self.connection_store, self.join_tickets, self.deployment_secrets.tag_secret
        steps = MeetingSteps(self.booking_leases, connections, calls, tag_secret, tickets, self.clock)
        meetings = Meetings(connections, calls, steps, tickets, self.clock, self.random)
        loads = HostLoads(self.booking_store, self.recent_workspaces, self.providers)
        references = MeetingReferences(self.reference_store, self._reporting_providers, self.retention, self.clock)
        return meetings, loads, references

    def _email_effects(self, share: SendingShare) -> Sequence[Effect]:
        """Return the effects that email people. Together they send at most `share` emails."""
        from chalicelib.usecases.decline_notices import DeclineNotices
        from chalicelib.usecases.invitations import Invitations
        from chalicelib.usecases.notices import FailureNotices
        from chalicelib.usecases.personal_links import PersonalLinks
        from chalicelib.usecases.reminders import Reminders

        emailing = (
            self.booking_leases,
            self.mailer,
            self.recent_workspaces,
            self.suppression_store,
            self.clock,
            self.mail_allowance,
        )
        add_links, mail_from = PersonalLinks(self.join_tickets, self.answer_tickets).add, self.settings.mail_from
        invitations = Invitations(*emailing, add_links=add_links, mail_from=mail_from, share=share)
        reminders = Reminders(*emailing, add_links=add_links, share=share)
        notices = FailureNotices(*emailing, self.settings.product_name)
        declines = DeclineNotices(*emailing, self.settings.product_name)
        return invitations, reminders, notices, declines

    @cached_property
    def sign_in_requests(self) -> SignInRequests:
        from chalicelib.usecases.workspace_sign_in import SignInRequests

        return SignInRequests(self.ephemeral_store, self._wake_sign_in, self.clock)

    def _wake_sign_in(self, request_id: str) -> None:
        from chalicelib.usecases.workspace_sign_in import SIGN_IN_WAKE_UP

        self._wake(SIGN_IN_WAKE_UP, request_id, lambda: self.sign_in_emails.send(request_id))

    @cached_property
    def sign_in_emails(self) -> SignInEmails:
        from chalicelib.usecases.workspace_sign_in import SignInEmails

        return SignInEmails(
            self.ephemeral_store,
            self.members,
            self.workspace_links,
            self.mailer,
            self.suppression_store,
            self.clock,
            self.settings.product_name,
        )

    @cached_property
    def connect_invitations(self) -> ConnectInvitations:
        from chalicelib.usecases.connect_invitations import ConnectInvitations

        return ConnectInvitations(
            self.connection_store, self.calendar_store, self.ephemeral_store, self._wake_connect_email, self.clock
        )

    def _wake_connect_email(self, request_id: str) -> None:
        from chalicelib.usecases.connect_invitations import CONNECT_WAKE_UP

        self._wake(CONNECT_WAKE_UP, request_id, lambda: self.connect_invitation_emails.send(request_id))

    def _wake(self, kind: str, request_id: str, send: Callable[[], None]) -> None:
        """Wake the function that emails a requested link. Without a queue, this process does it.

        Raises `StoreUnavailable` if SQS refuses the message: the schedule does not find such a request.
        """
        if self.email_queue is None:
            send()
        elif self.email_queue.send([(kind, request_id)]):
            raise StoreUnavailable("the queue refused a request for an email")

    @cached_property
    def connect_invitation_emails(self) -> ConnectInvitationEmails:
        from chalicelib.usecases.connect_invitations import ConnectInvitationEmails

        return ConnectInvitationEmails(
            self.ephemeral_store,
            self.workspace_store,
            self.suppression_store,
            self.connect_links,
            self.mailer,
            self.clock,
            self.settings.product_name,
        )

    @cached_property
    def bounces(self) -> Bounces:
        from chalicelib.usecases.bounces import Bounces

        return Bounces(
            self.booking_store,
            self.suppression_store,
            self.ephemeral_store,
            self.workspace_store,
            self.mailer,
            self.outbox,
            self.clock,
            self.settings.product_name,
        )

    @cached_property
    def daily_counting(self) -> DailyCounting:
        from chalicelib.usecases.daily_counting import DailyCounting

        return DailyCounting(self.daily_count_store)

    @cached_property
    def outbox(self) -> Outbox:
        from chalicelib.webhooks.outbox import Outbox

        return Outbox(self.endpoint_store, self.delivery_store, self.clock)

    @cached_property
    def meeting_reports(self) -> MeetingReports:
        from chalicelib.store.provider_events import ProviderEventStore
        from chalicelib.usecases.meeting_reports import MeetingReports
        from chalicelib.usecases.reported_meetings import ReportedMeetings

        return MeetingReports(
            ReportedMeetings(self.reference_store, self.booking_store, self.connection_store),
            self.booking_store,
            self.grant_store,
            ProviderEventStore(),
            self._announce,
            self.deployment_secrets.tag_secret,
            self.clock,
        )

    def _announce(self, event: Event) -> None:
        """Enqueue an event and wake the function that delivers it. Without a queue, the schedule delivers it."""
        self._wake_webhooks(self.outbox.enqueue(event))

    @cached_property
    def webhook_deliveries(self) -> WebhookDeliveries:
        from chalicelib.webhooks.delivery import WebhookDeliveries
        from chalicelib.webhooks.http_sender import WebhookSender

        post = self.webhook_transport or WebhookSender(to_loopback=self.settings.allows_loopback_webhooks)
        return WebhookDeliveries(
            self.endpoint_store, self.delivery_store, self.encryption, post, self.clock, self.random
        )

    @cached_property
    def webhook_endpoints(self) -> WebhookEndpoints:
        from chalicelib.webhooks.endpoints import WebhookEndpoints

        return WebhookEndpoints(
            self.endpoint_store,
            self.delivery_store,
            self.webhook_deliveries,
            self.encryption,
            self.clock,
            self._wake_webhooks,
        )

    def _wake_webhooks(self, keys: Sequence[DeliveryKey]) -> None:
        if self.webhook_queue is not None:
            self.webhook_queue.send(key.wake_up for key in keys)

    @cached_property
    def webhook_secrets(self) -> WebhookSecrets:
        from chalicelib.webhooks.signing_secrets import WebhookSecrets

        return WebhookSecrets(self.workspace_store, self.encryption, self.clock)


@lru_cache(maxsize=1)
def services() -> Services:
    """Return the services of this process, configured by its environment."""
    settings = environment.from_environment()
    if settings.is_on_lambda:
        enable_metrics(settings.stage)
    return build(settings)


def build(settings: Settings, **replacements: Any) -> Services:
    """Build the services of a deployment. `replacements` are fields of `Services`, for tests."""
    tables.bind(settings.table_prefix)
    return Services(settings, **replacements)
