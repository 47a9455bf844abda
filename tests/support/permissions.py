"""What code asks AWS for, in the words of IAM, and what policies allow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSResponse
from ministack.core import iam_evaluator
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from tests.support import moto_shortcut
from tests.support.kms_conditions import condition_keys

Permission = tuple[str, str]
"""An action and the resource it is for, such as `("dynamodb:GetItem", "arn:…:table/meetlink-ci-grants")`.

With the key of KMS the purpose belongs to the resource: `("kms:Decrypt", "arn:…:key/1 purpose=tokens")`. So does the
partition key of a row in the table of references: `("dynamodb:PutItem", "arn:…references key=meeting#zoom#1")`.
"""

_IN_TRANSACTIONS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "Get": "GetItem"}
_PURPOSE = "meetlink:purpose"
_SERVICES = {
    "DynamoDB_20120810": "dynamodb",
    "TrentService": "kms",
    "secretsmanager": "secretsmanager",
    "AmazonSQS": "sqs",
    "S3": "s3",
}


class Recorder:
    """Watch the calls to moto by calling function, and refuse the chosen ones.

    Of the permissions in `withheld` the one that is first asked for is refused, as `refused` tells, and no other one.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, names: Mapping[str, str]) -> None:
        self.used: dict[str, set[Permission]] = {}
        self.contexts: dict[str, list[dict[str, str]]] = {}
        """The encryption contexts that each function sent to KMS."""
        self.withheld: frozenset[Permission] = frozenset()
        self.refused: Permission | None = None
        self._names = names
        self._function: str | None = None
        answer = BotocoreStubber.__call__

        def watch(stubber: Any, event_name: str, request: Any, **others: Any) -> Any:
            if self._notes_refusal(*_what(request)):
                return _denial(request)
            return answer(stubber, event_name, request, **others)

        monkeypatch.setattr(BotocoreStubber, "__call__", watch)
        monkeypatch.setattr(moto_shortcut, "goes_over_http", self._notes_refusal)

    @contextmanager
    def on_behalf_of(self, function: str) -> Iterator[None]:
        """What is asked for meanwhile, in any thread, is the function's."""
        before, self._function = self._function, function
        try:
            yield
        finally:
            self._function = before

    @contextmanager
    def withholding(self, permissions: Iterable[Permission]) -> Iterator[None]:
        """Refuse the first of these that is asked for, each time that it is."""
        self.withheld, self.refused = frozenset(permissions), None
        try:
            yield
        finally:
            self.withheld = frozenset()

    def _refuses(self, needed: set[Permission]) -> bool:
        wanted = {p for p in self.withheld if any(covers(p, use) for use in needed)}
        if self.refused is None and wanted:
            self.refused = min(wanted)
        return self.refused in wanted

    def _notes_refusal(self, target: str | bytes, body: bytes) -> bool:
        """Note what a request needs; return whether it is refused."""
        if self._function is None:
            return False
        needed = set(self._permissions(target, body))
        self.used.setdefault(self._function, set()).update(needed)
        return self._refuses(needed)

    def _permissions(self, target: str | bytes, content: bytes) -> Iterator[Permission]:
        api, _, operation = (target.decode() if isinstance(target, bytes) else target).partition(".")
        if api.startswith("DynamoDBStreams"):
            return  # The test's own reading, for Lambda.
        service, body = _SERVICES[api], json.loads(content)
        if service == "s3":
            yield f"s3:{operation}", f"arn:{self._names['Partition']}:s3:::{body['Bucket']}/{body['Key']}"
        elif service == "dynamodb":
            yield from self._of_tables(operation, body)
        elif service == "kms":
            context = body.get("EncryptionContext", {})
            self.contexts.setdefault(str(self._function), []).append(context)
            yield f"kms:{operation}", f"{self._names['KeyArn']} purpose={context.get(_PURPOSE)}"
        elif service == "sqs":
            name = body["QueueUrl"].rpartition("/")[2]
            yield f"sqs:{operation.removesuffix('Batch')}", self._arn("sqs", name)
        else:
            yield f"{service}:{operation}", self._arn(service, f"secret:{body['SecretId']}-AbCdEf")

    def _of_tables(self, operation: str, body: Mapping[str, Any]) -> Iterator[Permission]:
        if operation.startswith("Transact"):
            for item in body["TransactItems"]:
                for verb, part in item.items():
                    yield f"dynamodb:{_IN_TRANSACTIONS[verb]}", self._table(part["TableName"])
        elif operation.startswith("Batch"):
            for table in body["RequestItems"]:
                yield f"dynamodb:{operation}", self._table(table)
        else:
            index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
            yield f"dynamodb:{operation}", self._table(body["TableName"]) + index + _partition_key(body)

    def _table(self, name: str) -> str:
        return self._arn("dynamodb", f"table/{name}")

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:{self._names['Partition']}:{service}:{self._names['Region']}:{self._names['Account']}:{rest}"


