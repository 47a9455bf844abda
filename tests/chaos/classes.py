"""The fault classes of the table, each with its variants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from tests.chaos import faults
from tests.chaos.faults import CALLS, CREATE, TOKENS, trouble, while_it_lasts
from tests.chaos.network import Trouble
from tests.chaos.queues import Queue
from tests.chaos.scenarios import ignore
from tests.chaos.world import WORKSPACE, Conditions, Stream, World

Arm = Callable[[World], list[Trouble]]
QUEUE = "emails through a queue"
ALLOWANCE = "emails over the allowance"
REMINDERS = "reminders"
DOUBT = "provider out after a create without a response"
_SES = "ses SendEmail"
_WRITES = "dynamodb (Put|Update)"


@dataclass(frozen=True)
class Variant:
    """`troubles` are armed when faults begin. `lasts_seconds`: for how long from then it cannot be settled at all.

    `zoom`: only Zoom does so.
    """

    troubles: Arm = lambda world: []
    conditions: Conditions = field(default_factory=Conditions)
    lasts_seconds: float = 0.0
    zoom: bool = False

    def arm(self, world: World) -> None:
        world.network.troubles += self.troubles(world)


@dataclass(frozen=True)
class Fault:
    name: str
    variants: dict[str, Variant] = field(default_factory=dict)


def _at(point: str, make: Callable[[World], faults.Act], nth: int = 0, times: float = 1) -> Variant:
    return Variant(lambda world: [trouble(point, make(world), nth=nth, times=times)])


def _answered(status: int, *, after: bool = False, times: float = 1, text: str = "oops") -> Variant:
    return _at(CALLS, lambda world: faults.answers(status, text=text, after=after), times=times)


def _dead_grant(world: World) -> list[Trouble]:
    """The provider ends the grants; twenty minutes later their owners connect again.

    A booking that moves away meanwhile leaves its meeting behind: no one can reach it.
    """
    world.left_behind.update(held.id for held in world.place.held())
    troubles = []
    if world.place.has_tokens:
        world.place.end_grants()
    else:
        until = world.simulation.seconds + 1200
        refused = faults.answers(401, body={"error": "authentication-error"})
        troubles.append(while_it_lasts(world.place.calls, refused, lambda: world.simulation.seconds < until))

    def reconnect() -> None:
        services = world.process("setup").services
        for user_id in ("u-1", "u-2"):
            world.connect(services, user_id)
        for record in world.records():
            services.booking_store.make_due(WORKSPACE, record.booking.booking_id, world.simulation.now)

    world.simulation.spawn("reconnect", reconnect, delay=1200)
    return troubles


def _daily_limit(world: World) -> list[Trouble]:
    world.zoom.limits.daily_limit = 0
    world.simulation.spawn("midnight", lambda: setattr(world.zoom.limits, "daily_limit", 100), delay=_TO_MIDNIGHT)
    return []


def _outage(kind: Callable[[World], faults.Act]) -> Variant:
    """Every call fails for an hour, while other bookings arrive: at the same provider, and at one that is well."""

    def arm(world: World) -> list[Trouble]:
        until = world.simulation.seconds + 3600
        for number in range(12):
            ignore(world.put(f"b-out-{number}", delay=290.0 * number, calendar_id="c-2"))
            ignore(world.put(f"b-well-{number}", delay=290.0 * number, calendar_id="c-3"))
        return [while_it_lasts(world.place.calls, kind(world), lambda: world.simulation.seconds < until)]

    return Variant(arm, lasts_seconds=3600)


def _doubt_then_outage(world: World) -> list[Trouble]:
    """The first create gets no response, then every call fails for twenty minutes."""
    until = world.simulation.seconds + 1200
    refused = while_it_lasts(
        world.place.calls, faults.answers(503, text="oops"), lambda: world.simulation.seconds < until
    )
    return [trouble(CREATE, faults.lost_after(world)), refused]


def _mail_outage(world: World) -> list[Trouble]:
    """Every mail is refused for an hour; mails go out within 18 minutes after that, as probes are so far apart."""
    until = world.simulation.seconds + 3600
    refused = faults.mail_account_refused(world)
    return [while_it_lasts(_SES, refused, lambda: world.simulation.seconds < until)]


def _expired(world: World) -> list[Trouble]:
    """The provider does not know the access tokens any more; the refresh tokens are good."""
    world.place.end_access_tokens()
    return []


def _sqs_refuses(world: World) -> list[Trouble]:
    """SQS is throttled for five minutes."""
    until = world.simulation.seconds + 300
    return [while_it_lasts("sqs", faults.sqs_says("ThrottlingException"), lambda: world.simulation.seconds < until)]


def _uncounted(world: World) -> list[Trouble]:
    """The rows in which emails are counted cannot be read or written for five minutes."""
    until = world.simulation.seconds + 300
    refused = faults.dynamo_says(world, "ProvisionedThroughputExceededException")
    return [while_it_lasts("dynamodb .* ephemeral", refused, lambda: world.simulation.seconds < until)]


def _everything(world: World) -> list[Trouble]:
    """Each kind of fault at one call in twenty, for a quarter of an hour."""
    kinds = [
        (CALLS, faults.lost_before(world)),
        (CALLS, faults.lost_after(world)),
        (CALLS, faults.late(world, 25)),
        (CALLS, faults.answers(500, text="oops", after=True)),
        (CALLS, faults.answers(503, text="oops")),
        (CALLS, faults.retry_after(world, "seconds", 5)),
        (CALLS, faults.truncated(world)),
        (_SES, faults.mail_unavailable(world)),
        (_WRITES, faults.dynamo_says(world, "ProvisionedThroughputExceededException")),
        (_WRITES, faults.dynamo_says(world, "InternalServerError", after=True)),
        ("kms", faults.kms_says("ThrottlingException")),
    ]
    until = world.simulation.seconds + 900

    def now_and_then() -> bool:
        return world.simulation.seconds < until and world.random.random() < 0.05

    return [while_it_lasts(at, act, now_and_then) for at, act in kinds]


_TO_MIDNIGHT = timedelta(hours=14, minutes=30).total_seconds()
_ROUGH = Stream((0.05, 90.0), largest_batch=3, duplicate=0.5, shuffle=True)

FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            "provider: timeout before its commit",
            {
                "any": _at(CALLS, faults.lost_before),
                "twice": _at(CALLS, faults.lost_before, times=2),
                "no connection": _at(CALLS, faults.no_connection, times=2),
            },
        ),
        Fault(
            "provider: timeout after its commit",
            {
                "any": _at(CALLS, faults.lost_after),
                "twice": _at(CALLS, faults.lost_after, times=2),
                "closed": _at(CALLS, faults.connection_lost),
                "late by 25 s": _at(CALLS, lambda world: faults.late(world, 25)),
                "late by 55 s": _at(CREATE, lambda world: faults.late(world, 55)),
            },
        ),
        Fault(
            "provider: 5xx",
            {
                "500": _answered(500),
                "500 after": _answered(500, after=True),
                "502 twice": _answered(502, times=2),
                "503": _answered(503, times=2),
                "504 after": _answered(504, after=True, times=2),
            },
        ),
        Fault(
            "provider: 429",
            {
                form: _at(CALLS, lambda world, form=form: faults.retry_after(world, form, 90), times=2)  # type: ignore[misc]
                for form in ("seconds", "http_date", "iso", "nonsense", "absent")
            }
            | {
                "at once": _at(CALLS, lambda world: faults.retry_after(world, "seconds", 0), times=2),
                "a minute ago": _at(CALLS, lambda world: faults.retry_after(world, "http_date", -60), times=2),
            },
        ),
        Fault(
            "provider: daily limit", {"until midnight": Variant(_daily_limit, lasts_seconds=_TO_MIDNIGHT, zoom=True)}
        ),
        Fault(DOUBT, {"calm": Variant(_doubt_then_outage, lasts_seconds=1200)}),
        Fault("provider: 401, then good", {"once": _answered(401), "expired": Variant(_expired)}),
        Fault("provider: invalid_grant", {"reconnected": Variant(_dead_grant, lasts_seconds=1200)}),
        Fault(
            "provider: bodies",
            {
                "truncated": _at(CALLS, faults.truncated),
                "stalls": _at(CALLS, faults.stalls),
                "slow": _at(CALLS, lambda world: faults.slow(world, 12), times=5),
                "not JSON": _answered(200, after=True, text="<html>"),
                "empty": _answered(200, after=True, text=""),
                "200 with an error": replace(_answered(200, text='{"code": 300, "message": "no"}'), zoom=True),
                "odd shape": _answered(200, after=True, text='{"id": 1, "join_url": null, "settings": []}'),
            },
        ),
        Fault(
            "provider: look-up lag",
            {
                "lost, 40 s lag": Variant(
                    lambda world: [trouble(CREATE, faults.lost_after(world))],
                    Conditions(list_lag_seconds=40),
                    zoom=True,
                ),
                "500, 55 s lag": Variant(
                    lambda world: [trouble(CREATE, faults.answers(500, text="oops", after=True))],
                    Conditions(list_lag_seconds=55),
                    zoom=True,
                ),
            },
        ),
        Fault(
            "token endpoint",
            {
                "500": Variant(lambda w: [*_expired(w), trouble(TOKENS, faults.answers(500, text="oops"))]),
                "503 for 5 calls": Variant(lambda w: [*_expired(w), trouble(TOKENS, faults.answers(503), times=5)]),
                "no connection": Variant(lambda w: [*_expired(w), trouble(TOKENS, faults.no_connection(w), times=3)]),
            },
        ),
        Fault(
            "SES",
            {
                "throttled": _at(_SES, faults.mail_unavailable, times=3),
                "answer lost": _at(_SES, lambda world: faults.mail_unavailable(world, after=True)),
                "slow": _at(_SES, lambda world: faults.slow(world, 9), times=3),
            },
        ),
        Fault(
            "SES refuses the account for an hour", {"every mail": Variant(_mail_outage, lasts_seconds=3600 + 18 * 60)}
        ),
        Fault("KMS", {"down": _at("kms", lambda world: faults.kms_says("KMSInternalException"), times=6)}),
        Fault(
            "DynamoDB",
            {
                f"{code}{' after' if after else ''} {nth}": _at(
                    "dynamodb (Put|Update)" if "Conditional" in code else "dynamodb (Put|Update|Get|Transact)",
                    lambda world, code=code, after=after: faults.dynamo_says(world, code, after=after),  # type: ignore[misc]
                    nth=nth,
                    times=2,
                )
                for code, after in (
                    ("ProvisionedThroughputExceededException", False),
                    ("TransactionConflictException", False),
                    ("TransactionCanceledException", False),
                    ("InternalServerError", True),
                    ("ConditionalCheckFailedException", True),
                )
                for nth in range(1, 14, 2)
            },
        ),
        Fault(
            "stream: duplicated, split, late, reordered",
            {
                "rough": Variant(conditions=Conditions(_ROUGH)),
                "rough, two schedules": Variant(conditions=Conditions(_ROUGH, schedules=2)),
            },
        ),
        Fault(
            "stream: dropped",
            {
                "all": Variant(conditions=Conditions(Stream(drop=1.0))),
                "half": Variant(conditions=Conditions(Stream(drop=0.5))),
            },
        ),
        Fault(
            QUEUE,
            {
                "calm": Variant(conditions=Conditions(queue=Queue())),
                "a part here": Variant(conditions=Conditions(queue=Queue(here=1))),
                "lost": Variant(conditions=Conditions(queue=Queue(drop=0.5))),
                "doubled, late, reordered": Variant(conditions=Conditions(queue=Queue((0.0, 400.0), duplicate=0.7))),
                "doubled, at once": Variant(conditions=Conditions(queue=Queue((0.0, 0.05), duplicate=1.0))),
                "refused": Variant(_sqs_refuses, Conditions(queue=Queue())),
                "rough stream": Variant(conditions=Conditions(_ROUGH, Queue((0.0, 90.0), 0.3, 0.5), schedules=2)),
                "a process stalls": Variant(
                    lambda world: [trouble(_SES, faults.stalls_for(world, 150), nth=1)],
                    Conditions(queue=Queue(duplicate=0.5), lambda_seconds=(300.0, 300.0)),
                ),
                "Lambda dies": Variant(
                    lambda world: [trouble(_SES, faults.slow(world, 9), times=4)],
                    Conditions(queue=Queue(duplicate=0.5), lambda_seconds=(1.0, 40.0)),
                ),
            },
        ),
        Fault(
            ALLOWANCE,
            {
                "calm": Variant(conditions=Conditions(mails_per_minute=1, queue=Queue())),
                "no queue": Variant(conditions=Conditions(mails_per_minute=1)),
                "rough stream": Variant(
                    conditions=Conditions(_ROUGH, Queue((0.0, 90.0), 0.3, 0.5), schedules=2, mails_per_minute=1)
                ),
                "not counted": Variant(_uncounted, Conditions(mails_per_minute=1, queue=Queue())),
                "SES throttles": Variant(
                    lambda world: [trouble(_SES, faults.mail_unavailable(world), times=3)],
                    Conditions(mails_per_minute=1, queue=Queue(duplicate=0.5)),
                ),
            },
        ),
        Fault(
            "two schedules at once",
            {
                "no stream": Variant(conditions=Conditions(Stream(drop=1.0), schedules=2)),
                "three": Variant(conditions=Conditions(schedules=3)),
                "two streams": Variant(conditions=Conditions(Stream((0.0, 0.15), duplicate=1.0))),
                "two streams, slow mail": Variant(
                    lambda world: [trouble(_SES, faults.slow(world, 3), times=8)],
                    Conditions(Stream((0.0, 4.0), duplicate=1.0)),
                ),
            },
        ),
        Fault(
            "a process stalls for minutes",
            {
                f"call {nth}": Variant(
                    lambda world, nth=nth: [  # type: ignore[misc]
                        trouble("dynamodb (Update|Transact)|http|ses", faults.stalls_for(world, 150), nth=nth)
                    ],
                    Conditions(lambda_seconds=(300.0, 300.0)),
                )
                for nth in range(1, 10)
            },
        ),
        Fault(
            "Lambda dies at its timeout",
            {
                "slow provider": Variant(
                    lambda world: [trouble(CALLS, faults.slow(world, 14), times=4)],
                    Conditions(lambda_seconds=(1.0, 40.0)),
                ),
                "slow mail": Variant(
                    lambda world: [trouble(_SES, faults.slow(world, 9), times=4)],
                    Conditions(lambda_seconds=(1.0, 40.0)),
                ),
            },
        ),
        Fault(
            "clocks 30 s apart",
            {
                "calm": Variant(conditions=Conditions(skews=(15.0, -15.0, 0.0), schedules=2)),
                "create lost": Variant(
                    lambda world: [trouble(CREATE, faults.lost_after(world))],
                    Conditions(skews=(15.0, -15.0, 0.0), schedules=2, list_lag_seconds=25),
                ),
                "rough stream": Variant(conditions=Conditions(_ROUGH, skews=(-15.0, 15.0))),
            },
        ),
        Fault(
            "a bug, four times",
            {
                "before a call": _at(CALLS, faults.our_own, times=4),
                "after a call": _at(CALLS, lambda world: faults.our_own(world, after=True), times=4),
                "before a mail": _at(_SES, faults.our_own, times=4),
                "after a mail": _at(_SES, lambda world: faults.our_own(world, after=True), times=4),
            },
        ),
        Fault(
            "provider out for an hour",
            {
                "503": _outage(lambda world: faults.answers(503, text="oops")),
                "500": _outage(lambda world: faults.answers(500, text="oops")),
                "timeout": _outage(faults.lost_before),
                "no connection": _outage(faults.no_connection),
            },
        ),
        Fault(
            REMINDERS,
            {
                "two schedules": Variant(conditions=Conditions(schedules=2)),
                "three, stream doubled": Variant(
                    conditions=Conditions(Stream(duplicate=1.0, shuffle=True), schedules=3)
                ),
                "stream dropped": Variant(conditions=Conditions(Stream(drop=1.0))),
                "queue": Variant(conditions=Conditions(queue=Queue())),
                "messages lost": Variant(conditions=Conditions(queue=Queue(drop=0.5))),
                "messages doubled, late": Variant(
                    conditions=Conditions(queue=Queue((0.0, 90.0), duplicate=0.7), schedules=2)
                ),
                "SES throttled": _at(_SES, faults.mail_unavailable, times=3),
                "SES's answer lost": _at(_SES, lambda world: faults.mail_unavailable(world, after=True)),
                "slow mail, Lambda dies": Variant(
                    lambda world: [trouble(_SES, faults.slow(world, 9), times=3)],
                    Conditions(lambda_seconds=(1.0, 40.0)),
                ),
                "clocks 30 s apart": Variant(conditions=Conditions(skews=(15.0, -15.0, 0.0), schedules=2)),
                "a bug before a mail": _at(_SES, faults.our_own, times=2),
                **{
                    f"a process stalls {nth}": Variant(
                        lambda world, nth=nth: [  # type: ignore[misc]
                            trouble("dynamodb Update|ses", faults.stalls_for(world, 150), nth=nth)
                        ],
                        Conditions(lambda_seconds=(300.0, 300.0), schedules=2),
                    )
                    for nth in range(6)
                },
                **{
                    f"{code} {nth}": _at(
                        _WRITES, lambda w, code=code, after=after: faults.dynamo_says(w, code, after=after), nth
                    )  # type: ignore[misc]
                    for code, after in (
                        ("ProvisionedThroughputExceededException", False),
                        ("InternalServerError", True),
                        ("ConditionalCheckFailedException", True),
                    )
                    for nth in range(5)
                },
            },
        ),
        Fault(
            "everything at once", {"mixed": Variant(_everything, Conditions(_ROUGH, schedules=2, skews=(10.0, -10.0)))}
        ),
    )
}
