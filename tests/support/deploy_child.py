"""The ministack that is deployed to: a child process of `LocalAws`, as infra/local/aws.py has them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.local.aws import serve
from tests.support import rest_import

if __name__ == "__main__":
    rest_import.install()
    serve(*sys.argv[1:])
