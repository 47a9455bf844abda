"""How a workspace wants its mails: checked, because what stands here goes into every one of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from chalicelib.domain.plain_text import clean_line, clean_lines
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import MailRejected
from chalicelib.validation import convert, requires

_DAY, _MONTH = 24 * 60, 40320
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


class BrandForm(Struct, forbid_unknown_fields=True):
    """A field that is absent stays as it is, null takes it away."""

    name: str | UnsetType | None = UNSET
    color: Color | UnsetType | None = UNSET
    logo_url: Annotated[str, requires(_logo_flaw)] | UnsetType | None = UNSET
    footer: str | UnsetType | None = UNSET
    sender: Annotated[str, requires(_sender_flaw)] | UnsetType | None = UNSET


class MailForm(Struct):
    """`hold_minutes` and `reminder_minutes` (null: none) are those of `Workspace`."""

    hold_minutes: Annotated[int, Meta(ge=0, le=_DAY)] | UnsetType = UNSET
    reminder_minutes: Annotated[int, Meta(ge=0, le=_MONTH)] | UnsetType | None = UNSET
    brand: BrandForm | UnsetType = UNSET


def with_mail_settings(workspace: Workspace, request: dict[str, Any]) -> Workspace:
    """The workspace with the settings that `request` names. Raises `InvalidInput`."""
    form = convert(request, MailForm)
    named = {name: value for name, value in msgspec.structs.asdict(form).items() if value is not UNSET}
    if not isinstance(form.brand, UnsetType):
        named["brand"] = replace(workspace.brand, **_cleaned(form.brand))
    return replace(workspace, **named)


def _cleaned(form: BrandForm) -> dict[str, str | None]:
    from chalicelib.mail.addresses import sending_address

    brand = {name: value for name, value in msgspec.structs.asdict(form).items() if value is not UNSET}
    if brand.get("sender"):
        brand["sender"] = sending_address(brand["sender"])
    for name, clean, limit in (("name", clean_line, 100), ("footer", clean_lines, 500)):
        if brand.get(name):
            brand[name] = clean(brand[name], limit) or None
    return brand
