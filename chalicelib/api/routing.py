"""Routes: one `Routes` per module, a decorator per view, and errors as problem details (RFC 9457) or pages."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar
from urllib.parse import unquote

import msgspec
from chalice.app import Chalice, Request, Response
from msgspec import Struct

from chalicelib.api.calls import Call, CallerCall, NoQuery, current_request
from chalicelib.api.problems import ProblemDetails, describe_error, translate_chalice_error
from chalicelib.api.schemas.fields import check_id
from chalicelib.errors import CallerError, LostRace, StoreError, Unauthorized
from chalicelib.observability import log, refused
from chalicelib.version import VERSION

if TYPE_CHECKING:
    from chalicelib.wiring import Services

View = TypeVar("View", bound=Callable[..., Response])
ErrorPage = Callable[[Call, ProblemDetails], Response]
SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
VERSION_HEADER = {"Meetlink-Version": VERSION}
_DESCRIPTION = "description_of_route"


class Description(Struct, frozen=True, kw_only=True):
    """What the OpenAPI document contains about a route."""

    group: str
    """The tag: routes of one group are listed together."""
    summary: str
    text: str = ""
    responses: Mapping[int, Any]
    """For each status of success the struct of the body, its media type, or None without a body."""
    request: Any = None
    """The struct of the body."""
    request_required: bool = True
    query: Any = None
    """The struct of the query parameters."""
    headers: tuple[str, ...] = ()
    """Names in `openapi.HEADERS`."""
    problems: tuple[str, ...] = ()
    """Reasons in `problems.REASONS`, without those that every route of its kind can return."""
    auth: Literal["key", "signature", "none"] = "key"


class _Declared(NamedTuple):
    method: str
    path: str
    view: Callable[..., Response]
    call: type[Call]
    description: Description


class Routes:
    """The API routes of one module: `@routes.get("/v1/things/{thing_id}", "Get a thing", responses={200: Thing})`.

    A view gets a `CallerCall`, and the path's ids, decoded and checked. Without a key (`auth`), it gets a `Call`.
    A subclass of these can be chosen with `call`. Undeclared query parameters are refused.
    """

    def __init__(self, group: str) -> None:
        self._group = group
        self._declared: list[_Declared] = []

    def get(self, path: str, summary: str, **options: Any) -> Callable[[View], View]:
        return self._declare("GET", path, summary, **options)

    def post(self, path: str, summary: str, **options: Any) -> Callable[[View], View]:
        return self._declare("POST", path, summary, **options)

    def put(self, path: str, summary: str, **options: Any) -> Callable[[View], View]:
        return self._declare("PUT", path, summary, **options)

    def delete(self, path: str, summary: str, **options: Any) -> Callable[[View], View]:
        return self._declare("DELETE", path, summary, **options)

    def register(self, app: Chalice, services: Callable[[], Services]) -> None:
        """Add the routes to `app`. `services` is called at each request."""
        for method, path, view, call, description in self._declared:
            with_key = description.auth == "key"
            handler = bind(
                view,
                partial(_create_call, call, app, services),
                refuses_query=with_key and description.query is None,
            )
            setattr(handler, _DESCRIPTION, description)
            # HTTP clients send their usual Content-Type even without a body; Chalice would respond with 415.
            any_type: dict[str, Any] = {"content_types": []} if with_key and description.request is None else {}
            app.route(path, methods=[method], name=view.__name__, **any_type)(handler)

    def _declare(
        self, method: str, path: str, summary: str, *, call: type[Call] | None = None, **options: Any
    ) -> Callable[[View], View]:
        description = Description(group=self._group, summary=summary, **options)
        call_class = call or (CallerCall if description.auth == "key" else Call)

        def declare(view: View) -> View:
            self._declared.append(_Declared(method, path, view, call_class, description))
            return view

        return declare


class PageRoutes:
    """The browser pages of one module: `@routes.get("/things/{name}")`. They are not part of the API's description.

    A view gets a `Call`, and the path's parts, decoded and checked as ids unless `checks_ids` is false. `error_page`
    renders every error.
    """

    def __init__(self, error_page: ErrorPage, *, checks_ids: bool = True) -> None:
        self._error_page = error_page
        self._checks_ids = checks_ids
        self._declared: list[tuple[str, str, Callable[..., Response]]] = []

    def get(self, path: str) -> Callable[[View], View]:
        return self._declare("GET", path)

    def post(self, path: str) -> Callable[[View], View]:
        return self._declare("POST", path)

    def register(self, app: Chalice, services: Callable[[], Services]) -> None:
        """Add the routes to `app`. `services` is called at each request."""
        for method, path, view in self._declared:
            create_call = partial(_create_call, Call, app, services)
            handler = bind(view, create_call, error_page=self._error_page, checks_ids=self._checks_ids)
            # Browsers send no content type with a form without fields; Chalice would respond with 415.
            app.route(path, methods=[method], name=view.__name__, content_types=[])(handler)

    def _declare(self, method: str, path: str) -> Callable[[View], View]:
        def declare(view: View) -> View:
            self._declared.append((method, path, view))
            return view

        return declare


def bind(
    view: Callable[..., Response],
    create_call: Callable[[], Call],
    *,
    refuses_query: bool = False,
    error_page: ErrorPage | None = None,
    checks_ids: bool = True,
) -> Callable[..., Response]:
    """Return the handler that Chalice calls: it creates the call, runs `view`, and turns errors into responses.

    `refuses_query`: the route has no query parameters. A view with parameters reads them with `Call.read_query`.
    """

    @wraps(view)
    def handle(**path: str) -> Response:
        call: Call | None = None
        try:
            call = create_call()
            call.admit()
            parts = _read_path(path, checks_ids=checks_ids)
            if refuses_query:
                call.read_query(NoQuery)
            response = view(call, **parts)
        except Exception as error:
            response = _respond_to_error(error, call, error_page)
        response.headers.update(call.response_headers if call else {})
        return response

    return handle


def _read_path(path: dict[str, str], *, checks_ids: bool) -> dict[str, str]:
    """Return the variable parts of the path. Raises `InvalidInput` for one that is no id."""
    parts = {name: unquote(value) for name, value in path.items()}
    return {name: check_id(value, name) for name, value in parts.items()} if checks_ids else parts


def description_of(handler: Callable[..., Any]) -> Description | None:
    """Return a route's description; None for the browser's pages, which are not part of the API."""
    description: Description | None = getattr(handler, _DESCRIPTION, None)
    return description


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Respond with a struct, or another value that msgspec encodes, as JSON."""
    text = msgspec.json.encode(value).decode()
    return Response(text, {"Content-Type": "application/json", **(headers or {})}, status)


