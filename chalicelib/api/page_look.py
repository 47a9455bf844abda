"""How a page looks: the name, logo and color of its workspace, else the product's name."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.domain.colors import ink_on, is_color, readable_on
from chalicelib.domain.workspace import PLAIN, Workspace

_LIGHT, _DARK = ("#ffffff", "#f5f6f8"), ("#1b212a", "#12161c")
"""Cards and pages in `settings.css`."""
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")


class PageLook(Struct, frozen=True):
    """The parts of a brand that a page shows."""

    name: str
    logo_url: str | None
    logo_origin: str | None
    """The only other origin that the page loads a picture from."""
    style: str
    """CSS of the workspace's color; empty for the product's own colors."""

    @property
    def style_hash(self) -> str:
        """The source expression that allows the style (CSP 3, 2.3.1)."""
        return f"'sha256-{base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()}'"


def page_look(workspace: Workspace | None, product_name: str) -> PageLook:
    """Return the look of a page of `workspace`, or of the product itself."""
    brand = workspace.brand if workspace else PLAIN
    name = brand.name or (workspace.name if workspace else None) or product_name
    origin = _https_origin(brand.logo_url or "")
    style = _style(brand.color) if brand.color and is_color(brand.color) else ""
    return PageLook(name, brand.logo_url if origin else None, origin, style)


def _style(color: str) -> str:
    """Return the colors of buttons and links. Links are darker, or lighter at night, as far as people need it."""
    light, dark = readable_on(color, *_LIGHT), readable_on(color, *_DARK)
    return (
        f":root{{--button:{color};--on-button:{ink_on(color)};--accent:{light}}}"
        f"@media(prefers-color-scheme:dark){{:root{{--button:{color};--on-button:{ink_on(color)};--accent:{dark}}}}}"
    )


def _https_origin(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return f"https://{parts.netloc}" if parts.scheme == "https" and _HOST.fullmatch(parts.netloc) else None
