"""HTML pages: Jinja2 templates without scripts; the content security policy allows none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalice.app import Response

from chalicelib.errors import NotFound

if TYPE_CHECKING:
    from jinja2 import Environment

    from chalicelib.api.calls import Call

_NONE, _SELF = "'none'", "'self'"
_HERE = Path(__file__).parent
_ASSETS = dict.fromkeys(("settings.css", "docs.css"), "text/css; charset=utf-8")


def page(
    call: Call,
    template: str,
    *,
    status: int = 200,
    form_targets: Sequence[str] = (),
    frame_ancestors: Sequence[str] = (),
    **values: Any,
) -> Response:
    """Render a page. Its forms may lead to this origin and `form_targets`; sites in `frame_ancestors` may frame it."""
    html = _templates().get_template(template).render(base=call.base_url, **values)
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"frame-ancestors {' '.join(frame_ancestors) or _NONE}; form-action {' '.join((_SELF, *form_targets))}"
    )
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        # Our own pages check where a form came from; other sites must not receive a link's token.
        "Referrer-Policy": "same-origin",
    }
    return Response(html, headers, status)


def asset(name: str) -> Response:
    """Respond with a static file. Raises `NotFound`."""
    if name not in _ASSETS:
        raise NotFound("There is no such file.")
    text = (_HERE / "assets" / name).read_text(encoding="utf-8")
    return Response(text, {"Content-Type": _ASSETS[name], "Cache-Control": "public, max-age=3600"})


@lru_cache(maxsize=1)
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined)
