"""The edge of every HTTP route: who asks, what came in, and errors as RFC 9457 problem details."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import msgspec
from chalice.app import Chalice, Request, Response
from msgspec import Struct

from chalicelib.api import json_body, schema
from chalicelib.api.describe import description_of
from chalicelib.api.problems import REASONS, own_words, problem, refusal
from chalicelib.domain.workspace import Workspace, accepts_key, id_of_key, workspace_of_key
from chalicelib.errors import (
    CallerError,
    InvalidInput,
    LostRace,
    Malformed,
    ParameterError,
    StoreError,
    TooManyRequests,
    Unauthorized,
)
from chalicelib.observability import log, refused
from chalicelib.validation import Check, find_flaws

if TYPE_CHECKING:
    from chalicelib.wiring import Services

T = TypeVar("T")
_MAX_ACCEPTED_KEYS = 10_000
SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_EXPOSED = "Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
# Chalice keeps the current request on the app object, which threads of the local server share.
_request: ContextVar[Request] = ContextVar("request")


class NoQuery(Struct, forbid_unknown_fields=True):
    """The query of a route that declares none."""


class Call:
    """One request to a route. Query strings and headers are read through here and never logged."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.request = _request.get()
        self.answer_headers: dict[str, str] = {}

    def admit(self) -> None:
        """Raise `CallerError` if the request may not go on. Every answer from here on carries `answer_headers`."""

    @property
    def raw_body(self) -> bytes:
        try:
            raw = self.request.raw_body
            return raw.encode("utf-8") if isinstance(raw, str) else raw
        except UnicodeEncodeError:
            raise Malformed("The body is not UTF-8.") from None

    def read(self, kind: type[T], checks: Mapping[str, Check] | None = None) -> T:
        """The JSON body as `kind`; `checks` as `validation.convert` has them. Raises `CallerError`."""
        return json_body.read(self.raw_body, kind, checks)

    def query(self, name: str) -> str | None:
        """A query parameter. Raises `InvalidInput` if it is given twice."""
        known = self.request.query_params
        given = known.getlist(name) if known and name in known else []
        if len(given) > 1:
            raise InvalidInput(f"The query parameter {name} is given twice.")
        return str(given[0]) if given else None

    def read_query(self, kind: type[T]) -> T:
        """The query parameters as the struct `kind`. Raises `InvalidInput` with everything that is wrong."""
        known = self.request.query_params
        given = {name: known.getlist(name) for name in known} if known else {}
        errors = [ParameterError(name, "This parameter is given twice.") for name, v in given.items() if len(v) > 1]
        single = {name: values[0] for name, values in given.items() if len(values) == 1}
        # Strict: otherwise the year 2031 would be seconds since 1970.
        errors += [ParameterError(str(flaw.path[0]), flaw.detail) for flaw in find_flaws(single, kind)]
        if errors:
            raise InvalidInput("The query is invalid; see `errors`.", errors=errors)
        return msgspec.convert(single, kind)

    def header(self, name: str) -> str | None:
        value = self.request.headers.get(name)
        return str(value) if value is not None else None

    @property
    def base_url(self) -> str:
        """The public address of this deployment, without a trailing slash."""
        if self.services.settings.public_base_url:
            return self.services.settings.public_base_url
        context = self.request.context
        domain = context.get("domainName")
        if domain is None:
            # The local server; API Gateway names its domain.
            host = self.header("host") or ""
            return f"http://{host if _HOST.fullmatch(host) else 'localhost'}"
        path = str(self.request.to_original_event().get("path") or "")
        prefix = str(context.get("path") or "").removesuffix(path)
        return f"https://{domain}{prefix}".rstrip("/")


