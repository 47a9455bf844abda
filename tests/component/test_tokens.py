"""Access tokens of a connected account: refreshed when needed, stored before use, and never lost by mistake."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import observability
from chalicelib.domain.deadline import Deadline, OutOfTime
from chalicelib.errors import Ambiguous, ClientRefused, ProviderUnavailable, ReconnectNeeded, StoreUnavailable
from chalicelib.providers.zoom import Zoom
from chalicelib.store.grants import REFRESH_LEASE
from chalicelib.usecases.access_tokens import DOUBT_ENDS_AFTER
from infra.local.standins.faults import Action
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.connected import ConnectedAccount

GOOD = {"access_token": "access-2", "token_type": "bearer", "expires_in": 3599, "scope": "meeting:write meeting:read"}


@pytest.fixture
def account(moto_aws: Aws, clock: FakeClock) -> ConnectedAccount:
    return ConnectedAccount(moto_aws, clock)


@pytest.fixture
def expired(account: ConnectedAccount) -> ConnectedAccount:
    account.expire()
    return account


class TestFreshness:
    def test_a_fresh_token_costs_no_call(self, account: ConnectedAccount) -> None:
        token = account.keeper().access_token(account.grant)
        assert account.accepts(token)
        assert account.token_calls == 0

    def test_an_expired_token_costs_one_refresh(self, expired: ConnectedAccount) -> None:
        token = expired.keeper().access_token(expired.grant)
        assert expired.accepts(token)
        assert expired.zoom.refresh_calls == 1

    def test_the_next_one_to_ask_needs_no_refresh(self, expired: ConnectedAccount) -> None:
        first = expired.keeper().access_token(expired.grant)
        assert expired.keeper().access_token(expired.stored()) == first
        assert expired.zoom.refresh_calls == 1

    def test_a_token_that_ends_within_two_minutes_is_refreshed(
        self, account: ConnectedAccount, clock: FakeClock
    ) -> None:
        clock.advance(3599 - 120)
        account.keeper().access_token(account.grant)
        assert account.zoom.refresh_calls == 1

    def test_whoever_holds_an_outdated_copy_of_the_grant_gets_the_stored_token(self, expired: ConnectedAccount) -> None:
        newest = expired.keeper().access_token(expired.grant)
        assert expired.keeper().access_token(expired.grant) == newest
        assert expired.zoom.refresh_calls == 1

    def test_a_rejected_token_is_refreshed_though_it_looks_fresh(self, account: ConnectedAccount) -> None:
        rejected = account.keeper().access_token(account.grant)
        token = account.keeper().access_token(account.grant, rejected=rejected)
        assert token != rejected
        assert account.zoom.refresh_calls == 1

    def test_a_rejected_token_is_refreshed_once_for_all_who_hold_it(self, account: ConnectedAccount) -> None:
        rejected = account.keeper().access_token(account.grant)
        first = account.keeper().access_token(account.grant, rejected=rejected)
        assert account.keeper().access_token(account.grant, rejected=rejected) == first
        assert account.zoom.refresh_calls == 1

    def test_refreshing_goes_on_for_as_long_as_the_account_is_used(
        self, account: ConnectedAccount, clock: FakeClock
    ) -> None:
        for _ in range(5):
            account.expire()
            assert account.accepts(account.keeper().access_token(account.stored()))
        assert account.zoom.refresh_calls == 5


class TestStoring:
    def test_what_is_given_out_is_already_stored(self, expired: ConnectedAccount) -> None:
        before = expired.stored_tokens()
        token = expired.keeper().access_token(expired.grant)
        after = expired.stored_tokens()
        assert after.access_token == token
        assert after.refresh_token != before.refresh_token

    def test_a_token_that_cannot_be_stored_is_not_given_out(self, expired: ConnectedAccount, moto_aws: Aws) -> None:
        name = moto_aws.table_prefix + "grants"
        expired.during_token_calls = [lambda: moto_aws.client("dynamodb").delete_table(TableName=name)]
        with pytest.raises(StoreUnavailable):
            expired.keeper().access_token(expired.grant)
        assert expired.zoom.refresh_calls == 1

    def test_an_answer_without_a_refresh_token_keeps_the_old_one(self, expired: ConnectedAccount) -> None:
        old = expired.stored_tokens().refresh_token
        expired.fault(Action.BEFORE, status=200, body=GOOD)
        assert expired.keeper().access_token(expired.grant) == "access-2"
        assert expired.stored_tokens().refresh_token == old

    def test_an_answer_without_scopes_keeps_the_old_ones(self, expired: ConnectedAccount) -> None:
        old = expired.stored_tokens().scopes
        expired.fault(Action.BEFORE, status=200, body={k: v for k, v in GOOD.items() if k != "scope"})
        expired.keeper().access_token(expired.grant)
        assert expired.stored_tokens().scopes == old

    def test_no_row_shows_a_token(self, expired: ConnectedAccount, moto_aws: Aws) -> None:
        expired.keeper().access_token(expired.grant)
        tokens = expired.stored_tokens()
        rows = repr(moto_aws.scan("grants") + moto_aws.scan("connections"))
        assert tokens.access_token not in rows
        assert str(tokens.refresh_token) not in rows


class TestDeadGrants:
    def test_invalid_grant_breaks_the_grant(self, expired: ConnectedAccount, clock: FakeClock) -> None:
        expired.zoom.deauthorize("user-1")
        with pytest.raises(ReconnectNeeded):
            expired.keeper().access_token(expired.grant)
        assert (expired.stored().broken_reason, expired.stored().broken_at) == ("reconnect_needed", clock())

    def test_a_broken_grant_costs_no_call(self, expired: ConnectedAccount) -> None:
        expired.zoom.deauthorize("user-1")
        with pytest.raises(ReconnectNeeded):
            expired.keeper().access_token(expired.grant)
        with pytest.raises(ReconnectNeeded):
            expired.keeper().access_token(expired.stored())
        assert expired.zoom.refresh_calls == 1

    def test_a_grant_without_tokens_costs_no_call(self, account: ConnectedAccount) -> None:
        with pytest.raises(ReconnectNeeded):
            account.keeper().access_token(replace(account.grant, sealed_tokens=None))
        assert account.token_calls == 0

    def test_invalid_grant_after_a_lost_race_gives_the_winners_token(
        self, expired: ConnectedAccount, clock: FakeClock
    ) -> None:
        winners: list[str] = []

        def overtake() -> None:
            clock.advance(REFRESH_LEASE.total_seconds() + 1)
            winners.append(expired.keeper().access_token(expired.stored()))

        expired.during_token_calls = [overtake]
        assert [expired.keeper().access_token(expired.grant)] == winners
        assert expired.stored().broken_reason is None
        assert expired.accepts(winners[0])

    def test_a_refresher_that_was_overtaken_after_its_call_stores_nothing(
        self, expired: ConnectedAccount, clock: FakeClock
    ) -> None:
        expired.fault(Action.BEFORE, status=200, body=GOOD | {"access_token": "winners"})
        expired.fault(Action.BEFORE, status=200, body=GOOD | {"access_token": "overtaken"})

        def overtake() -> None:
            clock.advance(REFRESH_LEASE.total_seconds() + 1)
            expired.keeper().access_token(expired.stored())

        expired.during_token_calls = [overtake]
        assert expired.keeper().access_token(expired.grant) == "winners"
        assert expired.stored_tokens().access_token == "winners"

    def test_a_grant_that_is_deleted_while_others_refresh_needs_reconnecting(self, expired: ConnectedAccount) -> None:
        leased = expired.grants.lease_refresh(expired.grant, expired.zoom.clock())
        keeper = expired.keeper(sleep=lambda _: expired.grants.delete(leased))
        with pytest.raises(ReconnectNeeded):
            keeper.access_token(leased)


class TestLostAnswers:
    def test_a_refresh_that_was_lost_on_the_way_is_tried_again_by_whoever_comes_next(
        self, expired: ConnectedAccount
    ) -> None:
        expired.fault(Action.LOST_BEFORE)
        with pytest.raises(Ambiguous):
            expired.keeper().access_token(expired.grant)
        assert expired.stored().broken_reason is None
        assert expired.accepts(expired.keeper().access_token(expired.stored()))
        assert expired.token_calls == 2

    def test_a_refresh_whose_answer_was_lost_is_tried_once_more_and_then_broken(
        self, expired: ConnectedAccount
    ) -> None:
        expired.fault(Action.LOST_AFTER)
        with pytest.raises(Ambiguous):
            expired.keeper().access_token(expired.grant)
        with pytest.raises(ReconnectNeeded):
            expired.keeper().access_token(expired.stored())
        assert expired.stored().broken_reason == "reconnect_needed"
        assert expired.token_calls == 2

    def test_a_lost_answer_changes_nothing_after_someone_overtook(
        self, expired: ConnectedAccount, clock: FakeClock
    ) -> None:
        expired.fault(Action.LOST_BEFORE, error="read_timeout")

        def overtake() -> None:
            clock.advance(REFRESH_LEASE.total_seconds() + 1)
            expired.zoom.faults.clear()
            expired.keeper().access_token(expired.stored())
            expired.fault(Action.LOST_BEFORE)

        expired.during_token_calls = [overtake]
        with pytest.raises(Ambiguous):
            expired.keeper().access_token(expired.grant)
        assert expired.accepts(expired.keeper().access_token(expired.stored()))
        assert expired.token_calls == 2

    def test_no_refresh_is_begun_without_the_time_for_its_end(self, expired: ConnectedAccount) -> None:
        with pytest.raises(OutOfTime):
            expired.keeper().access_token(expired.grant, deadline=Deadline(lambda: 32.9))
        assert expired.token_calls == 0
        assert expired.accepts(expired.keeper().access_token(expired.stored(), deadline=Deadline(lambda: 33.0)))


class TestOutages:
    @pytest.mark.parametrize(
        "answer",
        [
            {"status": 503},
            {"status": 429, "body": {"message": "too many"}},
            {"status": 401, "body": {"reason": "Invalid client_id or client_secret", "error": "invalid_client"}},
            {"status": 400, "body": "<html>"},
        ],
        ids=lambda answer: str(answer["status"]),
    )
    def test_a_refusal_that_is_not_about_the_grant_does_not_break_it(
        self, expired: ConnectedAccount, answer: dict[str, Any]
    ) -> None:
        expired.fault(Action.BEFORE, **answer)
        with pytest.raises(ProviderUnavailable):
            expired.keeper().access_token(expired.grant)
        assert expired.stored().broken_reason is None

    def test_after_an_outage_the_next_try_refreshes_at_once(self, expired: ConnectedAccount) -> None:
        expired.fault(Action.BEFORE, status=503)
        with pytest.raises(ProviderUnavailable):
            expired.keeper().access_token(expired.grant)
        assert expired.accepts(expired.keeper().access_token(expired.stored()))

    def test_the_time_that_the_provider_names_is_passed_on(self, expired: ConnectedAccount, clock: FakeClock) -> None:
        expired.fault(Action.BEFORE, status=503, headers={"Retry-After": "90"})
        with pytest.raises(ProviderUnavailable) as caught:
            expired.keeper().access_token(expired.grant)
        assert caught.value.retry_at == clock() + timedelta(seconds=90)

    def test_no_connection_is_an_outage(self, expired: ConnectedAccount) -> None:
        expired.fault(Action.LOST_BEFORE, error="connect_error")
        with pytest.raises(ProviderUnavailable):
            expired.keeper().access_token(expired.grant)
        assert (expired.stored().broken_reason, expired.token_calls) == (None, 1)

    def test_a_deployment_without_credentials_breaks_no_grant(self, expired: ConnectedAccount) -> None:
        with pytest.raises(ProviderUnavailable):
            expired.keeper(credentials={}).access_token(expired.grant)
        assert expired.accepts(expired.keeper().access_token(expired.stored()))


class Doubtful(Zoom):
    """A provider whose `unauthorized_client` means a removed app or a wrong client id, as Microsoft's does."""

    oauth = replace(Zoom.oauth, ambiguous_client_codes=frozenset({"unauthorized_client"}))


