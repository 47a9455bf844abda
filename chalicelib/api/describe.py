"""What a route declares of itself, beside its view: the API's description is made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from msgspec import Struct

View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "description_of_route"


class Description(Struct, frozen=True, kw_only=True):
    """`answers` maps each status of success to its struct, its media type, or None if there is no body.

    `request` and `query` are structs, `headers` names of `openapi.HEADERS`. `problems` are reasons beside those that
    every call of its kind can have.
    """

    group: str
    summary: str
    text: str = ""
    answers: Mapping[int, Any]
    request: Any = None
    request_required: bool = True
    query: Any = None
    headers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    auth: Literal["key", "signature", "none"] = "key"


def describe(group: str, summary: str, **more: Any) -> Callable[[View], View]:
    """Decorate a view with its `Description`."""
    description = Description(group=group, summary=summary, **more)

    def decorate(view: View) -> View:
        setattr(view, _ATTRIBUTE, description)
        return view

    return decorate


def description_of(view: Callable[..., Any]) -> Description | None:
    """A view's description; None for the browser's pages, which are not part of the API."""
    found: Description | None = getattr(view, _ATTRIBUTE, None)
    return found
