"""AWS on this machine: ministack as a child process that ends with its users."""

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
SERVICES = ("dynamodb", "dynamodbstreams", "kms", "s3", "secretsmanager", "sqs")
_INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH")
_START_SECONDS = 60.0
_POLL_SECONDS = 0.05
_STOP_SECONDS = 2.0
_WRITE_SECONDS = 20.0
"""How long it may write what it keeps."""


class LocalAwsError(Exception):
    """The local AWS did not start. The message is one line for the person who started it."""


class LocalAws:
    """One ministack.

    Without `port` it picks a free one. Without `log` its output is deleted with its data. `environment` is for
    ministack's own settings. `child` is a script that prepares what it needs and then calls `serve`.

    The child ends when no process holds a shared lock (`flock`) on the file `lifeline`: the kernel releases a lock
    however its holder ends. With a `lifeline`, the callers hold the lock themselves, so that several processes can use
    the child. Without one, only this object uses the child.
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
        """Return the settings that point boto3, pynamodb and Chalice at this AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client for this AWS, regardless of the environment."""
        import boto3

        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
        )

    def create_key(self, alias: str) -> str:
        """Create a KMS key: see the function `create_key`."""
        return create_key(self.client("kms"), alias)

    def start(self) -> Self:
        """Start it and wait until it responds. Raises `LocalAwsError` if it does not."""
        if find_spec("ministack") is None:
            raise LocalAwsError("ministack is not installed. Install requirements-dev.txt")
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
                start_new_session=True,  # Ctrl-C reaches this process, which then stops the child.
            )
        try:
            self._wait_until_ready(self._process, log)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the child and its children, and remove its data."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_WRITE_SECONDS if "PERSIST_STATE" in self._environment else _STOP_SECONDS)
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
            # Otherwise it would look for containers to remove. None here belong to it.
            "DOCKER_HOST": f"unix://{directory}/no-docker",
            **self._environment,
        }

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not answers(self.port):
            if process.poll() is not None:
                last = (log.read_text(errors="replace").strip().splitlines() or ["it printed nothing"])[-1]
                raise LocalAwsError(f"ministack ended with status {process.returncode}: {last}")
            if time.monotonic() > deadline:
                raise LocalAwsError(f"ministack did not respond within {_START_SECONDS:.0f} s on port {self.port}")
            time.sleep(_POLL_SECONDS)


def create_key(kms: Any, alias: str) -> str:
    """Return the id of the KMS key with this alias (`alias/…`). Create it if needed. `kms` is a boto3 client."""
    try:
        return str(kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"])
    except kms.exceptions.NotFoundException:
        key_id = str(kms.create_key(Description="meetlink")["KeyMetadata"]["KeyId"])
        kms.create_alias(AliasName=alias, TargetKeyId=key_id)
        return key_id


def answers(port: int) -> bool:
    """Return whether a ministack is ready on this port."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)  # Uses no proxy, regardless of the environment.
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
    """Run ministack in this process, the child."""
    threading.Thread(target=_end_with_users, args=(lifeline, directory), daemon=True).start()
    from ministack.app import main  # type: ignore[import-untyped]

    sys.argv[1:] = []
    main()


def _end_with_users(lifeline: str, directory: str) -> None:
    with Path(lifeline).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Still locked: a new user waits until this ends and then starts another child.
        shutil.rmtree(directory, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    serve(*sys.argv[1:])
