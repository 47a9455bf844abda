"""Commands of the terminal: lists, retries, the backfill, and how results are printed."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.handlers import booking_stream, webhook_streams
from infra.operate import backfill, output
from tests.support.first_form import inherit
from tests.support.operator_terminal import Terminal
from tests.support.product import LambdaContext, Product


@pytest.fixture
def terminal(acme: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(acme, monkeypatch, capsys)


class TestLists:
    def test_are_json_for_programs_as_the_api_returns_them(self, terminal: Terminal, acme: Product) -> None:
        shown = terminal.json("booking list --workspace acme --state failed")
        listed = acme.caller("acme").get("/v1/bookings?meeting_state=failed").json()["items"]
        assert shown == {"items": listed}
        connections = acme.caller("acme").get("/v1/connections").json()["items"]
        assert terminal.json("connection list --workspace acme") == {"items": connections}
        deliveries = acme.caller("acme").get("/v1/webhook-endpoints/e-1/deliveries").json()["items"]
        assert terminal.json("delivery list --workspace acme --endpoint e-1") == {"items": deliveries}

    def test_end_at_the_limit_and_say_that_there_is_more(self, terminal: Terminal) -> None:
        shown = terminal.json("booking list --workspace acme --limit 2")
        assert ([item["id"] for item in shown["items"]], shown["more"]) == (["b-41", "b-42"], True)

    def test_of_trouble_show_their_progress_with_a_total(self, terminal: Terminal) -> None:
        terminal.run("booking list --workspace acme --state waiting --state failed")
        assert "bookings listed: 2 in" in terminal.errors

    def test_without_items_say_so(self, terminal: Terminal) -> None:
        assert terminal.run("booking list --workspace nobody --state failed") == "Nothing was found.\n"
        assert terminal.code == 0

    def test_show_the_workspaces(self, terminal: Terminal) -> None:
        assert terminal.json("workspace list") == {"items": [{"id": "acme", "name": "acme", "keys": 1}]}


class TestErrors:
    @pytest.mark.parametrize(
        "command",
        [
            "booking show b-0 --workspace acme",
            "booking retry b-0 --workspace acme --yes",
            "booking retry b-42 --yes",
            "delivery list --workspace acme --endpoint e-0",
            "delivery resend --workspace acme --endpoint e-1",
            "delivery resend d-0 --workspace acme --endpoint e-1 --yes",
            "workspace show nobody",
            "workspace update acme",
            "data export",
        ],
    )
    def test_go_to_stderr_and_as_json_to_stdout(self, terminal: Terminal, command: str) -> None:
        assert "error" in terminal.json(command)
        assert terminal.code == 1
        if not command.startswith("data export"):  # It prints JSON in any case.
            assert terminal.run(command) == ""
            assert "Error: " in terminal.errors

    def test_a_missing_index_is_named_with_what_to_do(self, terminal: Terminal, acme: Product) -> None:
        client, name = acme.aws.client("dynamodb"), acme.aws.table_prefix + "bookings"
        client.update_table(TableName=name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by_trouble"}}])
        shown = terminal.json("booking list --workspace acme --state failed")
        assert shown == {"error": "The index of this list is missing or being built. Deploy the stage, then try again."}


def test_a_command_that_acts_is_recorded_and_one_that_reports_is_not(terminal: Terminal) -> None:
    terminal.run("booking retry b-42 --workspace acme")
    terminal.run("booking list --workspace acme")
    terminal.run("booking retry b-42 --workspace acme --yes")
    terminal.run("workspace update acme --hold-minutes 5 --admin admin@example.com")
    entries = terminal.json("audit list --workspace acme")["items"]
    verbs = [entry["verb"] for entry in entries if entry["caller"].startswith("arn:aws:")]
    assert sorted(verbs) == ["booking retry", "set-lists", "update-workspace"]


def test_one_delivery_is_sent_again_by_its_id(terminal: Terminal) -> None:
    (failed,) = terminal.json("delivery list --workspace acme --endpoint e-1 --state failed")["items"]
    command = f"delivery resend {failed['delivery_id']} --workspace acme --endpoint e-1"
    assert terminal.json(command) == {"id": failed["id"], "state": "failed", "done": False}
    assert terminal.json(f"{command} --yes") == {"id": failed["id"], "state": "pending", "done": True}


class TestBackfill:
    @pytest.fixture
    def inherited(
        self, product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> tuple[Product, Terminal]:
        """The rows of the first release, which had no such attributes."""
        inherit(product)
        return product, Terminal(product, monkeypatch, capsys)

    @staticmethod
    def keys(product: Product) -> dict[str, tuple[Any, bool]]:
        rows = {row["booking_id"]["S"]: row for row in product.aws.scan("bookings")}
        return {name: (row.get("trouble_key", {}).get("S"), "guest_key" in row) for name, row in rows.items()}

    def test_counts_and_then_fills_what_lists_need(self, inherited: tuple[Product, Terminal]) -> None:
        product, terminal = inherited
        before = self.keys(product)
        assert set(before.values()) == {(None, False)}
        assert terminal.json("backfill") == {
            "rows": 6,
            "changed": 6,
            "skipped": 0,
            "failed": 0,
            "done": False,
            "members": 1,
        }
        assert self.keys(product) == before
        assert terminal.json("backfill --yes")["changed"] == 6
        expected = {name: ("ws-1#waiting" if name == "b-waiting" else None, True) for name in before}
        assert self.keys(product) == expected
        assert terminal.json("backfill --yes")["changed"] == 0

    def test_sends_nothing_and_calls_no_provider(self, inherited: tuple[Product, Terminal]) -> None:
        product, terminal = inherited
        calls = len(product.zoom.faults.calls)
        terminal.run("backfill --yes")
        settled = {"b-cancelled", "b-phone", "b-ready"}
        records = [r for r in product.stream_records() if r["dynamodb"]["Keys"]["booking_id"]["S"] in settled]
        booking_stream.settle_records({"Records": records}, LambdaContext(), product.services)
        webhook_streams.announce_bookings({"Records": records}, LambdaContext(), product.services)
        assert (len(records), len(product.mails.sent), len(product.zoom.faults.calls)) == (3, 0, calls)

    def test_removes_a_key_that_is_no_longer_right(self, inherited: tuple[Product, Terminal]) -> None:
        product, terminal = inherited
        terminal.run("backfill --yes")
        client, name = product.aws.client("dynamodb"), product.aws.table_prefix + "bookings"
        key = {"workspace_id": {"S": "ws-1"}, "booking_id": {"S": "b-ready"}}
        client.update_item(
            TableName=name,
            Key=key,
            UpdateExpression="SET trouble_key = :k",
            ExpressionAttributeValues={":k": {"S": "ws-1#failed"}},
        )
        assert terminal.json("backfill --yes")["changed"] == 1
        assert self.keys(product)["b-ready"] == (None, True)

    def test_continues_where_it_was_interrupted(
        self, inherited: tuple[Product, Terminal], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        product, terminal = inherited
        scan, read = backfill.Backfill._scan, list[int]()

        def in_small_pages(self: backfill.Backfill, start_key: Any) -> Any:
            if len(read) == 2:
                raise KeyboardInterrupt
            page = self._client.scan(
                TableName=product.aws.table_prefix + "bookings",
                Limit=2,
                **({"ExclusiveStartKey": start_key} if start_key else {}),
            )
            read.append(len(page["Items"]))
            return page["Items"], page.get("LastEvaluatedKey")

        with monkeypatch.context() as patched:
            patched.setattr(backfill.Backfill, "_scan", in_small_pages)
            with pytest.raises(KeyboardInterrupt):
                terminal.run("backfill --yes")
        assert backfill.Backfill._scan is scan
        assert terminal.json("backfill --yes") == {
            "rows": 6,
            "changed": 2,
            "skipped": 0,
            "failed": 0,
            "done": True,
            "members": 1,
        }
        assert all(has_guest for _, has_guest in self.keys(product).values())

    def test_reports_rows_that_it_cannot_read(self, inherited: tuple[Product, Terminal]) -> None:
        product, terminal = inherited
        client, name = product.aws.client("dynamodb"), product.aws.table_prefix + "bookings"
        row = product.aws.scan("bookings")[0] | {"desired": {"S": "{}"}}
        client.put_item(TableName=name, Item=row)
        assert terminal.json("backfill --yes")["failed"] == 1
        assert terminal.code == 1


def test_a_table_aligns_its_columns_and_lines_show_what_is_nested() -> None:
    result = {"items": [{"id": "a", "who": {"name": "Ann"}}, {"id": "bbbb", "who": None}], "more": True}
    assert output.format_text(result, ("id", "who.name")).splitlines() == [
        "ID    WHO NAME",
        "a     Ann",
        "bbbb  -",
        "more: yes",
    ]
    nested = {"meeting": {"state": "failed"}, "guests": [{"email": "a@example.com"}], "ids": ["x", "y"], "none": None}
    assert output.format_text(nested, ()).splitlines() == [
        "meeting:",
        "  state: failed",
        "guests:",
        "  email a@example.com",
        "ids: x; y",
        "none: -",
    ]
