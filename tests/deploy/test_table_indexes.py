"""A deployment adds missing indexes one by one, waits until each can be read, and changes no existing one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from infra.deploy import table_indexes
from infra.deploy.stage import DeployError
from infra.tables import read_later_indexes, read_template, table_definitions

TABLE = next(table for table in table_definitions("meetlink-ci-") if table["TableName"].endswith("-bookings"))
LATER = [index["IndexName"] for index in read_later_indexes()["bookings"]["GlobalSecondaryIndexes"]]


class FakeDynamoDB:
    """A table that takes `seconds` to build an index, one at a time, as DynamoDB does."""

    def __init__(self, *names: str, seconds: float = 90) -> None:
        self.now = 0.0
        self.requests: list[dict[str, Any]] = []
        self._seconds = seconds
        self._indexes = {
            i["IndexName"]: (dict(i), 0.0) for i in TABLE["GlobalSecondaryIndexes"] if i["IndexName"] in names
        }

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803 — as boto3 names it
        indexes = []
        for index, active_at in self._indexes.values():
            is_active = self.now >= active_at
            backfilling = {} if is_active else {"Backfilling": True}
            indexes.append(index | {"IndexStatus": "ACTIVE" if is_active else "CREATING"} | backfilling)
        return {"Table": {"TableName": TableName, "GlobalSecondaryIndexes": indexes}}

    def update_table(self, **request: Any) -> None:
        assert all(self.now >= active_at for _, active_at in self._indexes.values()), "LimitExceededException"
        (update,) = request["GlobalSecondaryIndexUpdates"]
        self.requests.append(request)
        self._indexes[update["Create"]["IndexName"]] = (update["Create"], self.now + self._seconds)

    def get_waiter(self, name: str) -> Any:
        return SimpleNamespace(wait=lambda **_: None)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def replace_keys(self, name: str) -> None:
        index, at = self._indexes[name]
        self._indexes[name] = (index | {"KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}]}, at)

    def add(self) -> list[str]:
        said: list[str] = []
        table_indexes.add_missing(self, TABLE, said.append, self.sleep, lambda: self.now)
        return said

    def check(self) -> list[str]:
        return [result.text for result in table_indexes.check(self, TABLE)]


FIRST = ("due", "by_start", "by_host")


def test_missing_indexes_are_added_one_after_the_other_with_their_keys_only() -> None:
    dynamodb = FakeDynamoDB(*FIRST)
    said = dynamodb.add()
    assert [r["GlobalSecondaryIndexUpdates"][0]["Create"]["IndexName"] for r in dynamodb.requests] == LATER
    keys = [{part["AttributeName"] for part in request["AttributeDefinitions"]} for request in dynamodb.requests]
    assert keys == [{"trouble_key", "start_key"}, {"guest_key", "start_key"}]
    assert any("adding the index by_trouble" in line for line in said)
    assert sum('"Lists and backfill"' in line for line in said) == len(LATER)
    assert any("being filled, 1 minutes so far" in line for line in said)
    assert dynamodb.check() == []


def test_a_table_with_all_indexes_is_left_alone() -> None:
    dynamodb = FakeDynamoDB(*FIRST, *LATER)
    assert (dynamodb.add(), dynamodb.requests) == ([], [])


def test_after_an_interruption_the_next_run_waits_for_the_index_that_is_being_built() -> None:
    dynamodb = FakeDynamoDB(*FIRST)
    table_indexes._add(dynamodb, TABLE, TABLE["GlobalSecondaryIndexes"][3])
    assert any("by_trouble of meetlink-ci-bookings is still being filled" in text for text in dynamodb.check())
    dynamodb.add()
    assert [r["GlobalSecondaryIndexUpdates"][0]["Create"]["IndexName"] for r in dynamodb.requests] == LATER


def test_an_index_that_takes_too_long_ends_the_deployment_before_the_code_that_uses_it() -> None:
    with pytest.raises(DeployError, match="by_trouble of meetlink-ci-bookings is still being filled"):
        FakeDynamoDB(*FIRST, seconds=10**6).add()


def test_an_existing_index_with_other_keys_is_reported_and_not_changed() -> None:
    dynamodb = FakeDynamoDB(*FIRST, *LATER)
    dynamodb.replace_keys("by_host")
    with pytest.raises(DeployError, match="by_host of meetlink-ci-bookings has other keys"):
        dynamodb.add()
    assert dynamodb.requests == []
    assert any("by_host" in text for text in dynamodb.check())


def test_a_missing_index_is_a_problem_of_the_stage() -> None:
    assert FakeDynamoDB(*FIRST).check() == [
        f"The table meetlink-ci-bookings lacks the index {name}. Deploy again." for name in LATER
    ]


def test_cloudformation_knows_no_later_index_so_that_an_earlier_releases_template_removes_none() -> None:
    tables = [resource["Properties"] for resource in read_template()["Resources"].values()]
    names = {index["IndexName"] for table in tables for index in table.get("GlobalSecondaryIndexes", ())}
    assert names.isdisjoint(LATER)
    for table in tables:
        keys = [table["KeySchema"], *(index["KeySchema"] for index in table.get("GlobalSecondaryIndexes", ()))]
        used = {part["AttributeName"] for schema in keys for part in schema}
        assert used == {part["AttributeName"] for part in table["AttributeDefinitions"]}
