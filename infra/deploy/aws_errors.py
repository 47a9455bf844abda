"""Explain an AWS error to the operator in one line: what happened and what to do next."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)

_REFUSED_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}


def explain(error: BotoCoreError | ClientError) -> str:
    """Return one line that explains an error of botocore."""
    text = " ".join(str(error).split())
    if isinstance(error, NoRegionError):
        return "No region is configured: pass --region, such as eu-central-1."
    if isinstance(error, ProfileNotFound):
        return f"{text}. `aws configure list-profiles` shows those that exist."
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError | SSOError):
        return (
            f"No usable AWS credentials ({text}): sign in with `aws sso login` or `aws configure`, or pass --profile."
        )
    if isinstance(error, ConnectionError | HTTPClientError):
        return f"Cannot reach AWS ({text}): check the network and the region's name, then run this again."
    if isinstance(error, ClientError):
        code = error.response["Error"].get("Code", "")
        if code in _REFUSED_CREDENTIALS:
            return f"AWS refuses these credentials ({code}): sign in again, or pass --profile."
        if code in _DENIED:
            return (
                f'{text} Get this permission (docs/operators.md, "Rights of the deploying role"), then run this again.'
            )
    return text
