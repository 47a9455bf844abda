"""The client of meetlink: every booking gets its own video-meeting link."""

from meetlink import types, webhooks
from meetlink.client import Meetlink
from meetlink.errors import MeetlinkError, NotReadyError, ProblemError, UnavailableError
from meetlink.version import VERSION
from meetlink.webhooks import WrongSignatureError

__version__ = VERSION
__all__ = [
    "Meetlink",
    "MeetlinkError",
    "NotReadyError",
    "ProblemError",
    "UnavailableError",
    "WrongSignatureError",
    "types",
    "webhooks",
]
