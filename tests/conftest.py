"""Fixtures that more than one test file needs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import cache
from uuid import uuid4

import botocore.session
import pytest
from moto import mock_aws

from chalicelib.store.tables import MODELS
from infra.local.aws import REGION, LocalAws
from tests.support import examples, fast_flask
from tests.support.aws import Aws, SharedClients, furnish, furnish_moto, shared_local_aws
from tests.support.clock import FakeClock

examples.install()
fast_flask.install()

_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_PROFILE")


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not walk it again and again, a tenth of all time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only the test moves."""
    return FakeClock()


@pytest.fixture
def moto_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """Empty tables and a KMS key in moto: fast, but it answers one call at a time."""
    for name in _ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        monkeypatch.setattr(botocore.session, "get_session", SharedClients)
        yield furnish_moto("moto-")


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[LocalAws]:
    """A ministack for the whole run, shared by all workers; started when a test first asks for it."""
    own = tmp_path_factory.getbasetemp()
    with shared_local_aws(own if worker_id == "master" else own.parent) as aws:
        yield aws


@pytest.fixture
def local_aws(ministack: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Empty tables of the test's own in the shared ministack, whose conditional writes are atomic: for races."""
    for name, value in ministack.environment().items():
        monkeypatch.setenv(name, value)
    aws = furnish(cache(ministack.client), f"t{uuid4().hex[:8]}-")
    for model in MODELS:
        model.exists()  # A model makes its client at its first call: fifty threads at once would make fifty.
    return aws
