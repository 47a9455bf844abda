"""Providers, connections, calendars and bookings."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.domain.workspace import TEST_PROVIDER
from chalicelib.store.dynamodb import POOL
from chalicelib.wiring.foundation import Foundation

if TYPE_CHECKING:
    import httpx

    from chalicelib.providers.base import Provider
    from chalicelib.usecases.access_tokens import AccessTokens
    from chalicelib.usecases.answer_limit import AnswerLimit
    from chalicelib.usecases.answer_links import AnswerLinks, AnswerTickets
    from chalicelib.usecases.answers import Answers
    from chalicelib.usecases.booking_events import BookingEvents
    from chalicelib.usecases.booking_timeline import BookingTimeline
    from chalicelib.usecases.bookings import Bookings
    from chalicelib.usecases.calendars import CalendarService
    from chalicelib.usecases.connect_links import ConnectLinks
    from chalicelib.usecases.connection_check import ConnectionCheck
    from chalicelib.usecases.connection_lists import ConnectionLists
    from chalicelib.usecases.connection_setup import ConnectionSetup
    from chalicelib.usecases.connections import Connections
    from chalicelib.usecases.join_links import JoinLinks
    from chalicelib.usecases.join_tickets import JoinTickets
    from chalicelib.usecases.key_connections import KeyConnections
    from chalicelib.usecases.members import Members
    from chalicelib.usecases.oauth_flow import OAuthFlow
    from chalicelib.usecases.offered_providers import OfferedProviders
    from chalicelib.usecases.workspace_links import WorkspaceLinks


class AccountServices(Foundation):
    """What the API and the pages use."""

    @cached_property
    def providers(self) -> dict[str, Provider]:
        from chalicelib.providers.base import OAuthProvider
        from chalicelib.providers.google_meet_open import OpenGoogleMeet
        from chalicelib.providers.http_client import HttpClient
        from chalicelib.providers.registry import PROVIDERS
        from chalicelib.providers.rehearsal import Rehearsal

        http = HttpClient(self._create_http_client)
        classes = PROVIDERS | ({"google_meet": OpenGoogleMeet} if self.settings.has_open_google_meet else {})
        enabled = self.settings.enabled_providers or classes.keys()
        providers = {
            name: cls(http, self.clock, self.settings.provider_urls(name, cls.urls))
            for name, cls in classes.items()
            if name in enabled
        }
        for name, provider in providers.items():
            if isinstance(provider, OAuthProvider):
                provider.may_use_pkce = name not in self.settings.providers_without_pkce
        return providers | {TEST_PROVIDER: Rehearsal(http, self.clock, sleep=self.sleep)}

    def _create_http_client(self) -> httpx.Client:
        import httpx

        # httpx logs whole addresses, and query strings must not be logged.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        # By default httpx keeps 20 connections: of 25 workers, five would make a new one for each booking of a batch.
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=POOL)
        return httpx.Client(transport=self.transport, limits=limits)

    @cached_property
    def offered_providers(self) -> OfferedProviders:
        from chalicelib.usecases.offered_providers import OfferedProviders

        return OfferedProviders(self.providers, self.deployment_secrets)

    @cached_property
    def access_tokens(self) -> AccessTokens:
        from chalicelib.usecases.access_tokens import AccessTokens

        return AccessTokens(self.grant_store, self.encryption, self.offered_providers, self.clock, self.sleep)

    @cached_property
    def bookings(self) -> Bookings:
        from chalicelib.usecases.bookings import Bookings

        return Bookings(self.booking_store, self.booking_reader, self.clock)

    @cached_property
    def booking_timeline(self) -> BookingTimeline:
        from chalicelib.store.provider_events import ProviderEventStore
        from chalicelib.usecases.booking_timeline import BookingTimeline

        return BookingTimeline(ProviderEventStore(), self.endpoint_store, self.clock)

    @cached_property
    def connect_links(self) -> ConnectLinks:
        from chalicelib.usecases.connect_links import ConnectLinks

        return ConnectLinks(self.ephemeral_store, self.workspace_store, self.clock)

    @cached_property
    def members(self) -> Members:
        from chalicelib.usecases.members import Members

        return Members(self.workspace_store, self.reference_store)

    @cached_property
    def workspace_links(self) -> WorkspaceLinks:
        from chalicelib.usecases.workspace_links import WorkspaceLinks

        return WorkspaceLinks(self.ephemeral_store, self.workspace_store, self.members, self.clock)

    @cached_property
    def connections(self) -> Connections:
        from chalicelib.usecases.connections import Connections

        return Connections(
            self.connection_store,
            self.grant_store,
            self.bookings,
            self.connect_links,
            self.access_tokens,
            self.offered_providers,
            self.clock,
        )

    @cached_property
    def connection_lists(self) -> ConnectionLists:
        from chalicelib.usecases.connection_lists import ConnectionLists

        return ConnectionLists(self.connection_store, self.grant_store)

    @cached_property
    def connection_setup(self) -> ConnectionSetup:
        from chalicelib.usecases.connection_setup import ConnectionSetup

        return ConnectionSetup(
            self.connection_store,
            self.grant_store,
            self.workspace_store,
            self.access_tokens,
            self.connect_links,
            self.bookings,
            self.clock,
        )

    @cached_property
    def oauth_flow(self) -> OAuthFlow:
        from chalicelib.usecases.oauth_flow import OAuthFlow

        return OAuthFlow(self.ephemeral_store, self.offered_providers, self.connection_setup, self.clock)

    @cached_property
    def key_connections(self) -> KeyConnections:
        from chalicelib.usecases.key_connections import KeyConnections

        return KeyConnections(self.offered_providers, self.connection_setup)

    @cached_property
    def connection_check(self) -> ConnectionCheck:
        from chalicelib.usecases.circuit_breaker import CircuitBreaker
        from chalicelib.usecases.connection_check import ConnectionCheck
        from chalicelib.usecases.provider_calls import ProviderCalls

        # With its own circuit breaker: a check must call the provider even if settling has stopped calling it.
        calls = ProviderCalls(self.access_tokens, self.providers, CircuitBreaker(self.clock))
        return ConnectionCheck(
            self.connection_store,
            self.grant_store,
            self.ephemeral_store,
            self.access_tokens,
            calls,
            self.providers,
            self.clock,
        )

    @cached_property
    def calendars(self) -> CalendarService:
        from chalicelib.usecases.calendars import CalendarService

        return CalendarService(self.calendar_store, self.connections.status, self.providers, self.clock)

    @cached_property
    def join_tickets(self) -> JoinTickets:
        from chalicelib.usecases.join_tickets import JoinTickets

        return JoinTickets(self.deployment_secrets.link_keys, self.settings.public_base_url)

    @cached_property
    def join_links(self) -> JoinLinks:
        from chalicelib.usecases.join_links import JoinLinks

        return JoinLinks(
            self.join_tickets,
            self.booking_store,
            self.connection_store,
            self.access_tokens,
            self.providers,
            self.ephemeral_store,
            self.clock,
        )

    @cached_property
    def answer_tickets(self) -> AnswerTickets:
        from chalicelib.usecases.answer_links import AnswerTickets

        return AnswerTickets(self.deployment_secrets.link_keys, self.settings.public_base_url)

    @cached_property
    def answers(self) -> Answers:
        from chalicelib.usecases.answers import Answers

        return Answers(self.booking_store, self.clock)

    @cached_property
    def answer_limit(self) -> AnswerLimit:
        from chalicelib.usecases.answer_limit import AnswerLimit

        return AnswerLimit(self.ephemeral_store, self.clock)

    @cached_property
    def answer_links(self) -> AnswerLinks:
        from chalicelib.usecases.answer_links import AnswerLinks

        return AnswerLinks(
            self.answer_tickets, self.booking_store, self.answers, self.bookings, self.answer_limit, self.clock
        )

    @cached_property
    def booking_events(self) -> BookingEvents:
        from chalicelib.usecases.booking_events import BookingEvents

        return BookingEvents(self.bookings, self.ephemeral_store, self.clock)
