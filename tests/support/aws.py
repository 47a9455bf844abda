"""AWS for tests: the tables of the deployment's own template and a KMS key, in moto or in a shared ministack."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import boto3
from botocore import useragent
from botocore.config import Config
from botocore.session import Session
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core import models as moto_models
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb.models import dynamodb_backends
from moto.kms import models as kms

from chalicelib.store import tables
from chalicelib.store.encryption import Encryption
from infra.local.aws import REGION, LocalAws, answers, create_key
from infra.tables import create_tables
from tests.support import moto_shortcut
from tests.support.locks import one_at_a_time

KEY_ALIAS = "alias/meetlink-test"
# moto makes a pair of RSA keys for every KMS key, also for those that have no use for it: 40 ms for each test.
kms.generate_private_key = cache(kms.generate_private_key)
# moto also intercepts the `requests` library, which no test uses: registering 1,300 URL patterns took 50 ms per test.
moto_models.RESPONSES_METHODS = []
# botocore builds the user agent for every request from 20 parts: 6 % of a test.
useragent.sanitize_user_agent_string_component = cache(useragent.sanitize_user_agent_string_component)
_process_request = BotocoreStubber.process_request


def _process_alone(self: BotocoreStubber, request: Any) -> Any:
    with one_at_a_time:
        return _process_request(self, request)


BotocoreStubber.process_request = _process_alone  # type: ignore[method-assign]
moto_shortcut.install()
_fresh: dict[str, tuple[str, bytes]] = {}
"""The bookings stream's ARN and the empty tables, as moto keeps them (pickled), by prefix."""


@dataclass(frozen=True)
class Aws:
    """One test's AWS: `client` makes (or reuses) a boto3 client of a service; the models are bound to its tables."""

    client: Callable[[str], Any]
    table_prefix: str
    stream_arn: str
    key_id: str

    def vault(self, clock: Callable[[], datetime]) -> Encryption:
        return Encryption(self.client("kms"), self.key_id, clock)

    def scan(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table, as DynamoDB holds it."""
        items: list[dict[str, Any]] = self.client("dynamodb").scan(TableName=self.table_prefix + table)["Items"]
        return items


def furnish(client: Callable[[str], Any], table_prefix: str) -> Aws:
    """Tables and a key, and the models bound to them."""
    stream_arn = create_tables(client("dynamodb"), table_prefix)
    key_id = create_key(client("kms"), KEY_ALIAS)
    tables.bind(table_prefix)
    return Aws(client, table_prefix, stream_arn, key_id)


def furnish_moto(table_prefix: str) -> Aws:
    """`furnish` in moto. Tables and key are created once a process and copied after that: 150 ms less for each test."""
    if table_prefix not in _fresh:
        stream_arn = create_tables(moto_client("dynamodb"), table_prefix)
        _fresh[table_prefix] = stream_arn, save_tables()
    stream_arn, empty = _fresh[table_prefix]
    restore_tables(empty)
    tables.bind(table_prefix)
    return Aws(moto_client, table_prefix, stream_arn, _furnish_moto_key().id)


def save_tables() -> bytes:
    """Return the tables that are in moto now, with their rows and streams."""
    return pickle.dumps(dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables)


def restore_tables(saved: bytes) -> None:
    """Replace moto's tables by saved ones."""
    dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables = pickle.loads(saved)


def _furnish_moto_key() -> kms.Key:
    backend = kms.kms_backends[DEFAULT_ACCOUNT_ID][REGION]
    key = copy(_moto_key())
    key.grants, key.rotations, key.aliases = {}, [], dict(key.aliases)
    backend.keys[key.id] = key
    return key


@cache
def _moto_key() -> kms.Key:
    key_id = create_key(moto_client("kms"), KEY_ALIAS)
    return copy(kms.kms_backends[DEFAULT_ACCOUNT_ID][REGION].keys[key_id])


@cache
def moto_client(service: str) -> Any:
    """Made once: moto answers for clients that were made before as well, and making one costs more than most tests."""
    return boto3.client(service, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")


class SharedClients(Session):
    """A session that creates a client once a process for each service, place and configuration, for use with moto."""

    _clients: ClassVar[dict[tuple[str, str], Any]] = {}

    def create_client(self, service_name: str, *, config: Config | None = None, **options: Any) -> Any:
        if options:  # boto3's clients use a session of this kind, too.
            return super().create_client(service_name, config=config, **options)
        where = self.get_config_variable("region"), os.environ.get("AWS_ENDPOINT_URL")
        key = service_name, repr((where, config and sorted(vars(config).items(), key=str)))
        if key not in self._clients:
            self._clients[key] = super().create_client(service_name, config=config)
        return self._clients[key]


@contextmanager
def shared_local_aws(directory: Path) -> Iterator[LocalAws]:
    """The one ministack of all processes that name the same directory. The first starts it; it ends with the last."""
    with (directory / "aws.lifeline").open("wb") as lifeline, (directory / "aws.lock").open("wb") as lock:
        fcntl.flock(lifeline, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_EX)
        port = directory / "aws.port"
        if port.exists() and answers(int(port.read_text())):
            aws = LocalAws(int(port.read_text()))
        else:
            aws = LocalAws(lifeline=directory / "aws.lifeline", log=directory / "aws.log").start()
            port.write_text(str(aws.port))
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield aws
