"""How long the product waits for AWS, and how many calls it makes side by side, read back from the live clients."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chalicelib.handlers.booking_stream import _WORKERS as SETTLING_WORKERS
from chalicelib.handlers.webhook_queue import WORKERS as WEBHOOK_WORKERS
from chalicelib.settings import from_environment
from chalicelib.store import tables
from chalicelib.store.dynamodb import USER_AGENT
from chalicelib.store.tables import BookingItem
from chalicelib.wiring import build
from tests.support.aws import Aws

LONGEST_REQUEST_SECONDS = 29  # API Gateway's.


def waits_little_and_serves_all_workers(client: Any, attempts: int) -> bool:
    config = client.meta.config
    assert 1 <= config.connect_timeout <= 2
    assert 3 <= config.read_timeout <= 5
    assert config.max_pool_connections >= max(SETTLING_WORKERS, WEBHOOK_WORKERS)
    assert config.retries["total_max_attempts"] == attempts
    assert config.user_agent == USER_AGENT  # botocore's own would be composed for each request.
    return bool(attempts * (config.connect_timeout + config.read_timeout) < LONGEST_REQUEST_SECONDS)


def test_dynamodb_keeps_no_caller_beyond_api_gateways_limit(moto_aws: Aws) -> None:
    assert not list(BookingItem.query("ws-1"))
    assert waits_little_and_serves_all_workers(tables.BookingItem.shared_connection().client, attempts=4)


@pytest.mark.parametrize("service", ["kms", "secretsmanager", "sesv2"])
def test_neither_do_the_other_services(service: str, moto_aws: Aws) -> None:
    services = build(from_environment({"MEETLINK_TABLE_PREFIX": moto_aws.table_prefix}))
    client = {
        "kms": services.encryption._kms,
        "secretsmanager": services.deployment_secrets._client,
        "sesv2": services.ses._client,  # type: ignore[attr-defined]
    }[service]
    # SES has no idempotency: a second attempt could mail twice.
    assert waits_little_and_serves_all_workers(client, attempts=1 if service == "sesv2" else 3)


def test_each_worker_keeps_its_connection_to_the_provider(moto_aws: Aws) -> None:
    together, connections = threading.Barrier(SETTLING_WORKERS), set[Any]()

    class Provider(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            connections.add(self.client_address)
            together.wait(10)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: the test's output is no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    services = build(from_environment({"MEETLINK_TABLE_PREFIX": moto_aws.table_prefix}))
    with services._create_http_client() as client, ThreadPoolExecutor(SETTLING_WORKERS) as pool:
        for _ in range(2):
            urls = [f"http://127.0.0.1:{server.server_port}/"] * SETTLING_WORKERS
            assert {response.status_code for response in pool.map(client.get, urls)} == {204}
    server.shutdown()
    server.server_close()
    assert len(connections) == SETTLING_WORKERS
