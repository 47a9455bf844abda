"""The service itself and the API key: what callers receive."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from chalicelib.version import VERSION

ProductVersion = Annotated[
    str, Meta(description="The version of meetlink, as in the header `Meetlink-Version`", examples=[VERSION])
]


class Health(Struct):
    """The service works."""

    status: Annotated[Literal["ok"], Meta(description="Always `ok`: otherwise the response is 503")]
    version: ProductVersion


class Limits(Struct):
    """What a workspace may use. The operator of the deployment sets it."""

    requests_per_second: Annotated[float, Meta(description="Requests a second, in the long run", examples=[50])]
    requests_at_once: Annotated[int, Meta(description="Requests at once, after a pause", examples=[100])]
    emails_per_minute: Annotated[
        int | None, Meta(description="Emails at once and a minute; null: no limit", examples=[600])
    ]
    emails_per_day: Annotated[int | None, Meta(description="Emails a day; null: no limit", examples=[20_000])]


class Identity(Struct):
    """What an API key belongs to."""

    workspace_id: Annotated[str, Meta(description="The id of the key's workspace", examples=["acme"])]
    name: Annotated[str, Meta(description="The name of the workspace, as its operator set it", examples=["Acme"])]
    key_id: Annotated[str, Meta(description="The id of the key; its third part", examples=["9f2c01ab"])]
    limits: Limits
    version: ProductVersion
