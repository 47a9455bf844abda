"""HTML pages: Jinja2 templates without scripts; the content security policy allows none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalice.app import Response
from msgspec import Struct

from chalicelib.errors import NotFound

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from chalicelib.api.audience import Audience
    from chalicelib.api.calls import Call
    from chalicelib.api.page_look import PageLook

_NONE, _SELF = "'none'", "'self'"
_HERE = Path(__file__).parent
_ASSETS = {
    "settings.css": "text/css; charset=utf-8",
    "workspace.css": "text/css; charset=utf-8",
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "favicon.svg": "image/svg+xml",
}


class Button(Struct, frozen=True):
    """What leads on from an error."""

    text: str
    """Empty: the name of the place that the reader came from."""
    address: str
    """Empty: this page again."""


def page(
    call: Call,
    template: str,
    audience: Audience,
    *,
    status: int = 200,
    form_targets: Sequence[str] = (),
    frame_ancestors: Sequence[str] = (),
    **values: Any,
) -> Response:
    """Render a page. Its forms may lead to this origin and `form_targets`; sites in `frame_ancestors` may frame it."""
    from chalicelib.api.page_look import page_look

    look = page_look(audience.workspace, call.services.settings.product_name)
    common = {
        "base": call.base_url,
        "wording": audience.wording,
        "look": look,
        "return_to": audience.return_to,
        "back": audience.wording.pages.back.format(name=look.name),
    }
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Language": audience.wording.language,
        "Vary": "Accept-Language",
        "Content-Security-Policy": _policy(look, form_targets, frame_ancestors),
        # Our own pages check where a form came from; other sites must not receive a link's token.
        "Referrer-Policy": "same-origin",
    }
    return Response(_templates().get_template(template).render(common | values), headers, status)


def error_page(
    call: Call,
    audience: Audience,
    status: int,
    *,
    heading: str,
    detail: str,
    button: Button | None = None,
    frame_ancestors: Sequence[str] = (),
) -> Response:
    """Render a page that says what happened, and what to do. Without a button, `detail` says what the reader can do."""
    values: dict[str, Any] = {"heading": heading, "detail": detail, "button": button}
    return page(call, "error.html", audience, status=status, frame_ancestors=frame_ancestors, **values)


def asset(name: str) -> Response:
    """Respond with a static file. Raises `NotFound`."""
    if name not in _ASSETS:
        raise NotFound("There is no such file.")
    text = (_HERE / "assets" / name).read_text(encoding="utf-8")
    return Response(text, {"Content-Type": _ASSETS[name], "Cache-Control": "public, max-age=3600"})


def _policy(look: PageLook, form_targets: Sequence[str], frame_ancestors: Sequence[str]) -> str:
    styles = (_SELF, look.style_hash) if look.style else (_SELF,)
    images = (_SELF, look.logo_origin) if look.logo_origin else (_SELF,)
    return (
        f"default-src 'none'; style-src {' '.join(styles)}; img-src {' '.join(images)}; base-uri 'none'; "
        f"frame-ancestors {' '.join(frame_ancestors) or _NONE}; form-action {' '.join((_SELF, *form_targets))}"
    )


@lru_cache(maxsize=1)
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined)
    templates.filters["fill"] = _fill
    return templates


def _fill(text: str, **values: Any) -> Markup:
    """Fill the placeholders of a text, and escape everything but values that are HTML already."""
    from markupsafe import escape

    return escape(text).format(**values)
