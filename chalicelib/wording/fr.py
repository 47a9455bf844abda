"""The French texts."""

from __future__ import annotations

from chalicelib.domain.invitation import Trouble
from chalicelib.domain.meeting import MeetingReason, NoEntry
from chalicelib.wording import plurals
from chalicelib.wording.catalogue import InvitationText, JoinTexts, NoticeText, Plural, Wording
from chalicelib.wording.formats import read_formats

_VOWELS = "AEIOUYÉÈÎÂÔ"


def _time_in(city: str) -> str:
    """Return `heure de Paris`, `heure d’Amsterdam` or `heure du Caire`."""
    if city.startswith("Le "):
        return f"heure du {city[3:]}"
    return f"heure d’{city}" if city[0] in _VOWELS else f"heure de {city}"


WORDING = Wording(
    language="fr",
    formats=read_formats("fr"),
    plural=plurals.one_below_two,
    time_in=_time_in,
    start="{date}, {clock} ({zone})",
    span="{date}, {range} ({zone})",
    long_span="{start}, {start_clock} – {end}, {end_clock} ({zone})",
    invited=InvitationText(
        label="Invitation",
        subject="Invitation : {title}, {when}",
        to_guest="Votre rendez-vous avec {host} est confirmé.",
        to_host="Vous avez une nouvelle réservation.",
    ),
    updated=InvitationText(
        label="Modification",
        subject="Modification : {title}, {when}",
        to_guest="Votre rendez-vous avec {host} a été modifié. Voici les nouvelles informations.",
        to_host="Cette réservation a été modifiée. Voici les nouvelles informations.",
    ),
    cancelled=InvitationText(
        label="Annulation",
        subject="Annulation : {title}, {when}",
        to_guest="Votre rendez-vous avec {host} a été annulé.",
        to_host="Cette réservation a été annulée.",
    ),
    untitled="Rendez-vous",
    when="Quand",
    where="Où",
    host="Avec",
    guests="Invités",
    and_more=Plural("et {count} autres", one="et {count} autre"),
    passcode="Code secret",
    dial_in="Par téléphone",
    details="Détails",
    video="Visioconférence",
    by_phone="Par téléphone",
    in_person="Sur place",
    online="En ligne",
    link_follows="Visioconférence. Le lien vous parviendra bientôt, dans une mise à jour de cette invitation.",
    no_link_guest="Visioconférence. Il n’y a pas encore de lien. Répondez à cet e-mail pour demander à votre hôte "
    "comment participer.",
    no_link_host="Visioconférence. Le lien n’a pas pu être créé. Indiquez à vos invités comment participer.",
    join="Rejoindre la visioconférence",
    join_at="Rejoindre la visioconférence : {link}",
    link_below_button="Ou ouvrez ce lien :",
    reschedule="Déplacer le rendez-vous",
    cancel="Annuler le rendez-vous",
    change_by_reply="Pour déplacer ou annuler le rendez-vous, répondez à cet e-mail.",
    add_to_calendar="Pas encore dans votre agenda ? Ajoutez-le :",
    entry_file="ou ouvrez le fichier joint invite.ics",
    footer="Envoyé par {service}.",
    reconnect=NoticeText(
        subject="Reconnectez {provider} pour continuer à recevoir vos liens",
        heading="{provider} doit être reconnecté",
        paragraphs=(
            "{provider} ne nous permet plus de créer des visioconférences avec le compte {account}.",
            "Nous acceptons toujours les nouvelles réservations. Elles recevront leur lien dès que le compte sera de "
            "nouveau connecté. Les liens déjà envoyés restent valables.",
        ),
        button="Reconnecter {provider}",
        footnote="Ce lien ne fonctionne qu’une fois et expire au bout de huit jours. "
        "Connectez-vous avec le même compte.",
    ),
    undelivered=NoticeText(
        subject="Non remis : e-mail à {guest} au sujet de {title}",
        heading="Un e-mail n’a pas été remis",
        paragraphs=(
            "Notre e-mail à {guest} au sujet de « {title} » ({when}) n’a pas été remis. {why}",
            "Vérifiez l’adresse et indiquez à {guest} par un autre moyen quand et comment participer.",
        ),
    ),
    delayed=NoticeText(
        subject="Retardé : e-mail à {guest} au sujet de {title}",
        heading="Un e-mail est retardé",
        paragraphs=(
            "Notre e-mail à {guest} au sujet de « {title} » ({when}) est retardé : le serveur du destinataire ne l’a "
            "pas encore accepté. Nous continuons d’essayer.",
            "Si le rendez-vous est proche, indiquez à {guest} par un autre moyen quand et comment participer.",
        ),
    ),
    no_meeting=NoticeText(
        subject="Pas de lien vidéo pour {title}",
        heading="Nous n’avons pas pu créer de lien vidéo",
        paragraphs=(
            "« {title} » ({when}) n’a pas de lien vidéo, et nous n’essayons plus d’en créer un. {advice}",
            "Indiquez à vos invités par un autre moyen comment participer.",
        ),
    ),
    not_changed=NoticeText(
        subject="Visioconférence non modifiée : {title}",
        heading="Nous n’avons pas pu modifier une visioconférence",
        paragraphs=(
            "« {title} » a maintenant lieu à cette date : {when}. Mais sa visioconférence garde les anciennes "
            "informations. {advice}",
            "Tout le monde a déjà le lien, qui ne change pas. Vérifiez qu’il s’ouvre à la nouvelle heure, ou indiquez "
            "à vos invités par un autre moyen comment participer.",
        ),
    ),
    not_deleted=NoticeText(
        subject="Visioconférence non supprimée : {title}",
        heading="Nous n’avons pas pu supprimer une visioconférence",
        paragraphs=(
            "« {title} » ({when}) n’a plus besoin de sa visioconférence, mais nous n’avons pas pu la supprimer. "
            "{advice}",
            "Supprimez-la vous-même. D’ici là, son lien fonctionne toujours.",
        ),
    ),
    trouble_reasons={
        Trouble.COMPLAINT: "Il a été signalé comme indésirable. Nous n’écrirons plus à cette adresse.",
        Trouble.HARD_BOUNCE: "L’adresse n’existe pas ou n’accepte pas d’e-mails. Nous n’y écrirons plus.",
        Trouble.BLOCKED: "Des e-mails précédents à cette adresse ont été refusés. Nous n’y écrirons plus.",
        Trouble.REJECTED: "Le service d’envoi a refusé de l’envoyer.",
        Trouble.SOFT_BOUNCE: "Le serveur du destinataire l’a refusé cette fois. La boîte est peut-être pleine.",
    },
    sent_for="Envoyé par {service} pour {workspace}.",
    reasons={
        MeetingReason.LOCATION_NOT_VIDEO: "L’agenda n’est pas réglé sur la vidéo.",
        MeetingReason.NOT_CONNECTED: "Aucun compte vidéo n’était connecté au moment de la réservation.",
        MeetingReason.DISCONNECTED: "Le compte vidéo a été déconnecté avant la création du lien.",
        MeetingReason.DEAUTHORIZED: "La connexion a été interrompue chez le fournisseur.",
        MeetingReason.NOT_UPDATABLE: "Le lien reste valable, mais la visioconférence ne peut plus être modifiée : "
        "son compte est déconnecté.",
        MeetingReason.LEFT_AT_PROVIDER: "La visioconférence n’a pas pu être supprimée chez le fournisseur : "
        "son compte est déconnecté.",
        MeetingReason.RECONNECT_NEEDED: "Le compte vidéo doit être reconnecté. Le lien suivra automatiquement.",
        MeetingReason.PROVIDER_UNAVAILABLE: "Le fournisseur vidéo ne répond pas. Nous continuons d’essayer.",
        MeetingReason.RATE_LIMITED: "Le fournisseur vidéo n’accepte plus de réunions pour l’instant. "
        "Nous réessaierons plus tard.",
        MeetingReason.PROVIDER_REJECTED: "Le fournisseur vidéo a refusé de créer la réunion.",
        MeetingReason.START_PASSED: "Le rendez-vous a commencé avant que le lien ait pu être créé.",
        MeetingReason.INTERNAL_ERROR: "Une erreur interne. Elle a été signalée ; un nouvel essai peut aider.",
    },
    sentences={
        "This account has nowhere to create meetings. Ask its administrator for help, or connect again.": "Ce compte ne permet pas de créer de réunions. Demandez de l’aide à son administrateur, ou reconnectez-le.",
        "The provider creates no more meetings before the booking starts.": "Le fournisseur ne créera plus de réunion avant le début du rendez-vous.",
        "The booking has started, so no meeting is created any more.": "Le rendez-vous a commencé : aucune visioconférence n’est plus créée.",
        "An error on our side prevents this booking from being settled. It was reported. Request a retry later.": "Une erreur de notre côté empêche de finaliser cette réservation. Elle a été signalée. Réessayez plus tard.",
        "A Daily account and its API key (Developers, API keys).": "Un compte Daily et sa clé API (Developers, API keys).",
        "Your Daily plan limits how many rooms exist at a time. Each upcoming booking has one, until an hour after it ends. Daily bills by participant minutes.": "Votre forfait Daily limite le nombre de salles simultanées. Chaque réservation à venir en utilise une, jusqu’à une heure après sa fin. Daily facture à la minute par participant.",
        "It gives access to your whole Daily domain.": "Elle donne accès à tout votre domaine Daily.",
        "Daily refuses to create the room. Check on Daily's dashboard whether your plan's rooms are used up or another limit is reached.": "Daily refuse de créer la salle. Vérifiez dans le tableau de bord de Daily si les salles de votre forfait sont épuisées ou si une autre limite est atteinte.",
        "Paste the API key exactly as Daily shows it.": "Collez la clé API exactement comme Daily l’affiche.",
        "API key": "Clé API",
        "Meetings of a personal Google account end after 60 minutes if three or more people join.": "Avec un compte Google personnel, les réunions de trois personnes ou plus se terminent au bout de 60 minutes.",
        "Your Google account makes guests knock. In Google Workspace, your administrator can change this: Admin console, Google Meet, Meet safety settings.": "Avec votre compte Google, les invités doivent demander à entrer. Dans Google Workspace, votre administrateur peut modifier cela : console d’administration, Google Meet, paramètres de sécurité de Meet.",
        "The Google API is disabled for this service. Ask its operator to enable it in their Google project.": "L’API Google est désactivée pour ce service. Demandez à son exploitant de l’activer dans son projet Google.",
        "Your organization does not allow this app. Ask your Google Workspace administrator to allow it.": "Votre organisation n’autorise pas cette application. Demandez à votre administrateur Google Workspace de l’autoriser.",
        "This Google account has no calendar. Open Google Calendar once, or connect another account.": "Ce compte Google n’a pas d’agenda. Ouvrez Google Agenda une fois, ou connectez un autre compte.",
        "Google does not accept the meeting's details. Check the booking's title and times.": "Google n’accepte pas les informations de la réunion. Vérifiez le titre et les horaires de la réservation.",
        "Google does not allow this account to create the meeting. Ask your Google Workspace administrator, or connect another account.": "Google n’autorise pas ce compte à créer la réunion. Adressez-vous à votre administrateur Google Workspace, ou connectez un autre compte.",
        "Guests are not on Google's own guest list, so they have to knock. Join on time and admit them.": "Vos invités ne figurent pas sur la liste de Google : ils doivent demander à entrer. Soyez à l’heure et faites-les entrer.",
        "This account's calendar does not offer Google Meet. Turn on Google Meet (in Google Workspace, your administrator can), or connect another account.": "L’agenda de ce compte ne propose pas Google Meet. Activez Google Meet (dans Google Workspace, votre administrateur peut le faire), ou connectez un autre compte.",
        "A Google account with Google Calendar. A Workspace administrator may have to allow the app first.": "Un compte Google avec Google Agenda. Un administrateur Workspace doit parfois d’abord autoriser l’application.",
        "Every booking also adds an event to your primary Google calendar. If you delete it, it is created again.": "Chaque réservation ajoute aussi un événement à votre agenda Google principal. Si vous le supprimez, il est recréé.",
        "Guests have to knock, because the permission to change the settings of your Meet calls is missing. Connect again and leave its box ticked.": "Vos invités doivent demander à entrer, car l’autorisation de modifier les paramètres de vos appels Meet manque. Reconnectez-vous en laissant la case cochée.",
        "A Google account. A Workspace administrator may have to allow the app first.": "Un compte Google. Un administrateur Workspace doit parfois d’abord autoriser l’application.",
        "Google gets neither title nor times, and cannot delete rooms: when a booking is cancelled, its room is closed to everyone. Each host can have at most 10 new rooms a minute.": "Google ne reçoit ni titre ni horaires, et ne peut pas supprimer de salles : quand une réservation est annulée, sa salle est fermée à tous. Chaque hôte peut avoir au plus 10 nouvelles salles par minute.",
        "A JaaS account at 8x8 and an API key.": "Un compte JaaS chez 8x8 et une clé API.",
        "8x8 bills by monthly active users.": "8x8 facture selon le nombre d’utilisateurs actifs par mois.",
        "App ID": "Identifiant de l’application",
        "It begins with vpaas-magic-cookie-.": "Il commence par vpaas-magic-cookie-.",
        "Key ID": "Identifiant de la clé",
        "The API key's ID, with or without the App ID before it.": "L’identifiant de la clé API, précédé ou non de celui de l’application.",
        "Private key": "Clé privée",
        "The file, from BEGIN to END.": "Le fichier, de BEGIN à END.",
        "The App ID is incomplete: it begins with vpaas-magic-cookie-.": "L’identifiant de l’application est incomplet : il commence par vpaas-magic-cookie-.",
        "Enter the Key ID as the JaaS console shows it.": "Saisissez l’identifiant de la clé comme la console JaaS l’affiche.",
        "This is the public key. Paste the private key instead.": "C’est la clé publique. Collez plutôt la clé privée.",
        "The private key must have 2048 to 4096 bits. Generate a new one on the JaaS console.": "La clé privée doit avoir de 2048 à 4096 bits. Générez-en une nouvelle dans la console JaaS.",
        "This is not an RSA key in PEM form. Paste the whole file that you saved.": "Ce n’est pas une clé RSA au format PEM. Collez le fichier entier que vous avez enregistré.",
        "Your server must be configured for this, as docs/providers.md describes: by default, Jitsi makes every guest a moderator.": "Votre serveur doit être configuré pour cela, comme le décrit docs/providers.md : par défaut, Jitsi fait de chaque invité un modérateur.",
        "Your guests wait until you sign in at https://meet.jit.si: open the meeting first and choose “I am the host”.": "Vos invités attendent que vous vous connectiez à https://meet.jit.si : ouvrez la réunion en premier et choisissez « Je suis l’hôte ».",
        "Join before your guests do: on this server, the first person in the meeting becomes its moderator.": "Entrez avant vos invités : sur ce serveur, la première personne présente devient modératrice.",
        "No account, or your own Jitsi server.": "Aucun compte nécessaire. Vous pouvez aussi utiliser votre propre serveur Jitsi.",
        "On meet.jit.si, guests wait until one person has signed in there.": "Sur meet.jit.si, les invités attendent qu’une personne s’y soit connectée.",
        "Server": "Serveur",
        "Leave empty for https://meet.jit.si.": "Laissez vide pour https://meet.jit.si.",
        "Only if your server requires tokens.": "Seulement si votre serveur exige des jetons.",
        "App secret": "Secret de l’application",
        "Audience": "Audience (aud)",
        "Only if your server does not accept “jitsi”.": "Seulement si votre serveur n’accepte pas « jitsi ».",
        "Enter both the App ID and the App secret, or leave both empty.": "Saisissez l’identifiant et le secret de l’application, ou laissez les deux vides.",
        "The App secret is too short: it must have at least 14 characters.": "Le secret de l’application est trop court : il lui faut au moins 14 caractères.",
        "Leave the Audience empty if your server does not require tokens.": "Laissez l’audience vide si votre serveur n’exige pas de jetons.",
        "Enter only the server's address, such as https://meet.example.com.": "Saisissez seulement l’adresse du serveur, par exemple https://meet.example.com.",
        "This is a personal Microsoft account. Teams meetings need a work or school account: sign in with another one.": "C’est un compte Microsoft personnel. Les réunions Teams exigent un compte professionnel ou scolaire : connectez-vous avec un autre compte.",
        "Your organization's Teams policy keeps guests in the lobby. Your Microsoft 365 administrator can change it in the Teams admin center under Meetings, Meeting policies: “Anonymous users can join a meeting” and “Who can bypass the lobby”.": "La stratégie Teams de votre organisation garde les invités dans la salle d’attente. Votre administrateur Microsoft 365 peut la modifier dans le centre d’administration Teams, sous Réunions, Stratégies de réunion : « Anonymous users can join a meeting » et « Who can bypass the lobby ».",
        "Microsoft Teams does not accept the meeting's details. Check the booking's title and times.": "Microsoft Teams n’accepte pas les informations de la réunion. Vérifiez le titre et les horaires de la réservation.",
        "Microsoft does not allow this account to create Teams meetings. Ask your Microsoft 365 administrator for a Teams licence and a policy that allows scheduling meetings.": "Microsoft n’autorise pas ce compte à créer des réunions Teams. Demandez à votre administrateur Microsoft 365 une licence Teams et une stratégie qui autorise la planification de réunions.",
        "A work or school account with a Teams licence. Its administrator may have to approve the app first.": "Un compte professionnel ou scolaire avec une licence Teams. Son administrateur doit parfois d’abord approuver l’application.",
        "Personal accounts do not work. Teams allows 2000 meetings a month for each host.": "Les comptes personnels ne fonctionnent pas. Teams autorise 2000 réunions par mois et par hôte.",
        "Microsoft finds no Teams for this account. Ask your Microsoft 365 administrator for a Teams licence.": "Microsoft ne trouve pas Teams pour ce compte. Demandez une licence Teams à votre administrateur Microsoft 365.",
        "Webex meetings can last at most 23 hours and 59 minutes. Shorten the booking, or use another location.": "Les réunions Webex durent au plus 23 heures et 59 minutes. Raccourcissez la réservation, ou choisissez un autre lieu.",
        "On a free plan, Webex ends meetings after 40 minutes.": "Avec un forfait gratuit, Webex met fin aux réunions au bout de 40 minutes.",
        "Your Webex settings make guests wait in the lobby. Change this on your Webex site under Preferences, Scheduling.": "D’après vos paramètres Webex, les invités patientent dans le lobby. Modifiez cela sur votre site Webex, sous Préférences, Planification.",
        "Your Webex settings block people who are not on Webex's own invitation, so guests cannot join. Change this on your Webex site under Preferences, Scheduling, or ask your Webex administrator.": "Vos paramètres Webex bloquent les personnes qui ne figurent pas sur l’invitation de Webex : vos invités ne peuvent pas entrer. Modifiez cela sur votre site Webex, sous Préférences, Planification, ou adressez-vous à votre administrateur Webex.",
        "Webex does not accept the meeting's details. Check the booking's title and times.": "Webex n’accepte pas les informations de la réunion. Vérifiez le titre et les horaires de la réservation.",
        "Webex does not allow this account to schedule meetings. Ask your Webex administrator for a licence to host meetings. If you have one, connect again.": "Webex n’autorise pas ce compte à planifier des réunions. Demandez une licence d’organisateur à votre administrateur Webex. Si vous en avez une, reconnectez-vous.",
        "A Webex account that may host meetings.": "Un compte Webex autorisé à organiser des réunions.",
        "Webex allows 100 new meetings in 24 hours for each host. Meetings last at least ten minutes.": "Webex autorise 100 nouvelles réunions par 24 heures et par hôte. Les réunions durent au moins dix minutes.",
        "Webex finds no meeting site for this account. Ask your Webex administrator for a licence to host meetings.": "Webex ne trouve aucun site de réunion pour ce compte. Demandez une licence d’organisateur à votre administrateur Webex.",
        "This depends on your settings at zoom.us: Settings, Meeting, “Waiting Room” and “Allow participants to join before host”.": "Cela dépend de vos paramètres sur zoom.us : Paramètres, Réunion, « Salle d’attente » et « Autoriser les participants à entrer avant l’hôte ».",
        "Your Zoom settings admit only people who are signed in at Zoom, so guests without an account cannot join.": "Vos paramètres Zoom n’admettent que les personnes connectées à Zoom : les invités sans compte ne peuvent pas entrer.",
        "Zoom does not accept the meeting's details. Check the booking's title and times.": "Zoom n’accepte pas les informations de la réunion. Vérifiez le titre et les horaires de la réservation.",
        "This Zoom user is not allowed to host meetings. Ask your Zoom administrator for a licence or permission.": "Cet utilisateur Zoom n’est pas autorisé à organiser des réunions. Demandez une licence ou une autorisation à votre administrateur Zoom.",
        "A Zoom account. Its administrator may have to allow the app first.": "Un compte Zoom. Son administrateur doit parfois d’abord autoriser l’application.",
        "Zoom allows 100 new or changed meetings a day for each host. On a free account, meetings end after 40 minutes.": "Zoom autorise 100 réunions nouvelles ou modifiées par jour et par hôte. Avec un compte gratuit, les réunions se terminent au bout de 40 minutes.",
    },
    join_page=JoinTexts(
        when="Quand",
        host="Avec",
        early="Vous êtes en avance.",
        opens="Vous pourrez entrer le {date} à partir de {clock}. "
        "Gardez cette page ouverte : vous entrerez automatiquement.",
        look_again="Vérifier maintenant",
        unready_title="Un instant, s’il vous plaît",
        unready="La visioconférence ne peut pas être ouverte pour le moment. Cette page réessaie automatiquement.",
        crowded="Beaucoup de personnes entrent en ce moment. Cette page réessaie dans quelques secondes.",
        try_again="Réessayer maintenant",
        no_entry={
            NoEntry.CANCELLED: "Ce rendez-vous a été annulé.",
            NoEntry.OVER: "Ce rendez-vous est terminé.",
            NoEntry.NOT_VIDEO: "Ce rendez-vous n’a plus lieu en vidéo. Consultez votre dernière invitation.",
            NoEntry.NOT_MADE: "La visioconférence n’a pas pu être créée. Adressez-vous à votre hôte.",
            NoEntry.NOT_CONNECTED: "Le compte vidéo de votre hôte n’est plus connecté. Adressez-vous à votre hôte.",
            NoEntry.REMOVED: "Cette visioconférence a été supprimée chez le fournisseur. Adressez-vous à votre hôte.",
            NoEntry.REFUSED: "Le compte vidéo de votre hôte ne laisse entrer personne. Adressez-vous à votre hôte.",
        },
        refused="Ce lien n’ouvre aucune visioconférence",
        unknown="Le lien est incomplet ou a été remplacé. Ouvrez-le depuis votre dernière invitation. "
        "Si cela ne suffit pas, demandez un nouveau lien à votre hôte.",
        uninvited="Vous n’êtes plus invité à ce rendez-vous. Si vous devriez l’être, demandez une nouvelle invitation "
        "à votre hôte.",
    ),
)
