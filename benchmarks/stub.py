"""A DynamoDB that answers at once and remembers one row a table: what is measured is the caller, not the database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore import xform_name

Row = dict[str, Any]


class _Refused(Exception):
    """The condition does not hold."""


class _Stub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rows: dict[str, Row]

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        try:
            self._answer(200, getattr(self, xform_name(operation))(request))
        except _Refused:
            self._answer(400, {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"})

    def put_item(self, request: Row) -> Row:
        self.rows[request["TableName"]] = request["Item"]
        return {}

    def update_item(self, request: Row) -> Row:
        if request["TableName"].endswith("bookings"):
            raise _Refused  # Another settler holds the lease of every booking.
        return {"Attributes": request["Key"] | {"document": {"S": ""}, "expires_at": {"N": "0"}, "counted": {"N": "1"}}}

    def get_item(self, request: Row) -> Row:
        row = self._find(request["TableName"], request["Key"])
        return {"Item": row} if row else {}

    def batch_get_item(self, request: Row) -> Row:
        found = {
            table: [row for key in asked["Keys"] if (row := self._find(table, key))]
            for table, asked in request["RequestItems"].items()
        }
        return {"Responses": found, "UnprocessedKeys": {}}

    def query(self, _: Row) -> Row:
        return {"Items": [], "Count": 0, "ScannedCount": 0}

    def _find(self, table: str, key: Row) -> Row | None:
        row = self.rows.get(table, {})
        return row if key.items() <= row.items() else None

    def _answer(self, status: int, answer: Row) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: a line for each request is not what is measured."""


@contextmanager
def stub_dynamodb(rows: dict[str, Row] | None = None) -> Iterator[str]:
    """Its address. `rows` are those that it stores at the start, by the name of their table."""
    handler = type("Stub", (_Stub,), {"rows": dict(rows or {}), "disable_nagle_algorithm": True})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
