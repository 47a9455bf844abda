"""The German texts of the workspace's own pages."""

from __future__ import annotations

from chalicelib.domain.workspace import MemberRole
from chalicelib.wording.workspace_texts import MembersTexts, ShellTexts, WorkspaceTexts

WORKSPACE_TEXTS = WorkspaceTexts(
    shell=ShellTexts(
        skip="Zum Inhalt springen",
        navigation="Seiten des Workspace",
        pages={
            "overview": "Übersicht",
            "bookings": "Buchungen",
            "people": "Personen",
            "webhooks": "Webhook-Zustellung",
            "calendars": "Kalender",
            "brand": "Marke und E-Mails",
            "members": "Mitglieder",
            "keys": "API-Schlüssel",
            "audit": "Protokoll",
        },
        roles={MemberRole.ADMIN: "Administration", MemberRole.SUPPORT: "Betreuung"},
        sign_out="Abmelden",
        more="Nächste Seite",
        first="Erste Seite",
        read_only="Nur Administratoren können hier etwas ändern.",
        sign_in_title="Bei Ihrem Workspace anmelden",
        sign_in_intro="Geben Sie Ihre E-Mail-Adresse ein. Wenn sie zu einem Mitglied eines Workspace gehört, schicken wir Ihnen einen Link.",
        email="E-Mail-Adresse",
        send_link="Link per E-Mail senden",
        sent_title="Sehen Sie in Ihr Postfach",
        sent="Wenn {email} zu einem Mitglied eines Workspace gehört, ist eine E-Mail mit einem Link unterwegs. Der Link lässt sich einmal verwenden, zehn Minuten lang.",
        sent_late="Nach einigen Minuten noch nichts? Sehen Sie im Spam-Ordner nach, oder {again}. In einer Stunde sind drei Links möglich.",
        ask_again="fordern Sie einen neuen Link an",
        link_title="Bei {workspace} anmelden",
        choose_title="Workspace wählen",
        link_intro="Melden Sie sich an, um die Buchungen des Workspace in diesem Browser zu sehen und zu verwalten.",
        sign_in_to="Bei {workspace} anmelden",
        signed_out="Sie sind abgemeldet.",
        errors={
            "link_expired": "Dieser Link ist abgelaufen oder wurde schon verwendet. Fordern Sie einen neuen an.",
            "no_session": "Bitte melden Sie sich an. Sie haben sich abgemeldet, Ihre Sitzung ist beendet, oder Sie sind kein Mitglied mehr.",
            "csrf": "Dieses Formular ist veraltet, deshalb wurde nichts geändert. Bitte versuchen Sie es noch einmal.",
            "not_admin": "Das können nur Administratoren des Workspace.",
        },
    ),
    members=MembersTexts(
        intro="Mitglieder können diese Seiten öffnen. Die Betreuung liest alles, versucht Buchungen erneut und sendet E-Mails und Webhooks noch einmal. Administratoren ändern auch Einstellungen, Mitglieder und Schlüssel.",
        email="E-Mail-Adresse",
        role="Rolle",
        actions="Aktionen",
        you="Sie",
        remove="Entfernen",
        remove_whom="({email})",
        change_role={MemberRole.ADMIN: "Zum Administrator machen", MemberRole.SUPPORT: "Zur Betreuung machen"},
        add_title="Mitglied hinzufügen",
        add="Hinzufügen",
        empty="Es gibt noch keine Mitglieder.",
        added="Hinzugefügt. Die Person kann sich jetzt mit dieser Adresse anmelden.",
        removed="Entfernt. Die Sitzungen der Person sind beendet.",
        changed="Die Rolle wurde geändert.",
        problems={
            "email": "Das ist keine E-Mail-Adresse.",
            "exists": "Diese Adresse gehört schon zu einem Mitglied.",
            "too_many": "Der Workspace hat so viele Mitglieder wie möglich. Entfernen Sie zuerst eines.",
            "yourself": "Sie können sich nicht selbst entfernen und nicht Ihre eigene Rolle ändern. Bitten Sie einen anderen Administrator darum.",
        },
    ),
)
