"""`python -m infra.deploy` on an AWS that enforces IAM: deployed, used, deployed again, used again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.local.demo import Story
from tests.support.deployment import Deployment

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("deploy")]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A stage with a workspace and Zoom's credentials, on which the demo's story has been told once."""
    with Deployment(tmp_path_factory.mktemp("deployed")) as deployment:
        deployment.first_deploy()
        deployment.store_zooms_secret()
        deployment.make_workspace()
        yield deployment


def test_the_deployed_product_keeps_its_promises(deployed: Deployment) -> None:
    Story(deployed).tell()  # type: ignore[arg-type]