def install(app: Chalice) -> None:
    """Add the middleware that every HTTP response passes: request id, headers, Chalice's errors as problem details."""

    @app.middleware("http")
    def finish_response(event: Request, get_response: Callable[[Request], Response]) -> Response:
        token = current_request.set(event)
        request_id = str(event.context.get("requestId") or uuid.uuid4())
        try:
            with log.request(request_id):
                response = translate_chalice_error(get_response(event))
        finally:
            current_request.reset(token)
        response.headers = {**SECURITY_HEADERS, **VERSION_HEADER, "X-Request-Id": request_id, **response.headers}
        return response


def _create_call(cls: type[Call], app: Chalice, services: Callable[[], Services]) -> Call:
    return cls(app, services())


def _respond_to_error(error: Exception, call: Call | None, error_page: ErrorPage | None) -> Response:
    _log_error(error, call)
    problem = describe_error(error)
    if call is None or error_page is None:
        return problem.response()
    try:
        response = error_page(call, problem)
    except Exception as page_error:
        _log_error(page_error, call)
        return problem.response()
    response.headers.update(problem.headers)
    return response


_REFUSED = {"no_session": "session", "csrf": "form", "cross_site": "form", "flow_refused": "sign-in"}
"""What the metric of refused requests counts, by the reason of the error."""


def _log_error(error: Exception, call: Call | None) -> None:
    """Log server errors, and count refused requests.

    Chalice would log the text of an unexpected error, which may quote the request.
    """
    ids = {"workspace_id": call.workspace_id} if isinstance(call, CallerCall) else {}
    if isinstance(error, Unauthorized):
        # Without a call, the API key is wrong.
        refused("signature" if call else "key", workspace_id=error.workspace_id, key_id=error.key_id)
    elif isinstance(error, CallerError):
        if error.reason in _REFUSED:
            refused(_REFUSED[error.reason])
    elif isinstance(error, StoreError):
        if not isinstance(error, LostRace):
            log.failure("store", error, **ids)
    else:
        log.failure("unexpected", error, **ids)
