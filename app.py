"""meetlink: every booking gets its own video-meeting link, in both parties' calendars, within seconds.

A booking frontend sends a booking, and the route writes one item. The item's stream record starts the settling of the
booking: a meeting is created at the host's provider, and the invitation with its link is emailed. A schedule settles
what is due again and what the stream missed. Operators call the last function with `aws lambda invoke`.

The event handlers are here and not in a blueprint, because Lambda would import only the blueprint's module
(github.com/aws/chalice/issues/1566). Each function imports its own handler: those of the other functions would take
10 ms of every cold start.
"""

import gc

# Modules are never garbage: while they load, the collector would only scan what stays, a sixth of a cold start.
gc.disable()

from typing import Any

from chalice.app import Chalice, CloudWatchEvent, DynamoDBEvent, Rate, SNSEvent, SQSEvent

from chalicelib import settings
from chalicelib.observability import log_request_id
from chalicelib.wiring import services

# LATEST could miss records while Lambda creates or updates a trigger, and no schedule finds what webhooks missed:
# docs.aws.amazon.com/lambda/latest/dg/with-ddb.html. Every handler accepts a record more than once.
FROM_THE_OLDEST = "TRIM_HORIZON"

# Otherwise Chalice would add its own handler to the logger of this name, and every line would be written twice.
app = Chalice(app_name="meetlink", configure_logs=False)
if settings.from_environment().serves_http:
    from chalicelib import api  # A cold start of the other functions takes half as long without it.

    api.register(app, services)
for kind in ("dynamodb", "scheduled", "sns", "sqs", "pure_lambda"):
    app.register_middleware(log_request_id, kind)


# Chalice needs the stream's ARN when it imports this module: it subscribes the function to it when deploying.
@app.on_dynamodb_record(
    stream_arn=settings.from_environment().bookings_stream_arn, batch_size=25, starting_position=FROM_THE_OLDEST
)
def on_booking(event: DynamoDBEvent) -> dict[str, Any]:
    """Settle bookings when they change."""
    from chalicelib.handlers import booking_stream

    return booking_stream.settle_records(event.to_dict(), event.context, services())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def on_schedule(event: CloudWatchEvent) -> dict[str, int]:
    """Settle what is due or was missed, and revoke grants that are not used any more."""
    from chalicelib.handlers import booking_stream

    return booking_stream.settle_due(event.context, services())


@app.on_sns_message(topic=settings.from_environment().mail_events_topic)
def on_mail_event(event: SNSEvent) -> None:
    """Record emails that bounced, were marked as spam, rejected or delayed. Lambda retries after an error."""
    from chalicelib.handlers import mail_events

    mail_events.record_mail_event(event.message, services())


# SES publishes to it only in stages that receive email: see `infra.deploy --receive`.
@app.on_sns_message(topic=settings.from_environment().replies_topic)
def on_reply(event: SNSEvent) -> None:
    """Record what calendars answer by email. Lambda retries after an error."""
    from chalicelib.handlers import received_replies

    received_replies.receive_reply(event.message, services())


# The second of two readers that DynamoDB allows a stream.
@app.on_dynamodb_record(
    stream_arn=settings.from_environment().bookings_stream_arn, batch_size=25, starting_position=FROM_THE_OLDEST
)
def announce_bookings(event: DynamoDBEvent) -> None:
    """Enqueue webhooks about meetings."""
    from chalicelib.handlers import webhook_streams

    webhook_streams.announce_bookings(event.to_dict(), event.context, services())


@app.on_dynamodb_record(
    stream_arn=settings.from_environment().connections_stream_arn, batch_size=25, starting_position=FROM_THE_OLDEST
)
def announce_connections(event: DynamoDBEvent) -> None:
    """Enqueue webhooks about users who were connected and disconnected."""
    from chalicelib.handlers import webhook_streams

    webhook_streams.announce_connections(event.to_dict(), event.context, services())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def deliver_webhooks(event: CloudWatchEvent) -> dict[str, int]:
    """Have webhooks delivered that are due again."""
    from chalicelib.handlers import webhook_streams

    return webhook_streams.deliver_due(event.context, services())


# The queues' names are for processes without the settings, where Chalice needs one of the two to import this module.
# One message a run: a booking with many emails does not keep others of its batch waiting.
@app.on_sqs_message(
    queue=f"meetlink-{settings.from_environment().stage}-emails",
    queue_arn=settings.from_environment().emails_queue_arn,
    batch_size=1,
)
def send_emails(event: SQSEvent) -> dict[str, Any]:
    """Send the emails of bookings with many recipients, and of workspaces that send many."""
    from chalicelib.handlers import email_queue

    return email_queue.send_emails(event.to_dict(), event.context, services())


@app.on_sqs_message(
    queue=f"meetlink-{settings.from_environment().stage}-webhooks",
    queue_arn=settings.from_environment().webhooks_queue_arn,
    batch_size=10,
)
def send_webhooks(event: SQSEvent) -> dict[str, Any]:
    """Deliver webhooks: a slow receiver delays neither settling nor other workspaces."""
    from chalicelib.handlers import webhook_queue

    return webhook_queue.deliver_messages(event.to_dict(), event.context, services())


@app.lambda_function()
def operate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Create workspaces and keys, for operators who may invoke this function but not write the tables."""
    from chalicelib.handlers import operations  # Its forms import the API's, which other functions do without.

    return operations.run(event, services())


if settings.from_environment().is_on_lambda:
    from chalicelib.wiring import warm_up

    warm_up.prepare(services(), settings.from_environment().handler)
gc.freeze()  # Later collections do not look at what was imported.
gc.enable()
