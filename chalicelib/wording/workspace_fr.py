"""The French texts of the workspace's own pages."""

from __future__ import annotations

from chalicelib.domain.workspace import MemberRole
from chalicelib.wording.workspace_texts import MembersTexts, ShellTexts, WorkspaceTexts

WORKSPACE_TEXTS = WorkspaceTexts(
    shell=ShellTexts(
        skip="Aller au contenu",
        navigation="Pages de l’espace de travail",
        pages={
            "overview": "Vue d’ensemble",
            "bookings": "Réservations",
            "people": "Personnes",
            "webhooks": "Webhooks envoyés",
            "calendars": "Calendriers",
            "brand": "Marque et e-mails",
            "members": "Membres",
            "keys": "Clés d’API",
            "audit": "Journal",
        },
        roles={MemberRole.ADMIN: "Administration", MemberRole.SUPPORT: "Assistance"},
        sign_out="Se déconnecter",
        more="Page suivante",
        first="Première page",
        read_only="Seuls les administrateurs peuvent modifier quelque chose ici.",
        sign_in_title="Se connecter à votre espace de travail",
        sign_in_intro="Saisissez votre adresse e-mail. Si elle appartient à un membre d’un espace de travail, nous vous envoyons un lien.",
        email="Adresse e-mail",
        send_link="Envoyer un lien",
        sent_title="Consultez votre messagerie",
        sent="Si {email} appartient à un membre d’un espace de travail, un e-mail avec un lien est en route. Le lien fonctionne une fois, pendant dix minutes.",
        sent_late="Toujours rien après quelques minutes ? Vérifiez le dossier des indésirables, ou {again}. Trois liens peuvent être demandés par heure.",
        ask_again="demandez un autre lien",
        link_title="Se connecter à {workspace}",
        choose_title="Choisir un espace de travail",
        link_intro="Connectez-vous pour voir et gérer les réservations de l’espace de travail dans ce navigateur.",
        sign_in_to="Se connecter à {workspace}",
        signed_out="Vous êtes déconnecté.",
        errors={
            "link_expired": "Ce lien a expiré ou a déjà été utilisé. Demandez-en un autre.",
            "no_session": "Veuillez vous connecter. Vous vous êtes déconnecté, votre session est terminée ou vous n’êtes plus membre.",
            "csrf": "Ce formulaire n’est plus à jour, rien n’a donc été modifié. Veuillez réessayer.",
            "not_admin": "Seuls les administrateurs de l’espace de travail peuvent faire cela.",
        },
    ),
    members=MembersTexts(
        intro="Les membres peuvent ouvrir ces pages. L’assistance lit tout, relance les réservations et renvoie les e-mails et les webhooks. Les administrateurs modifient aussi les réglages, les membres et les clés.",
        email="Adresse e-mail",
        role="Rôle",
        actions="Opérations",
        you="vous",
        remove="Retirer",
        remove_whom="{email} des membres",
        change_role={MemberRole.ADMIN: "Passer en administration", MemberRole.SUPPORT: "Passer en assistance"},
        add_title="Ajouter un membre",
        add="Ajouter",
        empty="Il n’y a pas encore de membres.",
        added="Ajouté. La personne peut maintenant se connecter avec cette adresse.",
        removed="Retiré. Les sessions de la personne sont terminées.",
        changed="Le rôle a été modifié.",
        problems={
            "email": "Ce n’est pas une adresse e-mail.",
            "exists": "Cette adresse appartient déjà à un membre.",
            "too_many": "L’espace de travail a le nombre maximal de membres. Retirez-en d’abord un.",
            "yourself": "Vous ne pouvez ni vous retirer ni changer votre propre rôle. Demandez à un autre administrateur.",
        },
    ),
)