REFUSED = {"status": 400, "body": {"error": "unauthorized_client"}}


class TestARefusalThatMayBeTheOperatorsFault:
    @pytest.fixture
    def refused(self, expired: ConnectedAccount) -> ConnectedAccount:
        expired.fault(Action.BEFORE, times=None, **REFUSED)
        return expired

    def test_the_first_day_breaks_no_grant(self, refused: ConnectedAccount, clock: FakeClock) -> None:
        began_at = clock()
        for _ in range(3):
            with pytest.raises(ClientRefused):
                refused.keeper(kind=Doubtful).access_token(refused.stored())
            clock.advance(8 * 3600 - 1)
        assert (refused.stored().broken_reason, refused.stored().refused_at) == (None, began_at)

    def test_a_refusal_that_lasts_a_day_breaks_the_grant(self, refused: ConnectedAccount, clock: FakeClock) -> None:
        with pytest.raises(ClientRefused):
            refused.keeper(kind=Doubtful).access_token(refused.stored())
        clock.advance(DOUBT_ENDS_AFTER.total_seconds())
        with pytest.raises(ReconnectNeeded):
            refused.keeper(kind=Doubtful).access_token(refused.stored())
        assert refused.stored().broken_reason == "reconnect_needed"

    def test_a_refresh_that_works_ends_the_doubt(self, refused: ConnectedAccount, clock: FakeClock) -> None:
        with pytest.raises(ClientRefused):
            refused.keeper(kind=Doubtful).access_token(refused.stored())
        refused.zoom.faults.clear()
        refused.keeper(kind=Doubtful).access_token(refused.stored())
        assert refused.stored().refused_at is None

        clock.advance(DOUBT_ENDS_AFTER.total_seconds())
        refused.fault(Action.BEFORE, **REFUSED)
        with pytest.raises(ClientRefused):
            refused.keeper(kind=Doubtful).access_token(refused.stored())

    @pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client"])
    def test_a_wrong_client_elsewhere_never_breaks_a_grant(
        self, expired: ConnectedAccount, clock: FakeClock, code: str
    ) -> None:
        expired.fault(Action.BEFORE, times=None, status=400, body={"error": code})
        for _ in range(3):
            with pytest.raises(ClientRefused):
                expired.keeper().access_token(expired.stored())
            clock.advance(10 * 86_400)
        expired.zoom.faults.clear()
        assert expired.accepts(expired.keeper().access_token(expired.stored()))

    def test_the_operator_is_alarmed_and_the_log_names_provider_and_code(
        self,
        refused: ConnectedAccount,
        capsys: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(observability, "_dimensions", {"service": "meetlink", "stage": "prod"})
        with pytest.raises(ClientRefused):
            refused.keeper(kind=Doubtful).access_token(refused.stored())
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        assert [line["ClientRefused"] for line in lines if "ClientRefused" in line] == [[1]]
        (line,) = [line for line in caplog.records if line.message.startswith("a provider refuses")]
        assert vars(line)["provider"] == "zoom"
        assert "unauthorized_client" in vars(line)["error_detail"]


class TestBreaking:
    def test_a_grant_whose_token_was_refused_is_broken(self, account: ConnectedAccount, clock: FakeClock) -> None:
        token = account.keeper().access_token(account.grant)
        account.keeper().break_grant(account.grant.id, token=token)
        assert (account.stored().broken_reason, account.stored().broken_at) == ("reconnect_needed", clock())

    def test_a_grant_that_was_refreshed_since_is_not(self, account: ConnectedAccount) -> None:
        token = account.keeper().access_token(account.grant)
        account.keeper().access_token(account.grant, rejected=token)
        account.keeper().break_grant(account.grant.id, token=token)
        assert account.stored().broken_reason is None

    def test_the_schedule_is_to_tell_the_owners_of_a_broken_grant(
        self, account: ConnectedAccount, clock: FakeClock
    ) -> None:
        account.keeper().break_grant(account.grant.id)
        assert account.stored().due_at == clock()

    def test_the_first_reason_stays(self, account: ConnectedAccount) -> None:
        account.keeper().break_grant(account.grant.id, "deauthorized")
        account.keeper().break_grant(account.grant.id)
        assert account.stored().broken_reason == "deauthorized"

    def test_an_unknown_grant_stays_unknown(self, account: ConnectedAccount) -> None:
        account.keeper().break_grant("zoom#unknown")
        assert account.grants.get("zoom#unknown") is None

    def test_new_tokens_heal_a_broken_grant(self, account: ConnectedAccount) -> None:
        tokens = account.stored_tokens()
        account.keeper().break_grant(account.grant.id)
        account.grants.write(account.keeper().seal(account.stored(), tokens))
        assert account.keeper().access_token(account.stored()) == tokens.access_token
