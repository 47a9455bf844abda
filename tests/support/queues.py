"""The work queues of a product in one process: in moto, delivered to the functions when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.handlers import email_queue, webhook_queue
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
        vars(product.services)["email_queue"] = WorkQueue(self.sqs, self.arns["Emails"])
        vars(product.services)["webhook_queue"] = WorkQueue(self.sqs, self.arns["Webhooks"])

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Receive every visible message, in the form in which Lambda passes it to functions."""
        received: list[dict[str, Any]] = []
        while found := self.sqs.receive_message(QueueUrl=self.urls[queue], MaxNumberOfMessages=10).get("Messages"):
            received += [lambda_message(message) for message in found]
        return received

    def deliver_webhooks(self) -> list[str]:
        """Invoke `send_webhooks` with every message. Return the ids of the messages that failed."""
        return self._deliver("Webhooks", webhook_queue.deliver_messages)

    def send_emails(self) -> list[str]:
        """Invoke `send_emails` with every message, and with those that this adds."""
        return self._deliver("Emails", email_queue.send_emails)

    def _deliver(self, queue: str, handler: Handler) -> list[str]:
        failed: list[str] = []
        while records := self.messages(queue):
            answer = handler({"Records": records}, LambdaContext(), self.product.services)
            failures = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
            for record in records:
                if record["messageId"] not in failures:
                    self.sqs.delete_message(QueueUrl=self.urls[queue], ReceiptHandle=record["receiptHandle"])
            failed += failures
        return failed
