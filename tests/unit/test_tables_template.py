"""The CloudFormation template and the models describe the same tables."""

from __future__ import annotations

from typing import Any

import pytest
from pynamodb.models import Model

from chalicelib.store.tables import (
    MODELS,
    AuditItem,
    BookingItem,
    DailyCountItem,
    DeliveryItem,
    EphemeralItem,
    ProviderEventItem,
    ReferenceItem,
)
from infra.tables import read_template, table_definitions

TABLES = {table["TableName"]: table for table in table_definitions("")}


def declared(model: type[Model]) -> dict[str, Any]:
    """What pynamodb itself would create for the model, in the API's words."""
    schema = model._get_schema()
    return {
        "keys": keys(schema["key_schema"]),
        "attributes": types(schema["attribute_definitions"]),
        "indexes": {
            index["index_name"]: (keys(index["key_schema"]), projection(index["projection"]))
            for index in schema["global_secondary_indexes"]
        },
    }


def templated(table: dict[str, Any]) -> dict[str, Any]:
    return {
        "keys": keys(table["KeySchema"]),
        "attributes": types(table["AttributeDefinitions"]),
        "indexes": {
            index["IndexName"]: (keys(index["KeySchema"]), projection(index["Projection"]))
            for index in table.get("GlobalSecondaryIndexes", [])
        },
    }


def plain_name(model: type[Model]) -> str:
    """Without the prefix that an earlier test may have bound."""
    return str(model.Meta.table_name).rpartition("-")[2]


def keys(schema: list[dict[str, str]]) -> dict[str, str]:
    return {key["KeyType"]: key["AttributeName"] for key in schema}


def types(definitions: list[dict[str, str]]) -> dict[str, str]:
    return {attribute["AttributeName"]: attribute["AttributeType"] for attribute in definitions}


def projection(text: dict[str, Any]) -> tuple[str, set[str]]:
    return text["ProjectionType"], set(text.get("NonKeyAttributes") or ())


def test_the_template_has_a_table_for_each_model_and_no_other() -> None:
    assert set(TABLES) == {plain_name(model) for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_keys_and_indexes_are_those_of_the_model(model: type[Model]) -> None:
    assert templated(TABLES[plain_name(model)]) == declared(model)


def test_only_bookings_and_connections_have_a_stream_and_it_shows_both_images() -> None:
    streams = {name: table["StreamSpecification"] for name, table in TABLES.items() if "StreamSpecification" in table}
    both = {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert streams == {"bookings": both, "connections": both}


def test_bookings_ephemeral_rows_and_deliveries_expire_by_the_attribute_that_the_model_calls_so() -> None:
    expiring = {n: t["TimeToLiveSpecification"] for n, t in TABLES.items() if "TimeToLiveSpecification" in t}
    assert expiring == {
        "bookings": {"AttributeName": BookingItem.expires_at.attr_name, "Enabled": True},
        "ephemeral": {"AttributeName": EphemeralItem.expires_at.attr_name, "Enabled": True},
        "deliveries": {"AttributeName": DeliveryItem.expires_at.attr_name, "Enabled": True},
        "audit": {"AttributeName": AuditItem.expires_at.attr_name, "Enabled": True},
        "provider_events": {"AttributeName": ProviderEventItem.expires_at.attr_name, "Enabled": True},
        "references": {"AttributeName": ReferenceItem.expires_at.attr_name, "Enabled": True},
        "daily_counts": {"AttributeName": DailyCountItem.expires_at.attr_name, "Enabled": True},
    }


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_billed_by_request_encrypted_recoverable_and_hard_to_delete(name: str) -> None:
    table = TABLES[name]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is True


def test_removing_or_replacing_the_stack_keeps_every_table() -> None:
    policies = {(r["DeletionPolicy"], r["UpdateReplacePolicy"]) for r in read_template()["Resources"].values()}
    assert policies == {("Retain", "Retain")}
