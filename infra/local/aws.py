"""AWS on this machine: ministack as a child process that cannot outlive those who use it."""

from __future__ import annotations

import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

HOST = "127.0.0.1"
REGION = "us-east-1"
SERVICES = ("dynamodb", "dynamodbstreams", "kms", "secretsmanager")
_INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH")
_START_SECONDS = 60.0
_POLL_SECONDS = 0.05
_STOP_SECONDS = 2.0


class LocalAwsError(Exception):
    """The local AWS cannot be had; the message is one line for whoever started it."""


class LocalAws:
    """One ministack. Without `port` a free one is taken; without `log` its output is thrown away with its data.

    The child ends when nobody holds a shared lock (`flock`) on the file `lifeline` any more: the kernel lets go of a
    lock however its holder ends. Callers that give one hold it themselves, so that several processes can use the
    child; without one the child is this object's alone. `environment` is for ministack's own switches; `child` is a
    script that gets ready what it needs and then calls `serve`.
    """

    def __init__(
        self,
        port: int | None = None,
        *,
        services: Sequence[str] = SERVICES,
        log: Path | None = None,
        lifeline: Path | None = None,
        environment: Mapping[str, str] | None = None,
        child: Path = Path(__file__),
    ) -> None:
        self.port = port if port is not None else _free_port()
        self._services = services
        self._log = log
        self._lifeline = lifeline
        self._environment = dict(environment or {})
        self._child = child
        self._held: IO[bytes] | None = None
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def environment(self) -> dict[str, str]:
        """What makes boto3, pynamodb and Chalice talk to this AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def client(self, service: str) -> Any:
        """A boto3 client for this AWS, whatever the environment says."""
        import boto3

        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
        )

    def create_key(self, alias: str) -> str:
        """See the function of that name."""
        return create_key(self.client("kms"), alias)

    def start(self) -> Self:
        """Come back when it answers. Raises `LocalAwsError` if it cannot."""
        if find_spec("ministack") is None:
            raise LocalAwsError("ministack is not installed: it is in requirements-dev.txt")
        _check_free(self.port)
        self._directory = Path(tempfile.mkdtemp(prefix="meetlink-aws-"))
        lifeline = self._lifeline or self._hold(self._directory / "lifeline")
        log = self._log or self._directory / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", str(self._child), str(lifeline), str(self._directory)],
                env=self._child_environment(self._directory),
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us, who then stop it in order.
            )
        try:
            self._wait_until_ready(self._process, log)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the child and all that it started, and remove its data."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._held is not None:
            self._held.close()
            self._held = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _hold(self, lifeline: Path) -> Path:
        self._held = lifeline.open("wb")
        fcntl.flock(self._held, fcntl.LOCK_SH)
        return lifeline

    def _child_environment(self, directory: Path) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return inherited | {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": HOST,  # By default it listens to the whole network, and it runs code.
            "SERVICES": ",".join(self._services),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(directory),
            "STATE_DIR": str(directory / "state"),
            "S3_DATA_DIR": str(directory / "s3"),
            # It would look for containers to clear away: nobody's containers are its own here.
            "DOCKER_HOST": f"unix://{directory}/no-docker",
            **self._environment,
        }

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log: Path) -> None:
        ends = time.monotonic() + _START_SECONDS
        while not answers(self.port):
            if process.poll() is not None:
                last = (log.read_text(errors="replace").strip().splitlines() or ["it says nothing"])[-1]
                raise LocalAwsError(f"ministack ended with status {process.returncode}: {last}")
            if time.monotonic() > ends:
                raise LocalAwsError(f"ministack did not answer within {_START_SECONDS:.0f} s on port {self.port}")
            time.sleep(_POLL_SECONDS)


def create_key(kms: Any, alias: str) -> str:
    """The id of the KMS key with that alias (`alias/…`), made if there is none. `kms` is a boto3 client."""
    try:
        return str(kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"])
    except kms.exceptions.NotFoundException:
        key_id = str(kms.create_key(Description="meetlink")["KeyMetadata"]["KeyId"])
        kms.create_alias(AliasName=alias, TargetKeyId=key_id)
        return key_id


def answers(port: int) -> bool:
    """Whether a ministack is ready on that port of this machine."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)  # No proxy, whatever the environment says.
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise LocalAwsError(f"port {port} is in use: stop what listens there, or choose another") from error


def serve(lifeline: str, directory: str) -> None:
    """The child: ministack, in this process."""
    threading.Thread(target=_end_with_users, args=(lifeline, directory), daemon=True).start()
    from ministack.app import main  # type: ignore[import-untyped]

    sys.argv[1:] = []
    main()


def _end_with_users(lifeline: str, directory: str) -> None:
    with Path(lifeline).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Still locked, so that a new user waits until this is over and then starts its own.
        shutil.rmtree(directory, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    serve(*sys.argv[1:])
