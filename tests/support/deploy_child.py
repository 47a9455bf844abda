"""The ministack that is deployed to: a child process of `LocalAws`, as infra/local/aws.py has them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from ministack.services import lambda_svc

from infra.local.aws import serve
from tests.support import kms_conditions, metric_math, rest_import, ses_feedback

if __name__ == "__main__":
    rest_import.install()
    ses_feedback.install()
    metric_math.install()
    kms_conditions.install()
    # Chalice looks every five seconds whether a function is ready. Here it is at once, rather than half a second later.
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = 0.0
    serve(*sys.argv[1:])
