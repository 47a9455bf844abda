"""What can go wrong. Every error is a `MeetlinkError`."""

from __future__ import annotations

from meetlink.types import Booking, FieldProblem, Problem


class MeetlinkError(Exception):
    """Any error of this client."""


class ProblemError(MeetlinkError):
    """The API refused a request. Decide by `reason`; `detail` is for people and may change."""

    def __init__(self, problem: Problem, request_id: str | None) -> None:
        super().__init__(f"{problem['detail']} ({problem['type']}, request {request_id})")
        self.problem = problem
        self.request_id = request_id
        """Include it when you contact the operator."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem["status"]

    @property
    def reason(self) -> str:
        """The last part of `type`, such as `not_connected`."""
        return self.problem["type"].rpartition(":")[2]

    @property
    def errors(self) -> list[FieldProblem]:
        """Everything that is wrong with the request, if it is invalid."""
        return self.problem.get("errors", [])


class UnavailableError(MeetlinkError):
    """No response, or not from the API. A request that changes something may have been carried out."""


class NotReadyError(MeetlinkError):
    """A booking has no link yet, or gets none: see `booking["meeting"]`."""

    def __init__(self, booking: Booking) -> None:
        meeting = booking["meeting"]
        super().__init__(f"The meeting is {meeting['state']}: {meeting['detail'] or meeting['reason']}")
        self.booking = booking
