"""Validate what operators set for a workspace. Emails, response headers and pages contain these values."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from chalicelib.api.schemas.members import MembersBody, parse_members
from chalicelib.domain.members import with_members
from chalicelib.domain.plain_text import clean_line, clean_lines, is_web_address
from chalicelib.domain.workspace import TEST_PROVIDER, Workspace
from chalicelib.errors import InvalidInput, MailRejected
from chalicelib.usecases.reminder_settings import RemindersBody, parse_reminders
from chalicelib.validation import convert, requires

LISTS = ("admin_emails", "return_to", "allowed_origins", "frame_ancestors", "providers")
"""Fields of `Workspace` that are lists of texts."""
_MINUTES_PER_DAY = 24 * 60
_MAX_REMINDER_MINUTES = 28 * _MINUTES_PER_DAY
# Exact origins only: a wildcard would also allow pages of other people.
_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?")
Color = Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$(?!\n)"), requires(expected="a color, such as #1A2B3C")]


def _logo_flaw(url: str) -> str | None:
    from chalicelib.mail.sanitize import safe_link

    is_https = not url or str(safe_link(url)).lower().startswith("https://")
    return None if is_https else "This must be an https address: mail programs load no other pictures."


def _sender_flaw(sender: str) -> str | None:
    from chalicelib.mail.addresses import sending_address

    try:
        if sender:
            sending_address(sender)
    except MailRejected as error:
        return str(error)
    return None


def _language_flaw(tag: str) -> str | None:
    from chalicelib.wording import LANGUAGES, find_tag

    return None if find_tag(tag) else f"There are no texts in this language. Choose one of: {', '.join(LANGUAGES)}."


class BrandForm(Struct, forbid_unknown_fields=True):
    """Changes to `Workspace.brand`. An absent field is not changed; null removes its value."""

    name: str | UnsetType | None = UNSET
    color: Color | UnsetType | None = UNSET
    logo_url: Annotated[str, requires(_logo_flaw)] | UnsetType | None = UNSET
    footer: str | UnsetType | None = UNSET
    sender: Annotated[str, requires(_sender_flaw)] | UnsetType | None = UNSET


class EmailsForm(Struct, forbid_unknown_fields=True):
    """Changes to `Workspace.emails`. An absent field is not changed; null removes its value: meetlink then emails."""

    guests: bool | UnsetType | None = UNSET
    host: bool | UnsetType | None = UNSET


class MailForm(Struct):
    """Changes to a workspace's settings of emails and meetings. An absent field is not changed."""

    meetings_at_once: Annotated[int, Meta(ge=1, le=100)] | UnsetType | None = UNSET
    """None: the provider's usual number."""
    hold_minutes: Annotated[int, Meta(ge=0, le=_MINUTES_PER_DAY)] | UnsetType = UNSET
    reminder_minutes: Annotated[int, Meta(ge=0, le=_MAX_REMINDER_MINUTES)] | UnsetType | None = UNSET
    """None: no reminder."""
    brand: BrandForm | UnsetType = UNSET
    emails: EmailsForm | UnsetType = UNSET
    reminders: RemindersBody | UnsetType | None = UNSET
    """Of new bookings. None: the default."""
    language: Annotated[str, requires(_language_flaw)] | UnsetType | None = UNSET
    """Of pages and notices where no one's language is known. None: English."""


def with_mail_settings(workspace: Workspace, request: dict[str, Any]) -> Workspace:
    """Return the workspace with the email settings of the request. Raises `InvalidInput`."""
    form = convert(request, MailForm)
    changes = _set_fields(form)
    if not isinstance(form.brand, UnsetType):
        changes["brand"] = replace(workspace.brand, **_clean_brand(form.brand))
    if not isinstance(form.emails, UnsetType):
        changes["emails"] = replace(workspace.emails, **_set_fields(form.emails))
    if not isinstance(form.reminders, UnsetType):
        changes["reminders"] = parse_reminders(form.reminders)
    return replace(workspace, **changes)


def with_member_list(workspace: Workspace, request: dict[str, Any]) -> Workspace:
    """Return the workspace with the members of the request, if it has any. Raises `InvalidInput`."""
    if "members" not in request:
        return workspace
    return with_members(workspace, parse_members(convert({"members": request["members"]}, MembersBody).members))


def read_lists(request: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `LISTS` that the request contains. Raises `InvalidInput`."""
    lists = {name: _read_texts(name, request[name]) for name in LISTS if name in request}
    for name in ("allowed_origins", "frame_ancestors"):
        for origin in lists.get(name, ()):
            if _ORIGIN.fullmatch(origin) is None:
                raise InvalidInput(f"{origin} in {name} is not an origin, such as https://booking.example.com")
    for address in lists.get("return_to", ()):
        if not is_web_address(address):
            raise InvalidInput(f"{address} in return_to is not an https address, such as https://booking.example.com/a")
    _check_providers(lists.get("providers", ()))
    return lists


def _check_providers(names: tuple[str, ...]) -> None:
    from chalicelib.providers.registry import PROVIDERS

    for name in names:
        if name not in (*PROVIDERS, TEST_PROVIDER):
            raise InvalidInput(f"{name} in providers is not a provider. Choose from: {', '.join(PROVIDERS)}.")
    if len(set(names)) < len(names):
        raise InvalidInput("providers contains a provider twice.")


def _read_texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise InvalidInput(f'{name} must be a list of texts, such as ["one", "two"].')
    return tuple(value)


def _set_fields(form: Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(form).items() if value is not UNSET}


def _clean_brand(form: BrandForm) -> dict[str, str | None]:
    from chalicelib.mail.addresses import sending_address

    brand = _set_fields(form)
    if brand.get("sender"):
        brand["sender"] = sending_address(brand["sender"])
    for name, clean, limit in (("name", clean_line, 100), ("footer", clean_lines, 500)):
        if brand.get(name):
            brand[name] = clean(brand[name], limit) or None
    return brand
