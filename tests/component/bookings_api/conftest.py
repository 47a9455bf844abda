"""A workspace whose calendar c-1 is by phone, and its caller."""

from __future__ import annotations

import httpx
import pytest

from tests.support.product import Product, calendar


@pytest.fixture
def product(product: Product) -> Product:
    """Calendar c-1 is by phone, so that most tests need no connection."""
    assert product.caller().put("/v1/calendars/c-1", json=calendar("phone")).status_code == 201
    return product


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    return product.caller()
