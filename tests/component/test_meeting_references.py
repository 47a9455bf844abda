"""A row leads from a provider's meeting to its booking, whatever happens around the write."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.store.references import ReferenceStore, meeting_key
from infra.tables import create_tables
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock
from tests.support.product import WORKSPACE, Product, booking, calendar
from tests.support.steps import get, only_meeting, put

YEAR = timedelta(days=365)


def keys(product: Product) -> set[str]:
    return {row["key"]["S"] for row in product.aws.scan("references")}


def test_a_new_meeting_leads_to_its_booking(connected: Product) -> None:
    put(connected)
    key = meeting_key("zoom", str(only_meeting(connected).id))
    assert ReferenceStore().find(key) == (WORKSPACE, "b-1")
    (row,) = connected.aws.scan("references")
    assert int(row["expires_at"]["N"]) == (START + timedelta(days=35, minutes=30) + YEAR).timestamp()


def test_the_reference_lives_as_long_as_a_booking_that_moved(connected: Product) -> None:
    put(connected)
    put(connected, days=100)
    (row,) = connected.aws.scan("references")
    assert int(row["expires_at"]["N"]) == (START + timedelta(days=100, minutes=30) + YEAR).timestamp()


def test_a_deployment_that_keeps_bookings_forever_keeps_references_too(moto_aws: Aws, clock: FakeClock) -> None:
    product = Product(moto_aws, clock, MEETLINK_RETENTION_DAYS="0")
    product.connect()
    product.caller().put("/v1/calendars/c-1", json=calendar())
    product.caller().put("/v1/bookings/b-1", json=booking())
    product.settle()
    (row,) = product.aws.scan("references")
    assert "expires_at" not in row


def test_a_booking_without_a_meeting_has_none(connected: Product) -> None:
    connected.caller().put("/v1/calendars/c-2", json=calendar("phone"))
    put(connected, calendar_id="c-2")
    assert keys(connected) == set()


def test_a_meeting_that_replaces_another_has_its_own(connected: Product) -> None:
    put(connected)
    first = str(only_meeting(connected).id)
    connected.zoom.held.by_id.clear()
    put(connected, days=36)
    assert keys(connected) == {meeting_key("zoom", first), meeting_key("zoom", str(only_meeting(connected).id))}


def test_an_outage_of_the_table_delays_neither_link_nor_emails(connected: Product) -> None:
    client = connected.aws.client("dynamodb")
    client.delete_table(TableName=f"{connected.aws.table_prefix}references")
    put(connected)
    assert get(connected)["meeting"]["state"] == "ready"
    create_tables(client, connected.aws.table_prefix)
    assert (len(connected.mails.sent), keys(connected)) == (2, set())
    calls = len(connected.zoom.faults.calls)
    connected.tick(61)
    assert keys(connected) == {meeting_key("zoom", str(only_meeting(connected).id))}
    assert (len(connected.mails.sent), len(connected.zoom.faults.calls)) == (2, calls)
