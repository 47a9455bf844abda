"""The English texts."""

from __future__ import annotations

from chalicelib.domain.invitation import Trouble
from chalicelib.mail.wording.texts import InvitationText, NoticeText, Wording

ENGLISH = Wording(
    language="en",
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    short_weekdays=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    short_months=("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    date="{weekday}, {day} {month} {year}",
    short_time="{date}, {clock} ({abbreviation})",
    same_day="{date}, {start} – {end} ({zone})",
    over_days="{date}, {start} – {end_date}, {end} ({zone})",
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
    and_more="and {count} more",
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
)