class CallerCall(Call):
    """A request that carries one of a workspace's API keys."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        # This process has accepted the key before. It is checked again, but not on its own.
        digest = hashlib.sha256((self.header("authorization") or "").encode("utf-8", "replace")).digest()
        self.is_known_key = digest in services.accepted_keys
        self.workspace, self.key_id = _authenticate(self.header("authorization"), self.read_workspace)
        if len(services.accepted_keys) >= _MAX_ACCEPTED_KEYS:
            services.accepted_keys.clear()
        services.accepted_keys.add(digest)

    def read_workspace(self, workspace_id: str) -> Workspace | None:
        """Read the workspace that the key names. The key is not checked yet."""
        return self.services.workspace_store.get(workspace_id)

    def admit(self) -> None:
        origin, limit = self.header("origin"), self.services.rate_limit
        if self.workspace.allowed_origins:
            self.answer_headers["Vary"] = "Origin"
        if origin is not None and origin in self.workspace.allowed_origins:
            self.answer_headers["Access-Control-Allow-Origin"] = origin
            self.answer_headers["Access-Control-Expose-Headers"] = _EXPOSED
        allowance = limit.count_request(self.workspace_id)
        # draft-ietf-httpapi-ratelimit-headers-10: q requests in w seconds; r are left, all again in t seconds.
        self.answer_headers["RateLimit-Policy"] = f'"workspace";q={limit.burst};w={ceil(limit.window_seconds)}'
        self.answer_headers["RateLimit"] = f'"workspace";r={allowance.remaining};t={allowance.reset_seconds}'
        if not allowance.granted:
            self.answer_headers["Retry-After"] = str(allowance.retry_after_seconds)
            raise TooManyRequests(
                f"This workspace may send {limit.rate:g} requests a second. "
                f"Wait {allowance.retry_after_seconds} s, then try again."
            )

    @property
    def workspace_id(self) -> str:
        return self.workspace.workspace_id

    def audit(self, verb: str) -> None:
        """Record an administrative action before it is carried out."""
        self.services.audit.record(verb, self.workspace_id, caller="API", key_id=self.key_id)


def caller_route(services: Callable[[], Services], kind: type[CallerCall] = CallerCall) -> Callable[..., Any]:
    """For routes with an API key: the view gets a `CallerCall` and the path's ids, checked and decoded.

    Query parameters that the view's description does not declare are refused.
    """

    def decorate(view: Callable[..., Response]) -> Callable[..., Response]:
        description = description_of(view)
        declared = description.query if description else None

        @wraps(view)
        def strict(call: CallerCall, **ids: str) -> Response:
            call.read_query(declared or NoQuery)
            return view(call, **ids)

        answer: Callable[..., Response] = route(strict)
        return answer

    route = _route(lambda: kind(services()))
    return decorate


def open_route(services: Callable[[], Services]) -> Callable[..., Any]:
    """For routes without one: the view gets a `Call`."""
    return _route(lambda: Call(services()))


def page_route(
    services: Callable[[], Services], refuse: Callable[[Call, CallerError], Response], *, checks_ids: bool = True
) -> Callable[..., Any]:
    """For the browser's pages: `refuse` says in a page what a problem detail says to programs."""
    return _route(lambda: Call(services()), refuse, checks_ids=checks_ids)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A struct of `answers`, or what else msgspec encodes, as JSON."""
    text = msgspec.json.encode(value).decode()
    return Response(text, {"Content-Type": "application/json", **(headers or {})}, status)


def install(app: Chalice) -> None:
    """The middleware that every HTTP answer passes: request id, headers, Chalice's own errors as problem details."""

    @app.middleware("http")
    def edge(event: Request, get_response: Callable[[Request], Response]) -> Response:
        token = _request.set(event)
        request_id = str(event.context.get("requestId") or uuid.uuid4())
        try:
            with log.request(request_id):
                response = own_words(get_response(event))
        finally:
            _request.reset(token)
        response.headers = {**SECURITY_HEADERS, "X-Request-Id": request_id, **response.headers}
        return response


def _route(
    make_call: Callable[[], Call],
    refuse: Callable[[Call, CallerError], Response] | None = None,
    *,
    checks_ids: bool = True,
) -> Callable[..., Any]:
    def decorate(view: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(view)
        def answer(**path: str) -> Response:
            call: Call | None = None
            try:
                call = make_call()
                call.admit()
                parts = {name: unquote(value) for name, value in path.items()}
                if checks_ids:
                    parts = {name: schema.check_id(value, name) for name, value in parts.items()}
                response = view(call, **parts)
            except CallerError as error:
                _note_refusal(error, call)
                response = refuse(call, error) if refuse and call else refusal(error)
            except LostRace:
                response = problem(409, "changed_meanwhile", REASONS["changed_meanwhile"][1])
            except StoreError as error:
                log.failure("store", error, **_whose(call))
                response = problem(503, "unavailable", "The database did not answer. Please try again.")
                response.headers["Retry-After"] = "1"
            except Exception as error:
                # Chalice would log the exception's text, which may quote what came in.
                log.failure("unexpected", error, **_whose(call))
                response = problem(500, "internal_error", "Something went wrong on our side. It has been logged.")
            response.headers.update(call.answer_headers if call else {})
            return response

        return answer

    return decorate


_REFUSALS = {"no_session": "session", "csrf": "form", "cross_site": "form", "flow_refused": "sign-in"}
"""What is refused, by the reason of the error."""


def _note_refusal(error: CallerError, call: Call | None) -> None:
    if isinstance(error, Unauthorized):
        # Without a call no caller was made out: the key is wrong.
        return refused("signature" if call else "key", workspace_id=error.workspace_id, key_id=error.key_id)
    what = _REFUSALS.get(error.reason)
    return refused(what) if what else None


def _whose(call: Call | None) -> dict[str, str]:
    """The workspace, for the log, where the caller is known."""
    return {"workspace_id": call.workspace_id} if isinstance(call, CallerCall) else {}


def _authenticate(header: str | None, find: Callable[[str], Workspace | None]) -> tuple[Workspace, str]:
    """Return the workspace and the id of the key. Raise `Unauthorized`."""
    scheme, _, key = (header or "").partition(" ")
    workspace_id = workspace_of_key(key.strip()) if scheme.lower() == "bearer" else None
    if workspace_id is None:
        raise Unauthorized("Send your workspace's API key: Authorization: Bearer <key>.")
    workspace = find(workspace_id)
    if workspace is None or not accepts_key(workspace, key.strip()):
        raise Unauthorized("This API key is not valid.", workspace_id=workspace_id, key_id=id_of_key(key.strip()))
    return workspace, str(id_of_key(key.strip()))
