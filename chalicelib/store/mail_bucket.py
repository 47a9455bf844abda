"""The bucket in which SES stores received emails. Each is deleted after a day."""

from __future__ import annotations

from typing import Any

from chalicelib.errors import StoreUnavailable


class MailBucket:
    """Reads from one bucket with a botocore `s3` client."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def read(self, key: str, *, max_bytes: int) -> bytes | None:
        """Return an email; None if it is larger than `max_bytes`, which are then not read.

        Raises `StoreUnavailable`, also for an email that was deleted: without the right to list the bucket, S3 refuses
        a missing object like a forbidden one.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            response = self._client.get_object(Bucket=self.name, Key=key)
            if response["ContentLength"] > max_bytes:
                response["Body"].close()
                return None
            content: bytes = response["Body"].read()
        except ClientError as error:
            raise StoreUnavailable(f"S3: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"S3: {type(error).__name__}") from error
        return content
