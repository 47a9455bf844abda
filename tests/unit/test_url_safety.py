"""Webhooks go to the public internet and nowhere else, whatever a name server says (OWASP API7: SSRF)."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.webhooks.http_sender import Outcome, WebhookSender
from chalicelib.webhooks.url_safety import AddressRefused, check_addresses, is_allowed, refusal

PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
URL = "https://receiver.example/hooks?a=b"
PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",  # RFC 1918
    "169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.0.9", "192.0.2.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "2001:db8::1", "3fff::1",
    "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::5db8:d70e",
    "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::", "2001::1", "2001:0:7f00:1::", "100::1", "5f00::1", "4000::1",
]  # fmt: skip


class Dial(httpcore.NetworkBackend):
    """Keeps which addresses are dialled, and what is said over TLS; every server answers `answer`."""

    def __init__(self, answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n", *, refuses: Iterable[str] = ()) -> None:
        self.answer = answer
        self.refuses = set(refuses)
        self.dialled: list[tuple[str, int]] = []
        self.names: list[str | None] = []
        self.sent = b""

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        self.dialled.append((host, port))
        if host in self.refuses:
            raise httpcore.ConnectError("refused")
        return _Stream(self)


class _Stream(httpcore.NetworkStream):
    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._answer = [dial.answer]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._answer.pop() if self._answer else b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._dial.sent += buffer

    def close(self) -> None:
        pass

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        assert ssl_context.check_hostname
        assert ssl_context.verify_mode is ssl.CERT_REQUIRED
        self._dial.names.append(server_hostname)
        return self

    def get_extra_info(self, info: str) -> Any:
        return None


class HostileNames:
    """A name server that answers something else every time; the last answer stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def post(names: HostileNames, dial: Dial, url: str = URL) -> Outcome:
    return WebhookSender(resolver=names, dial=dial)(url, {"webhook-id": "evt_1"}, b"{}")


def test_the_checked_address_is_connected_to_and_tls_and_http_use_the_name() -> None:
    names, dial = HostileNames([PUBLIC]), Dial()
    assert post(names, dial) == Outcome(204)
    assert (names.asked, dial.dialled, dial.names) == (
        [("receiver.example", 443)],
        [(PUBLIC, 443)],
        ["receiver.example"],
    )
    assert b"\r\nHost: receiver.example\r\n" in dial.sent
    assert dial.sent.startswith(b"POST /hooks?a=b HTTP/1.1\r\n")
    assert b"webhook-id: evt_1" in dial.sent


def test_a_name_is_not_resolved_again_after_the_check() -> None:
    names, dial = HostileNames([PUBLIC], ["127.0.0.1"]), Dial()
    assert post(names, dial) == Outcome(204)
    assert (len(names.asked), dial.dialled) == (1, [(PUBLIC, 443)])
    assert post(names, dial) == Outcome(None, "address_refused")
    assert dial.dialled == [(PUBLIC, 443)]


@pytest.mark.parametrize("private", PRIVATE)
def test_a_single_private_answer_among_public_ones_is_enough_to_refuse(private: str) -> None:
    for answers in ([private], [PUBLIC, private], [private, PUBLIC], [PUBLIC_V6, PUBLIC, private]):
        dial = Dial()
        assert post(HostileNames(answers), dial) == Outcome(None, "address_refused")
        assert dial.dialled == []


@pytest.mark.parametrize("nothing", [[], ["not an address"], [PUBLIC, ""]])
def test_an_invalid_response_of_a_resolver_is_refused(nothing: list[str]) -> None:
    dial = Dial()
    assert post(HostileNames(nothing), dial) == Outcome(None, "address_refused")
    assert dial.dialled == []


def test_after_an_address_that_is_down_the_next_checked_one_is_tried() -> None:
    names, dial = HostileNames([PUBLIC, PUBLIC_V6]), Dial(refuses=[PUBLIC])
    assert post(names, dial) == Outcome(204)
    assert dial.dialled == [(PUBLIC, 443), (PUBLIC_V6, 443)]
    assert len(names.asked) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(200, None), (301, "redirect"), (307, "redirect"), (410, "bad_status"), (500, "bad_status")]
)
def test_the_status_decides_and_no_redirect_is_followed(status: int, error: str | None) -> None:
    answer = f"HTTP/1.1 {status} Word\r\nLocation: https://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".encode()
    names, dial = HostileNames([PUBLIC]), Dial(answer)
    assert post(names, dial) == Outcome(status, error)
    assert len(dial.dialled) == len(names.asked) == 1


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 2", b"\x00" * 200_000])
def test_an_answer_that_is_not_http_is_a_failure_and_no_error(answer: bytes) -> None:
    assert post(HostileNames([PUBLIC]), Dial(answer)).error in ("no_http_answer", "no_connection")