def _partition_key(body: Mapping[str, Any]) -> str:
    """Of a single row of the references, which conditions of policies can name."""
    key = (body.get("Key") or body.get("Item") or {}).get("key", {}).get("S")
    return f" key={key}" if key and body["TableName"].endswith("references") else ""


def _what(request: Any) -> tuple[str | bytes, bytes]:
    """Return what a request asks for. S3, of which functions read objects only, says it by the address."""
    if "X-Amz-Target" in request.headers:
        return request.headers["X-Amz-Target"], request.body
    address = urlsplit(request.url)
    bucket = str(address.hostname).partition(".s3")[0]
    return "S3.GetObject", json.dumps({"Bucket": bucket, "Key": address.path.removeprefix("/")}).encode()


def _denial(request: Any) -> AWSResponse:
    body = json.dumps({"__type": "AccessDeniedException", "message": "is not authorized to perform this"}).encode()
    return AWSResponse(request.url, 400, {"x-amzn-errortype": "AccessDeniedException"}, MockRawResponse(body))


def allowed(policy: str) -> set[Permission]:
    """Each action of a policy with each resource pattern that it is for."""
    found = set()
    for statement in json.loads(policy)["Statement"]:
        assert statement["Effect"] == "Allow"
        resources = _listed(statement["Resource"])
        condition = statement.get("Condition", {})
        if keys := condition.get("ForAllValues:StringLike"):
            resources = [f"{resource} key={key}" for resource in resources for key in keys["dynamodb:LeadingKeys"]]
        elif condition:
            purposes = _listed(condition["StringEquals"][f"kms:EncryptionContext:{_PURPOSE}"])
            resources = [f"{resource} purpose={purpose}" for resource in resources for purpose in purposes]
        found |= {(action, resource) for action in statement["Action"] for resource in resources}
    return found


def allows_context(policy: str, action: str, context: Mapping[str, str]) -> bool:
    """Whether a policy allows the action of KMS with this encryption context, as ministack's IAM decides it."""
    request = iam_evaluator.EvalContext("", "", "", action, "*", "", service_context=condition_keys(context))
    return any(
        action in statement["Action"] and iam_evaluator._conditions_met(statement.get("Condition", {}), request)
        for statement in json.loads(policy)["Statement"]
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def covers(permission: Permission, used: Permission) -> bool:
    resource = used[1] if " key=" in permission[1] else used[1].partition(" key=")[0]
    return permission[0] == used[0] and fnmatchcase(resource, permission[1])


def is_lambdas_own(permission: Permission) -> bool:
    """Whether Lambda itself needs it, on the function's behalf: to log, to read a source, to give something up."""
    action, resource = permission
    is_stream = "/stream/" in resource or action == "dynamodb:ListStreams"
    is_dead_letter = action == "sqs:SendMessage" and resource.endswith("dead-letters")
    reads_queue = action.startswith("sqs:") and action != "sqs:SendMessage"
    return action.startswith("logs:") or reads_queue or is_stream or is_dead_letter
