"""What can go wrong at one I/O call: each function makes the trouble for calls whose point matches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.utils import format_datetime
from typing import Any

import httpx
from botocore.exceptions import ClientError

from chalicelib.errors import MailAccountError, MailRejected, MailUnavailable
from chalicelib.providers.http_client import CALL_TIMEOUT_SECONDS
from tests.chaos.dynamo import Refused
from tests.chaos.network import Trouble
from tests.chaos.world import World

Act = Callable[[str, Callable[[], Any]], Any]
CREATE = r"http POST \S+/(meetings|events|spaces|createOrGet|rooms)$"
CALLS = r"http (?!.*token$)"
TOKENS = r"http POST .*token$"


def lost_before(world: World) -> Act:
    """The request never arrives; the caller hears nothing."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        world.simulation.sleep(CALL_TIMEOUT_SECONDS)
        raise httpx.ReadTimeout("lost")

    return act


def lost_after(world: World) -> Act:
    """The work is done; the caller hears nothing."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        perform()
        world.simulation.sleep(CALL_TIMEOUT_SECONDS)
        raise httpx.ReadTimeout("lost")

    return act


def late(world: World, seconds: float) -> Act:
    """The work is done only after `seconds`; the caller has given up by then."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        world.simulation.spawn("late commit", perform, delay=seconds)
        world.simulation.sleep(CALL_TIMEOUT_SECONDS)
        raise httpx.ReadTimeout("lost")

    return act


def slow(world: World, seconds: float) -> Act:
    """The answer takes its time, but comes."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        result = perform()
        world.simulation.sleep(seconds)
        return result

    return act


def stalls_for(world: World, seconds: float) -> Act:
    """The call is done, and then the whole process stands still: others take over before it goes on."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        result = perform()
        _forget_last_mail(world)
        world.simulation.sleep(seconds)
        return result

    return act


def connection_lost(_: World) -> Act:
    def act(point: str, perform: Callable[[], Any]) -> Any:
        perform()
        raise httpx.RemoteProtocolError("closed without an answer")

    return act


def no_connection(_: World) -> Act:
    def act(point: str, perform: Callable[[], Any]) -> Any:
        raise httpx.ConnectError("refused")

    return act


def answers(status: int, *, body: Any = None, text: str = "", after: bool = False, **headers: str) -> Act:
    """Another answer than the real one, before or after the work is done."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        if after:
            perform()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Response(status, headers=named, **({"json": body} if body is not None else {"text": text}))

    return act


def retry_after(world: World, form: str, seconds: int, status: int = 429) -> Act:
    """A refusal for some time, said in one of the forms that `Retry-After` takes."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        from datetime import timedelta

        at = (world.simulation.now + timedelta(seconds=seconds)).replace(microsecond=0)
        said = {
            "seconds": str(seconds),
            "http_date": format_datetime(at, usegmt=True),
            "iso": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "nonsense": "soon",
        }
        headers = {"Retry-After": said[form]} if form in said else {}
        return httpx.Response(status, headers=headers, json={"code": 429, "message": "too many"})

    return act


def truncated(_: World) -> Act:
    """The work is done; the answer breaks off in the middle."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        response = perform()
        return httpx.Response(response.status_code, content=response.content[: len(response.content) // 2])

    return act


def stalls(world: World) -> Act:
    """The work is done; the body begins and never ends."""

    def body() -> Iterator[bytes]:
        yield b'{"id": 1, '
        world.simulation.sleep(CALL_TIMEOUT_SECONDS)
        raise httpx.ReadTimeout("the body stalls")

    def act(point: str, perform: Callable[[], Any]) -> Any:
        perform()
        return httpx.Response(201, stream=_Body(body))

    return act


def dynamo_says(world: World, code: str, *, after: bool = False) -> Act:
    """DynamoDB refuses, or does the work and lets its answer be lost.

    If that was to write down that a mail was sent, the result is unknown: the email is sent again.
    """

    def act(point: str, perform: Callable[[], Any]) -> Any:
        if after:
            perform()
        _forget_last_mail(world)
        raise Refused(code, ["TransactionConflict"] if code == "TransactionCanceledException" else None)

    return act


def sqs_says(code: str) -> Act:
    """SQS refuses."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "SendMessageBatch")

    return act


def kms_says(code: str) -> Act:
    def act(point: str, perform: Callable[[], Any]) -> Any:
        raise ClientError({"Error": {"Code": code}}, "Decrypt")

    return act


def mail_unavailable(world: World, *, after: bool = False) -> Act:
    """SES is throttled; or it takes the mail and its answer is lost."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        if after:
            perform()
            accepted = world.post.notices if point.endswith("notice") else world.post.mails
            accepted[-1].is_lost = True
        raise MailUnavailable("SES: no answer")

    return act


def mail_account_refused(_: World) -> Act:
    """SES refuses the account: whatever is sent."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        raise MailAccountError("SES: MessageRejected", code="NotVerified", concerns_sender=True)

    return act


def mail_rejected(_: World) -> Act:
    def act(point: str, perform: Callable[[], Any]) -> Any:
        raise MailRejected("SES: MessageRejected")

    return act


def our_own(world: World, *, after: bool = False) -> Act:
    """An unexpected error, before or after the call is done. What it ends has written nothing down."""

    def act(point: str, perform: Callable[[], Any]) -> Any:
        if after:
            perform()
            _forget_last_mail(world)
        raise ZeroDivisionError("an error of our own")

    return act


def trouble(at: str, act: Act, *, nth: int = 0, times: float = 1) -> Trouble:
    """`act` at the calls after the first `nth` that match `at`, `times` of them."""
    return Trouble(at, act, nth, times)


def while_it_lasts(at: str, act: Act, when: Callable[[], bool]) -> Trouble:
    """`act` at every call that matches `at`, for which `when` says so."""
    return Trouble(at, act, times=float("inf"), when=when)


def _forget_last_mail(world: World) -> None:
    """The process that runs now may have sent a mail without writing that down: it may be sent again."""
    actor = world.simulation.actor
    for accepted in (world.post.mails[-100:], world.post.notices[-100:]):
        mine = [mail for mail in accepted if actor and mail.sender is actor]
        if mine:
            mine[-1].is_lost = True


class _Body(httpx.SyncByteStream):
    def __init__(self, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks()
