"""The outside world's services that the product calls, without a network: mail and keys."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.invitation import Invite
from tests.chaos.network import Network
from tests.chaos.simulation import Actor


@dataclass
class Mail:
    """A mail that was accepted, and who handed it over. `is_lost` says that the sender could not write that down."""

    invite: Invite
    sender: Actor | None
    is_lost: bool = False

    @property
    def may_be_repeated(self) -> bool:
        """Whether no response confirmed that it was sent."""
        return self.is_lost or (self.sender is not None and self.sender.sandbox.is_dead)


@dataclass
class Notice:
    """A mail of the service itself."""

    to: str
    subject: str
    text: str
    sender: Actor | None = None
    is_lost: bool = False

    @property
    def may_be_repeated(self) -> bool:
        """Whether no response confirmed that it was sent."""
        return self.is_lost or (self.sender is not None and self.sender.sandbox.is_dead)


class Post:
    """Stands for SES and the mailer in front of it. `real` composes each mail as well, where a run can afford it."""

    def __init__(self, network: Network, real: Callable[[Invite], bytes] | None = None) -> None:
        self._network = network
        self._real = real
        self.mails: list[Mail] = []
        self.notices: list[Notice] = []
        self.sources: list[bytes] = []

    def send(self, invite: Invite) -> str:
        source = self._real(invite) if self._real else None

        def accept() -> str:
            self.mails.append(Mail(invite, self._network.simulation.actor))
            if source is not None:
                self.sources.append(source)
            return f"mail-{len(self.mails)}"

        return self._network.call("ses SendEmail invitation", accept)

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str:
        def accept() -> str:
            self.notices.append(Notice(to, subject, text, self._network.simulation.actor))
            return f"notice-{len(self.notices)}"

        return self._network.call("ses SendEmail notice", accept)


class Kms:
    """The two calls that the vault makes of a boto3 KMS client."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._keys: dict[bytes, tuple[bytes, dict[str, str]]] = {}

    def generate_data_key(self, *, EncryptionContext: dict[str, str], **_: Any) -> dict[str, Any]:  # noqa: N803
        def generate() -> dict[str, Any]:
            wrapped, plain = b"wrapped-%d" % len(self._keys), os.urandom(32)
            self._keys[wrapped] = plain, EncryptionContext
            return {"Plaintext": plain, "CiphertextBlob": wrapped}

        return self._network.call("kms GenerateDataKey", generate)

    def decrypt(self, *, CiphertextBlob: bytes, EncryptionContext: dict[str, str]) -> dict[str, Any]:  # noqa: N803
        def decrypt() -> dict[str, Any]:
            plain, context = self._keys[CiphertextBlob]
            if context != EncryptionContext:
                raise ClientError({"Error": {"Code": "InvalidCiphertextException"}}, "Decrypt")
            return {"Plaintext": plain}

        return self._network.call("kms Decrypt", decrypt)
