"""The whole settle path in one process: stores, handlers and providers of the product; around it only stand-ins."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from random import Random
from typing import Any, TypeVar

import httpx
import msgspec

from chalicelib.domain.answers import AnswerSource, Choice
from chalicelib.domain.booking import Appointment, Guest
from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.connection import Account, Connection, Grant, Tokens
from chalicelib.domain.invitation import Invite
from chalicelib.domain.meeting import tag
from chalicelib.domain.meeting_report import MeetingReport
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import StoreUnavailable
from chalicelib.handlers import booking_stream, email_queue
from chalicelib.providers.http_client import HttpClient
from chalicelib.settings import from_environment
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.deployment_secrets import first_link_key
from chalicelib.store.encryption import Encryption
from chalicelib.store.work_queue import WorkQueue
from chalicelib.usecases.answers import GivenAnswer
from chalicelib.usecases.bookings import Accepted, Bookings
from chalicelib.usecases.join_tickets import JoinTickets
from chalicelib.wiring import Services, build
from infra.local.standins.base import HeldMeeting
from infra.local.standins.zoom import Zoom
from infra.tables import table_definitions
from tests.chaos import queues
from tests.chaos.dynamo import PREFIX, Change, MemoryDynamo, answering
from tests.chaos.network import Network
from tests.chaos.places import USERS, ZoomPlace, place
from tests.chaos.rooms import ORIGIN, Rooms, RoomsServer
from tests.chaos.secrets import Canaries, listener, text_of
from tests.chaos.services import Kms, Post
from tests.chaos.simulation import Actor, Crash, Endless, Sandbox, SideBySide, Simulation
from tests.support.clock import START

WORKSPACE = "ws-1"
TICK_SECONDS = 60.0
LAMBDA_SECONDS = 60.0
BASE_URL = "https://product.example"
_REST_WITHIN_SECONDS = 60 * 86400.0
_CALLER_TRIES = 12
_GENERATIONS = 8
_TAG_SECRET = "canary-tag-secret"
_ID = re.compile(r"/(rooms|meetings|onlineMeetings|events|spaces)/(?!createOrGet)[^/:]+")
_ENVIRONMENT = {
    "MEETLINK_TABLE_PREFIX": PREFIX,
    "MEETLINK_TAG_SECRET": _TAG_SECRET,
    "MEETLINK_MAIL_FROM": "invitations@meet.example.net",
    "ROOMS_CLIENT_ID": "client-2",
    "ROOMS_CLIENT_SECRET": "canary-rooms-secret",
}


@dataclass
class Stream:
    """How records reach the function. A record waits `delay_seconds`; what is there by then is one batch."""

    delay_seconds: tuple[float, float] = (0.05, 0.3)
    largest_batch: int = 25
    drop: float = 0.0
    duplicate: float = 0.0
    shuffle: bool = False
    tries: int = 3


@dataclass(frozen=True)
class Conditions:
    """What kind of world it is. `skews` are the clocks of the processes, in turn."""

    stream: Stream = field(default_factory=Stream)
    queue: queues.Queue | None = None
    schedules: int = 1
    skews: tuple[float, ...] = (0.0,)
    lambda_seconds: tuple[float, float] = (LAMBDA_SECONDS, LAMBDA_SECONDS)
    list_lag_seconds: float = 0.0
    daily_limit: int = 10**9
    compose: Callable[[Invite], bytes] | None = None
    mails_per_minute: int = 0
    """The allowance of a workspace. 0: none."""


@dataclass
class Process:
    """A warm Lambda: one sandbox, its clock, and what it keeps in memory."""

    services: Services
    sandbox: Sandbox


class World:
    """One run's world; `new_world` makes and furnishes it.

    `left_behind` are ids of meetings that the product has no access to any more.
    """

    def __init__(
        self,
        seed: int,
        conditions: Conditions,
        alter: Callable[[Services], None] | None = None,
        provider: str = "zoom",
    ) -> None:
        self.simulation = Simulation(seed)
        self.random = Random(seed)
        self.conditions = conditions
        self.network = Network(self.simulation)
        self.db = MemoryDynamo(_definitions(), self._changed)
        self.post = Post(self.network, conditions.compose)
        self.rooms = RoomsServer()
        self.tickets = JoinTickets(lambda: (first_link_key(_TAG_SECRET.encode()),))
        self.ticks = 0
        self.most_twins = 0
        self.left_behind: set[str] = set()
        self._booking_by_tag: dict[str, str] = {}
        self.changed_at = 0.0
        self.settled_at: dict[str, float] = {}
        self.acknowledged: dict[str, int] = {}
        self.answered: dict[str, list[Choice]] = {}
        self.failures: list[str] = []
        self.canaries = Canaries([("client-1", "canary-client-secret"), ("client-2", "canary-rooms-secret")])
        self._alter = alter
        self._kms = Kms(self.network)
        self._pending: list[dict[str, Any]] = []
        self._warm: dict[str, list[Process]] = {}
        self._processes = 0
        self._first_tick = self.random.uniform(1.0, TICK_SECONDS)
        self.place = place(provider, self.simulation.clock(), seed)
        if isinstance(self.place, ZoomPlace):
            self.zoom.list_lag_seconds = conditions.list_lag_seconds
            self.zoom.limits.daily_limit = conditions.daily_limit
        self.canaries.add(*(secret for name, secret in self.place.settings.items() if name.endswith("_SECRET")))
        self._http = HttpClient(lambda: httpx.Client(transport=_Wire(self), trust_env=False))

    @property
    def zoom(self) -> Zoom:
        """The stand-in itself, where Zoom is the provider: for what is Zoom's own."""
        if not isinstance(self.place, ZoomPlace):
            raise NotImplementedError(f"this world has {self.place.name}")
        return self.place.zoom

    def handle_dynamo(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """For `answering`."""
        table = request.get("TableName", "").removeprefix(PREFIX)
        return self.network.call(f"dynamodb {operation} {table}".strip(), partial(self.db.handle, operation, request))

    def process(self, kind: str) -> Process:
        """A warm process of this kind, or a new one."""
        warm = [p for p in self._warm.get(kind, []) if not p.sandbox.is_dead]
        if warm:
            self._warm[kind] = warm[1:]
            return warm[0]
        skew = self.conditions.skews[self._processes % len(self.conditions.skews)]
        self._processes += 1
        return Process(self._services(self.simulation.clock(skew)), Sandbox())

    def furnish(self) -> None:
        """Hosts with connected accounts, and a calendar for each: c-1 of u-1 and so on; c-9 is by phone."""
        services = self.process("setup").services
        for user_id in (*USERS, "u-3"):
            self.connect(services, user_id)
            host = Host(user_id, f"Demo Host {user_id}", f"{user_id}@host.example.com")
            location = Location(LocationType.VIDEO)
            calendar = Calendar(WORKSPACE, user_id.replace("u", "c"), "Calls", host, location, START, START)
            services.calendar_store.put(calendar)
            if user_id == "u-1":
                by_phone = Location(LocationType.PHONE, "+1 555 0100")
                services.calendar_store.put(Calendar(WORKSPACE, "c-9", "Phone", host, by_phone, START, START))

    def connect(self, services: Services, user_id: str) -> None:
        """What signing in leaves behind; the same account again keeps the connection's age. u-3 is at `rooms`."""
        provider = self.place.name if user_id in USERS else "rooms"
        now, before = self.simulation.now, services.connection_store.get(WORKSPACE, user_id)
        account = Account(f"{provider}-{user_id}", f"{user_id}@host.example.com")
        known = services.grant_store.get(f"{provider}#{account.id}")
        grant = Grant(provider, account, version=known.version + 1 if known else 1, sealed_tokens=None)
        tokens = Tokens(f"canary-{provider}-{user_id}", None, now + timedelta(days=365))
        if provider != "rooms":
            tokens = self.place.connect(user_id, now)
            self.canaries.add(tokens.access_token, tokens.refresh_token)
        flow = f"flow-{user_id}-{self.simulation.seconds}"
        services.ephemeral_store.put(flow, {}, now + timedelta(minutes=10))
        since = before.connected_at if before else now
        connection = Connection(WORKSPACE, user_id, provider, grant.id, account, since, base_url=BASE_URL)
        services.connection_store.establish(connection, services.access_tokens.seal(grant, tokens), flow_key=flow)

    def appointment(self, **changes: Any) -> Appointment:
        """A booking's content, by default in five weeks."""
        starts_at = changes.pop("starts_at", START + timedelta(days=35))
        known: dict[str, Any] = {
            "calendar_id": "c-1",
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=30),
            "time_zone": "Europe/Berlin",
            "title": "Erstgespräch",  # Not in ASCII: Teams needs a second call for it.
            "guests": (Guest("Demo Guest", "guest@example.com"),),
        }
        return Appointment(**(known | changes))

    def call(self, act: Callable[[Bookings], Accepted], *, delay: float = 0.0) -> Actor:
        """A caller's request: repeated until it is answered, as idempotent requests are."""
        return self._insist(lambda services: act(services.bookings), self._acknowledge, delay)

    def _acknowledge(self, accepted: Accepted) -> None:
        booking = accepted.record.booking
        newest = max(self.acknowledged.get(booking.booking_id, 0), booking.revision)
        self.acknowledged[booking.booking_id] = newest

    def _insist(self, act: Callable[[Services], Any], acknowledge: Callable[[Any], None], delay: float) -> Actor:
        def insist() -> Any:
            for _ in range(_CALLER_TRIES):
                process = self.process("api")
                attempt = self.simulation.spawn("request", partial(act, process.services), sandbox=process.sandbox)
                self.simulation.wait_for([attempt])
                self._warm.setdefault("api", []).append(process)
                if attempt.error is None:
                    acknowledge(attempt.result)
                    return attempt.result
                if not isinstance(attempt.error, Crash | StoreUnavailable):
                    raise attempt.error
                self.simulation.sleep(1.0)
            raise StoreUnavailable("no response reaches the caller")

        return self.simulation.spawn("caller", insist, delay=delay)

    def put(self, booking_id: str = "b-1", *, delay: float = 0.0, **changes: Any) -> Actor:
        appointment = self.appointment(**changes)
        for generation in range(_GENERATIONS):
            self._booking_by_tag[tag(_TAG_SECRET.encode(), WORKSPACE, booking_id, generation)] = booking_id
        return self.call(lambda booker: booker.put(WORKSPACE, booking_id, appointment), delay=delay)

    def answer(self, choice: Choice, booking_id: str = "b-1", *, delay: float = 0.0) -> Actor:
        """The guest presses a button of the page behind the link; again, until the page says that it is saved."""
        appointment, stamped_at = self.appointment(), self.simulation.now
        given = GivenAnswer(
            "guest@example.com", choice, AnswerSource.LINK, stamped_at, appointment.starts_at, sequence=0
        )
        self.answered.setdefault(booking_id, []).append(choice)
        return self._insist(lambda s: s.answers.record(WORKSPACE, booking_id, given), lambda _: None, delay)

    def cancel(self, booking_id: str = "b-1", *, delay: float = 0.0) -> Actor:
        return self.call(lambda booker: booker.cancel(WORKSPACE, booking_id), delay=delay)

    def report(self, report: MeetingReport, *, delay: float = 0.0) -> Actor:
        """An event of the provider: sent again until it is accepted."""

        def insist() -> None:
            for _ in range(_CALLER_TRIES):
                process = self.process("api")
                receive = partial(
                    process.services.meeting_reports.receive, process.services.providers[self.place.name], report
                )
                attempt = self.simulation.spawn("report", receive, sandbox=process.sandbox)
                self.simulation.wait_for([attempt])
                self._warm.setdefault("api", []).append(process)
                if attempt.error is None:
                    return
                if not isinstance(attempt.error, Crash | StoreUnavailable):
                    raise attempt.error
                self.simulation.sleep(1.0)
            raise StoreUnavailable("no event arrives")

        return self.simulation.spawn("zoom", insist, delay=delay)

    def rest(self, *, quiet_seconds: float = 1800.0) -> float:
        """Let time pass until nothing is due in the next `quiet_seconds`; when that was, in simulated seconds.

        Raises `Endless` if it never comes to that. Ticks before anything is due are skipped.
        """
        begun = self.simulation.seconds
        while True:
            self.simulation.run(until=self._next_tick_at())
            wait = 0.0 if self._pending else self._seconds_until_work()
            if wait > quiet_seconds and self.simulation.is_idle:
                return self.simulation.seconds
            if self.simulation.seconds - begun > _REST_WITHIN_SECONDS:
                raise Endless("not settled after days")
            self.ticks += max(0, int((wait - (self._next_tick_at() - self.simulation.seconds)) / TICK_SECONDS))
            self._tick()

    def run(self, seconds: float) -> None:
        """Let this much time pass, with its ticks."""
        ends = self.simulation.seconds + seconds
        while self._next_tick_at() <= ends:
            self._tick()
        self.simulation.run(until=ends)

    def records(self) -> list[Record]:
        """Every booking as it is now."""
        store = BookingStore()
        found = [store.get(item["workspace_id"]["S"], item["booking_id"]["S"]) for item in self.db.items("bookings")]
        return [record for record in found if record is not None]

    def record(self, booking_id: str = "b-1") -> Record:
        return next(record for record in self.records() if record.booking.booking_id == booking_id)

    def held_for(self, booking_id: str) -> list[HeldMeeting]:
        """The booking's meetings that are alive at the run's provider and within reach of the product."""
        held = [one for one in self.place.held() if one.id not in self.left_behind]
        return [one for one in held if self._booking_by_tag.get(str(one.tag)) == booking_id]

    def count_twins(self) -> None:
        """Notice it when a booking has more than one meeting that can be reached.

        One that is known as a former host's, and is being removed, is none: no one is sent its link any more.
        """
        held = [one for one in self.place.held() if one.id not in self.left_behind]
        owners = [self._booking_by_tag.get(one.tag, one.tag) for one in held if one.tag is not None]
        if len(owners) > len(set(owners)):
            former = {one.id for settlement in self._settlements() for one in settlement.leftovers}
            held = [one for one in held if one.id not in former]
            owners = [self._booking_by_tag.get(one.tag, one.tag) for one in held if one.tag is not None]
        self.most_twins = max(self.most_twins, len(owners) - len(set(owners)))

    def _settlements(self) -> Iterator[Settlement]:
        """Every booking's settlement, decoded from its row: a read through the client would let other actors run."""
        for item in self.db.items("bookings"):
            if "observed" in item:
                yield msgspec.json.decode(item["observed"]["S"], type=Settlement)

    def provider_calls(self) -> int:
        """Calls of meetings' verbs so far."""
        return sum(point.startswith("http") and "/oauth/" not in point for point in self.network.points)

    def _next_tick_at(self) -> float:
        return self._first_tick + self.ticks * TICK_SECONDS

    def _tick(self) -> None:
        self.simulation.run(until=self._next_tick_at())
        self.ticks += 1
        for _ in range(self.conditions.schedules):
            self._invoke("schedule", booking_stream.settle_due)

    def _seconds_until_work(self) -> float:
        due = [int(item["due_at"]["N"]) / 1000 for item in self.db.items("bookings") if "due_at" in item]
        until_due = min(due) - self.simulation.now.timestamp() if due else float("inf")
        return min(until_due, self.simulation.next_turn_at - self.simulation.seconds)

    def _invoke(self, kind: str, handler: Callable[..., Any], *event: Any) -> Actor:
        process = self.process(kind)
        process.sandbox.ends_at = self.simulation.seconds + self.random.uniform(*self.conditions.lambda_seconds)
        context = _Context(self.simulation, process.sandbox)

        def work() -> Any:
            try:
                return handler(*event, context, process.services)
            finally:
                if not process.sandbox.is_dead:
                    process.sandbox.ends_at = float("inf")
                    self._warm.setdefault(kind, []).append(process)

        return self.simulation.spawn(kind, work, sandbox=process.sandbox)

    def _changed(self, change: Change) -> None:
        if change.new is not None and not _is_settled(change.old) and _is_settled(change.new):
            self.settled_at[change.new["booking_id"]["S"]] = self.simulation.seconds
        if change.new is not None:
            self.canaries.look("a stream image", text_of(change.new))
            if _revision(change.new) > _revision(change.old):
                self.changed_at = self.simulation.seconds
        stream = self.conditions.stream
        if self.random.random() < stream.drop or change.new is None:
            return
        record = {
            "dynamodb": {
                "ApproximateCreationDateTime": int(self.simulation.seconds),
                "NewImage": change.new,
                "SequenceNumber": str(len(self.network.points)),
            }
        }
        if change.old is not None:
            record["dynamodb"]["OldImage"] = change.old
        copies = 2 if self.random.random() < stream.duplicate else 1
        for _ in range(copies):
            self._pending.append(record)
            self.simulation.spawn("stream", self._deliver, delay=self.random.uniform(*stream.delay_seconds))

    def _deliver(self) -> None:
        stream = self.conditions.stream
        if stream.shuffle:
            self.random.shuffle(self._pending)
        batch, self._pending[:] = self._pending[: stream.largest_batch], self._pending[stream.largest_batch :]
        for _ in range(stream.tries):
            if not batch:
                return
            invocation = self._invoke("settle", booking_stream.settle_records, {"Records": batch})
            self.simulation.wait_for([invocation])
            if invocation.error is None:
                bad = {failure["itemIdentifier"] for failure in invocation.result["batchItemFailures"]}
                batch = [record for record in batch if record["dynamodb"]["SequenceNumber"] in bad]
            elif not isinstance(invocation.error, Crash):
                self.failures.append(repr(invocation.error))
            self.simulation.sleep(1.0)

    def _services(self, clock: Callable[[], datetime]) -> Services:
        services = build(
            from_environment({**_ENVIRONMENT, **self._allowance(), **self.place.settings}),
            clock=clock,
            random=self.random,
            sample=lambda: 0.0,
            mail_transport=self.post,
            sleep=self.simulation.sleep,
            workers=partial(SideBySide, self.simulation),
            wait=self.simulation.wait_for_any,
        )
        parts = services.__dict__
        parts["connection_store"] = _connection_store()
        parts["encryption"] = Encryption(self._kms, "key-1", clock)
        parts["providers"] = {kind.name: kind(self._http, clock) for kind in (self.place.kind, Rooms)}
        if self._alter:
            self._alter(services)
        if queue := self.conditions.queue:
            parts["email_queue"] = WorkQueue(self._sqs(queue), queues.ARN)
            parts["settling"] = services.settling_with(lambda _, outstanding: min(outstanding, queue.here))
            parts["email_settling"] = services.settling_with(lambda _, outstanding: min(outstanding, queue.part))
        return services

    def _allowance(self) -> dict[str, str]:
        per_minute = self.conditions.mails_per_minute
        return {"MEETLINK_MAILS_PER_MINUTE": str(per_minute), "MEETLINK_MAILS_PER_DAY": str(1000 * per_minute)}

    def _sqs(self, queue: queues.Queue) -> queues.Sqs:
        return queues.Sqs(self.network, queue, self.random, partial(self._invoke, "emails", email_queue.send_emails))


