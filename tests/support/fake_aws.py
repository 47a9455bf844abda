"""A boto3 session for tests of single calls: its clients check requests and responses against AWS's own models."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import Any

import boto3
from botocore.loaders import Loader, create_loader
from botocore.stub import Stubber

ACCOUNT = "123456789012"


class FakeSession:
    """Clients that reply with what a test says, in order, and to nothing else."""

    region_name = "eu-central-1"
    profile_name = "default"

    def __init__(self, parts: ExitStack) -> None:
        self._session = _session(self.region_name)
        self._parts = parts
        self._clients: dict[str, Any] = {}
        self._stubs: dict[str, Stubber] = {}

    def client(self, service: str, **_: Any) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(service)
            self._stubs[service] = self._parts.enter_context(Stubber(self._clients[service]))
        return self._clients[service]

    def reply(
        self, service: str, operation: str, response: dict[str, Any], request: dict[str, Any] | None = None
    ) -> None:
        self.client(service)
        self._stubs[service].add_response(operation, response, request)

    def refuse(self, service: str, operation: str, code: str) -> None:
        self.client(service)
        self._stubs[service].add_client_error(operation, code, "no")

    def get_partition_for_region(self, region: str) -> str:
        return str(self._session.get_partition_for_region(region))

    def assert_all_used(self) -> None:
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()


def _session(region: str) -> boto3.Session:
    """Return a session that shares AWS's models with those of other tests: to read them takes 150 ms per service."""
    session = boto3.Session("test", "test", region_name=region)
    session._session.register_component("data_loader", _loader())
    return session


@cache
def _loader() -> Loader:
    return create_loader()
