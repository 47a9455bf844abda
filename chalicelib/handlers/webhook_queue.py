"""Deliver the webhooks that messages of the queue name."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib.domain.deadline import Deadline
from chalicelib.errors import StoreError
from chalicelib.handlers.fair_desk import FairDesk, Share
from chalicelib.observability import log
from chalicelib.store.work_queue import MAX_BATCH, WakeUp, read_messages
from chalicelib.webhooks.delivery import ATTEMPT_SECONDS, WebhookDeliveries
from chalicelib.webhooks.model import DeliveryKey

if TYPE_CHECKING:
    from chalicelib.wiring import Services

WORKERS = 25
_SHARES = (
    Share[DeliveryKey](lambda key: key.workspace_id, 5),
    Share[DeliveryKey](lambda key: (key.workspace_id, key.endpoint_id), 2),
)
_POLL = timedelta(seconds=0.5)
"""How long receivers may take before the free workers look for other deliveries, and then how often they do."""
_MOST_AT_DESK = 25
"""Deliveries of one workspace that are in work or wait in a process. The schedule sends messages for others again."""
_LAST_SECONDS = 2 * ATTEMPT_SECONDS
"""When an invocation has this long left, it only takes deliveries of workspaces for which nothing is in work."""


def deliver_messages(event: dict[str, Any], context: Any, services: Services) -> dict[str, Any]:
    """Deliver what the messages of a batch name.

    A slow receiver occupies this invocation for ten seconds. Meanwhile the free workers take more messages from the
    queue: otherwise the receivers of one workspace could occupy every process, and the webhooks of others would wait.
    Messages that the database failed for, or that cannot be read, are reported as failed. A delivery for which there
    is no time left is not: its row is due, and the schedule sends its message again.
    """
    desk = FairDesk[DeliveryKey](WORKERS, _SHARES)
    message_ids: dict[DeliveryKey, str] = {}
    failed: list[str] = []
    for message_id, wake_up in read_messages(event):
        if (key := _key_of(wake_up)) is None:
            failed.append(message_id)
        elif key not in message_ids:
            message_ids[key] = message_id
    desk.add(message_ids)
    unfinished = _deliver_all(desk, Deadline.of(context), services)
    failed += [message_ids[key] for key in unfinished if key in message_ids]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _deliver_all(desk: FairDesk[DeliveryKey], deadline: Deadline, services: Services) -> list[DeliveryKey]:
    """Deliver everything at the desk while there is time. Return the keys for which the database failed."""
    failed: list[DeliveryKey] = []
    # `services.webhook_deliveries` is built here, before the threads start.
    deliver = log.with_request_id(partial(_deliver_one, services.webhook_deliveries, deadline))
    running: dict[Future[bool], DeliveryKey] = {}
    poll_at = services.clock() + _POLL
    with services.workers(WORKERS) as pool:
        while True:
            if deadline.allows(ATTEMPT_SECONDS):
                running.update((pool.submit(deliver, key), key) for key in desk.take())
            if not running:
                return failed
            done, _ = services.wait(list(running), timeout=_POLL.total_seconds(), return_when=FIRST_COMPLETED)
            for future in done:
                key = running.pop(future)
                desk.release(key)
                if not future.result():
                    failed.append(key)
            if not deadline.allows(_LAST_SECONDS):
                desk.drop_waiting()
            if running and (not done or services.clock() >= poll_at):
                _take_more(desk, deadline, services)
                poll_at = services.clock() + _POLL


def _take_more(desk: FairDesk[DeliveryKey], deadline: Deadline, services: Services) -> None:
    if services.webhook_queue is None or not desk.free_workers or not deadline.allows(ATTEMPT_SECONDS):
        return
    keys = [key for key in map(_key_of, services.webhook_queue.receive(MAX_BATCH)) if key is not None]
    if not deadline.allows(_LAST_SECONDS):
        keys = [key for key in keys if not desk.is_working_for(key)]
    desk.add(keys, _MOST_AT_DESK)


def _deliver_one(deliveries: WebhookDeliveries, deadline: Deadline, key: DeliveryKey) -> bool:
    """Attempt a delivery. Return False if the database failed. After any error the row is due when its lease ends."""
    try:
        deliveries.deliver([key], deadline)
    except StoreError as error:
        log.failure("webhook delivery interrupted by the database", error, workspace_id=key.workspace_id)
        return False
    except Exception as error:  # A bug must not delay other workspaces' events.
        log.failure("webhook delivery crashed", error, workspace_id=key.workspace_id)
    return True


def _key_of(wake_up: WakeUp | None) -> DeliveryKey | None:
    return DeliveryKey(*wake_up) if wake_up is not None and len(wake_up) == 3 else None
