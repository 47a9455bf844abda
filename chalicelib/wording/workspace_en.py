"""The English texts of the workspace's own pages."""

from __future__ import annotations

from chalicelib.domain.workspace import MemberRole
from chalicelib.wording.workspace_texts import MembersTexts, ShellTexts, WorkspaceTexts

WORKSPACE_TEXTS = WorkspaceTexts(
    shell=ShellTexts(
        skip="Skip to the content",
        navigation="Pages of the workspace",
        pages={
            "overview": "Overview",
            "bookings": "Bookings",
            "people": "People",
            "webhooks": "Webhooks",
            "calendars": "Calendars",
            "brand": "Brand and emails",
            "members": "Members",
            "keys": "API keys",
            "audit": "Audit log",
        },
        roles={MemberRole.ADMIN: "Administrator", MemberRole.SUPPORT: "Support"},
        sign_out="Sign out",
        more="Next page",
        first="First page",
        read_only="Only administrators can change something here.",
        sign_in_title="Sign in to your workspace",
        sign_in_intro="Enter your email address. If it belongs to a member of a workspace, we email you a link.",
        email="Email address",
        send_link="Email me a link",
        sent_title="Check your inbox",
        sent="If {email} belongs to a member of a workspace, an email with a link is on its way. The link works once, for ten minutes.",
        sent_late="Nothing after a few minutes? Look in the spam folder, or {again}. Three links can be requested in an hour.",
        ask_again="request another link",
        link_title="Sign in to {workspace}",
        choose_title="Choose a workspace",
        link_intro="Sign in to see and manage the workspace’s bookings in this browser.",
        sign_in_to="Sign in to {workspace}",
        signed_out="You are signed out.",
        errors={
            "link_expired": "This link has expired or was already used. Request another one.",
            "no_session": "Please sign in. You were signed out, your session has ended, or you are no longer a member.",
            "csrf": "This form is out of date, so nothing was changed. Please try again.",
            "not_admin": "Only administrators of the workspace can do this.",
        },
    ),
    members=MembersTexts(
        intro="Members can open these pages. Support reads everything, retries bookings and sends emails and webhooks again. Administrators also change settings, members and keys.",
        email="Email address",
        role="Role",
        actions="Actions",
        you="you",
        remove="Remove",
        remove_whom="{email} from the members",
        change_role={MemberRole.ADMIN: "Make administrator", MemberRole.SUPPORT: "Make support"},
        add_title="Add a member",
        add="Add",
        empty="There are no members yet.",
        added="Added. The person can sign in with this address now.",
        removed="Removed. The person’s sessions have ended.",
        changed="The role was changed.",
        problems={
            "email": "This is not an email address.",
            "exists": "This address already belongs to a member.",
            "too_many": "The workspace has the most members that are possible. Remove one first.",
            "yourself": "You cannot remove yourself or change your own role. Ask another administrator.",
        },
    ),
)
