"""What tests of the deployment share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.fake_aws import FakeSession


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSession]:
    """AWS, of which a test says every response; one that was not used fails it."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with ExitStack() as parts:
        session = FakeSession(parts)
        yield session
        session.assert_all_used()
