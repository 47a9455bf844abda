"""`/docs`: guides and reference, rendered when the package was built (`infra/docs_site`)."""

from __future__ import annotations

import json
import lzma
from functools import cache
from html import escape
from pathlib import Path

from chalice.app import Response

from chalicelib.api.calls import Call
from chalicelib.errors import NotFound

_TEXTS = Path(__file__).parent / "assets" / "docs.xz"
_BASE = "%BASE%"
"""Stands for the address of the deployment."""
_TYPES = {"": "text/html", ".md": "text/markdown", ".json": "application/json", ".txt": "text/plain"}
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'none'"
)


def text(call: Call, name: str, file: Path = _TEXTS) -> Response:
    """Respond with a page, such as "index", or another text, such as "index.md". Raises `NotFound`."""
    texts = _read_texts(file)
    if name not in texts:
        raise NotFound(f"There is no page {name!r}. See {call.base_url}/docs.")
    kind = _TYPES[Path(name).suffix]
    base = escape(call.base_url) if kind == "text/html" else call.base_url
    headers: dict[str, str | list[str]] = {
        "Content-Type": f"{kind}; charset=utf-8",
        "Content-Security-Policy": _POLICY,
        "Cache-Control": "public, max-age=300",
    }
    return Response(texts[name].replace(_BASE, base), headers)


@cache
def _read_texts(file: Path) -> dict[str, str]:
    """Read every text once: other functions, and requests for other pages, do not pay for it."""
    if not file.exists():
        raise NotFound("This deployment was built without its guides. Deploy with `python -m infra.deploy`.")
    texts: dict[str, str] = json.loads(lzma.decompress(file.read_bytes()))
    return texts
