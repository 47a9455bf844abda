"""The event handlers with recorded events: what costs a call, what fails a batch, where they stand (DESIGN 3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident
from typing import Any

import pytest
from moto.core.botocore_stubber import BotocoreStubber

from chalicelib.domain.deadline import Deadline
from chalicelib.errors import StoreUnavailable
from chalicelib.handlers import booking_stream
from chalicelib.store.tables import BookingItem
from tests.support.product import LambdaContext, Product, booking, calendar, recorded_event

Records = list[dict[str, Any]]
NOTHING_FAILED: dict[str, Any] = {"batchItemFailures": []}


class AskedContext(LambdaContext):
    """Knows whether it was asked for the run's id."""

    is_asked = False

    @property
    def aws_request_id(self) -> str:  # type: ignore[override]
        self.is_asked = True
        return "run-1"


@pytest.fixture
def aws_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets of the calls to AWS from now on, from every caller."""
    made: list[str] = []
    answer = BotocoreStubber.process_request

    def counted(self: BotocoreStubber, request: Any) -> Any:
        target = request.headers.get("X-Amz-Target", request.url)
        made.append(target.decode() if isinstance(target, bytes) else target)
        return answer(self, request)

    monkeypatch.setattr(BotocoreStubber, "process_request", counted)
    return made


def recorded(choose: Callable[[int, int], bool]) -> Records:
    """The recorded records of one booking's life whose old and new revision `choose` accepts.

    The life: made and settled; moved and parked, as the account is broken; cancelled; its row deleted.
    """
    records: Records = recorded_event("bookings_stream")["Records"]
    return [r for r in records if choose(revision(r, "OldImage"), revision(r, "NewImage"))]


def revision(record: dict[str, Any], image: str) -> int:
    return int(record["dynamodb"].get(image, {}).get("revision", {}).get("N", 0))


def settle(product: Product, records: Records) -> dict[str, Any]:
    return booking_stream.settle_records({"Records": records}, LambdaContext(), product.services)


def stream(product: Product, *booking_ids: str) -> Records:
    """Book; the records that the stream then holds."""
    for booking_id in booking_ids:
        assert product.caller().put(f"/v1/bookings/{booking_id}", json=booking()).status_code == 201
    return product.stream_records()


class TestWhatCostsACall:
    def test_a_settlers_own_writes_cost_none(self, product: Product, aws_calls: list[str]) -> None:
        own = recorded(lambda old, new: old == new)
        assert len(own) == 9  # Lease, intent, progress, settled; lease, progress, parked.
        assert settle(product, own) == NOTHING_FAILED
        assert aws_calls == []
        assert product.zoom.faults.calls == []

    def test_a_deleted_row_costs_none(self, product: Product, aws_calls: list[str]) -> None:
        gone = recorded(lambda old, new: new == 0)
        assert len(gone) == 1
        assert settle(product, gone) == NOTHING_FAILED
        assert aws_calls == []

    def test_an_image_that_is_settled_already_costs_none(self, product: Product, aws_calls: list[str]) -> None:
        (made,) = recorded(lambda old, new: old == 0 and new == 1)
        made["dynamodb"]["NewImage"]["settled_revision"] = {"N": "1"}
        del made["dynamodb"]["NewImage"]["due_at"]
        assert settle(product, [made]) == NOTHING_FAILED
        assert aws_calls == []

    def test_a_settled_image_that_was_woken_costs_one_attempt(self, product: Product, aws_calls: list[str]) -> None:
        (made,) = recorded(lambda old, new: old == 0 and new == 1)
        made["dynamodb"]["NewImage"]["settled_revision"] = {"N": "1"}  # It is due.
        assert settle(product, [made]) == NOTHING_FAILED
        assert len(aws_calls) == 1

    def test_no_event_at_all_costs_none(self, product: Product, aws_calls: list[str]) -> None:
        assert settle(product, []) == NOTHING_FAILED
        assert aws_calls == []

    def test_a_raised_revision_costs_one_attempt_for_a_booking_however_many_records_tell_of_it(
        self, product: Product, aws_calls: list[str]
    ) -> None:
        raised = recorded(lambda old, new: new > old)
        assert len(raised) == 3
        settle(product, raised * 5)  # The row is not there: the lease is all that is tried.
        assert [call for call in aws_calls if call.startswith("DynamoDB")] == ["DynamoDB_20120810.UpdateItem"]

    def test_a_booking_that_is_woken_is_settled_though_its_revision_is_the_same(self, connected: Product) -> None:
        connected.zoom.identity.reset()
        records = stream(connected, "b-1")
        settle(connected, records)
        connected.stream_records()
        connected.connect()
        woken = connected.stream_records()
        assert [revision(r, "OldImage") == revision(r, "NewImage") for r in woken] == [True]
        settle(connected, woken)
        assert connected.caller().get("/v1/bookings/b-1").json()["meeting"]["state"] == "ready"

    def test_a_settled_booking_delivered_again_costs_one_call_and_no_mail(
        self, connected: Product, aws_calls: list[str]
    ) -> None:
        records = stream(connected, "b-1")
        settle(connected, records)
        calls, mails = len(connected.zoom.faults.calls), len(connected.mails.sent)
        aws_calls.clear()
        assert settle(connected, records) == NOTHING_FAILED
        assert aws_calls == ["DynamoDB_20120810.UpdateItem"]
        assert (len(connected.zoom.faults.calls), len(connected.mails.sent)) == (calls, mails)


class TestWhatFailsABatch:
    def test_a_document_that_cannot_be_read_fails_nothing_and_holds_up_no_one(self, connected: Product) -> None:
        records = stream(connected, "b-1", "poison", "b-3")
        BookingItem("ws-1", "poison").update([BookingItem.desired.set("{}")])
        assert settle(connected, records) == NOTHING_FAILED
        for booking_id in ("b-1", "b-3"):
            known = connected.caller().get(f"/v1/bookings/{booking_id}").json()
            assert known["meeting"]["state"] == "ready"

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda image: image.pop("workspace_id"),
            lambda image: image.pop("booking_id"),
            lambda image: image.update(revision={"N": "one"}),
            lambda image: image.update(revision={"S": "1"}),
            lambda image: image.update(workspace_id={"N": "1"}),
            lambda image: image.clear(),
        ],
        ids=["no workspace", "no id", "no number", "a text", "not a text", "empty"],
    )
    def test_an_image_that_cannot_be_read_fails_nothing_and_holds_up_no_one(
        self, connected: Product, spoil: Callable[[dict[str, Any]], Any]
    ) -> None:
        (poison,) = recorded(lambda old, new: old == 0 and new == 1)
        spoil(poison["dynamodb"]["NewImage"])
        assert settle(connected, [poison, *stream(connected, "b-1")]) == NOTHING_FAILED
        assert connected.caller().get("/v1/bookings/b-1").json()["meeting"]["state"] == "ready"

    def test_a_provider_that_is_out_fails_nothing(self, connected: Product) -> None:
        from infra.local.standins.faults import Action, Fault

        for action in (Action.LOST_AFTER, Action.LOST_BEFORE, Action.BEFORE):
            connected.zoom.faults.add(Fault("/", action, times=2))
        assert settle(connected, stream(connected, "b-1", "b-2", "b-3")) == NOTHING_FAILED

    def test_a_mailer_with_a_bug_fails_nothing(self, connected: Product) -> None:
        connected.mails.refusals.append(RuntimeError("a bug"))
        assert settle(connected, stream(connected, "b-1")) == NOTHING_FAILED

    def test_after_a_bug_the_schedule_tries_again(self, connected: Product) -> None:
        connected.mails.refusals.append(RuntimeError("a bug"))
        settle(connected, stream(connected, "b-1"))
        connected.tick(91)
        told = connected.caller().get("/v1/bookings/b-1").json()["invitations"]
        assert [one["state"] for one in told] == ["sent", "sent"]
        assert len(connected.zoom.meetings) == 1

    def test_a_token_that_cannot_be_unsealed_fails_nothing(self, connected: Product) -> None:
        from chalicelib.store.tables import GrantItem

        (row,) = connected.aws.scan("grants")
        sealed = row["tokens"]["B"]
        GrantItem(row["grant_id"]["S"]).update([GrantItem.tokens.set(sealed[:-1] + bytes([sealed[-1] ^ 1]))])
        assert settle(connected, stream(connected, "b-1")) == NOTHING_FAILED
        connected.settle()
        known = connected.caller().get("/v1/bookings/b-1").json()["meeting"]
        assert (known["state"], known["reason"]) == ("waiting", "reconnect_needed")

    def test_a_database_that_is_out_names_the_records(self, connected: Product) -> None:
        records = stream(connected, "b-1", "b-2")
        connected.aws.client("dynamodb").delete_table(TableName=connected.aws.table_prefix + "bookings")
        failed = settle(connected, records)["batchItemFailures"]
        assert [f["itemIdentifier"] for f in failed] == [r["dynamodb"]["SequenceNumber"] for r in records]

    def test_a_database_that_is_out_for_one_booking_names_that_ones_first_record(self, connected: Product) -> None:
        class Failing:
            def settle(self, workspace_id: str, booking_id: str, deadline: Deadline) -> None:
                if booking_id == "b-2":
                    raise StoreUnavailable("throttled")

        first = stream(connected, "b-1", "b-2")
        connected.caller().put("/v1/bookings/b-2", json=booking(days=36))
        records = [*first, *connected.stream_records()]
        vars(connected.services)["settling"] = Failing()
        failed = settle(connected, records)["batchItemFailures"]
        assert failed == [{"itemIdentifier": first[1]["dynamodb"]["SequenceNumber"]}]


class TestTheSchedule:
    def test_with_nothing_due_it_does_nothing(self, product: Product) -> None:
        done = booking_stream.settle_due(LambdaContext(), product.services)
        assert set(done.values()) == {0}

    def test_it_settles_all_that_the_stream_never_told_of(self, connected: Product) -> None:
        stream(connected, *(f"b-{n}" for n in range(12)))
        assert connected.tick()["bookings"] == 12
        assert len(connected.zoom.meetings) == 12

    def test_a_workspace_with_many_due_bookings_delays_no_other(self, connected: Product) -> None:
        settled: list[str] = []

        class Recording:
            def settle(self, workspace_id: str, booking_id: str, deadline: Deadline) -> None:
                settled.append(workspace_id)

        connected.caller("ws-2").put("/v1/calendars/c-1", json=calendar("phone"))
        stream(connected, *(f"b-{n}" for n in range(30)))
        for number in range(3):
            assert connected.caller("ws-2").put(f"/v1/bookings/b-{number}", json=booking()).status_code == 201
        vars(connected.services)["settling"] = Recording()
        object.__setattr__(connected.services, "workers", lambda _: ThreadPoolExecutor(1))
        booking_stream.settle_due(LambdaContext(), connected.services)
        assert len(settled) == 33
        assert sorted(settled[:6]) == ["ws-1"] * 3 + ["ws-2"] * 3

    def test_one_booking_that_cannot_be_read_does_not_keep_the_rest(self, connected: Product) -> None:
        stream(connected, "a-poison", "b-1")
        BookingItem("ws-1", "a-poison").update([BookingItem.desired.set("{}")])
        connected.tick()
        assert connected.caller().get("/v1/bookings/b-1").json()["meeting"]["state"] == "ready"

    def test_one_grant_that_cannot_be_read_does_not_keep_the_rest(self, connected: Product) -> None:
        from chalicelib.store.tables import GrantItem
        from tests.support.product import ACCOUNT, SECOND_ACCOUNT

        connected.connect("u-2", SECOND_ACCOUNT)
        GrantItem(f"zoom#{ACCOUNT.user_id}").update([GrantItem.document.set("{}")])
        for user_id in ("u-1", "u-2"):
            connected.services.grant_store.set_due(f"zoom#zoom-user-{user_id[-1]}", connected.clock())
            connected.services.connection_store.delete("ws-1", user_id)
        connected.tick()
        connected.tick()
        assert not connected.zoom.identity.has_grant(SECOND_ACCOUNT.user_id)


class TestWhereTheHandlersStand:
    """Lambda would import a blueprint's module alone: github.com/aws/chalice/issues/1566"""

    @pytest.fixture
    def app(self, product: Product, monkeypatch: pytest.MonkeyPatch) -> Any:
        from chalicelib import wiring

        monkeypatch.setenv("MEETLINK_TABLE_PREFIX", product.aws.table_prefix)
        monkeypatch.setenv("MEETLINK_MAIL_FROM", "invitations@meetlink.example")
        wiring.services.cache_clear()
        import app

        yield app
        wiring.services.cache_clear()

    def test_they_stand_in_app_py(self, app: Any) -> None:
        found = {handler.handler_string for handler in [*app.app.event_sources, *app.app.pure_lambda_functions]}
        assert {"app.on_booking", "app.on_schedule", "app.operate"} <= found
        assert {name for name in found if not name.startswith("app.")} == set()
        assert all(hasattr(app, name.removeprefix("app.")) for name in found)

    def test_the_stream_handler_takes_a_recorded_batch(self, app: Any) -> None:
        assert app.on_booking(recorded_event("bookings_stream"), LambdaContext()) == NOTHING_FAILED

    def test_the_schedule_takes_a_recorded_event(self, app: Any) -> None:
        assert app.on_schedule(recorded_event("schedule"), LambdaContext())["bookings"] == 0

    def test_operating_answers(self, app: Any) -> None:
        assert "error" in app.operate({"do": "show-workspace", "workspace_id": "never-seen"}, LambdaContext())

    @pytest.mark.parametrize(
        ("function", "event"),
        [
            ("on_booking", recorded_event("bookings_stream")),
            ("announce_bookings", recorded_event("bookings_stream")),
            ("announce_connections", {"Records": []}),
            ("on_schedule", recorded_event("schedule")),
            ("deliver_webhooks", recorded_event("schedule")),
            ("send_emails", {"Records": []}),
            ("send_webhooks", {"Records": []}),
            ("on_mail_event", recorded_event("sns_mail_event")),
            ("on_reply", recorded_event("sns_mail_event")),
            ("operate", {}),
        ],
    )
    def test_every_function_asks_for_its_runs_id(self, app: Any, function: str, event: dict[str, Any]) -> None:
        context = AskedContext()
        getattr(app, function)(event, context)
        assert context.is_asked

    def test_lines_of_worker_threads_carry_the_runs_id(
        self, app: Any, connected: Product, caplog: pytest.LogCaptureFixture
    ) -> None:
        records = stream(connected, "b-1", "b-2")
        connected.aws.client("dynamodb").delete_table(TableName=connected.aws.table_prefix + "bookings")
        app.on_booking({"Records": records}, LambdaContext())
        lines = [line for line in caplog.records if line.message == "settling failed"]
        assert [(vars(line)["request_id"], line.thread == get_ident()) for line in lines] == [("run-1", False)] * 2

    def test_the_shipped_app_has_the_routes_that_are_tested(self, app: Any, product: Product) -> None:
        shipped = {(path, method) for path, methods in app.app.routes.items() for method in methods}
        tested = {(path, method) for path, methods in product.app.routes.items() for method in methods}
        assert shipped == tested

    def test_a_line_of_the_log_is_written_once_and_as_json(self, product: Product) -> None:
        written = subprocess.run(
            [sys.executable, "-c", "import app; from chalicelib.observability import log; log.info('settled', n=1)"],
            env=os.environ | {"MEETLINK_TABLE_PREFIX": "ml-", "MEETLINK_MAIL_FROM": "invitations@meetlink.example"},
            capture_output=True,
            text=True,
            check=True,
        )
        lines = [json.loads(line) for line in written.stdout.splitlines() + written.stderr.splitlines()]
        assert [(line["message"], line["n"]) for line in lines] == [("settled", 1)]


def test_a_phone_booking_is_settled_without_a_call_to_any_provider(product: Product) -> None:
    product.caller().put("/v1/calendars/c-1", json=calendar("phone"))
    settle(product, stream(product, "b-1"))
    assert product.zoom.faults.calls == []
    assert len(product.mails.sent) == 2