@pytest.mark.parametrize(
    "url",
    ["http://receiver.example/", "ftp://receiver.example/", "//receiver.example/", "receiver.example", "https://",
     "https://user@receiver.example/", "https://user:pw@receiver.example/", "https://@receiver.example/",
     "https://receiver.example:22/", "https://receiver.example:80/", "https://receiver.example:0/",
     "https://receiver.example:99999/", "https://receiver.example/#x", "https://127.0.0.1/", "https://[::1]/",
     "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest/", "https://2130706433\\@receiver.example/",
     "https://münchen.example/", "https://receiver.example/ x", "https://receiver.example/\r\nX: y",
     "https://receiver.example\t/", "https://[fe80::1%25eth0]/", "https://" + "a" * 2000 + ".example/"],
)  # fmt: skip
def test_an_invalid_address_is_refused_at_registration_and_again_when_sending(url: str) -> None:
    assert refusal(url) is not None
    dial = Dial()
    assert post(HostileNames([PUBLIC]), dial, url) == Outcome(None, "address_refused")
    assert dial.dialled == []


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://receiver.example:8443/",
        "https://receiver.example:443",
        f"https://{PUBLIC}/",
        f"https://[{PUBLIC_V6}]/",
        "https://xn--mnchen-3ya.example/",
    ],
)
def test_a_public_https_address_is_accepted(url: str) -> None:
    assert refusal(url) is None


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "017700000001", "localhost", "localhost."])
def test_other_spellings_of_this_machine_are_resolved_and_then_refused(host: str) -> None:
    dial = Dial()
    assert WebhookSender(dial=dial)(f"https://{host}/", {}, b"{}").error in ("address_refused", "no_connection")
    assert dial.dialled == []


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_gets_in_through_ipv6(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    wrapped = [
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
        ipaddress.IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),
    ]
    assert not any(is_allowed(one) for one in wrapped)


@given(st.ip_addresses())
def test_every_address_that_python_calls_private_is_refused(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_loopback:
        assert not is_allowed(address)


def test_loopback_needs_the_setting_and_http_is_refused_beyond_it() -> None:
    assert refusal("http://127.0.0.1:9000/hooks") is not None
    assert refusal("http://127.0.0.1:9000/hooks", to_loopback=True) is None
    assert [str(a) for a in check_addresses(["127.0.0.1"], to_loopback=True, is_http=True)] == ["127.0.0.1"]
    for answers, plain in ((["10.0.0.1"], False), ([PUBLIC], True), (["127.0.0.1", PUBLIC], True)):
        with pytest.raises(AddressRefused):
            check_addresses(answers, to_loopback=True, is_http=plain)


@contextmanager
def server(serve: Any) -> Iterator[str]:
    """A listener on this machine that treats each connection as `serve` does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def _drip(connection: socket.socket) -> None:
    with connection:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Drip: y\r\n" * 1000:
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                return
            time.sleep(0.05)


def _flood(connection: socket.socket) -> None:
    with connection:
        connection.recv(65536)
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        except OSError:
            return


def test_a_response_that_arrives_byte_by_byte_times_out() -> None:
    begun = time.monotonic()
    with server(_drip) as url:
        assert WebhookSender(to_loopback=True, timeout_seconds=0.5)(url, {}, b"{}") == Outcome(None, "timeout")
    assert time.monotonic() - begun < 3


def test_a_body_without_end_is_not_read() -> None:
    with server(_flood) as url:
        assert WebhookSender(to_loopback=True, timeout_seconds=5)(url, {}, b"{}") == Outcome(200)


def test_a_name_server_that_never_responds_times_out_like_a_connection() -> None:
    never = threading.Event()

    def resolver(host: str, port: int) -> Sequence[str]:
        never.wait(20)
        return [PUBLIC]

    begun = time.monotonic()
    assert WebhookSender(resolver=resolver, dial=Dial(), timeout_seconds=0.3)(URL, {}, b"{}") == Outcome(
        None, "timeout"
    )
    assert time.monotonic() - begun < 2
    never.set()


def test_a_name_that_does_not_exist_is_no_connection() -> None:
    def resolver(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    assert WebhookSender(resolver=resolver, dial=Dial())(URL, {}, b"{}") == Outcome(None, "no_connection")