W = TypeVar("W", bound=World)


class _Context:
    """What Lambda tells a handler of its time."""

    def __init__(self, simulation: Simulation, sandbox: Sandbox) -> None:
        self._simulation = simulation
        self._sandbox = sandbox

    def get_remaining_time_in_millis(self) -> int:
        return int((self._sandbox.ends_at - self._simulation.seconds) * 1000)


class _Wire(httpx.BaseTransport):
    """Carries provider calls through the network; notices when one booking has two meetings."""

    def __init__(self, world: World) -> None:
        self._world = world

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = _ID.sub(r"/\1/{id}", request.url.path)
        point = f"http {request.method} {request.url.host}{path}"
        return self._world.network.call(point, partial(self._perform, request))

    def _perform(self, request: httpx.Request) -> httpx.Response:
        to = self._world.rooms if str(request.url).startswith(ORIGIN) else self._world.place.transport
        response = to.handle_request(request)
        response.read()
        if request.url.path.endswith("token") and response.is_success:
            issued = response.json()
            self._world.canaries.add(issued.get("access_token"), issued.get("refresh_token"))
        if request.method == "POST":
            self._world.count_twins()
        return response


@contextmanager
def new_world(
    seed: int = 0,
    conditions: Conditions | None = None,
    alter: Callable[[Services], None] | None = None,
    provider: str = "zoom",
) -> Iterator[World]:
    """A furnished world in which nothing has happened yet. `alter` may exchange parts of each process."""
    with furnished(World(seed, conditions or Conditions(), alter, provider)) as world:
        yield world


@contextmanager
def furnished(world: W) -> Iterator[W]:
    """The world with its hosts and calendars, while its tables stand for DynamoDB."""
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")
    lines = listener()
    before, lines.heard_by = lines.heard_by, partial(world.canaries.look, "the log")
    try:
        with answering(world.handle_dynamo):
            world.furnish()
            yield world
    finally:
        lines.heard_by = before


def _is_settled(item: dict[str, Any] | None) -> bool:
    return item is not None and int(item["settled_revision"]["N"]) >= int(item["revision"]["N"])


def _revision(item: dict[str, Any] | None) -> int:
    return int(item["revision"]["N"]) if item is not None else 0


@cache
def _connection_store() -> ConnectionStore:
    return ConnectionStore()


@cache
def _definitions() -> list[dict[str, Any]]:
    return table_definitions(PREFIX)
