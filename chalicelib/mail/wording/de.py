"""The German texts."""

from __future__ import annotations

from chalicelib.domain.invitation import Trouble
from chalicelib.mail.wording.texts import InvitationText, NoticeText, Wording

GERMAN = Wording(
    language="de",
    weekdays=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    short_weekdays=("Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So."),
    months=(
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ),
    short_months=("Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez."),
    date="{weekday}, {day}. {month} {year}",
    short_time="{date}, {clock} Uhr ({abbreviation})",
    same_day="{date}, {start} – {end} Uhr ({zone})",
    over_days="{date}, {start} Uhr – {end_date}, {end} Uhr ({zone})",
    invited=InvitationText(
        label="Einladung",
        subject="Einladung: {title}, {when}",
        to_guest="Ihr Termin mit {host} ist gebucht.",
        to_host="Sie haben eine neue Buchung.",
    ),
    updated=InvitationText(
        label="Geändert",
        subject="Geändert: {title}, {when}",
        to_guest="Ihr Termin mit {host} hat sich geändert. Hier sind die neuen Angaben.",
        to_host="Diese Buchung hat sich geändert. Hier sind die neuen Angaben.",
    ),
    cancelled=InvitationText(
        label="Abgesagt",
        subject="Abgesagt: {title}, {when}",
        to_guest="Ihr Termin mit {host} wurde abgesagt.",
        to_host="Diese Buchung wurde abgesagt.",
    ),
    untitled="Termin",
    when="Wann",
    where="Wo",
    host="Mit",
    guests="Gäste",
    and_more="und {count} weitere",
    passcode="Kenncode",
    dial_in="Per Telefon",
    details="Details",
    video="Videokonferenz",
    by_phone="Per Telefon",
    in_person="Vor Ort",
    online="Online",
    link_follows="Videokonferenz. Sie erhalten den Link in Kürze mit einer Aktualisierung dieser Einladung.",
    no_link_guest="Videokonferenz. Es gibt noch keinen Link. Bitte antworten Sie auf diese E-Mail und fragen Sie, "
    "wie Sie teilnehmen können.",
    no_link_host="Videokonferenz. Der Link konnte nicht erstellt werden. Bitte teilen Sie Ihren Gästen mit, "
    "wie sie teilnehmen können.",
    join="An der Besprechung teilnehmen",
    join_at="An der Besprechung teilnehmen: {link}",
    link_below_button="Oder öffnen Sie diesen Link:",
    reschedule="Termin verschieben",
    cancel="Termin absagen",
    change_by_reply="Zum Verschieben oder Absagen antworten Sie einfach auf diese E-Mail.",
    add_to_calendar="Noch nicht in Ihrem Kalender? Hier eintragen:",
    entry_file="oder die angehängte Datei invite.ics öffnen",
    footer="Gesendet von {service}.",
    reconnect=NoticeText(
        subject="{provider} neu verbinden, damit Ihre Buchungen weiter Links erhalten",
        heading="{provider} muss neu verbunden werden",
        paragraphs=(
            "Mit dem Konto {account} können wir bei {provider} keine Besprechungen mehr anlegen.",
            "Wir nehmen neue Buchungen weiterhin an. Sie erhalten ihren Link, sobald das Konto wieder verbunden ist. "
            "Bereits versandte Links funktionieren weiter.",
        ),
        button="{provider} neu verbinden",
        footnote="Dieser Link gilt nur einmal und läuft nach acht Tagen ab. Melden Sie sich mit demselben Konto an.",
    ),
    undelivered=NoticeText(
        subject="Nicht zugestellt: E-Mail an {guest} zu {title}",
        heading="Eine E-Mail wurde nicht zugestellt",
        paragraphs=(
            "Unsere E-Mail an {guest} zu „{title}“ am {when} wurde nicht zugestellt. {why}",
            "Bitte prüfen Sie die Adresse und teilen Sie {guest} auf anderem Weg mit, wann und wie der Termin "
            "stattfindet.",
        ),
    ),
    delayed=NoticeText(
        subject="Verspätet: E-Mail an {guest} zu {title}",
        heading="Eine E-Mail verspätet sich",
        paragraphs=(
            "Unsere E-Mail an {guest} zu „{title}“ am {when} verspätet sich: Der Server des Empfängers hat sie noch "
            "nicht angenommen. Wir versuchen es weiter.",
            "Falls der Termin bald stattfindet, teilen Sie {guest} bitte auf anderem Weg mit, wann und wie.",
        ),
    ),
    no_meeting=NoticeText(
        subject="Kein Videolink für {title}",
        heading="Wir konnten keinen Videolink erstellen",
        paragraphs=(
            "„{title}“ am {when} hat keinen Videolink, und wir versuchen nicht mehr, einen zu erstellen. {advice}",
            "Bitte teilen Sie Ihren Gästen auf anderem Weg mit, wie sie teilnehmen können.",
        ),
    ),
    not_changed=NoticeText(
        subject="Besprechung nicht geändert: {title}",
        heading="Wir konnten eine Videobesprechung nicht ändern",
        paragraphs=(
            "„{title}“ ist jetzt am {when}, aber die Videobesprechung hat noch die alten Angaben. {advice}",
            "Alle haben bereits den Link, und er bleibt gleich. Bitte prüfen Sie, ob er sich zur neuen Zeit öffnen "
            "lässt, oder teilen Sie Ihren Gästen auf anderem Weg mit, wie sie teilnehmen können.",
        ),
    ),
    not_deleted=NoticeText(
        subject="Besprechung nicht gelöscht: {title}",
        heading="Wir konnten eine Videobesprechung nicht löschen",
        paragraphs=(
            "„{title}“ am {when} braucht die Videobesprechung nicht mehr, aber wir konnten sie nicht löschen. {advice}",
            "Bitte löschen Sie sie selbst. Bis dahin funktioniert ihr Link weiter.",
        ),
    ),
    trouble_reasons={
        Trouble.COMPLAINT: "Sie wurde als Spam markiert. Wir schreiben nicht mehr an diese Adresse.",
        Trouble.HARD_BOUNCE: "Die Adresse gibt es nicht, oder sie nimmt keine E-Mails an. "
        "Wir schreiben nicht mehr an sie.",
        Trouble.BLOCKED: "Frühere E-Mails an diese Adresse wurden abgewiesen. Wir schreiben nicht mehr an sie.",
        Trouble.REJECTED: "Der E-Mail-Dienst hat den Versand abgelehnt.",
        Trouble.SOFT_BOUNCE: "Der Server des Empfängers hat sie diesmal abgewiesen. Vielleicht ist das Postfach voll.",
    },
)
