"""The work queues of a product in one process: in moto, delivered to the functions when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.handlers import webhook_queue
from chalicelib.store.work_queue import WorkQueue
from infra.local.lambdas import lambda_message
from infra.queues import create_queues, queue_arn
from tests.support.product import LambdaContext, Product

Handler = Callable[[dict[str, Any], Any, Any], dict[str, Any]]


class Queues:
    """Queues for a product that was built without any; from now on its functions use them."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.sqs = product.aws.client("sqs")
        self.urls = create_queues(self.sqs, "ci")
        self.arns = {name: queue_arn(self.sqs, url) for name, url in self.urls.items()}
        vars(product.services)["webhook_queue"] = WorkQueue(self.sqs, self.arns["Webhooks"])

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Receive every visible message, in the form in which Lambda passes it to functions."""
        received: list[dict[str, Any]] = []
        while found := self.sqs.receive_message(QueueUrl=self.urls[queue], MaxNumberOfMessages=10).get("Messages"):
            received += [lambda_message(message) for message in found]
        return received

    def deliver_webhooks(self, context: Any = None) -> list[str]:
        """Invoke `send_webhooks` with every message. Return the ids of the messages that failed."""
        failed: list[str] = []
        while records := self.messages("Webhooks"):
            answer = webhook_queue.deliver_messages(
                {"Records": records}, context or LambdaContext(), self.product.services
            )
            failures = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
            for record in records:
                if record["messageId"] not in failures:
                    self.sqs.delete_message(QueueUrl=self.urls["Webhooks"], ReceiptHandle=record["receiptHandle"])
            failed += failures
        return failed
