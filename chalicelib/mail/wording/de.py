"""German."""

from __future__ import annotations

from chalicelib.domain.invitation import Trouble
from chalicelib.mail.wording.texts import Letter, Occasion, Wording

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
    invited=Occasion(
        label="Einladung",
        subject="Einladung: {title}, {when}",
        to_guest="Ihr Termin mit {host} ist gebucht.",
        to_host="Sie haben eine neue Buchung.",
    ),
    updated=Occasion(
        label="Geändert",
        subject="Geändert: {title}, {when}",
        to_guest="Ihr Termin mit {host} hat sich geändert. Diese Angaben ersetzen die früheren.",
        to_host="Diese Buchung hat sich geändert. Diese Angaben ersetzen die früheren.",
    ),
    cancelled=Occasion(
        label="Abgesagt",
        subject="Abgesagt: {title}, {when}",
        to_guest="Ihr Termin mit {host} wurde abgesagt. Er findet nicht statt.",
        to_host="Diese Buchung wurde abgesagt. Der Termin findet nicht statt.",
    ),
    untitled="Termin",
    when="Wann",
    where="Wo",
    host="Mit",
    guests="Gäste",
    and_more="und {count} weitere",
    passcode="Kenncode",
    dial_in="Per Telefon",
    details="Einzelheiten",
    video="Videokonferenz",
    by_phone="Per Telefon",
    in_person="Vor Ort",
    online="Online",
    link_follows="Videokonferenz. Der Link wird noch erstellt und folgt als Aktualisierung dieser Einladung.",
    no_link_guest="Videokonferenz. Es gibt noch keinen Link: Bitte fragen Sie mit einer Antwort auf diese Mail, "
    "wie Sie teilnehmen können.",
    no_link_host="Videokonferenz. Es konnte kein Link erstellt werden: Bitte teilen Sie Ihren Gästen mit, "
    "wie sie teilnehmen können.",
    join="An der Besprechung teilnehmen",
    join_at="An der Besprechung teilnehmen: {link}",
    link_below_button="Oder öffnen Sie diesen Link:",
    reschedule="Termin verschieben",
    cancel="Termin absagen",
    change_by_reply="Zum Verschieben oder Absagen antworten Sie einfach auf diese Mail.",
    add_to_calendar="Noch nicht in Ihrem Kalender? Hier eintragen:",
    entry_file="oder die angehängte Datei invite.ics öffnen",
    footer="Gesendet von {service}.",
    reconnect=Letter(
        subject="{provider} neu verbinden, damit Ihre Buchungen weiter Links erhalten",
        heading="{provider} muss neu verbunden werden",
        paragraphs=(
            "{provider} lässt uns mit dem Konto {account} keine Besprechungen mehr anlegen.",
            "Neue Buchungen werden angenommen und warten auf ihren Link, bis das Konto wieder verbunden ist. "
            "Bereits versandte Links funktionieren weiter.",
        ),
        button="{provider} neu verbinden",
        footnote="Dieser Link gilt einmal und acht Tage lang. Melden Sie sich mit demselben Konto an.",
    ),
    undelivered=Letter(
        subject="Nicht zugestellt: Mail an {guest} zu {title}",
        heading="Eine Mail kam nicht an",
        paragraphs=(
            "Unsere Mail an {guest} zu „{title}“ am {when} wurde nicht zugestellt. {why}",
            "Bitte prüfen Sie die Adresse und teilen Sie {guest} auf anderem Weg mit, wann und wie der Termin "
            "stattfindet.",
        ),
    ),
    delayed=Letter(
        subject="Verspätet: Mail an {guest} zu {title}",
        heading="Eine Mail verspätet sich",
        paragraphs=(
            "Unsere Mail an {guest} zu „{title}“ am {when} wurde vom Server des Empfängers noch nicht angenommen. "
            "Wir versuchen es weiter.",
            "Falls der Termin bald stattfindet, teilen Sie {guest} bitte auf anderem Weg mit, wann und wie.",
        ),
    ),
    no_meeting=Letter(
        subject="Kein Videolink für {title}",
        heading="Ein Videolink konnte nicht erstellt werden",
        paragraphs=(
            "„{title}“ am {when} hat keinen Videolink, und von selbst kommt keiner mehr. {advice}",
            "Bitte teilen Sie Ihren Gästen auf anderem Weg mit, wie sie teilnehmen können.",
        ),
    ),
    not_changed=Letter(
        subject="Besprechung nicht geändert: {title}",
        heading="Eine Videobesprechung konnte nicht geändert werden",
        paragraphs=(
            "„{title}“ ist jetzt am {when}, aber die Videobesprechung hat noch die früheren Angaben. {advice}",
            "Ihr Link ging an alle und bleibt derselbe. Bitte prüfen Sie, ob er sich zur neuen Zeit öffnen lässt, oder "
            "teilen Sie Ihren Gästen auf anderem Weg mit, wie sie teilnehmen können.",
        ),
    ),
    not_deleted=Letter(
        subject="Besprechung nicht gelöscht: {title}",
        heading="Eine Videobesprechung konnte nicht gelöscht werden",
        paragraphs=(
            "„{title}“ am {when} braucht die Videobesprechung nicht mehr, aber sie ließ sich nicht löschen. {advice}",
            "Bitte löschen Sie sie selbst: bis dahin bleibt ihr Link gültig.",
        ),
    ),
    why={
        Trouble.COMPLAINT: "Sie wurde als unerwünscht markiert. Wir schreiben nicht mehr an diese Adresse.",
        Trouble.HARD_BOUNCE: "Die Adresse gibt es nicht, oder sie nimmt keine Mails an. "
        "Wir schreiben nicht mehr an sie.",
        Trouble.BLOCKED: "Frühere Mails an diese Adresse wurden abgewiesen. Wir schreiben nicht mehr an sie.",
        Trouble.REJECTED: "Der Maildienst hat den Versand abgelehnt.",
        Trouble.SOFT_BOUNCE: "Der Server des Empfängers hat sie diesmal abgewiesen; vielleicht ist das Postfach voll.",
    },
)
