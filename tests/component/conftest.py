"""The whole product, as component tests use it."""

from __future__ import annotations

import pytest

from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import Product, calendar


@pytest.fixture
def product(moto_aws: Aws, clock: FakeClock) -> Product:
    """A deployment in which no one is connected yet."""
    return Product(moto_aws, clock)


@pytest.fixture
def connected(product: Product) -> Product:
    """User u-1 is connected and hosts the video calendar c-1."""
    product.connect()
    assert product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
    return product
