"""What a new Lambda does, in a process of its own: `python -S -E -B cold_child.py KIND PATH...`

Prints the processor's milliseconds from the first import to the end of the first event, and the peak of memory. With
KIND:wait it prints the elapsed milliseconds of init, waits for a line, and prints those of the first event.
"""

import json
import resource
import sys
import time

API_KEY = "meetlink.ws-1.0a.secret"
"""The key of the workspace that the stub stores."""


class Context:
    aws_request_id = "request-1"
    function_name = "bench"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"
    memory_limit_in_mb = 512

    def get_remaining_time_in_millis(self):
        return 30_000


def http_event(resource_path, path, **more):
    return {
        "resource": resource_path,
        "path": path,
        "httpMethod": "GET",
        "headers": {"Authorization": f"Bearer {API_KEY}"},
        "multiValueHeaders": {"Authorization": [f"Bearer {API_KEY}"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {},
        "stageVariables": None,
        "requestContext": {"httpMethod": "GET", "resourcePath": resource_path, "requestId": "r", "identity": {}},
        "body": None,
        "isBase64Encoded": False,
        **more,
    }


BOOKING = {
    "workspace_id": "ws-1",
    "booking_id": "b-1",
    "revision": 1,
    "status": "confirmed",
    "appointment": {
        "calendar_id": "c-1",
        "starts_at": "2030-01-01T09:00:00Z",
        "ends_at": "2030-01-01T09:30:00Z",
        "time_zone": "UTC",
        "title": "Introductory call",
    },
    "host": {"user_id": "u-1", "name": "Demo Host", "email": "host@example.com"},
    "location": {"type": "video"},
    "eligibility": None,
    "hosted_since": "2029-12-01T09:00:00Z",
    "created_at": "2029-12-01T09:00:00Z",
    "updated_at": "2029-12-01T09:00:00Z",
}


def booking_row(settled):
    row = {
        "workspace_id": {"S": "ws-1"},
        "booking_id": {"S": "b-1"},
        "revision": {"N": "1"},
        "settled_revision": {"N": "1" if settled else "0"},
        "desired": {"S": json.dumps(BOOKING)},
    }
    return row if settled else row | {"due_at": {"N": "1"}}


def record(settled):
    change = {"ApproximateCreationDateTime": 0, "NewImage": booking_row(settled), "SequenceNumber": "1"}
    return {"Records": [{"eventID": "1", "eventSourceARN": "arn", "dynamodb": change}]}


def floor():
    import botocore.session
    from chalice import Chalice

    app = Chalice(app_name="floor")

    @app.route("/v1/bookings/{booking_id}")
    def get(booking_id):
        dynamo = botocore.session.get_session().create_client("dynamodb")
        return dynamo.get_item(TableName="bench-bookings", Key={"id": {"S": booking_id}}).get("Item", {})

    event = http_event("/v1/bookings/{booking_id}", "/v1/bookings/b-1", pathParameters={"booking_id": "b-1"})
    assert app(event, Context())["statusCode"] == 200


def rival():
    from datetime import datetime

    import boto3
    import httpx
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
    from chalice import Chalice
    from pydantic import BaseModel

    app = Chalice(app_name="rival")
    dynamo, _kms, _ses = (boto3.client(name) for name in ("dynamodb", "kms", "sesv2"))
    _ = (
        Logger(service="rival"),
        Metrics(namespace="rival", service="rival"),
        BatchProcessor(event_type=EventType.DynamoDBStreams),
        httpx.Client(),
    )

    class Guest(BaseModel):
        name: str
        email: str

    class Booking(BaseModel):
        starts_at: datetime
        ends_at: datetime
        title: str
        guests: list[Guest]

    @app.route("/v1/bookings/{booking_id}")
    def get(booking_id):
        return dynamo.get_item(TableName="bench-bookings", Key={"id": {"S": booking_id}}).get("Item", {})

    event = http_event("/v1/bookings/{booking_id}", "/v1/bookings/b-1", pathParameters={"booking_id": "b-1"})
    assert app(event, Context())["statusCode"] == 200


def api():
    import app

    pattern = "/v1/bookings/{booking_id}"
    answer = app.app(http_event(pattern, "/v1/bookings/b-1", pathParameters={"booking_id": "b-1"}), Context())
    assert answer["statusCode"] == 200, answer


def callback():
    import app

    pattern = "/oauth/{provider}/callback"
    query = {"state": "s" * 43, "code": "c"}
    event = http_event(
        pattern,
        "/oauth/zoom/callback",
        pathParameters={"provider": "zoom"},
        queryStringParameters=query,
        multiValueQueryStringParameters={name: [value] for name, value in query.items()},
        multiValueHeaders={"Cookie": ["__Host-meetlink=" + "k" * 43], "Host": ["localhost"]},
    )
    assert 400 <= app.app(event, Context())["statusCode"] < 500


def stream():
    import app

    assert app.on_booking(record(settled=False), Context()) == {"batchItemFailures": []}


def settled():
    import app

    assert app.on_booking(record(settled=True), Context()) == {"batchItemFailures": []}


def schedule():
    import app

    event = dict.fromkeys(("version", "account", "region", "detail", "detail-type", "source", "time", "id"), "")
    assert app.on_schedule(event | {"resources": []}, Context()) == {"bookings": 0, "failed": 0, "grants": 0}


def measure_processor(act):
    begun = time.process_time()
    act()
    took = (time.process_time() - begun) * 1000
    print(json.dumps({"ms": took, "mib": peak_mib(), "modules": len(sys.modules)}))


def peak_mib():
    # A process inherits its parent's `ru_maxrss` on Linux. VmHWM is its own.
    try:
        with open("/proc/self/status") as file:  # noqa: PTH123 (what is measured should import pathlib)
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_elapsed(act):
    begun = time.perf_counter()
    import app  # noqa: F401

    print(json.dumps({"init_ms": (time.perf_counter() - begun) * 1000}), flush=True)
    sys.stdin.readline()  # From now on the parent lets this process run for a share of the time.
    begun = time.perf_counter()
    act()
    print(json.dumps({"event_ms": (time.perf_counter() - begun) * 1000}), flush=True)


def main():
    kind, *paths = sys.argv[1:]
    sys.path[:0] = paths
    name, _, waits = kind.partition(":")
    act = {one.__name__: one for one in (floor, rival, api, callback, stream, settled, schedule)}[name]
    (measure_elapsed if waits else measure_processor)(act)


if __name__ == "__main__":
    main()
