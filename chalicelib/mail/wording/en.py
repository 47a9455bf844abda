"""English."""

from __future__ import annotations

from chalicelib.domain.invitation import Trouble
from chalicelib.mail.wording.texts import Letter, Occasion, Wording

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
    invited=Occasion(
        label="Invitation",
        subject="Invitation: {title}, {when}",
        to_guest="Your appointment with {host} is booked.",
        to_host="You have a new booking.",
    ),
    updated=Occasion(
        label="Updated",
        subject="Updated: {title}, {when}",
        to_guest="Your appointment with {host} has changed. These details replace the earlier ones.",
        to_host="This booking has changed. These details replace the earlier ones.",
    ),
    cancelled=Occasion(
        label="Cancelled",
        subject="Cancelled: {title}, {when}",
        to_guest="Your appointment with {host} has been cancelled. It will not take place.",
        to_host="This booking has been cancelled. It will not take place.",
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
    link_follows="Video meeting. The link is being prepared and will follow in an update to this invitation.",
    no_link_guest="Video meeting. There is no link yet: please reply to this mail to ask your host how to join.",
    no_link_host="Video meeting. No link could be made: please tell your guests how to join.",
    join="Join the meeting",
    join_at="Join the meeting: {link}",
    link_below_button="Or open this link:",
    reschedule="Reschedule",
    cancel="Cancel the appointment",
    change_by_reply="To reschedule or cancel, reply to this mail.",
    add_to_calendar="Not in your calendar yet? Add it:",
    entry_file="or open the attached file invite.ics",
    footer="Sent by {service}.",
    reconnect=Letter(
        subject="Reconnect {provider} to keep your meeting links coming",
        heading="{provider} needs to be reconnected",
        paragraphs=(
            "{provider} no longer lets us make meetings with the account {account}.",
            "New bookings are accepted, and wait for their link until the account is connected again. "
            "Links that were sent already keep working.",
        ),
        button="Reconnect {provider}",
        footnote="This link works once and for eight days. Sign in with the same account.",
    ),
    undelivered=Letter(
        subject="Not delivered: mail to {guest} about {title}",
        heading="A mail did not arrive",
        paragraphs=(
            "Our mail to {guest} about “{title}” on {when} was not delivered. {why}",
            "Please check the address, and tell {guest} in another way when and how to join.",
        ),
    ),
    delayed=Letter(
        subject="Delayed: mail to {guest} about {title}",
        heading="A mail is late",
        paragraphs=(
            "Our mail to {guest} about “{title}” on {when} has not been accepted by the receiving server yet. "
            "It is still being tried.",
            "If the appointment is near, please tell {guest} in another way when and how to join.",
        ),
    ),
    no_meeting=Letter(
        subject="No video link for {title}",
        heading="A video link could not be made",
        paragraphs=(
            "“{title}” on {when} has no video link, and none will be made by itself. {advice}",
            "Please tell your guests in another way how to join.",
        ),
    ),
    not_changed=Letter(
        subject="Meeting not changed: {title}",
        heading="A video meeting could not be changed",
        paragraphs=(
            "“{title}” is now on {when}, but its video meeting still has the earlier details. {advice}",
            "Its link was sent to everybody and stays the same. Please see whether it opens at the new time, or tell "
            "your guests in another way how to join.",
        ),
    ),
    not_deleted=Letter(
        subject="Meeting not deleted: {title}",
        heading="A video meeting could not be deleted",
        paragraphs=(
            "“{title}” on {when} needs its video meeting no longer, but it could not be deleted. {advice}",
            "Please delete it yourself: until then its link stays valid.",
        ),
    ),
    why={
        Trouble.COMPLAINT: "It was marked as unwanted. We will not write to this address again.",
        Trouble.HARD_BOUNCE: "The address does not exist or takes no mail. We will not write to it again.",
        Trouble.BLOCKED: "Earlier mails to this address were refused. We will not write to it again.",
        Trouble.REJECTED: "The mail service refused to send it.",
        Trouble.SOFT_BOUNCE: "The receiving server refused it this time; the mailbox may be full.",
    },
)
