"""How a workspace wants its mails: checked, because what stands here goes into every one of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from chalicelib.domain.plain_text import clean_line, clean_lines
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import InvalidInput, MailRejected

_DAY, _MONTH = 24 * 60, 40320
Color = Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$(?!\n)")]


class BrandForm(Struct, forbid_unknown_fields=True):
    """A field that is absent stays as it is, null takes it away."""

    name: str | UnsetType | None = UNSET
    color: Color | UnsetType | None = UNSET
    logo_url: str | UnsetType | None = UNSET
    footer: str | UnsetType | None = UNSET
    sender: str | UnsetType | None = UNSET


class MailForm(Struct):
    """`hold_minutes` and `reminder_minutes` (null: none) are those of `Workspace`."""

    hold_minutes: Annotated[int, Meta(ge=0, le=_DAY)] | UnsetType = UNSET
    reminder_minutes: Annotated[int, Meta(ge=0, le=_MONTH)] | UnsetType | None = UNSET
    brand: BrandForm | UnsetType = UNSET


def with_mail_settings(workspace: Workspace, request: dict[str, Any]) -> Workspace:
    """The workspace with the settings that `request` names. Raises `InvalidInput`."""
    try:
        form = msgspec.convert(request, MailForm)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error)) from error
    named = {name: value for name, value in msgspec.structs.asdict(form).items() if value is not UNSET}
    if not isinstance(form.brand, UnsetType):
        named["brand"] = replace(workspace.brand, **_checked(form.brand))
    return replace(workspace, **named)


def _checked(form: BrandForm) -> dict[str, str | None]:
    from chalicelib.mail.addresses import sending_address
    from chalicelib.mail.links import real_link

    brand = {name: value for name, value in msgspec.structs.asdict(form).items() if value is not UNSET}
    if brand.get("logo_url") and not str(real_link(brand["logo_url"])).lower().startswith("https://"):
        raise InvalidInput("logo_url must be an https address: mail programs load no other pictures.")
    if brand.get("sender"):
        try:
            brand["sender"] = sending_address(brand["sender"])
        except MailRejected as error:
            raise InvalidInput(f"sender: {error}") from error
    for name, clean, limit in (("name", clean_line, 100), ("footer", clean_lines, 500)):
        if brand.get(name):
            brand[name] = clean(brand[name], limit) or None
    return brand
