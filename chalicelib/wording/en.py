"""The English texts."""

from __future__ import annotations

from chalicelib.domain.invitation import Trouble
from chalicelib.domain.meeting import NoEntry
from chalicelib.domain.reason_texts import MEETING_REASON_TEXTS
from chalicelib.wording import plurals
from chalicelib.wording.catalogue import InvitationText, JoinTexts, NoticeText, Plural, Wording
from chalicelib.wording.formats import read_formats

WORDING = Wording(
    language="en",
    formats=read_formats("en"),
    plural=plurals.one_or_other,
    time_in="{} time".format,
    start="{date}, {clock} ({zone})",
    span="{date}, {range} ({zone})",
    long_span="{start}, {start_clock} – {end}, {end_clock} ({zone})",
    invited=InvitationText(
        label="Invitation",
        subject="Invitation: {title}, {when}",
        to_guest="Your appointment with {host} is booked.",
        to_host="You have a new booking.",
    ),
    updated=InvitationText(
        label="Updated",
        subject="Updated: {title}, {when}",
        to_guest="Your appointment with {host} has changed. These are the new details.",
        to_host="This booking has changed. These are the new details.",
    ),
    cancelled=InvitationText(
        label="Cancelled",
        subject="Cancelled: {title}, {when}",
        to_guest="Your appointment with {host} has been cancelled.",
        to_host="This booking has been cancelled.",
    ),
    untitled="Appointment",
    when="When",
    where="Where",
    host="With",
    guests="Guests",
    and_more=Plural("and {count} more", one="and {count} more"),
    passcode="Passcode",
    dial_in="By phone",
    details="Details",
    video="Video meeting",
    by_phone="By phone",
    in_person="In person",
    online="Online",
    link_follows="Video meeting. The link will follow soon, in an update to this invitation.",
    no_link_guest="Video meeting. There is no link yet. Please reply to this email to ask your host how to join.",
    no_link_host="Video meeting. The link could not be created. Please let your guests know how to join.",
    join="Join the meeting",
    join_at="Join the meeting: {link}",
    link_below_button="Or open this link:",
    reschedule="Reschedule",
    cancel="Cancel the appointment",
    change_by_reply="To reschedule or cancel, reply to this email.",
    add_to_calendar="Not in your calendar yet? Add it:",
    entry_file="or open the attached file invite.ics",
    footer="Sent by {service}.",
    reconnect=NoticeText(
        subject="Reconnect {provider} to keep your meeting links coming",
        heading="{provider} needs to be reconnected",
        paragraphs=(
            "{provider} no longer lets us create meetings with the account {account}.",
            "We still accept new bookings. They get their links when the account is connected again. "
            "Links that were already sent keep working.",
        ),
        button="Reconnect {provider}",
        footnote="This link works once, and expires after eight days. Sign in with the same account.",
    ),
    undelivered=NoticeText(
        subject="Not delivered: email to {guest} about {title}",
        heading="An email was not delivered",
        paragraphs=(
            "Our email to {guest} about “{title}” on {when} was not delivered. {why}",
            "Please check the address, and let {guest} know in another way when and how to join.",
        ),
    ),
    delayed=NoticeText(
        subject="Delayed: email to {guest} about {title}",
        heading="An email is delayed",
        paragraphs=(
            "Our email to {guest} about “{title}” on {when} is delayed: the receiving server has not accepted it yet. "
            "We keep trying.",
            "If the appointment is soon, please let {guest} know in another way when and how to join.",
        ),
    ),
    no_meeting=NoticeText(
        subject="No video link for {title}",
        heading="We could not create a video link",
        paragraphs=(
            "“{title}” on {when} has no video link, and we have stopped trying to create one. {advice}",
            "Please let your guests know in another way how to join.",
        ),
    ),
    not_changed=NoticeText(
        subject="Meeting not changed: {title}",
        heading="We could not change a video meeting",
        paragraphs=(
            "“{title}” is now on {when}, but its video meeting still has the old details. {advice}",
            "Everyone already has its link, which stays the same. Please check that it opens at the new time, or let "
            "your guests know in another way how to join.",
        ),
    ),
    not_deleted=NoticeText(
        subject="Meeting not deleted: {title}",
        heading="We could not delete a video meeting",
        paragraphs=(
            "“{title}” on {when} no longer needs its video meeting, but we could not delete it. {advice}",
            "Please delete the meeting yourself. Until then, its link keeps working.",
        ),
    ),
    trouble_reasons={
        Trouble.COMPLAINT: "It was marked as spam. We will not email this address again.",
        Trouble.HARD_BOUNCE: "The address does not exist or does not accept email. We will not email it again.",
        Trouble.BLOCKED: "Earlier emails to this address were refused. We will not email it again.",
        Trouble.REJECTED: "The email service refused to send it.",
        Trouble.SOFT_BOUNCE: "The receiving server refused it this time. The mailbox may be full.",
    },
    sent_for="Sent by {service} for {workspace}.",
    reasons=MEETING_REASON_TEXTS,
    sentences={},
    join_page=JoinTexts(
        when="When",
        host="With",
        early="You are early.",
        opens="You can join from {clock} on {date}. Keep this page open and we'll let you in automatically.",
        look_again="Check again now",
        unready_title="One moment, please",
        unready="The meeting cannot be opened right now. This page tries again automatically.",
        crowded="Many people are joining right now. This page tries again in a few seconds.",
        try_again="Try again now",
        no_entry={
            NoEntry.CANCELLED: "This meeting was cancelled.",
            NoEntry.OVER: "This meeting is over.",
            NoEntry.NOT_VIDEO: "This meeting is no longer held by video. See your newest invitation.",
            NoEntry.NOT_MADE: "The video meeting could not be created. Please ask the host.",
            NoEntry.NOT_CONNECTED: "The host's video account is no longer connected. Please ask the host.",
            NoEntry.REMOVED: "This meeting was deleted at the video provider. Please ask the host.",
            NoEntry.REFUSED: "The host's video account does not let anyone in. Please ask the host.",
        },
        refused="This link does not open a meeting",
        unknown="The link is incomplete or was replaced. Open it from your newest invitation. "
        "If that does not help, ask the host for a new one.",
        uninvited="You are no longer invited to this meeting. If you should be, ask the host for a new invitation.",
    ),
)
