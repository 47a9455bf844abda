"""What the product relies on, provider by provider. Each test is a row of the matrix in `docs/providers.md`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest
from msgspec.structs import replace

from chalicelib.domain.cohost import CohostState
from chalicelib.domain.guest_experience import GuestEntry
from chalicelib.domain.meeting import Visit
from chalicelib.domain.meeting_settings import NOTHING_POSSIBLE, MeetingSettings, PasscodeMode, chosen
from chalicelib.errors import (
    Ambiguous,
    ClientRefused,
    MeetingGone,
    ProviderError,
    ProviderUnavailable,
    ReconnectNeeded,
    Rejected,
    TokenRejected,
)
from chalicelib.providers import oauth
from chalicelib.providers.cohost_changes import CohostChange
from infra.local.standins.faults import Action, Fault
from tests.contract.kit.subject import COHOSTS, CREDENTIALS, Refreshing, Says, Subject, utc
from tests.support.clock import FakeClock

HOSTILE_TITLES = ("Gespräch – 日本語 🚀", "x" * 600, "", 'quote " and \\ back', "line one line two", "{booking} %s <b>")


class ProviderContract:
    """Inherit, set `subject_kind`, and declare in the subject what the provider lacks and why."""

    subject_kind: type[Subject]

    @pytest.fixture
    def subject(
        self, clock: FakeClock, request: pytest.FixtureRequest, record_property: Callable[..., None]
    ) -> Subject:
        behaviour = request.node.originalname.removeprefix("test_")
        record_property("provider", self.subject_kind.column())
        record_property("behaviour", behaviour)
        if behaviour in self.subject_kind.lacks:
            pytest.skip(self.subject_kind.lacks[behaviour])
        return self.subject_kind(clock)

    def test_connecting_returns_the_account(self, subject: Subject) -> None:
        account = subject.provider.read_account(subject.connect().access_token)
        assert account.id
        assert account.label
        again = subject.connect()
        assert subject.provider.read_account(again.access_token).id == account.id

    def test_consent_grants_every_scope(self, subject: Subject) -> None:
        assert not subject.oauth_provider().oauth.missing_scopes(frozenset(subject.connect().scopes))

    def test_a_denied_consent_returns_an_error(self, subject: Subject) -> None:
        back = subject.back_from_sign_in(allow=False)
        assert "error=" in back
        assert "code=" not in back

    def test_an_unticked_permission_is_detected(self, subject: Subject) -> None:
        tokens = subject.connect(untick=subject.can_untick)
        assert subject.oauth_provider().oauth.missing_scopes(frozenset(tokens.scopes))

    def test_an_authorization_code_works_once(self, subject: Subject) -> None:
        from chalicelib.providers import oauth
        from tests.contract.kit import subject as kit

        code = subject.back_from_sign_in().partition("code=")[2].partition("&")[0]
        given = {"code": code, "redirect_uri": kit.REDIRECT, "verifier": kit.VERIFIER}
        oauth.exchange(subject.oauth_provider(), kit.CREDENTIALS, **given)
        with pytest.raises(ReconnectNeeded):
            oauth.exchange(subject.oauth_provider(), kit.CREDENTIALS, **given)

    def test_a_wrong_key_is_refused(self, subject: Subject) -> None:
        tokens = subject.connect()
        subject.end_grant()
        with pytest.raises((TokenRejected, Rejected)):
            subject.provider.read_account(tokens.access_token)

    def test_the_created_meeting_matches_the_request(self, subject: Subject) -> None:
        tokens, request = subject.connect(), subject.request()
        meeting = subject.create(tokens, request)
        (held,) = subject.held()
        assert (held.id, held.link) == (meeting.id, meeting.join_url)
        assert held.title in (request.title, "")
        assert utc(held.starts_at) in (utc(request.starts_at), None)
        assert utc(held.ends_at) in (utc(request.ends_at), None)

    def test_a_guest_enters_a_new_meeting_without_waiting(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens)
        assert subject.lets_guest_in(meeting)
        account = subject.provider.read_account(tokens.access_token)
        assert subject.provider.guest_experience(account).admission is GuestEntry.DIRECT

    def test_the_guest_experience_is_reported(self, subject: Subject) -> None:
        tokens = subject.connect()
        token = tokens.access_token
        account, meeting = subject.provider.read_account(token), subject.create(tokens)
        observed = subject.provider.observe_guest_experience(token, meeting, account)
        assert observed.admission is not GuestEntry.ACCOUNT_SETTINGS
        for experience in (subject.provider.guest_experience(account), observed):
            assert experience.time_limit_minutes is None or experience.time_limit_minutes >= 40
            assert all(note.endswith(".") for note in experience.notes)
        assert not [secret for secret in (token, *subject.secrets()) if secret in repr(observed)]

    def test_every_possible_setting_is_applied(self, subject: Subject) -> None:
        tokens, possible = subject.connect(), subject.provider.possible_settings
        plain = subject.create(tokens, subject.request("b"))
        assert possible != NOTHING_POSSIBLE
        values = [(name, value) for name in possible.__struct_fields__ for value in getattr(possible, name)]
        for number, (name, value) in enumerate(values):
            request = replace(subject.request(f"a{number}"), settings=MeetingSettings(**{name: value}))
            meeting = subject.create(tokens, request)
            assert subject.has_setting(meeting, name, value)
            assert value == PasscodeMode.ACCOUNT or getattr(meeting.settings, name) == value
            subject.provider.delete(tokens.access_token, meeting.id)
            if name != "passcode":  # An existing meeting keeps its passcode, because it is part of the link.
                subject.provider.update(tokens.access_token, plain.id, request)
                assert subject.has_setting(plain, name, value)
                assert getattr(subject.provider.read_settings(tokens.access_token, plain.id), name) == value

    def test_a_setting_that_the_account_locks_is_reported(self, subject: Subject) -> None:
        tokens = subject.connect()
        locked, wanted = subject.lock_setting()
        meeting = subject.create(tokens, replace(subject.request(), settings=wanted))
        (name, _) = chosen(wanted).popitem()
        assert getattr(meeting.settings, name) == locked
        subject.provider.update(tokens.access_token, meeting.id, replace(subject.request(days=8), settings=wanted))
        assert getattr(subject.provider.read_settings(tokens.access_token, meeting.id), name) == locked
        assert [held.id for held in subject.held()] == [meeting.id]

    def test_cohosts_may_join_as_hosts_and_get_no_email(self, subject: Subject) -> None:
        token, (first, second) = subject.connect().access_token, COHOSTS
        subject.accept_cohosts(*COHOSTS)
        request = replace(subject.request(), cohosts=COHOSTS)
        meeting = subject.provider.create(token, request)
        results = meeting.cohosts or subject.provider.set_cohosts(token, meeting.id, CohostChange(COHOSTS))
        assert [(result.email, result.state) for result in results] == [(email, CohostState.HOST) for email in COHOSTS]
        assert subject.cohosts_of(meeting) == set(COHOSTS)
        for _ in range(2):  # It can be repeated.
            assert len(subject.provider.set_cohosts(token, meeting.id, CohostChange((second,), (first, second)))) == 1
            assert subject.cohosts_of(meeting) == {second}
        assert subject.provider.set_cohosts(token, meeting.id, CohostChange((), (second,))) == ()
        assert subject.cohosts_of(meeting) == set()
        assert subject.mailed_cohosts() == []

    @pytest.mark.parametrize("stranger_comes_first", [True, False])
    def test_a_refused_cohost_fails_neither_the_meeting_nor_the_others(
        self, subject: Subject, stranger_comes_first: bool
    ) -> None:
        token, (accepted, stranger) = subject.connect().access_token, COHOSTS
        subject.accept_cohosts(accepted)
        emails = (stranger, accepted) if stranger_comes_first else (accepted, stranger)
        meeting = subject.provider.create(token, replace(subject.request(), cohosts=emails))
        assert [held.id for held in subject.held()] == [meeting.id]
        results = meeting.cohosts or subject.provider.set_cohosts(token, meeting.id, CohostChange(emails))
        states = {result.email: result.state for result in results}
        assert states == {accepted: CohostState.HOST, stranger: CohostState.FAILED}
        assert subject.cohosts_of(meeting) == {accepted}
        alone = subject.provider.create(token, replace(subject.request("b"), cohosts=(stranger,)))
        (result,) = alone.cohosts or subject.provider.set_cohosts(token, alone.id, CohostChange((stranger,)))
        assert result.state is CohostState.FAILED
        assert "retry the booking" in str(result.detail)
        assert len(subject.held()) == 2

    def test_every_booking_gets_its_own_meeting(self, subject: Subject) -> None:
        tokens = subject.connect()
        first, second = (subject.create(tokens, subject.request(tag)) for tag in "ab")
        assert first.id != second.id
        assert first.join_url is None or first.join_url != second.join_url

    def test_a_reschedule_keeps_the_link(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens, subject.request(days=7))
        moved = subject.request(days=9, minutes=45, title="Longer talk")
        changed = subject.provider.update(tokens.access_token, meeting.id, moved)
        assert changed is None or changed.join_url == meeting.join_url
        (held,) = subject.held()
        assert held.link == meeting.join_url
        assert utc(held.starts_at) in (utc(moved.starts_at), None)
        assert utc(held.ends_at) in (utc(moved.ends_at), None)

    def test_a_deleted_meeting_is_gone(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens)
        subject.provider.delete(tokens.access_token, meeting.id)
        assert subject.held() == []
        assert subject.provider.find(tokens.access_token, subject.request()) == []

    def test_a_deleted_meeting_admits_no_guest(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens)
        subject.provider.delete(tokens.access_token, meeting.id)
        assert not subject.lets_guest_in(meeting)

    def test_a_second_delete_reports_that_it_is_gone(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens)
        subject.provider.delete(tokens.access_token, meeting.id)
        with pytest.raises(MeetingGone):
            subject.provider.delete(tokens.access_token, meeting.id)

    def test_updating_a_meeting_deleted_by_hand_reports_that_it_is_gone(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens)
        subject.delete_by_hand(meeting.id)
        with pytest.raises(MeetingGone):
            subject.provider.update(tokens.access_token, meeting.id, subject.request(days=8))

    def test_a_meeting_deleted_by_hand_can_be_created_again(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens, subject.request("a"))
        subject.delete_by_hand(meeting.id)
        again = subject.create(tokens, subject.request("b"))  # The settler's next generation has another tag.
        assert [held.id for held in subject.held()] == [again.id]

    def test_the_meeting_is_found_by_its_tag(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens, subject.request("a"))
        subject.create(tokens, subject.request("b"))
        (found,) = subject.provider.find(tokens.access_token, subject.request("a"))
        assert replace(found, settings=meeting.settings) == meeting  # Not every provider lists settings.

    def test_find_returns_nothing_if_nothing_was_created(self, subject: Subject) -> None:
        tokens = subject.connect()
        subject.create(tokens, subject.request("b"))
        assert subject.provider.find(tokens.access_token, subject.request("a")) == []

    def test_a_create_without_a_response_leaves_one_meeting(self, subject: Subject) -> None:
        tokens, request = subject.connect(), subject.request()
        subject.faults.add(Fault(subject.create_path, Action.LOST_AFTER, method=subject.create_method))
        with pytest.raises(Ambiguous):
            subject.create(tokens, request)
        if subject.provider.create_semantics.idempotent:
            found = [subject.create(tokens, request)]
        else:
            found = subject.provider.find(tokens.access_token, request)
        assert [one.id for one in found] == [held.id for held in subject.held()]
        assert len(found) == 1

    def test_a_repeated_create_returns_the_same_meeting(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens, subject.request(days=7))
        again = subject.create(tokens, subject.request(days=9))
        assert (again.id, again.join_url) == (meeting.id, meeting.join_url)
        (held,) = subject.held()
        assert utc(held.starts_at) in (utc(subject.request(days=9).starts_at), None)

    def test_a_create_after_a_deletion_by_hand_does_not_return_the_dead_link(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens)
        subject.delete_by_hand(meeting.id)
        try:
            again = subject.create(tokens)
        except MeetingGone:
            return  # The settler goes on under a new tag.
        assert [held.id for held in subject.held()] == [again.id]

    @pytest.mark.parametrize("title", HOSTILE_TITLES, ids=range(len(HOSTILE_TITLES)))
    def test_any_title_is_accepted(self, subject: Subject, title: str) -> None:
        assert subject.create(subject.connect(), subject.request(title=title)).id

    @pytest.mark.parametrize("minutes", [1, 9, 10, 61, 8 * 60])
    def test_any_length_is_accepted(self, subject: Subject, minutes: int) -> None:
        subject.create(subject.connect(), subject.request(minutes=minutes))
        (held,) = subject.held()
        if held.starts_at and held.ends_at:
            lasts = held.ends_at - held.starts_at
            assert lasts == timedelta(minutes=max(minutes, subject.shortest_minutes))

    def test_an_expired_token_requires_a_refresh(self, subject: Subject) -> None:
        tokens = subject.connect()
        subject.end_access_tokens()
        with pytest.raises(TokenRejected):
            subject.create(tokens)

    def test_a_rejected_token_requires_a_refresh(self, subject: Subject) -> None:
        assert isinstance(_error(subject, subject.token_rejected), TokenRejected)

    def test_a_missing_permission_requires_the_owner(self, subject: Subject) -> None:
        assert subject.scope_missing is not None
        assert isinstance(_error(subject, subject.scope_missing), ReconnectNeeded)

    def test_a_refusal_is_permanent_and_has_advice(self, subject: Subject) -> None:
        error = _error(subject, subject.refused)
        assert isinstance(error, Rejected)
        assert error.advice

    @pytest.mark.parametrize("form", ["seconds", "HTTP date", "ISO date", "absent", "nonsense"])
    def test_a_rate_limit_has_a_retry_time(self, subject: Subject, form: str) -> None:
        until = subject.clock() + timedelta(seconds=40)
        headers = {
            "seconds": {"Retry-After": "40"},
            "HTTP date": {"Retry-After": format_datetime(until, usegmt=True)},
            "ISO date": {"Retry-After": until.strftime("%Y-%m-%dT%H:%M:%SZ")},
            "absent": {},
            "nonsense": {"Retry-After": "soon"},
        }[form]
        error = _error(subject, Says(429, {}, headers))
        assert isinstance(error, ProviderUnavailable)
        assert error.reason == "rate_limited"
        assert error.retry_at == (until if form in ("seconds", "HTTP date", "ISO date") else None)

    def test_status_503_means_not_done(self, subject: Subject) -> None:
        assert isinstance(_error(subject, Says(503)), ProviderUnavailable)

    @pytest.mark.parametrize("status", [404, 410])
    def test_a_create_with_status_404_is_permanent(self, subject: Subject, status: int) -> None:
        error = _error(subject, Says(status, {}))  # No meeting is missing: with another tag it would go on for ever.
        assert isinstance(error, Rejected)
        assert error.advice

    @pytest.mark.parametrize("status", [408, 500, 502, 504])
    def test_other_failures_are_ambiguous(self, subject: Subject, status: int) -> None:
        assert isinstance(_error(subject, Says(status, "<html>")), Ambiguous)

    @pytest.mark.parametrize("body", ["", "{", "[]", "null", '"text"', "{}"])
    def test_an_unreadable_success_is_ambiguous(self, subject: Subject, body: str) -> None:
        assert isinstance(_error(subject, Says(200, body)), Ambiguous)

    def test_no_connection_means_not_done(self, subject: Subject) -> None:
        tokens = subject.connect()
        subject.faults.add(
            Fault(subject.create_path, Action.LOST_BEFORE, method=subject.create_method, error="connect_error")
        )
        with pytest.raises(ProviderUnavailable):
            subject.create(tokens)

    def test_a_refresh_returns_a_working_token(self, subject: Subject) -> None:
        tokens = subject.connect()
        subject.end_access_tokens()
        new = subject.refresh(tokens)
        assert subject.create(new).id
        assert new.refresh_token
        subject.clock.advance(1)
        assert subject.refresh(new).access_token != new.access_token

    def test_a_used_refresh_token_behaves_as_declared(self, subject: Subject) -> None:
        tokens = subject.connect()
        new = subject.refresh(tokens)
        if subject.refreshing is Refreshing.STATIC:
            assert new.refresh_token == tokens.refresh_token
        else:
            assert new.refresh_token != tokens.refresh_token
        if subject.refreshing is Refreshing.SINGLE_USE:
            with pytest.raises(ReconnectNeeded):
                subject.refresh(tokens)
        else:
            assert subject.create(subject.refresh(tokens)).id

    def test_a_revoked_grant_is_detected(self, subject: Subject) -> None:
        tokens = subject.connect()
        subject.end_grant()
        with pytest.raises(ReconnectNeeded):
            subject.refresh(tokens)

    def test_a_refresh_without_a_response_is_ambiguous(self, subject: Subject) -> None:
        tokens = subject.connect()
        path = subject.oauth_provider().oauth.token_path
        subject.faults.add(Fault(path, Action.LOST_AFTER))
        with pytest.raises(Ambiguous):
            subject.refresh(tokens)

    def test_wrong_credentials_of_the_operator_break_no_grant(self, subject: Subject) -> None:
        tokens = subject.connect()
        with pytest.raises(ClientRefused):
            oauth.refresh(subject.oauth_provider(), (CREDENTIALS[0], "wrong"), tokens)
        assert subject.refresh(tokens).access_token

    def test_the_expiry_of_a_refresh_token_is_known(self, subject: Subject) -> None:
        tokens = subject.connect()
        assert tokens.lapses_at is not None
        assert subject.refresh(replace(tokens)).lapses_at is not None

    def test_disconnecting_revokes_the_tokens(self, subject: Subject) -> None:
        tokens = subject.connect()
        subject.revoke(tokens)
        with pytest.raises((TokenRejected, ReconnectNeeded)):
            subject.create(tokens)
        subject.revoke(tokens)  # Again is as good.

    def test_a_failed_revocation_is_reported(self, subject: Subject) -> None:
        tokens = subject.connect()
        path = subject.oauth_provider().oauth.revoke_path
        assert path is not None
        subject.faults.add(Says(403, {"error": "unsupported_token_type"}).fault(f"{path}$"))
        with pytest.raises(ProviderUnavailable):
            subject.revoke(tokens)
        assert subject.create(tokens).id

    def test_no_secret_is_returned(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens)
        found = subject.provider.find(tokens.access_token, subject.request())
        secrets = [tokens.access_token, *subject.secrets()]
        assert not [secret for secret in secrets if secret in repr((meeting, found))]

    def test_an_error_contains_no_secret(self, subject: Subject) -> None:
        tokens = subject.connect()
        secret = f"canary {tokens.access_token}"
        says = Says(400, {"message": secret, "error": secret}).fault(subject.create_path)
        subject.faults.add(dataclasses.replace(says, times=None))
        with pytest.raises(ProviderError) as raised:
            subject.create(tokens)
        assert tokens.access_token not in f"{raised.value} {raised.value.__dict__}"

    def test_a_visitor_is_admitted_by_a_short_lived_link(self, subject: Subject) -> None:
        tokens = subject.connect()
        meeting = subject.create(tokens)
        assert meeting.join_url is None
        now = subject.clock()
        visit = Visit(
            is_host=False,
            visitor_id="visitor-1",
            name=None,
            title="Talk",
            opens_at=now,
            closes_at=now + timedelta(hours=2),
        )
        guest = subject.provider.create_join_link(tokens.access_token, meeting.id, visit)
        host = subject.provider.create_join_link(
            tokens.access_token, meeting.id, replace(visit, is_host=True, name="Demo Host")
        )
        assert guest != host
        assert guest.startswith("https://")
        assert not [secret for secret in subject.secrets() if secret in guest + host]


def _error(subject: Subject, says: Says) -> ProviderError:
    """What creating raises when the provider says this."""
    tokens = subject.connect()
    subject.faults.add(says.fault(subject.create_path, subject.create_method))
    with pytest.raises(ProviderError) as raised:
        subject.create(tokens)
    return raised.value
