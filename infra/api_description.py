"""The API's OpenAPI document, for what is generated from it: the pages of `/docs` and the types of the clients."""

from __future__ import annotations

from typing import Any


def read_document() -> dict[str, Any]:
    """Return the OpenAPI document, without `servers`."""
    from chalice.app import Chalice

    from chalicelib import api
    from chalicelib.api.openapi import document

    def no_services() -> Any:
        raise RuntimeError("the description needs no services")

    # Otherwise Chalice would change the level of the product's log.
    app = Chalice("meetlink", configure_logs=False)
    api.register(app, no_services)
    return document(app)
