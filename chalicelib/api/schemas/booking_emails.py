"""A booking's emails: what callers receive about them, and whose calendar file they request."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from chalicelib.api.schemas.fields import (
    CalendarFilePath,
    Email,
    EmailAddress,
    Timestamp,
    format_optional_timestamp,
    format_timestamp,
)
from chalicelib.domain.answers import Choice, answer_of, other_answers
from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import EntryOwner, InvitationState, Role, Trouble, calendar_file_path, is_emailed
from chalicelib.domain.invitation import Invitation as DomainInvitation
from chalicelib.store.booking_records import Record

AnswerOutdated = Annotated[
    bool, Meta(description="Whether the answer is to an earlier time of the booking", examples=[False])
]


class InviteQuery(Struct, forbid_unknown_fields=True):
    """Whose invitation to get."""

    email: Annotated[Email | None, Meta(description="The address of the host, or of a guest or a former one")] = field(
        default=None, name="for"
    )


class BookingEmails(Struct):
    """Whether meetlink emails the guests and the host. You email those who are switched off."""

    guests: Annotated[bool, Meta(description="Whether meetlink emails the guests", examples=[True])]
    host: Annotated[bool, Meta(description="Whether meetlink emails the host", examples=[True])]


class Invitation(Struct):
    """The last invitation of one person. `reason` is why its email did not arrive, or is delayed."""

    email: EmailAddress
    role: Annotated[Role, Meta(description="The host, or a guest")]
    sequence: Annotated[int, Meta(description="iCalendar SEQUENCE (RFC 5545)", examples=[0])]
    state: Annotated[InvitationState, Meta(description="Where the email is", examples=["sent"])]
    reason: Annotated[Trouble | None, Meta(description="Why it did not arrive, or is delayed", examples=[None])]
    sent_at: Annotated[Timestamp | None, Meta(description="When it was sent, RFC 3339 in UTC; null: it was not")]
    calendar_file_path: CalendarFilePath | None
    answer: Annotated[
        Choice | None, Meta(description="Whether the person comes; null: no answer", examples=["accepted"])
    ]
    answered_at: Annotated[Timestamp | None, Meta(description="Since when this is the answer, RFC 3339 in UTC")]
    answer_outdated: AnswerOutdated


class OtherAnswer(Struct):
    """An answer from an address that the booking does not have: a guest's other address. It counts for no one."""

    email: Annotated[str, Meta(description="The address that answered", examples=["guest@example.org"])]
    answer: Annotated[Choice, Meta(description="Whether this person comes", examples=["accepted"])]
    answered_at: Annotated[Timestamp, Meta(description="Since when this is the answer, RFC 3339 in UTC")]
    answer_outdated: AnswerOutdated


class EmailsWaiting(Struct):
    """Why emails of a booking are not sent yet, and when they are tried again."""

    reason: Annotated[
        Literal["allowance_used_up"],
        Meta(description="`allowance_used_up`: the workspace has sent as many emails as its operator allows"),
    ]
    until: Annotated[Timestamp, Meta(description="When they are tried again, RFC 3339 in UTC")]


def format_emails(booking: Booking) -> BookingEmails:
    return BookingEmails(is_emailed(booking, Role.GUEST), is_emailed(booking, Role.HOST))


def format_wait(until: datetime | None) -> EmailsWaiting | None:
    return EmailsWaiting("allowance_used_up", format_timestamp(until)) if until else None


def format_invitations(record: Record) -> list[Invitation]:
    return [_format_invitation(record, invitation) for invitation in record.settlement.invitations]


def format_other_answers(record: Record) -> list[OtherAnswer]:
    return [
        OtherAnswer(
            email=answer.email or "",
            answer=answer.choice,
            answered_at=format_timestamp(answer.answered_at),
            answer_outdated=answer.is_outdated(record.booking),
        )
        for answer in other_answers(record.booking, record.answers)
    ]


def _format_invitation(record: Record, invitation: DomainInvitation) -> Invitation:
    answer, email = answer_of(record.answers, invitation.email), invitation.email
    has_file = invitation.entry_owner is EntryOwner.OURS
    return Invitation(
        email=invitation.email,
        role=invitation.role,
        sequence=invitation.sequence,
        state=invitation.shown_state,
        reason=invitation.reason,
        sent_at=format_optional_timestamp(invitation.sent_at),
        calendar_file_path=calendar_file_path(record.booking.booking_id, email) if has_file else None,
        answer=answer.choice if answer else None,
        answered_at=format_optional_timestamp(answer.answered_at if answer else None),
        answer_outdated=answer is not None and answer.is_outdated(record.booking),
    )
