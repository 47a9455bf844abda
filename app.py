"""meetlink: every booking gets its own video-meeting link, in both parties' calendars, within seconds.

A booking frontend puts a booking; the route writes one item. The item's stream record has the booking settled: a
meeting is made at the host's provider, and the invitation with its link is mailed. A schedule settles what is due
again, or was missed. Operators may use the last function, through `aws lambda invoke`.

Event handlers stand here and not in a blueprint: Lambda would import the blueprint's module alone
(github.com/aws/chalice/issues/1566).
"""

from typing import Any

from chalice.app import Chalice, CloudWatchEvent, DynamoDBEvent, Rate, SNSEvent

from chalicelib import api, settings
from chalicelib.handlers import booking_stream, mail_events, operations, webhook_streams
from chalicelib.observability import log_request_id
from chalicelib.wiring import services

# LATEST could miss records while Lambda creates or updates a trigger, and no schedule finds what webhooks missed:
# docs.aws.amazon.com/lambda/latest/dg/with-ddb.html. Every handler accepts a record again.
FROM_THE_OLDEST = "TRIM_HORIZON"

# Chalice would add a handler of its own to the logger of that name, and every line would be written twice.
app = Chalice(app_name="meetlink", configure_logs=False)
api.register(app, services)
for kind in ("dynamodb", "scheduled", "sns", "pure_lambda"):
    app.register_middleware(log_request_id, kind)


# Chalice wants the stream's ARN while it imports this module: it subscribes the function to it when deploying.
@app.on_dynamodb_record(
    stream_arn=settings.from_environment().bookings_stream_arn, batch_size=25, starting_position=FROM_THE_OLDEST
)
def on_booking(event: DynamoDBEvent) -> dict[str, Any]:
    """Settle bookings as they change."""
    return booking_stream.settle_records(event.to_dict(), event.context, services())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def on_schedule(event: CloudWatchEvent) -> dict[str, int]:
    """Settle what is due again, or was missed; revoke grants that nobody uses."""
    return booking_stream.settle_due(event.context, services())


@app.on_sns_message(topic=settings.from_environment().mail_events_topic)
def on_mail_event(event: SNSEvent) -> None:
    """Take note of mails that bounced, were complained of, refused or delayed. An error has Lambda try again."""
    mail_events.record_mail_event(event.message, services())


# A second reader of the stream and a schedule of its own: a slow receiver of webhooks must not hold up settling.
@app.on_dynamodb_record(
    stream_arn=settings.from_environment().bookings_stream_arn, batch_size=25, starting_position=FROM_THE_OLDEST
)
def announce_bookings(event: DynamoDBEvent) -> None:
    """Tell workspaces by webhook what became of their meetings."""
    webhook_streams.announce_bookings(event.to_dict(), event.context, services())


@app.on_dynamodb_record(
    stream_arn=settings.from_environment().connections_stream_arn, batch_size=25, starting_position=FROM_THE_OLDEST
)
def announce_connections(event: DynamoDBEvent) -> None:
    """Tell workspaces by webhook who was connected and disconnected."""
    webhook_streams.announce_connections(event.to_dict(), event.context, services())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def deliver_webhooks(event: CloudWatchEvent) -> dict[str, int]:
    """Deliver webhooks that are due again."""
    return webhook_streams.deliver_due(event.context, services())


@app.lambda_function()
def operate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Create workspaces and keys, for whoever may invoke this and has no rights on the tables."""
    return operations.run(event, services())
