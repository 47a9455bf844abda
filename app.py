"""meetlink: every booking gets its own video-meeting link, in both parties' calendars, within seconds.

A booking frontend puts a booking; the route writes one item. The item's stream record has the booking settled: a
meeting is made at the host's provider, and the invitation with its link is mailed. A schedule settles what is due
again, or was missed. Operators use the last function, through `chalice invoke`.

Event handlers stand here and not in a blueprint: Lambda would import the blueprint's module alone
(github.com/aws/chalice/issues/1566).
"""

from typing import Any

from chalice.app import Chalice, CloudWatchEvent, DynamoDBEvent, Rate

from chalicelib import api, handlers, operations, settings
from chalicelib.wiring import services

app = Chalice(app_name="meetlink")
api.register(app, services)


# Chalice wants the stream's ARN while it imports this module: it subscribes the function to it when deploying.
@app.on_dynamodb_record(stream_arn=settings.from_environment().bookings_stream_arn, batch_size=25)
def on_booking(event: DynamoDBEvent) -> dict[str, Any]:
    """Settle bookings as they change."""
    return handlers.settle_records(event.to_dict(), event.context, services())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def on_schedule(event: CloudWatchEvent) -> dict[str, int]:
    """Settle what is due again, or was missed; revoke grants that nobody uses."""
    return handlers.settle_due(event.context, services())


@app.lambda_function()
def operate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Create workspaces and keys: `chalice invoke -n operate`."""
    return operations.run(event, services())
