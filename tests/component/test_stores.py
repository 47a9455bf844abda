"""The stores of calendars, workspaces and short-lived documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.workspace import Workspace, accepts_key, issue_key
from chalicelib.errors import LostRace
from chalicelib.store.calendars import CalendarStore
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.workspaces import WorkspaceStore
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock


def calendar(calendar_id: str = "c-1", workspace_id: str = "ws-1", name: str = "Introductions") -> Calendar:
    host = Host("u-1", "Demo Host", "host@example.com", "Europe/Berlin")
    return Calendar(workspace_id, calendar_id, name, host, Location(LocationType.PHONE, "+49 69 1234"), START, START)


@pytest.mark.usefixtures("moto_aws")
class TestCalendars:
    def test_a_calendar_is_read_back_as_written(self) -> None:
        CalendarStore().put(calendar())
        assert CalendarStore().get("ws-1", "c-1") == calendar()

    def test_an_unknown_calendar_is_none(self) -> None:
        assert CalendarStore().get("ws-1", "c-1") is None

    def test_writing_again_replaces(self) -> None:
        CalendarStore().put(calendar())
        CalendarStore().put(calendar(name="Changed"))
        assert CalendarStore().get("ws-1", "c-1").name == "Changed"

    def test_another_workspaces_calendar_is_none(self) -> None:
        CalendarStore().put(calendar())
        assert CalendarStore().get("ws-2", "c-1") is None
        assert CalendarStore().page("ws-2", limit=9, after=None) == ([], None)

    def test_only_the_first_deletion_deletes(self) -> None:
        CalendarStore().put(calendar())
        assert CalendarStore().delete("ws-1", "c-1")
        assert not CalendarStore().delete("ws-1", "c-1")
        assert CalendarStore().get("ws-1", "c-1") is None

    def test_the_newest_host_is_the_one_of_the_calendar_that_was_changed_last(self) -> None:
        moved = replace(calendar().host, email="new@example.com")
        CalendarStore().put(replace(calendar("c-1"), host=moved, updated_at=START + timedelta(days=1)))
        CalendarStore().put(calendar("c-2"))
        assert CalendarStore().find_newest_host("ws-1", "u-1") == moved

    def test_a_user_who_hosts_nothing_is_no_host(self) -> None:
        CalendarStore().put(calendar())
        assert CalendarStore().find_newest_host("ws-1", "u-2") is None

    def test_pages_follow_the_ids(self) -> None:
        for number in (3, 1, 2):
            CalendarStore().put(calendar(f"c-{number}"))
        first, after = CalendarStore().page("ws-1", limit=2, after=None)
        rest, end = CalendarStore().page("ws-1", limit=2, after=after)
        assert ([c.calendar_id for c in first], [c.calendar_id for c in rest]) == (["c-1", "c-2"], ["c-3"])
        assert end is None


@pytest.mark.usefixtures("moto_aws")
class TestWorkspaces:
    def test_a_new_workspace_is_read_back_at_version_one(self) -> None:
        new = Workspace("ws-1", "Example", START, admin_emails=("admin@example.com",), hold_minutes=5)
        WorkspaceStore().put(new)
        assert WorkspaceStore().get("ws-1") == replace(new, version=1)

    def test_an_unknown_workspace_is_none(self) -> None:
        assert WorkspaceStore().get("ws-1") is None

    def test_a_second_creation_loses(self) -> None:
        WorkspaceStore().put(Workspace("ws-1", "Example", START))
        with pytest.raises(LostRace):
            WorkspaceStore().put(Workspace("ws-1", "Another", START))
        assert WorkspaceStore().get("ws-1").name == "Example"

    def test_of_two_who_read_the_same_version_the_second_loses(self) -> None:
        WorkspaceStore().put(Workspace("ws-1", "Example", START))
        read = WorkspaceStore().get("ws-1")
        WorkspaceStore().put(replace(read, name="First"))
        with pytest.raises(LostRace):
            WorkspaceStore().put(replace(read, name="Second"))
        assert (WorkspaceStore().get("ws-1").name, WorkspaceStore().get("ws-1").version) == ("First", 2)

    def test_a_stored_workspace_accepts_its_key_and_its_row_does_not_hold_it(self, moto_aws: Aws) -> None:
        workspace, key = issue_key(Workspace("ws-1", "Example", START), now=START)
        WorkspaceStore().put(workspace)
        assert accepts_key(WorkspaceStore().get("ws-1"), key)
        assert key.rpartition(".")[2] not in repr(moto_aws.scan("workspaces"))


@dataclass(frozen=True)
class Flow:
    """A document such as the store keeps."""

    verifier: str
    scopes: tuple[str, ...] = ()


FLOW = Flow("v" * 43, ("meeting:read",))


@pytest.mark.usefixtures("moto_aws")
class TestEphemeral:
    def test_a_document_is_read_back_in_its_own_type(self, clock: FakeClock) -> None:
        EphemeralStore().put("flow#1", FLOW, clock() + timedelta(minutes=10))
        assert EphemeralStore().get("flow#1", Flow, clock()) == FLOW

    def test_an_unknown_key_is_none(self, clock: FakeClock) -> None:
        assert EphemeralStore().get("flow#1", Flow, clock()) is None

    def test_a_key_that_is_taken_is_not_overwritten(self, clock: FakeClock) -> None:
        EphemeralStore().put("flow#1", FLOW, clock() + timedelta(minutes=10))
        with pytest.raises(LostRace):
            EphemeralStore().put("flow#1", Flow("another"), clock() + timedelta(minutes=10))
        assert EphemeralStore().get("flow#1", Flow, clock()) == FLOW

    def test_an_expired_document_is_absent_before_dynamodb_deletes_it(self, clock: FakeClock, moto_aws: Aws) -> None:
        EphemeralStore().put("flow#1", FLOW, clock() + timedelta(minutes=10))
        clock.advance(10 * 60 - 1)
        assert EphemeralStore().get("flow#1", Flow, clock()) == FLOW
        clock.advance(1)
        assert EphemeralStore().get("flow#1", Flow, clock()) is None
        assert len(moto_aws.scan("ephemeral")) == 1

    def test_the_ttl_is_in_whole_seconds(self, clock: FakeClock, moto_aws: Aws) -> None:
        EphemeralStore().put("flow#1", FLOW, clock() + timedelta(minutes=10))
        (row,) = moto_aws.scan("ephemeral")
        assert row["expires_at"] == {"N": str(int(clock().timestamp()) + 600)}

    def test_events_are_counted_in_windows_that_expire(self, clock: FakeClock, moto_aws: Aws) -> None:
        window, store = timedelta(minutes=10), EphemeralStore()
        clock.advance(600 - clock().timestamp() % 600)
        assert [store.count_in_window("visits#b-1", clock(), window) for _ in range(3)] == [1, 2, 3]
        assert store.count_in_window("visits#b-2", clock(), window) == 1
        clock.advance(599)
        assert store.count_in_window("visits#b-1", clock(), window) == 4
        clock.advance(1)
        assert store.count_in_window("visits#b-1", clock(), window) == 1
        assert all(int(row["expires_at"]["N"]) >= clock().timestamp() for row in moto_aws.scan("ephemeral"))

    def test_a_document_can_be_consumed_once(self, clock: FakeClock) -> None:
        EphemeralStore().put("flow#1", FLOW, clock() + timedelta(minutes=10))
        assert EphemeralStore().consume("flow#1")
        assert not EphemeralStore().consume("flow#1")
        assert EphemeralStore().get("flow#1", Flow, clock()) is None

    def test_a_consumed_key_is_free_again(self, clock: FakeClock) -> None:
        EphemeralStore().put("flow#1", FLOW, clock() + timedelta(minutes=10))
        EphemeralStore().consume("flow#1")
        EphemeralStore().put("flow#1", Flow("another"), clock() + timedelta(minutes=10))
        assert EphemeralStore().get("flow#1", Flow, clock()) == Flow("another")
