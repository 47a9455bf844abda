"""Pass requests for DynamoDB's data to moto without HTTP: signing, routing and two serializers are most of a call.

botocore still validates and serializes each request, moto still evaluates each expression. A request that moto refuses
changed nothing and goes the whole way, so that its error is the one that botocore parses.
"""

from __future__ import annotations

import json
import pickle
from base64 import b64decode
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

from botocore.handlers import BUILTIN_HANDLERS, REGISTER_LAST
from botocore.model import OperationModel
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core import models as moto_models
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.exceptions import HTTPException, ServiceException
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
from moto.dynamodb.responses import DynamoHandler
from moto.dynamodbstreams.models import dynamodbstreams_backends

from infra.local.aws import REGION
from tests.support.locks import one_at_a_time

_ACTIONS = {
    "GetItem": "get_item",
    "PutItem": "put_item",
    "UpdateItem": "update_item",
    "DeleteItem": "delete_item",
    "Query": "query",
    "Scan": "scan",
    "BatchGetItem": "batch_get_item",
    "TransactGetItems": "transact_get_items",
    "TransactWriteItems": "transact_write_items",
}
_HOSTS = (f"https://dynamodb.{REGION}.amazonaws.com", f"https://streams.dynamodb.{REGION}.amazonaws.com")
_handle_request = BotocoreStubber.__call__


class _Handler(DynamoHandler):
    """moto's handler of one request that did not come over HTTP."""

    current_account = DEFAULT_ACCOUNT_ID  # type: ignore[assignment]

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__()
        self.region = REGION
        self.body = self.params = body
        self.uri_match: dict[str, Any] = {}


def goes_over_http(target: str, body: bytes) -> bool:
    """Return whether a test watches HTTP requests, as `meter` does: it has replaced moto's handler."""
    return BotocoreStubber.__call__ is not _handle_request


def _respond(model: OperationModel, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]] | None:
    """Return moto's response, or None to send the request as HTTP: it is not for moto, or moto refuses it."""
    is_for_moto = moto_models.botocore_stubber.enabled and params["url"].startswith(_HOSTS)
    if not is_for_moto or goes_over_http(params["headers"]["X-Amz-Target"], params["body"]):
        return None
    with one_at_a_time:
        try:
            result = _result(model.name, json.loads(params["body"]))
        except (ServiceException, HTTPException):
            return None
        if result is None:
            return None
        response = _copied(result)
    response["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
    return SimpleNamespace(status_code=200), response


def _result(operation: str, request: dict[str, Any]) -> Any:
    streams = dynamodbstreams_backends[DEFAULT_ACCOUNT_ID][REGION]
    if operation == "DescribeStream":
        return {"StreamDescription": streams.describe_stream(request["StreamArn"])}
    if operation == "GetShardIterator":
        where = request["StreamArn"], request["ShardId"], request["ShardIteratorType"]
        after = int(request["SequenceNumber"]) if "SequenceNumber" in request else None
        return {"ShardIterator": streams.get_shard_iterator(*where, after).arn}
    if operation == "GetRecords":
        return streams.get_records(request["ShardIterator"], request.get("Limit", 1000))
    if operation in _ACTIONS:
        return getattr(_Handler(_with_bytes(request)), _ACTIONS[operation])().result
    return None


def _with_bytes(value: Any) -> Any:
    """Decode binary attributes, as moto's parser does."""
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(binary := value.get("B"), str):
            return {"B": b64decode(binary)}
        return {key: _with_bytes(member) for key, member in value.items()}
    return [_with_bytes(member) for member in value] if isinstance(value, list) else value


def _copied(value: Any) -> Any:
    """Copy what moto still holds, without members that are None: those are not sent."""
    if isinstance(value, dict):
        return {key: _copied(member) for key, member in value.items() if member is not None}
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return [_copied(member) for member in value] if isinstance(value, list | tuple) else value


def _traverse(self: DepthFirstTraverser, node: Any) -> Any:
    """Do what moto's method of this name does, but look up a node's processor once for each type of node."""
    processors, by_type = self._processing_map(), dict[type, Any]()

    def visit(node: Any, child_id: int = -1) -> Any:
        if not isinstance(node, Node):
            return node
        parent, kind = node.parent, type(node)
        for i, child in enumerate(node.children or ()):
            self.pre_processing_of_child(node, i)
            visit(child, i)
        if kind not in by_type:
            by_type[kind] = next((process for base, process in processors.items() if issubclass(kind, base)), None)
        if process := by_type[kind]:
            node = process(node)
            node.parent = parent
            if parent:
                parent.children[child_id] = node
        return node

    return visit(node)


def _copy_expression(expression: Node) -> Any:
    return pickle.loads(pickle.dumps(expression, pickle.HIGHEST_PROTOCOL))


def install() -> None:
    """Answer clients that are created from now on. Last, so that a test's own handlers see every call."""
    BUILTIN_HANDLERS.append(("before-call", _respond, REGISTER_LAST))
    # A third of a test's time was in the expressions of updates: each was parsed twice and walked ten times.
    UpdateExpressionParser.make = cache(UpdateExpressionParser.make)  # type: ignore[method-assign]
    DepthFirstTraverser.traverse = _traverse
    validators.deepcopy = _copy_expression
